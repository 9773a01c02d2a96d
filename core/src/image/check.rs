//! Checking the store: every blob against its digest, every layer against its blob, every document against the record.
//!
//! Nothing of a layer's directory says what its digest is, so it is unpacked once more from its blob, and the two are compared as
//! archives of a canonical form ([`pack::fingerprint`]). That takes as long as loading everything did, and finds what the quick look
//! of a load ([`sound`](super::sound)) cannot: bits that a disk lost. Repairing takes nothing away but what nothing refers to.

use std::collections::BTreeSet;

use super::blob;
use super::config::ImageConfig;
use super::content::Content;
use super::content_lock::ContentLock;
use super::digest::{Digest, chain_id};
use super::imply;
use super::index;
use super::layer;
use super::manifest::Document;
use super::pack;
use super::publish;
use super::sound;
use crate::Engine;
use crate::api::{CheckProblem, SystemCheck, SystemChecked};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::failpoint;
use crate::store::lease::Lease;
use crate::sys::directory;

impl Engine {
    /// Compare everything that is stored with its digest, and put right what can be.
    ///
    /// # Errors
    /// When something cannot be read at all. What is wrong with what can be read is in the answer.
    pub fn check(&self, request: &SystemCheck) -> Result<SystemChecked> {
        let mut check = Check {
            engine: self,
            repair: request.repair,
            told: SystemChecked::default(),
            damaged: BTreeSet::new(),
        };
        check.record()?;
        check.blobs()?;
        check.images()?;
        check.layers()?;
        check.strays()?;
        check.index()?;
        Ok(check.told)
    }
}

struct Check<'a> {
    engine: &'a Engine,
    repair: bool,
    told: SystemChecked,
    /// Digests of blobs that are not what they should be.
    damaged: BTreeSet<String>,
}

/// A layer's row, and a blob to unpack it from.
struct LayerRow {
    chain: Digest,
    diff_id: Digest,
    parent: Option<Digest>,
    opaque: bool,
    blob: Option<Digest>,
}

impl Check<'_> {
    fn tell(&mut self, kind: &str, id: &str, problem: String, images: Vec<String>, repaired: bool) {
        self.told.problems.push(CheckProblem {
            kind: kind.to_owned(),
            id: id.to_owned(),
            problem,
            images,
            repaired,
        });
    }

    /// The database itself (https://sqlite.org/pragma.html, integrity_check, foreign_key_check).
    fn record(&mut self) -> Result<()> {
        let found: Vec<String> = self.engine.store().read(|connection| {
            let mut found: Vec<String> = connection
                .prepare("PRAGMA integrity_check(20)")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            found.retain(|line| line != "ok");
            let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (table, of): (String, String) = (row.get(0)?, row.get(2)?);
                found.push(format!("a row of {table} refers to one of {of} that is not there"));
            }
            Ok(found)
        })?;
        for problem in found {
            self.tell("record", "barque.db", problem, Vec::new(), false);
        }
        Ok(())
    }

    fn blobs(&mut self) -> Result<()> {
        let rows: Vec<(String, i64, bool)> = self.engine.store().read(|connection| {
            connection
                .prepare_cached("SELECT digest, size, damaged FROM blobs ORDER BY digest")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })?;
        for (text, size, was_damaged) in rows {
            let digest = Digest::parse(&text)?;
            let found = wrong(blob::verify(self.engine, &digest, size))?;
            if found.is_some() != was_damaged {
                // What cannot be remembered (a full disk) is told all the same.
                let _ = sound::judge_blob(self.engine, &digest, found.is_some());
            }
            let Some(found) = found else {
                self.told.blobs += 1;
                continue;
            };
            // One that was removed since its row was read is none that is missing.
            if self.knows("SELECT EXISTS (SELECT 1 FROM blobs WHERE digest = ?1)", &text)? {
                let images = self.images_of(
                    "SELECT image_id FROM image_layers WHERE blob = ?1
                     UNION SELECT id FROM images WHERE id = ?1 OR manifest = ?1",
                    &text,
                )?;
                self.damaged.insert(text.clone());
                self.tell("blob", &text, found, images, false);
            }
        }
        Ok(())
    }

    /// Documents and record must say the same.
    fn images(&mut self) -> Result<()> {
        let rows: Vec<(String, String)> = self.engine.store().read(|connection| {
            connection
                .prepare_cached("SELECT id, manifest FROM images ORDER BY id")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        for (id, manifest) in rows {
            if self.damaged.contains(&id) || self.damaged.contains(&manifest) {
                continue;
            }
            match wrong(self.image(&Digest::parse(&id)?, &Digest::parse(&manifest)?))? {
                None => self.told.images += 1,
                Some(found)
                    if self.knows("SELECT EXISTS (SELECT 1 FROM images WHERE id = ?1)", &id)? =>
                {
                    self.tell("image", &id.clone(), found, vec![id], false);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn image(&self, id: &Digest, manifest: &Digest) -> Result<()> {
        let layout = self.engine.layout();
        let config = ImageConfig::parse(&blob::read(layout, id)?)?;
        let layers = match Document::parse(&blob::read(layout, manifest)?)? {
            Document::Manifest(manifest) if manifest.config.digest == *id => manifest.layers,
            _ => return Err(blob::damaged(manifest, "is no manifest of its image")),
        };
        let mut expected: Vec<(String, String)> = Vec::new();
        let mut chain: Option<Digest> = None;
        for (diff_id, layer) in config.rootfs.diff_ids.iter().zip(&layers) {
            let next = chain_id(chain.as_ref(), diff_id);
            expected.push((next.as_str().to_owned(), layer.digest.as_str().to_owned()));
            chain = Some(next);
        }
        let recorded: Vec<(String, String)> = self.engine.store().read(|connection| {
            connection
                .prepare_cached(
                    "SELECT chain_id, blob FROM image_layers WHERE image_id = ?1 ORDER BY position",
                )?
                .query_map([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        if expected.len() == layers.len() && expected == recorded {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "image {id} has other layers in the record than in its documents; remove it and load or pull it again"
            ),
        ))
    }

    fn layers(&mut self) -> Result<()> {
        for row in self.layer_rows()? {
            self.engine.canceller().check()?;
            let chain = row.chain.as_str().to_owned();
            let usable = row.blob.clone().filter(|blob| !self.damaged.contains(blob.as_str()));
            let Some(blob) = usable else {
                // The blob's own row tells of it; whether the layer is what it should be cannot be said.
                continue;
            };
            let lease = Lease::take(self.engine.layout())?;
            let found = match self.compare(&row, &blob, &lease) {
                Ok(None) => {
                    self.told.layers += 1;
                    if self.repair && !sound::layer(self.engine, &row.chain)? {
                        sound::renew(self.engine, &row.chain)?;
                    }
                    continue;
                }
                Ok(Some(found)) => found,
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
                    error.message().to_owned()
                }
                Err(error) => return Err(error),
            };
            if !self.knows("SELECT EXISTS (SELECT 1 FROM layers WHERE chain_id = ?1)", &chain)? {
                continue;
            }
            let images =
                self.images_of("SELECT image_id FROM image_layers WHERE chain_id = ?1", &chain)?;
            let (problem, repaired) = match self.repair {
                false => {
                    let _ = sound::condemn_layer(self.engine, &row.chain);
                    (format!("{found}; check with repair, or load or pull its image again"), false)
                }
                true => match self.put_back(&row, &lease) {
                    Ok(()) => (found, true),
                    Err(error) => (format!("{found}: {}", error.message()), false),
                },
            };
            self.tell("layer", &chain, problem, images, repaired);
        }
        Ok(())
    }

    /// Unpack the layer again, below the lease; what is wrong with the stored one.
    fn compare(&self, row: &LayerRow, blob: &Digest, lease: &Lease) -> Result<Option<String>> {
        let layout = self.engine.layout();
        let path = blob::path(layout, blob);
        let size = path
            .metadata()
            .map_err(|error| Error::system(format!("stat {}", path.display()), error))?
            .len();
        let content = Content::Spooled { path, digest: blob.clone(), size };
        let again = layer::stage(self.engine, lease, row.chain.hex(), &content, Some(blob), false)?;
        row.diff_id.check(&again.diff_id, "a layer's content")?;
        let below = self.below(row)?;
        let below: Vec<&std::path::Path> = below.iter().map(std::path::PathBuf::as_path).collect();
        imply::copy_up(&again.path, &again.unpacked.implied, &below)?;
        if again.unpacked.opaque != row.opaque {
            return Ok(Some(
                "the record has another mark of what it hides than the layer".to_owned(),
            ));
        }
        let stored = match directory::open(&layout.layer(row.chain.hex())) {
            Ok(stored) => stored,
            Err(error) if error.errno() == Some(libc::ENOENT) => {
                return Ok(Some("its directory is missing".to_owned()));
            }
            Err(error) if matches!(error.errno(), Some(libc::ENOTDIR | libc::ELOOP)) => {
                return Ok(Some("it is no directory".to_owned()));
            }
            Err(error) => return Err(error),
        };
        let wanted = pack::fingerprint(self.engine, &directory::open(&again.path)?)?;
        let has = match pack::fingerprint(self.engine, &stored) {
            // Deeper than a layer can be, or changed while it was read: it is not what was unpacked.
            Err(error) if error.kind() == ErrorKind::InvalidArgument => {
                return Ok(Some("its files are not those of its archive".to_owned()));
            }
            has => has?,
        };
        Ok((wanted != has).then(|| "its files are not those of its archive".to_owned()))
    }

    /// Put what was unpacked again in the layer's place.
    fn put_back(&self, row: &LayerRow, lease: &Lease) -> Result<()> {
        let whole = lease.path().join(format!("layer-{}", row.chain.hex()));
        crate::store::lease::sync(lease)?;
        let lock = ContentLock::take(self.engine)?;
        failpoint("image-check-replacing")?;
        publish::replace(self.engine, &row.chain, &whole, &lock)
    }

    /// The layers that a layer takes the attributes of implied directories from, nearest first.
    fn below(&self, row: &LayerRow) -> Result<Vec<std::path::PathBuf>> {
        let mut paths = Vec::new();
        if row.opaque {
            return Ok(paths);
        }
        let mut next = row.parent.clone();
        while let Some(chain) = next {
            paths.push(self.engine.layout().layer(chain.hex()));
            let (parent, opaque): (Option<String>, bool) =
                self.engine.store().read(|connection| {
                    connection
                        .prepare_cached("SELECT parent, opaque FROM layers WHERE chain_id = ?1")?
                        .query_row([chain.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
                })?;
            next = match parent {
                Some(parent) if !opaque => Some(Digest::parse(&parent)?),
                _ => None,
            };
        }
        Ok(paths)
    }

    /// Lower ones first: what is taken from below is then whole already.
    fn layer_rows(&self) -> Result<Vec<LayerRow>> {
        type Row = (String, String, Option<String>, bool, Option<String>);
        let rows: Vec<Row> = self.engine.store().read(|connection| {
            connection
                .prepare_cached(
                    "WITH RECURSIVE stack (chain, depth) AS (
                         SELECT chain_id, 0 FROM layers WHERE parent IS NULL
                         UNION ALL
                         SELECT chain_id, depth + 1 FROM layers JOIN stack ON parent = chain
                     )
                     SELECT chain_id, diff_id, parent, opaque,
                            (SELECT blob FROM image_layers AS l WHERE l.chain_id = layers.chain_id
                             UNION ALL
                             SELECT blob FROM build_cache AS c WHERE c.chain_id = layers.chain_id LIMIT 1)
                     FROM stack JOIN layers ON chain_id = chain ORDER BY depth, chain_id",
                )?
                .query_map([], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
                })?
                .collect()
        })?;
        rows.into_iter()
            .map(|(chain, diff_id, parent, opaque, blob)| {
                Ok(LayerRow {
                    chain: Digest::parse(&chain)?,
                    diff_id: Digest::parse(&diff_id)?,
                    parent: parent.as_deref().map(Digest::parse).transpose()?,
                    opaque,
                    blob: blob.as_deref().map(Digest::parse).transpose()?,
                })
            })
            .collect()
    }

    /// Files of the store that nothing refers to.
    fn strays(&mut self) -> Result<()> {
        let lock = ContentLock::take(self.engine)?;
        let strays = publish::strays(self.engine, &lock)?;
        if self.repair {
            publish::remove_strays(self.engine, &strays, &lock)?;
        }
        drop(lock);
        for path in strays {
            let shown = path.strip_prefix(self.engine.layout().root()).unwrap_or(&path);
            let shown = shown.display().to_string();
            self.tell("stray", &shown, "nothing refers to it".to_owned(), Vec::new(), self.repair);
        }
        Ok(())
    }

    fn index(&mut self) -> Result<()> {
        let lock = ContentLock::take(self.engine)?;
        if index::is_right(self.engine)? {
            return Ok(());
        }
        let repaired = self.repair && index::write(self.engine, &lock).is_ok();
        drop(lock);
        let problem = "other programs see other images than there are".to_owned();
        self.tell("index", "index.json", problem, Vec::new(), repaired);
        Ok(())
    }

    fn knows(&self, sql: &str, key: &str) -> Result<bool> {
        self.engine
            .store()
            .read(|connection| connection.prepare_cached(sql)?.query_row([key], |row| row.get(0)))
    }

    fn images_of(&self, sql: &str, key: &str) -> Result<Vec<String>> {
        self.engine.store().read(|connection| {
            connection.prepare_cached(sql)?.query_map([key], |row| row.get(0))?.collect()
        })
    }
}

/// What is wrong, when that is all: an error that is not about content is one of checking.
fn wrong(result: Result<()>) -> Result<Option<String>> {
    match result {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Some(error.message().to_owned())),
        Err(error) => Err(error),
    }
}
