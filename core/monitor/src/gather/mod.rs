//! What a build copies: which files of a tree, and how they look in the archive.
//!
//! The tree is a build's context or the root of a stage; its files are walked by the jail that sees nothing else
//! ([`files`](crate::files)), so that neither `..` nor a link leads out of it. The rules are here, without a file system.

mod chmod;
mod ignore;
mod pattern;

pub use chmod::Chmod;
pub use ignore::{Ignore, Verdict};
pub use pattern::Pattern;
