//! Importing: an image of one layer from a root file system, which has no configuration but what is asked for here.
//!
//! A tar archive is the layer as it comes; of a directory one is made. Both go the way of every layer: through the unpacker.

use std::fs::File;
use std::io::Seek;
use std::sync::Arc;

use super::Images;
use super::config::{History, ImageConfig, RootFs};
use super::content::{self, Content, Opened, open_input, patient, unreadable};
use super::manifest::Platform;
use super::reference::Reference;
use super::staging::{Found, Staging};
use super::{instruction, pack};
use crate::Engine;
use crate::api::{ImageCreated, ImageImport};
use crate::error::{Error, Result};
use crate::events;
use crate::store::lease::Lease;
use crate::sys::clock;

impl Images<'_> {
    /// Make an image of one layer from a root file system: a tar archive (plain, gzip or zstd) or a directory.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) when it is not an archive or was cut short,
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a name, platform or change that cannot be.
    pub fn import(&self, request: &ImageImport) -> Result<ImageCreated> {
        let names = match request.reference.as_str() {
            "" => Vec::new(),
            name => vec![Reference::parse_tag(name)?],
        };
        let mut config = config(request)?;
        let input = open_input(&request.input)?;
        let lease = Lease::take(self.engine.layout())?;
        let content = match input {
            Opened::File(file) => stream(self.engine, &lease, file)?,
            Opened::Directory(root) => pack::directory(self.engine, &lease, &root)?,
        };
        let mut staging = Staging::new(self.engine, &lease);
        let diff_id = staging.lone_layer(&content).map_err(content::blame(&request.input))?;
        config.rootfs = RootFs { kind: "layers".to_owned(), diff_ids: vec![diff_id] };
        let config = serde_json::to_vec(&config)
            .map_err(|error| Error::internal("write a configuration").because(error))?;
        let found = Found { names, config, manifest: None, layers: vec![(content, None)] };
        let images = staging.publish(&[found])?;
        let id = images.first().map(|image| image.id.as_str().to_owned()).unwrap_or_default();
        events::image(self.engine, "import", &id, &id);
        Ok(ImageCreated { id })
    }
}

fn config(request: &ImageImport) -> Result<ImageConfig> {
    let mut platform = match request.platform.as_str() {
        "" => Platform::this(),
        text => {
            let platform = Platform::parse(text)?;
            if platform.os != "linux" {
                return Err(Error::unsupported(format!("{text}: only linux images can be made")));
            }
            platform
        }
    };
    // What is in there is not known to need this processor's level, unless it was said.
    if platform.architecture == "amd64" && request.platform.split('/').count() < 3 {
        platform.variant.clear();
    }
    let created = clock::rfc3339(clock::now());
    let comment = match request.message.as_str() {
        "" => match request.input.path.as_str() {
            "" => "Imported from -".to_owned(),
            path => format!("Imported from {path}"),
        },
        message => message.to_owned(),
    };
    let mut config = ImageConfig {
        created: created.clone(),
        architecture: platform.architecture,
        variant: platform.variant,
        os: platform.os,
        comment: comment.clone(),
        history: vec![History { created, comment, ..History::default() }],
        ..ImageConfig::default()
    };
    let mut changes = instruction::Changes::new(&mut config.config);
    for change in &request.changes {
        changes.apply(change)?;
    }
    Ok(config)
}

/// An archive as content: a part of a file that can be read again, or what came through a pipe, written out.
fn stream(engine: &Engine, lease: &Lease, mut file: File) -> Result<Content> {
    let failed = |error| Error::system("read the archive", error);
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_file() {
        let offset = file.stream_position().map_err(failed)?;
        let size = metadata.len().saturating_sub(offset);
        return Ok(Content::Range { file: Arc::new(file), offset, size });
    }
    Content::spool(lease.path().join("archive"), patient(file, engine.canceller()), unreadable)
}
