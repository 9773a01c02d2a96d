//! From what a person writes to an image: a name, a name and a digest, an id, or the beginning of an id.
//!
//! In Docker's order: an exact name wins over an id that begins the same. A name with a digest must be one that the store
//! knows with that digest (CVE-2022-39253's lesson: the digest of one repository must not fetch another's image).

use rusqlite::{Connection, OptionalExtension, params};

use super::Images;
use super::blob;
use super::builtin;
use super::config::ImageConfig;
use super::digest::Digest;
use super::reference::Reference;
use crate::error::{Error, ErrorKind, Result};
use crate::id;

/// An image to make containers of.
#[derive(Clone, Debug)]
pub(crate) struct ImageHandle {
    /// `sha256:…` of its configuration: what `containers.image_id` refers to.
    pub(crate) id: String,
    /// The name in full that it was found by; empty when it was an id.
    pub(crate) reference: String,
    /// Its configuration. Everything in it is the image maker's word: check it where it is used.
    pub(crate) config: ImageConfig,
    /// Chain ids, 64 hexadecimal digits each, top first: the order of overlayfs's lower directories
    /// ([`Layout::layer`](crate::layout::Layout::layer)).
    pub(crate) layers: Vec<String>,
    /// Bytes of file content in all layers.
    pub(crate) size: i64,
}

impl Images<'_> {
    /// The image that `name` stands for.
    pub(crate) fn resolve(&self, name: &str) -> Result<ImageHandle> {
        let (id, reference) = self.resolve_id(name)?;
        self.handle(&id, reference)
    }

    /// The image of this id, as a container's row holds it: also one that was removed by force since.
    pub(crate) fn of_container(&self, id: &str) -> Result<ImageHandle> {
        self.handle(&Digest::parse(id)?, String::new())
    }

    /// Whether there is an image of this name, digest or id.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for what is neither.
    pub fn exists(&self, name: &str) -> Result<bool> {
        match self.resolve_id(name) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The id that `name` stands for, and the name in full when it is one. The built-in image is there when it is asked for.
    pub(super) fn resolve_id(&self, name: &str) -> Result<(Digest, String)> {
        match self.find_id(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => match Reference::parse(name) {
                Ok(reference) if builtin::is_named(&reference.clone().or_latest()) => {
                    self.load_built_in(&reference.or_latest())?;
                    self.find_id(name)
                }
                _ => Err(error),
            },
            found => found,
        }
    }

    /// The same, of what the store has.
    pub(super) fn find_id(&self, name: &str) -> Result<(Digest, String)> {
        self.engine.store().read(|connection| Ok(find(connection, name)))?
    }

    fn handle(&self, id: &Digest, reference: String) -> Result<ImageHandle> {
        let row = self.engine.store().read(|connection| {
            let size: Option<i64> = connection
                .prepare_cached("SELECT size FROM images WHERE id = ?1")?
                .query_row([id.as_str()], |row| row.get(0))
                .optional()?;
            let mut statement = connection.prepare_cached(
                "SELECT chain_id, opaque FROM image_layers JOIN layers USING (chain_id)
                 WHERE image_id = ?1 ORDER BY position DESC",
            )?;
            let layers: Vec<(String, bool)> = statement
                .query_map([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(size.map(|size| (size, layers)))
        })?;
        let Some((size, rows)) = row else {
            return Err(Error::not_found("image", id.as_str()));
        };
        let mut layers = Vec::with_capacity(rows.len());
        for (chain, opaque) in rows {
            layers.push(Digest::parse(&chain)?.hex().to_owned());
            if opaque {
                break;
            }
        }
        let config = ImageConfig::parse(&blob::read(self.engine.layout(), id)?)?;
        Ok(ImageHandle { id: id.as_str().to_owned(), reference, config, layers, size })
    }
}

/// The image of a name or id.
fn find(connection: &Connection, name: &str) -> Result<(Digest, String)> {
    if let Ok(id) = Digest::parse(name) {
        return match exact(connection, &id)? {
            Some(id) => Ok((id, String::new())),
            None => Err(no_such_image(name)),
        };
    }
    let hex = name.strip_prefix("sha256:").unwrap_or(name);
    let may_be_id = id::is_beginning(hex);
    match Reference::parse(name) {
        Ok(reference) => {
            if let Some(id) = named(connection, &reference)? {
                return Ok((id, reference.or_latest().to_string()));
            }
        }
        Err(error) if !may_be_id => return Err(error),
        Err(_) => {}
    }
    if may_be_id && let Some(id) = beginning(connection, hex)? {
        return Ok((id, String::new()));
    }
    Err(no_such_image(name))
}

/// The image that has this name.
fn named(connection: &Connection, reference: &Reference) -> Result<Option<Digest>> {
    let key = match reference.digest() {
        Some(digest) => reference.at(digest).to_string(),
        None => reference.clone().or_latest().to_string(),
    };
    let id: Option<String> = connection
        .prepare_cached("SELECT image_id FROM tags WHERE reference = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    id.map(|id| Digest::parse(&id)).transpose()
}

fn exact(connection: &Connection, id: &Digest) -> Result<Option<Digest>> {
    let there: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM images WHERE id = ?1 AND hidden = 0)")?
        .query_row([id.as_str()], |row| row.get(0))?;
    Ok(there.then(|| id.clone()))
}

/// The one image whose id begins with these digits.
fn beginning(connection: &Connection, hex: &str) -> Result<Option<Digest>> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM images WHERE id >= ?1 AND id < ?2 AND hidden = 0 LIMIT 2",
    )?;
    // `g` sorts after every hexadecimal digit.
    let ids: Vec<String> = statement
        .query_map(params![format!("sha256:{hex}"), format!("sha256:{hex}g")], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    match ids.as_slice() {
        [] => Ok(None),
        [id] => Digest::parse(id).map(Some),
        _ => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("multiple images have an id that begins with {hex}; give more digits"),
        )
        .with_reason("ambiguous_id")
        .about("image", hex)),
    }
}

/// Docker's words for an image that is not there: the name as people write it, with its tag.
pub(super) fn no_such_image(name: &str) -> Error {
    let shown = match Reference::parse(name) {
        Ok(reference) => reference.or_latest().familiar(),
        Err(_) => name.to_owned(),
    };
    Error::new(ErrorKind::NotFound, format!("No such image: {shown}")).about("image", name)
}
