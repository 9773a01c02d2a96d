//! `system df`: what the engine keeps on disk.

use super::Engine;
use crate::api::{ContainerList, DiskUsage};
use crate::error::Result;

impl Engine {
    /// What the engine keeps on disk.
    ///
    /// # Errors
    /// When the record or a directory cannot be read.
    pub fn disk_usage(&self) -> Result<DiskUsage> {
        let request = ContainerList { all: true, size: true, ..Default::default() };
        let (layers_size, blobs_size) = self.images().sizes()?;
        Ok(DiskUsage {
            layers_size,
            images: self.images().usage()?,
            containers: self.containers().list(&request)?,
            volumes: self.volumes().usage()?,
            build_cache: self.images().build_cache()?,
            blobs_size,
        })
    }
}
