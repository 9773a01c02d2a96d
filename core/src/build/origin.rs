//! Where the files are from that a step copies or mounts.

use super::context::Context;
use crate::container::files::tree::Tree;

/// The context, one that has a name, or the layers of a stage or an image.
#[derive(Clone)]
pub(super) enum Origin<'a> {
    Context(&'a Context),
    /// Top first.
    Layers(Vec<String>),
}

impl<'a> Origin<'a> {
    pub(super) fn tree(&self) -> Tree<'a> {
        match self {
            Origin::Context(context) => Tree::Directory(&context.directory),
            Origin::Layers(layers) => Tree::Layers(layers.clone()),
        }
    }

    /// The rules of what is to be left out.
    pub(super) fn ignore(&self) -> String {
        match self {
            Origin::Context(context) => context.ignore.clone(),
            Origin::Layers(_) => String::new(),
        }
    }

    /// Whose the copies are, where it is not to be seen from the files: a context's owners are whoever checked it out, those of a stage or
    /// an image are meant.
    pub(super) fn owner(&self) -> Option<(u32, u32)> {
        match self {
            Origin::Context(_) => Some((0, 0)),
            Origin::Layers(_) => None,
        }
    }
}
