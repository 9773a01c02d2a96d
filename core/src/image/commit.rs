//! An image made of another and one more layer: what `commit` makes of a container.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rusqlite::params;

use super::blob;
use super::config::{History, ImageConfig, RunConfig};
use super::content::{Content, patient};
use super::digest::Digest;
use super::instruction;
use super::reference::Reference;
use super::staging::{Found, Staging};
use crate::Engine;
use crate::api::{ContainerCommit, ContainerConfig, ImageCreated};
use crate::error::{Error, Result};
use crate::store::lease::Lease;
use crate::sys::clock;

/// An image in the making.
pub(crate) struct Commit<'a> {
    engine: &'a Engine,
    lease: Lease,
    names: Vec<Reference>,
    config: ImageConfig,
    history: History,
    /// The layers of the image below, lowest first.
    below: Vec<(Content, Option<Digest>)>,
    layer: Option<Content>,
}

impl<'a> Commit<'a> {
    /// Begin with the image `below` and the configuration that the container has. What cannot be is found here.
    pub(crate) fn begin(
        engine: &'a Engine,
        request: &ContainerCommit,
        below: &str,
        container: &ContainerConfig,
    ) -> Result<Commit<'a>> {
        let names = match request.reference.as_str() {
            "" => Vec::new(),
            name => vec![Reference::parse_tag(name)?],
        };
        let id = Digest::parse(below)?;
        let mut config = ImageConfig::parse(&blob::read(engine.layout(), &id)?)?;
        config.config.take_over(container);
        let mut changes = instruction::Changes::new(&mut config.config);
        for change in &request.changes {
            changes.apply(change)?;
        }
        config.created = clock::rfc3339(clock::now());
        config.author = request.author.clone();
        config.comment = request.message.clone();
        config.pass_on();
        let history = History {
            created: config.created.clone(),
            created_by: container.cmd.as_deref().unwrap_or_default().join(" "),
            author: request.author.clone(),
            comment: request.message.clone(),
            ..History::default()
        };
        let below = layers(engine, &id)?;
        let lease = Lease::take(engine.layout())?;
        Ok(Commit { engine, lease, names, config, history, below, layer: None })
    }

    /// Take in the new layer, as a plain archive, to its end.
    pub(crate) fn layer(&mut self, input: OwnedFd) -> Result<()> {
        let input = patient(File::from(input), self.engine.canceller());
        let unreadable = |error: io::Error| {
            error.downcast().unwrap_or_else(|error| Error::system("read the layer", error))
        };
        let path = self.lease.path().join("packed");
        self.layer = Some(Content::spool(path, input, unreadable)?);
        Ok(())
    }

    /// There is no new layer.
    pub(crate) fn no_files(&mut self) -> Result<()> {
        self.history.empty_layer = true;
        Ok(())
    }

    /// Put the image into the store.
    pub(crate) fn finish(mut self) -> Result<ImageCreated> {
        if let Some(layer) = self.layer.take() {
            let Content::Spooled { digest, .. } = &layer else {
                return Err(Error::internal("a layer that was not written out"));
            };
            // It is plain, so its digest is that of its content.
            self.config.rootfs.diff_ids.push(digest.clone());
            self.below.push((layer, None));
        }
        self.config.history.push(self.history);
        let config = serde_json::to_vec(&self.config)
            .map_err(|error| Error::internal("write a configuration").because(error))?;
        let mut staging = Staging::new(self.engine, &self.lease);
        let found = Found { names: self.names, config, manifest: None, layers: self.below };
        let images = staging.publish(&[found])?;
        let id = images.first().map(|image| image.id.as_str().to_owned()).unwrap_or_default();
        Ok(ImageCreated { id })
    }
}

/// The blobs of an image's layers, lowest first, as the store has them.
pub(super) fn layers(engine: &Engine, id: &Digest) -> Result<Vec<(Content, Option<Digest>)>> {
    let rows: Vec<(String, i64)> = engine.store().read(|connection| {
        connection
            .prepare_cached(
                "SELECT digest, size FROM image_layers JOIN blobs ON blob = digest
                 WHERE image_id = ?1 ORDER BY position",
            )?
            .query_map(params![id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    })?;
    let mut layers = Vec::with_capacity(rows.len());
    for (digest, size) in rows {
        let digest = Digest::parse(&digest)?;
        let path = engine.layout().blobs().join(digest.hex());
        let content = Content::Spooled { path, digest: digest.clone(), size: size as u64 };
        layers.push((content, Some(digest)));
    }
    Ok(layers)
}

impl RunConfig {
    /// Take over what a container was made with, the image's configuration among it.
    fn take_over(&mut self, container: &ContainerConfig) {
        self.user.clone_from(&container.user);
        self.exposed_ports.clone_from(&container.exposed_ports);
        self.env.clone_from(&container.env);
        self.entrypoint.clone_from(&container.entrypoint);
        self.cmd.clone_from(&container.cmd);
        self.volumes = container.volumes.clone().unwrap_or_default();
        self.working_dir.clone_from(&container.working_dir);
        self.labels.clone_from(&container.labels);
        self.stop_signal.clone_from(&container.stop_signal);
        self.stop_timeout = container.stop_timeout;
        // Plain data always has a form.
        self.healthcheck =
            container.healthcheck.as_ref().and_then(|check| serde_json::to_value(check).ok());
        self.shell.clone_from(&container.shell);
        // What is to happen when something is built on the image below has happened, or never will.
        self.on_build = container.on_build.clone().unwrap_or_default();
    }
}
