//! The documents: what crosses every boundary as JSON.
//!
//! Field names, units and nesting are those of the Docker Engine API (v1.45), odd capitals included. Only types live here,
//! no behaviour. Requests are strict: an unknown field is an error that names its nearest known neighbour, since a
//! misspelt limit that is silently ignored is a limit that is not there. `null` is the same as leaving a field out.

mod build;
mod container;
mod de;
mod event;
mod exec;
mod file;
mod health;
mod host_config;
mod image;
mod network;
pub mod operations;
mod registry;
mod stats;
mod supports;
mod system;
mod volume;

pub use build::*;
pub use container::*;
pub use de::parse;
pub use event::*;
pub use exec::*;
pub use file::*;
pub use health::*;
pub use host_config::*;
pub use image::*;
pub use network::*;
pub use registry::*;
pub use stats::*;
pub use supports::supports;
pub use system::*;
pub use volume::*;

/// For fields that are left out of a document while they say nothing.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
