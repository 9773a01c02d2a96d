//! Images: one verb a file, and the nouns they share.
//!
//! An image comes in ([`load`], [`import`], the built-in one) as blobs and a manifest in a leased temporary directory, is
//! verified and unpacked there, and gets its names in the store all at once ([`publish`]). From then on it is rows of the
//! database and directories that nobody changes.

mod blob;
pub(crate) mod budget;
mod build;
pub(crate) mod built;
mod builtin;
mod cache;
mod cache_filter;
pub(crate) mod cache_mounts;
pub(crate) mod cache_store;
mod check;
mod commit;
pub(crate) mod compression;
pub(crate) mod config;
pub(crate) mod content;
mod content_lock;
pub(crate) mod digest;
mod download;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
mod gzip;
pub(crate) mod hashing;
mod history;
mod imply;
mod import;
pub(crate) mod index;
mod ingest;
mod inspect;
pub(crate) mod instruction;
pub(crate) mod json;
mod layer;
mod list;
mod load;
pub(crate) mod manifest;
mod names;
mod pack;
mod prune;
pub(crate) mod publish;
mod pull;
mod push;
pub(crate) mod reference;
mod remove;
mod resolve;
mod save;
mod search;
mod sharing;
mod sound;
mod staging;
mod tag;

use crate::Engine;

pub(crate) use build::Build;
pub(crate) use commit::Commit;
pub(crate) use config::ImageConfig;
pub(crate) use digest::Digest;
pub(crate) use ingest::sweep as sweep_ingest;
pub(crate) use json::MAX_SIZE as MAX_DOCUMENT;
pub(crate) use layer::unpack_into;
pub(crate) use load::Which;
pub(crate) use pull::Policy;
pub(crate) use reference::Reference;
pub(crate) use resolve::ImageHandle;

/// The images of an engine.
#[derive(Clone, Copy)]
pub struct Images<'a> {
    engine: &'a Engine,
}

impl<'a> Images<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Images<'a> {
        Images { engine }
    }

    pub(crate) fn engine(&self) -> &'a Engine {
        self.engine
    }
}

#[cfg(test)]
mod tests;
