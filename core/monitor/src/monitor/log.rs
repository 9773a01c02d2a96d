//! The log file: each line of output with its time and stream, in the Kubernetes CRI log format
//! (`docs/decisions/0003-log-format.md`).
//!
//! `TIME stdout F text` is a whole line or the end of one, `P` a piece whose line goes on: so the bytes can be given back
//! exactly, also those of a last line that has no end. A line is a plain prefix of the output's own bytes, and writing
//! one costs a memchr and a copy. The log must never hold up or harm its container: what cannot be written is counted
//! and left out. A file is never made shorter, except to take back a torn line of our own: who follows it may hold on to
//! the descriptor when it is rotated away, read it to its end, and go on with the next.

use std::os::fd::{BorrowedFd, OwnedFd};

use memchr::memchr;
use rustix::fs::{
    AtFlags, Mode, OFlags, SeekFrom, fstat, ftruncate, openat, renameat, seek, unlinkat,
};
use rustix::io::{Errno, write};

use super::timestamp;
use crate::protocol::{LOG_FILE, LogConfig, describe};

/// The longest piece of output that is appended at once.
pub(super) const PIECE_MAX: usize = 64 << 10;

/// Length of `TIME stdout F `.
const PREFIX: usize = timestamp::LENGTH + 10;

/// How much is written at once: a piece of the longest length with its prefix and end, and with room for what short
/// lines grow by.
const BUFFER: usize = 2 * PIECE_MAX;

/// The log of one container.
pub(super) struct Log {
    directory: BorrowedFd<'static>,
    file: Option<OwnedFd>,
    /// Length of the file.
    size: u64,
    max_size: u64,
    max_file: u32,
    buffer: Vec<u8>,
    lost: u64,
    trouble: Option<Errno>,
}

/// Which stream a piece of output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl Log {
    /// The log in a container's directory. The file is opened when there is something to write.
    pub(super) fn new(directory: BorrowedFd<'static>, config: &LogConfig) -> Log {
        Log {
            directory,
            file: None,
            size: 0,
            max_size: config.max_size,
            max_file: config.max_file.max(1),
            buffer: Vec::new(),
            lost: 0,
            trouble: None,
        }
    }

    /// What went wrong so far, for people.
    pub(super) fn trouble(&self) -> Option<String> {
        let why = describe(self.trouble?.raw_os_error());
        Some(format!("log: {why}: {} bytes of it were not kept", self.lost))
    }

    /// Append at most [`PIECE_MAX`] bytes of output.
    pub(super) fn append(&mut self, stream: Stream, bytes: &[u8]) {
        let mut prefix = [0; PREFIX];
        prefix[..timestamp::LENGTH].copy_from_slice(&timestamp::format(timestamp::now()));
        prefix[timestamp::LENGTH..].copy_from_slice(match stream {
            Stream::Stdout => b" stdout F ",
            Stream::Stderr => b" stderr F ",
        });
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, tag) = match memchr(b'\n', rest) {
                Some(end) => (&rest[..end], b'F'),
                None => (rest, b'P'),
            };
            rest = &rest[(piece.len() + 1).min(rest.len())..];
            prefix[PREFIX - 2] = tag;
            self.push(&prefix, piece);
        }
        self.flush();
    }

    fn push(&mut self, prefix: &[u8], piece: &[u8]) {
        let length = prefix.len() + piece.len() + 1;
        if self.buffer.len() + length > BUFFER {
            self.flush();
        }
        if self.max_size > 0 {
            self.open();
            let size = self.size + self.buffer.len() as u64;
            if size > 0 && size + length as u64 > self.max_size {
                self.flush();
                self.rotate();
            }
        }
        if self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(BUFFER);
        }
        self.buffer.extend_from_slice(prefix);
        self.buffer.extend_from_slice(piece);
        self.buffer.push(b'\n');
    }

    /// Write what is buffered. It never stays buffered for longer: a reader sees a line as soon as we have it.
    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        self.open();
        if let Some(file) = &self.file {
            let (written, result) = write_all(file, &self.buffer);
            // Whatever comes next must begin on a line of its own.
            let whole = match result {
                Ok(()) => written,
                Err(_) => memchr::memrchr(b'\n', &self.buffer[..written]).map_or(0, |at| at + 1),
            };
            if whole < written {
                // On a disk that refuses this too, a reader meets a torn line.
                let _ = ftruncate(file, self.size + whole as u64);
            }
            self.size += whole as u64;
            self.lost += (self.buffer.len() - whole) as u64;
            self.trouble = self.trouble.or(result.err());
        } else {
            self.lost += self.buffer.len() as u64;
        }
        self.buffer.clear();
    }

    fn open(&mut self) {
        if self.file.is_some() {
            return;
        }
        match open(self.directory) {
            Ok((file, size)) => (self.file, self.size) = (Some(file), size),
            Err(errno) => self.trouble = self.trouble.or(Some(errno)),
        }
    }

    /// Begin a new file; the one before becomes `.1`, that one `.2`, and so on.
    fn rotate(&mut self) {
        let name = |n: u32| if n == 0 { LOG_FILE.to_owned() } else { format!("{LOG_FILE}.{n}") };
        let mut result = Ok(());
        for n in (0..self.max_file).rev() {
            let moved = if n + 1 == self.max_file {
                unlinkat(self.directory, name(n), AtFlags::empty())
            } else {
                renameat(self.directory, name(n), self.directory, name(n + 1))
            };
            match moved {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => result = Err(errno),
            }
        }
        match result {
            Ok(()) => self.file = None,
            // It grows on as it is; the next try comes after as much again.
            Err(errno) => self.trouble = self.trouble.or(Some(errno)),
        }
        self.size = 0;
    }
}

fn open(directory: BorrowedFd<'_>) -> Result<(OwnedFd, u64), Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = openat(directory, LOG_FILE, flags, Mode::from(0o600))?;
    let mut size = fstat(&file)?.st_size.cast_unsigned();
    if size > 0 {
        // A machine that went down in the middle of a write.
        let mut last = [0];
        seek(&file, SeekFrom::Start(size - 1))?;
        if rustix::io::read(&file, &mut last)? == 1 && last != *b"\n" {
            size += write(&file, b"\n")? as u64;
        }
    }
    Ok((file, size))
}

fn write_all(file: &OwnedFd, bytes: &[u8]) -> (usize, Result<(), Errno>) {
    let mut written = 0;
    while written < bytes.len() {
        match write(file, &bytes[written..]) {
            Ok(0) => return (written, Err(Errno::IO)),
            Ok(n) => written += n,
            Err(Errno::INTR) => {}
            Err(errno) => return (written, Err(errno)),
        }
    }
    (written, Ok(()))
}

#[cfg(test)]
mod tests;
