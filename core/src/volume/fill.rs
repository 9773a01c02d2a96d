//! Filling a new volume with what the image has in its place: asked for here, done by a process of its own
//! (`barque-monitor fill`).

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use barque_monitor::protocol::volume::{DATA, FILLED};
use barque_monitor::protocol::{Fill, FillResult, Overlay};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::directory::Directory;
use super::driver::Backing;
use crate::Engine;
use crate::container::{Record, Source, Standing};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::socket;
use crate::sys::spawn::spawn;

/// Most bytes of the answer.
const LONGEST: u64 = 64 << 10;

/// Fill those of a container's volumes that are empty and are to be filled, before it runs for the first time. As docker does, a
/// volume that was emptied since is left empty.
pub(crate) fn fill(engine: &Engine, record: &Record, rootfs: Option<&Overlay>) -> Result<()> {
    if !record.mounts.iter().any(|point| point.volume().is_some()) {
        return Ok(());
    }
    let first_run = Standing::of(engine, &record.id)?.run.is_none();
    for point in &record.mounts {
        let Source::Volume { name, copy, anonymous, .. } = &point.source else { continue };
        if !matches!(engine.volumes().backing(name)?, Backing::Directory(_)) {
            continue;
        }
        let Some(directory) = Directory::lock(engine, name)? else { continue };
        let wants = *copy && first_run && is_empty(name, &directory)?;
        if !wants && !is_half_filled(name, &directory)? {
            continue;
        }
        let options = Fill {
            lower: rootfs.map(|overlay| overlay.lower.clone()).unwrap_or_default(),
            destination: if wants { point.destination.clone() } else { String::new() },
            durable: !(*anonymous && record.auto_remove),
        };
        run(engine, name, &directory, &options)?;
    }
    Ok(())
}

fn run(engine: &Engine, name: &str, directory: &Directory, options: &Fill) -> Result<()> {
    let options = serde_json::to_vec(options)
        .ok()
        .and_then(|text| CString::new(text).ok())
        .ok_or_else(|| Error::internal("write the options of a volume's filling"))?;
    let (output, report) = socket::pair()?;
    let program = engine.monitor_program()?;
    let child = spawn(
        program.as_fd(),
        &[c"barque-monitor", c"fill", &options],
        &[(directory.as_fd(), 3), (report.as_fd(), 4)],
    )?;
    drop(report);
    let mut answer = Vec::new();
    let read = File::from(output).take(LONGEST).read_to_end(&mut answer);
    let ended = child.wait();
    let lost =
        |why: String| Error::internal(format!("fill volume {name}: no result ({why}, {ended:?})"));
    read.map_err(|error| lost(error.to_string()))?;
    match serde_json::from_slice(&answer) {
        Ok(FillResult::Filled { .. }) => Ok(()),
        Ok(FillResult::Failed { failure }) => {
            let message = format!("fill volume {name}: {}", failure.message);
            let kind = failure.errno.map_or(ErrorKind::System, ErrorKind::of_errno);
            Err(Error::new(kind, message).about("volume", name))
        }
        Err(error) => Err(lost(error.to_string())),
    }
}

/// Whether a volume has no files.
fn is_empty(name: &str, directory: &Directory) -> Result<bool> {
    let failed = |errno: Errno| Error::system(format!("read volume {name}"), errno.into());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let data = openat(directory, DATA, flags, Mode::empty()).map_err(failed)?;
    has_no_entries(data.as_fd()).map_err(failed)
}

fn has_no_entries(directory: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    for entry in Dir::read_from(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether somebody was killed while moving a complete copy into it.
fn is_half_filled(name: &str, directory: &Directory) -> Result<bool> {
    match statat(directory, FILLED, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(Error::system(format!("stat volume {name}"), errno.into())),
    }
}
