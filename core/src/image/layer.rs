//! Staging a layer: read once, and on the way store its blob, decompress it, compute both digests and unpack it.
//!
//! The library decompresses and hashes; a process of its own (`barque-monitor unpack`, the jail) makes the files. So two processors
//! work on one layer, and what touches the file system has nothing else within reach.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use barque_monitor::protocol::{Failure, Live, Unpack, UnpackResult, Unpacked};
use rustix::fs::Mode;
use rustix::net::{SendFlags, send};

use super::compression::{self, Compression};
use super::content::Content;
use super::digest::{Digest, Hasher};
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::store::lease::Lease;
use crate::stream::Deadline;
use crate::sys::spawn::{Child, spawn};
use crate::sys::{directory, socket};

/// Most entries of a layer. The largest images known have about a million files.
const MAX_ENTRIES: u64 = 20_000_000;

/// Bytes that are passed on at once.
const CHUNK: usize = 256 << 10;

/// A blob under a temporary name.
#[derive(Clone, Debug)]
pub(super) struct StagedBlob {
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// A layer under a temporary name.
#[derive(Debug)]
pub(super) struct StagedLayer {
    pub(super) path: PathBuf,
    pub(super) diff_id: Digest,
    pub(super) blob: StagedBlob,
    pub(super) compression: Compression,
    pub(super) unpacked: Unpacked,
}

/// Stage the layer that `content` is, below the lease's directory under names that end with `label`. `expected` is the blob's digest
/// where a manifest says it; `end_marker`: the archive must end as archives should, since no digest tells that it was cut short.
pub(super) fn stage(
    engine: &Engine,
    lease: &Lease,
    label: &str,
    content: &Content,
    expected: Option<&Digest>,
    end_marker: bool,
) -> Result<StagedLayer> {
    let path = lease.path().join(format!("layer-{label}"));
    directory::make(&path, Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH)?;
    let mut jail = Jail::start(engine, lease, &path, end_marker)?;
    let mut blob = BlobWriter::new(content, lease, label)?;
    let passed = pass(engine, content, &mut blob, &mut jail);
    // When it gave up first, nothing can be written to it any more, and it tells why as soon as it has let go of its input.
    let gave_up = passed.as_ref().is_err_and(is_hang_up);
    let unpacked = jail.finish(passed.is_err() && !gave_up);
    let (compression, plain) = match (passed, &unpacked) {
        (Err(error), Err(_)) if gave_up => return Err(unpacked.err().unwrap_or(error)),
        (Err(error), _) => return Err(error),
        (Ok(passed), _) => passed,
    };
    let unpacked = unpacked?;
    let blob = blob.finish();
    if let Some(expected) = expected {
        expected.check(&blob.digest, "a layer")?;
    }
    // A layer that is not compressed is its blob.
    let diff_id = plain.unwrap_or_else(|| blob.digest.clone());
    Ok(StagedLayer { path, diff_id, blob, compression, unpacked })
}

fn is_hang_up(error: &Error) -> bool {
    matches!(error.errno(), Some(libc::EPIPE | libc::ECONNRESET))
}

/// Pass the content through: to the blob's file, through the decoder, to the jail. How it was compressed, and if it was, the digest of what
/// came out: otherwise that is the blob's, and is not computed twice.
fn pass(
    engine: &Engine,
    content: &Content,
    blob: &mut BlobWriter,
    jail: &mut Jail,
) -> Result<(Compression, Option<Digest>)> {
    let unreadable = |error: io::Error| {
        let kind =
            if error.raw_os_error().is_some() { ErrorKind::System } else { ErrorKind::Corrupt };
        Error::new(kind, "the layer is damaged or cut short")
            .with_reason("bad_layer")
            .because(error)
    };
    let source = content.open()?;
    let mut tee = Tee { source, blob };
    let (compression, digest) = {
        let (compression, mut plain) = compression::decode(&mut tee)?;
        let mut hasher = (compression != Compression::Plain).then(Hasher::new);
        let mut chunk = vec![0; CHUNK];
        let mut total = 0;
        loop {
            engine.canceller().check()?;
            let read = match plain.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            if let Some(hasher) = &mut hasher {
                hasher.update(&chunk[..read]);
            }
            jail.write(&chunk[..read])?;
            total += read as u64;
            compression::check_ratio(content.size(), total)?;
        }
        (compression, hasher.map(Hasher::finish))
    };
    // What a decoder left unread (padding after the last member) is part of the blob all the same.
    io::copy(&mut tee, &mut io::sink()).map_err(unreadable)?;
    Ok((compression, digest))
}

/// Hands on what it reads, having written it to the blob's file.
struct Tee<'a> {
    source: Box<dyn Read + Send>,
    blob: &'a mut BlobWriter,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.blob.take(&buffer[..read])?;
        Ok(read)
    }
}

/// The blob's file, or nothing to do when the content is a file of our own already.
enum BlobWriter {
    Ready(StagedBlob),
    Writing { file: File, path: PathBuf, hasher: Hasher, size: u64 },
}

impl BlobWriter {
    fn new(content: &Content, lease: &Lease, label: &str) -> Result<BlobWriter> {
        if let Content::Spooled { path, digest, size } = content {
            return Ok(BlobWriter::Ready(StagedBlob {
                path: path.clone(),
                digest: digest.clone(),
                size: *size,
            }));
        }
        // It has a file as well, and no end that can be read before its digest was checked.
        if let Content::Coming(download) = content {
            return Ok(BlobWriter::Ready(StagedBlob {
                path: download.path().to_owned(),
                digest: download.digest().clone(),
                size: download.size(),
            }));
        }
        let path = lease.path().join(format!("blob-{label}"));
        let file = File::create_new(&path)
            .map_err(|error| Error::system(format!("write {}", path.display()), error))?;
        Ok(BlobWriter::Writing { file, path, hasher: Hasher::new(), size: 0 })
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let BlobWriter::Writing { file, hasher, size, .. } = self {
            file.write_all(bytes)?;
            hasher.update(bytes);
            *size += bytes.len() as u64;
        }
        Ok(())
    }

    fn finish(self) -> StagedBlob {
        match self {
            BlobWriter::Ready(blob) => blob,
            BlobWriter::Writing { path, hasher, size, .. } => {
                StagedBlob { path, digest: hasher.finish(), size }
            }
        }
    }
}

/// Unpack the archive that `input` brings into a directory that is in use.
pub(crate) fn unpack_into(
    engine: &Engine,
    target: &OwnedFd,
    input: OwnedFd,
    live: Live,
) -> Result<Unpacked> {
    let options = Unpack {
        max_bytes: u64::MAX,
        max_entries: u64::MAX,
        whiteouts: false,
        end_marker: true,
        live: Some(live),
    };
    let (child, output) = spawn_jail(engine, &options, input.as_fd(), target.as_fd(), None)?;
    drop(input);
    let canceller = engine.canceller();
    let mut jail = Jail { input: None, output, child };
    if let Err(cancelled) = canceller.wait_readable(jail.output.as_fd(), Deadline::never()) {
        jail.child.kill();
        return Err(cancelled);
    }
    jail.input = None;
    jail.finish(false)
}

fn spawn_jail(
    engine: &Engine,
    options: &Unpack,
    input: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    lock: Option<BorrowedFd<'_>>,
) -> Result<(Child, OwnedFd)> {
    let options = serde_json::to_vec(options)
        .ok()
        .and_then(|text| CString::new(text).ok())
        .ok_or_else(|| Error::internal("write the unpacker's options"))?;
    let (output, report) = socket::pair()?;
    let program = engine.monitor_program()?;
    let mut descriptors = vec![(input, 0), (target, 3), (report.as_fd(), 4)];
    descriptors.extend(lock.map(|lock| (lock, 5)));
    let child = spawn(program.as_fd(), &[c"barque-monitor", c"unpack", &options], &descriptors)?;
    Ok((child, output))
}

/// The process that unpacks, and the ways to it.
struct Jail {
    // Dropped in this order: the process ends when nobody can send it any more, and `child` waits for that.
    input: Option<OwnedFd>,
    output: OwnedFd,
    child: Child,
}

impl Jail {
    fn start(engine: &Engine, lease: &Lease, target: &Path, end_marker: bool) -> Result<Jail> {
        // The file system's free space is the limit: what does not fit cannot be unpacked anyway.
        let free = rustix::fs::statvfs(target).map_err(|errno| {
            Error::system(format!("statvfs {}", target.display()), errno.into())
        })?;
        let options = Unpack {
            max_bytes: match free.f_blocks {
                // One that does not count, like ramfs.
                0 => u64::MAX,
                _ => free.f_bavail.saturating_mul(free.f_frsize),
            },
            max_entries: MAX_ENTRIES,
            whiteouts: true,
            end_marker,
            live: None,
        };
        let (input, theirs) = socket::pair()?;
        let target = directory::open(target)?;
        let lock = Some(lease.lock());
        let (child, output) = spawn_jail(engine, &options, theirs.as_fd(), target.as_fd(), lock)?;
        Ok(Jail { input: Some(input), output, child })
    }

    /// Pass on plain bytes of the layer. Not through a pipe, since writing to a broken one raises SIGPIPE in the host program.
    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        let Some(input) = &self.input else { return Err(Error::internal("the unpacker is done")) };
        while !bytes.is_empty() {
            match send(input, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(Error::system("write to the unpacker", errno.into())),
            }
        }
        Ok(())
    }

    /// End the layer and hear how it went.
    fn finish(mut self, failed: bool) -> Result<Unpacked> {
        self.input = None;
        if failed {
            // It would take a layer that was cut short for one that is damaged; only a verdict it has already given counts.
            let _ = rustix::io::ioctl_fionbio(&self.output, true);
        }
        let mut report = Vec::new();
        let read = File::from(self.output).take(super::json::MAX_SIZE).read_to_end(&mut report);
        if failed {
            self.child.kill();
        }
        let ended = self.child.wait();
        let lost = |why: String| {
            Error::internal(format!("the unpacker gave no result ({why}, {ended:?})"))
        };
        read.map_err(|error| lost(error.to_string()))?;
        match serde_json::from_slice(&report) {
            Ok(UnpackResult::Unpacked(unpacked)) => Ok(unpacked),
            Ok(UnpackResult::Failed { failure }) => Err(refused(failure)),
            Err(error) => Err(lost(error.to_string())),
        }
    }
}

/// A layer that was not unpacked.
fn refused(failure: Failure) -> Error {
    match failure.errno {
        Some(errno) => Error::system(
            format!("unpack a layer: {}", failure.message),
            io::Error::from_raw_os_error(errno),
        ),
        None => Error::new(ErrorKind::Corrupt, format!("unpack a layer: {}", failure.message)),
    }
    .with_reason("bad_layer")
}
