//! Images: one verb a file, and the nouns they share.
//!
//! An image comes in ([`load`], [`import`], the built-in one) as blobs and a manifest in a leased temporary directory, is
//! verified and unpacked there, and gets its names in the store all at once ([`publish`]). From then on it is rows of the
//! database and directories that nobody changes.

mod blob;
mod builtin;
mod compression;
mod config;
mod content;
mod content_lock;
mod digest;
mod history;
mod imply;
mod inspect;
mod json;
mod layer;
mod list;
mod load;
mod manifest;
mod names;
pub(crate) mod publish;
mod reference;
mod remove;
mod resolve;
mod sharing;
mod staging;
mod tag;

use crate::Engine;
use crate::api::*;
use crate::error::{Error, Result};

pub(crate) use config::{ImageConfig, RunConfig};
pub(crate) use digest::Digest;
pub(crate) use reference::Reference;
pub(crate) use resolve::ImageHandle;

/// The images of an engine.
#[derive(Clone, Copy)]
pub struct Images<'a> {
    engine: &'a Engine,
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        impl<'a> Images<'a> {
            pub(crate) fn new(engine: &'a Engine) -> Images<'a> {
                Images { engine }
            }
            $($(#[$doc])*
            ///
            /// # Errors
            /// See `docs/errors.md`.
            pub fn $name(&self, $($arg: $type),*) -> Result<$result> {
                $(let _ = $arg;)*
                let _ = self.engine;
                Err(Error::unsupported(stringify!($name)))
            })*
        }
    };
}

verbs! {
    /// Make an image of one layer from a root file system.
    import(request: &ImageImport) -> ImageCreated;
}

#[cfg(test)]
mod tests;
