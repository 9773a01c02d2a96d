//! Jails for a build: on the files of its context, of its stages, and of a step's writable layer.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use barque_monitor::protocol::{Gather, Job, Overlay, Place, Report, UpperWork, View};

use super::feed::{self, Feed};
use super::jail::{Jail, Wiring};
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::socket;

/// Where files are taken from.
pub(crate) enum Tree<'a> {
    /// A directory.
    Directory(&'a OwnedFd),
    /// Layers, top first.
    Layers(Vec<String>),
}

/// What `wanted` names in a tree, as an archive that `take` reads.
pub(crate) fn gather<T>(
    engine: &Engine,
    tree: Tree<'_>,
    wanted: Gather,
    take: impl FnOnce(OwnedFd) -> Result<T>,
) -> Result<T> {
    let (view, directory) = match tree {
        Tree::Directory(fd) => (View::Directory, Some(fd)),
        Tree::Layers(lower) => {
            let rootfs = Overlay { lower, upper: None };
            (View::Stopped { rootfs, mounts: Vec::new(), read_only: true }, None)
        }
    };
    read(engine, view, Job::Gather(wanted), directory, take)
}

/// The upper directory of an overlay as the archive of a layer, which `take` reads.
pub(crate) fn pack<T>(
    engine: &Engine,
    upper: &OwnedFd,
    take: impl FnOnce(OwnedFd) -> Result<T>,
) -> Result<T> {
    read(engine, View::Directory, Job::Layer { freeze: String::new() }, Some(upper), take)
}

fn read<T>(
    engine: &Engine,
    view: View,
    job: Job,
    directory: Option<&OwnedFd>,
    take: impl FnOnce(OwnedFd) -> Result<T>,
) -> Result<T> {
    let (output, theirs) = socket::pair()?;
    let wiring = Wiring { output: Some(theirs.as_fd()), tied: true, ..Wiring::default() };
    let mut jail = Jail::on_tree(engine, view, job, wiring, directory)?;
    drop(theirs);
    let taken = take(output);
    match (jail.report(engine.canceller()), taken) {
        (Ok(Report::Done), taken) => taken,
        (Ok(_), Ok(_)) => Err(Error::internal("the jail does not say that it is done")),
        // What could not be read here made the jail fail, or the other way round.
        (Err(error), Err(taken)) if error.message().starts_with("write the archive") => Err(taken),
        (Err(error), _) => Err(error),
        (_, Err(taken)) => Err(taken),
    }
}

/// Whether there is something at a path of these layers, top first.
pub(crate) fn exists(engine: &Engine, lower: Vec<String>, path: &str) -> Result<bool> {
    let view = View::Stopped {
        rootfs: Overlay { lower, upper: None },
        mounts: Vec::new(),
        read_only: true,
    };
    let wiring = Wiring { tied: true, ..Wiring::default() };
    let job = Job::Stat { path: path.to_owned() };
    match Jail::on_tree(engine, view, job, wiring, None)?.finish(engine.canceller()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Remove a file or an empty directory.
pub(crate) fn remove(engine: &Engine, target: Target, path: &str) -> Result<()> {
    let rootfs = Overlay { lower: target.lower, upper: Some(target.upper) };
    let view = View::Stopped { rootfs, mounts: Vec::new(), read_only: false };
    let job = Job::Remove { path: path.to_owned(), recursive: false };
    let wiring = Wiring { tied: true, ..Wiring::default() };
    Jail::on_tree(engine, view, job, wiring, None)?.finish(engine.canceller())
}

/// Unpack the archive that `give` writes into a directory.
pub(crate) fn unpack(
    engine: &Engine,
    directory: &OwnedFd,
    give: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<()> {
    let job =
        Job::Extract { path: "/".to_owned(), no_overwrite_dir_non_dir: false, user: String::new() };
    write(engine, View::Directory, job, Some(directory), give)
}

/// The layers a place is looked up in: those below, top first, and the one that is written.
pub(crate) struct Target {
    pub(crate) lower: Vec<String>,
    pub(crate) upper: UpperWork,
}

/// Unpack where `wanted` says what `give` writes.
pub(crate) fn place(
    engine: &Engine,
    target: Target,
    wanted: Place,
    give: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<()> {
    let rootfs = Overlay { lower: target.lower, upper: Some(target.upper) };
    let view = View::Stopped { rootfs, mounts: Vec::new(), read_only: false };
    write(engine, view, Job::Place(wanted), None, give)
}

fn write(
    engine: &Engine,
    view: View,
    job: Job,
    directory: Option<&OwnedFd>,
    give: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<()> {
    let (mut feed, theirs) = Feed::pair(engine.canceller())?;
    let wiring = Wiring { input: Some(theirs.as_fd()), tied: true, ..Wiring::default() };
    let jail = Jail::on_tree(engine, view, job, wiring, directory)?;
    drop(theirs);
    match give(&mut feed) {
        // It knows better why it took no more.
        Err(error) if !feed::is_hang_up(&error) => return Err(feed::failed(error)),
        _ => {}
    }
    drop(feed);
    jail.finish(engine.canceller())
}
