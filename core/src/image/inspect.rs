//! Everything about one image.

use std::collections::BTreeMap;

use super::Images;
use super::names;
use crate::api::{GraphDriver, ImageInspect, ImageMetadata, RootFs};
use crate::error::Result;
use crate::sys::clock;

/// What Go's zero time looks like in Docker's documents.
const NEVER: &str = "0001-01-01T00:00:00Z";

impl Images<'_> {
    /// Everything about an image.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such image.
    pub fn inspect(&self, name: &str) -> Result<ImageInspect> {
        let image = self.resolve(name)?;
        let names = self.engine.store().read(|connection| names::of(connection, &image.id))?;
        let directories: Vec<String> = image
            .layers
            .iter()
            .map(|layer| self.engine.layout().layer(layer).display().to_string())
            .collect();
        let mut data = BTreeMap::new();
        if let Some((top, lower)) = directories.split_first() {
            data.insert("UpperDir".to_owned(), top.clone());
            if !lower.is_empty() {
                data.insert("LowerDir".to_owned(), lower.join(":"));
            }
        }
        let config = image.config;
        Ok(ImageInspect {
            id: image.id,
            repo_tags: names.tags,
            repo_digests: names.digests,
            parent: config.parent.clone(),
            comment: config.comment.clone(),
            created: if config.created.is_empty() {
                NEVER.to_owned()
            } else {
                config.created.clone()
            },
            docker_version: config.docker_version.clone(),
            author: config.author.clone(),
            config: config.config.to_document(),
            architecture: config.architecture.clone(),
            variant: config.variant.clone(),
            os: config.os.clone(),
            size: image.size,
            graph_driver: GraphDriver { name: "overlay2".to_owned(), data },
            root_fs: RootFs {
                kind: "layers".to_owned(),
                layers: config.rootfs.diff_ids.iter().map(|id| id.as_str().to_owned()).collect(),
            },
            metadata: ImageMetadata {
                last_tag_time: match names.last {
                    0 => NEVER.to_owned(),
                    time => clock::rfc3339(time),
                },
            },
        })
    }
}
