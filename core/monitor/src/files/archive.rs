//! Archives of what is in the container, and into it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, OFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{self, SpliceFlags};

use super::lookup::{Root, name_of};
use super::{Reports, Result, Trouble, output};
use crate::pack::{Options, Packer};
use crate::protocol::{Live, Report, Unpack};
use crate::runtime;
use crate::unpack::failure::invalid;
use crate::unpack::jail::inherited;
use crate::unpack::unpack_stream;

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

/// What several people may work in meanwhile.
const LIVE: Options = Options {
    layer: false,
    one_file_system: false,
    live: true,
    undated_directories: false,
    owner: None,
};

/// Pack what is at a path, docker's way: a directory's entries are below its name, a file's is its name.
pub(super) fn pack(root: &Root, path: &str, name: &str, reports: &mut Reports) -> Result<Report> {
    let stat = root.stat(path)?;
    let name = match (name, name_of(path)) {
        (".", _) | ("", "/" | "." | "..") => "",
        ("", own) => own,
        (name, _) => name,
    };
    reports.tell(&Report::Stat(stat))?;
    let mut packer = packer(LIVE)?;
    match root.place(path)? {
        Some(place) if !name.is_empty() => {
            packer.entry(&place.above, &place.base, name.as_bytes())?
        }
        _ => packer.directory(root.directory(path)?, name.as_bytes())?,
    }
    finish(packer)
}

/// Pack everything.
pub(super) fn export(root: &Root) -> Result<Report> {
    let mut packer = packer(LIVE)?;
    packer.directory(&root.fd, b"")?;
    finish(packer)
}

/// Pack everything as a layer.
pub(super) fn layer(root: &Root) -> Result<Report> {
    let mut packer = packer(Options { layer: true, live: true, ..Options::default() })?;
    packer.directory(&root.fd, b"")?;
    finish(packer)
}

/// Unpack into a directory.
pub(super) fn extract(
    root: &Root,
    path: &str,
    no_overwrite_dir_non_dir: bool,
    user: &str,
) -> Result<Report> {
    let stat = root.open(path, OFlags::PATH)?;
    let stat = rustix::fs::fstat(&stat).map_err(|errno| super::lookup::trouble(path, errno))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(invalid("extraction point is not a directory").into());
    }
    let directory = root.directory(path)?;
    root.check_writable(&directory)?;
    let owner = match user {
        "" => None,
        user => Some(runtime::view::owner(&root.fd, user)?),
    };
    let options = Unpack {
        max_bytes: u64::MAX,
        max_entries: u64::MAX,
        whiteouts: false,
        end_marker: true,
        live: Some(Live { no_overwrite_dir_non_dir, owner, ..Live::default() }),
    };
    let unpacked = unpack_stream(File::from(inherited(0)?), directory, options)?;
    // What could not be made is an error here: nobody would look for warnings after a copy.
    match unpacked.warnings.into_iter().next() {
        None => Ok(Report::Done),
        Some(warning) => Err(Trouble::Failed(invalid(warning))),
    }
}

pub(super) fn packer(options: Options) -> Result<Packer<impl Write>> {
    let mut packer = Packer::new(BufWriter::with_capacity(BUFFER, File::from(output()?)), options);
    packer.splice_with(splice);
    Ok(packer)
}

/// Part of a file, into what may be a pipe.
fn splice(
    out: &mut BufWriter<File>,
    file: BorrowedFd<'_>,
    mut at: u64,
    most: usize,
) -> io::Result<usize> {
    out.flush()?;
    let flags = SpliceFlags::empty();
    match retry_on_intr(|| pipe::splice(file, Some(&mut at), out.get_ref(), None, most, flags)) {
        Err(Errno::PIPE) => Err(Errno::PIPE.into()),
        // It is none, or the file is one that cannot do this; or it cannot be read, which reading it will tell.
        Err(_) => Ok(0),
        Ok(spliced) => Ok(spliced),
    }
}

pub(super) fn finish(packer: Packer<impl Write>) -> Result<Report> {
    packer.finish()?;
    Ok(Report::Done)
}
