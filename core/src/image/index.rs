//! The OCI layout that the engine root is (image-spec, image-layout.md): `oci-layout` and `index.json` beside the blobs, so that
//! skopeo, podman and others read the store in place: `skopeo copy oci:/var/lib/barque:docker.io/library/debian:12 …`.
//!
//! Both follow from the record, which marks them as stale in the transaction that changes a name or an image (`index.sql`, the
//! triggers). Whoever made that change writes them anew; when it died before, the next reconciliation does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::blob;
use super::content_lock::ContentLock;
use super::digest::Digest;
use super::manifest::{Descriptor, INDEX, MANIFEST};
use crate::Engine;
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::store::Durability;
use crate::sys;

pub(super) const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// Annotations that hold an image's name: containerd's and docker's, and OCI's.
pub(super) const NAME: &str = "io.containerd.image.name";
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An index as it is written.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    pub(super) schema_version: u32,
    pub(super) media_type: &'static str,
    pub(super) manifests: Vec<Descriptor>,
}

impl Index {
    pub(super) fn of(manifests: Vec<Descriptor>) -> Index {
        Index { schema_version: 2, media_type: INDEX, manifests }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::internal("write an index").because(error))
    }
}

/// The descriptor of a stored manifest.
pub(super) fn descriptor(engine: &Engine, digest: &Digest) -> Result<Descriptor> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        #[serde(default)]
        media_type: String,
    }
    let bytes = blob::read(engine.layout(), digest)?;
    let typed: Typed = super::json::parse(&bytes, "image manifest")?;
    let media_type = match typed.media_type {
        // An OCI manifest need not say what it is.
        text if text.is_empty() => MANIFEST.to_owned(),
        text => text,
    };
    Ok(Descriptor::of(media_type, digest, bytes.len() as u64))
}

/// Write the layout's documents if the record has changed since they were written. Where that cannot be done (a full disk), what
/// changed the record is done all the same, and the next reconciliation tries again.
pub(super) fn keep_up(engine: &Engine, held: &ContentLock) {
    let _ = refresh(engine, held);
}

fn refresh(engine: &Engine, held: &ContentLock) -> Result<()> {
    if !engine.store().read(is_stale)? {
        return Ok(());
    }
    failpoint("image-index-stale")?;
    write(engine, held)
}

/// Write the layout's documents.
pub(super) fn write(engine: &Engine, _held: &ContentLock) -> Result<()> {
    let layout = engine.layout();
    sys::file::replace_durably(&layout.oci_layout(), LAYOUT.as_bytes(), 0o600)?;
    sys::file::replace_durably(&layout.index(), &present(engine)?.to_bytes()?, 0o600)?;
    failpoint("image-index-written")?;
    engine.store().write(Durability::Crash, |transaction| {
        transaction.execute("DELETE FROM meta WHERE key = 'index'", [])?;
        Ok(())
    })
}

/// Whether they are what the record says. Where there never was an image there are none.
pub(super) fn is_right(engine: &Engine) -> Result<bool> {
    let layout = engine.layout();
    let expected = present(engine)?;
    let (Ok(index), Ok(version)) =
        (std::fs::read(layout.index()), std::fs::read(layout.oci_layout()))
    else {
        return Ok(expected.manifests.is_empty());
    };
    Ok(index == expected.to_bytes()? && version == LAYOUT.as_bytes())
}

/// The index of the images that there are.
fn present(engine: &Engine) -> Result<Index> {
    let rows: Vec<(String, Option<String>)> = engine.store().read(|connection| {
        connection
            .prepare_cached(
                "SELECT manifest, reference FROM images LEFT JOIN tags ON image_id = id
                 WHERE hidden = 0 ORDER BY reference, manifest",
            )?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    })?;
    let mut known: BTreeMap<String, Option<Descriptor>> = BTreeMap::new();
    let mut manifests = Vec::new();
    for (manifest, reference) in rows {
        let descriptor = match known.get(&manifest) {
            Some(descriptor) => descriptor.clone(),
            None => {
                // An image whose manifest is damaged is not readable: `check` tells of it, and no other is to suffer.
                let found = descriptor(engine, &Digest::parse(&manifest)?).ok();
                known.insert(manifest, found.clone());
                found
            }
        };
        let Some(descriptor) = descriptor else { continue };
        let annotations = reference.map(|name| {
            BTreeMap::from([(NAME.to_owned(), name.clone()), (REF_NAME.to_owned(), name)])
        });
        manifests.push(Descriptor { annotations, ..descriptor });
    }
    Ok(Index::of(manifests))
}

/// The same for whoever does not hold the lock.
pub(crate) fn bring_up_to_date(engine: &Engine) -> Result<()> {
    let lock = ContentLock::take(engine)?;
    refresh(engine, &lock)
}

/// Whether the documents have to be written.
pub(crate) fn is_stale(connection: &rusqlite::Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM meta WHERE key = 'index')")?
        .query_row([], |row| row.get(0))
}
