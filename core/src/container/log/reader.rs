//! Reads a log forwards, over its files, in bounded memory.
//!
//! The reader never waits and never locks: it reads what is there, and when a file has no more and is not the current one any
//! longer, what was begun after it. A last line without an end is one that is being written, or one that a crash tore.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use memchr::memchr;

use super::files::Files;
use super::line::Line;
use super::tail;
use crate::error::{Error, Result};

/// How much is read at once: more than the longest line that a monitor writes.
const BLOCK: usize = 128 << 10;

/// Reads a log.
pub(crate) struct LogReader {
    files: Files,
    current: Option<(File, u64)>,
    buffer: Vec<u8>,
    /// Where in `buffer` the next line begins.
    next: usize,
    /// What stands there is the rest of a line too long to be one, or torn: it is left out up to its end.
    skipping: bool,
}

impl LogReader {
    /// Read the log in this directory from its beginning.
    pub(crate) fn from_start(directory: OwnedFd) -> Result<LogReader> {
        let files = Files::new(directory);
        let oldest = files.inodes()?.pop();
        LogReader::at(files, oldest, 0)
    }

    /// Read only the last `count` lines, and what is written from now on.
    pub(crate) fn from_end(directory: OwnedFd, count: u64) -> Result<LogReader> {
        let files = Files::new(directory);
        let (inode, offset) = match tail::find(&files, count)? {
            Some((inode, offset)) => (Some(inode), offset),
            None => (files.inodes()?.pop(), 0),
        };
        LogReader::at(files, inode, offset)
    }

    fn at(files: Files, inode: Option<u64>, offset: u64) -> Result<LogReader> {
        let mut reader = LogReader {
            files,
            current: None,
            buffer: Vec::with_capacity(BLOCK),
            next: 0,
            skipping: false,
        };
        if let Some(inode) = inode {
            match reader.files.open(inode)? {
                Some(mut file) => {
                    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
                    reader.current = Some((file, inode));
                }
                // It was deleted meanwhile: the oldest is the next one.
                None => reader.current = numbered(reader.files.open_after(inode)?)?,
            }
        }
        Ok(reader)
    }

    /// The next whole line; `None` when there is none yet.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>> {
        let range = loop {
            match memchr(b'\n', &self.buffer[self.next..]) {
                Some(length) => {
                    let range = self.next..self.next + length;
                    self.next = range.end + 1;
                    if !std::mem::take(&mut self.skipping)
                        && Line::parse(&self.buffer[range.clone()]).is_some()
                    {
                        break range;
                    }
                }
                None if !self.fill()? => return Ok(None),
                None => {}
            }
        };
        Ok(Line::parse(&self.buffer[range]))
    }

    /// What stands at the very end without an end of its own, when nobody writes any more.
    pub(crate) fn torn(&mut self) -> Option<Line<'_>> {
        let rest = self.next..self.buffer.len();
        self.next = rest.end;
        let line = Line::parse(&self.buffer[rest]).filter(|_| !self.skipping)?;
        Some(Line { ends: false, ..line })
    }

    /// Read more into the buffer. `false`: there is nothing.
    fn fill(&mut self) -> Result<bool> {
        self.buffer.drain(..self.next);
        self.next = 0;
        if self.buffer.len() >= BLOCK {
            // No monitor writes such a line; its end is looked for without keeping it.
            self.buffer.clear();
            self.skipping = true;
        }
        loop {
            if self.current.is_none() {
                // There was no file so far. The oldest is the first.
                let oldest = self.files.inodes()?.pop();
                let Some(inode) = oldest else { return Ok(false) };
                self.current = self.files.open(inode)?.map(|file| (file, inode));
                if self.current.is_none() {
                    continue;
                }
            }
            let Some((file, inode)) = &mut self.current else { return Ok(false) };
            if read(file, &mut self.buffer)? > 0 {
                return Ok(true);
            }
            let Some(after) = numbered(self.files.open_after(*inode)?)? else { return Ok(false) };
            // It may have grown between our reading it and its being rotated; afterwards it does not.
            if read(file, &mut self.buffer)? > 0 {
                return Ok(true);
            }
            // What is left of it is torn.
            self.buffer.clear();
            self.skipping = false;
            self.current = Some(after);
        }
    }
}

fn numbered(file: Option<File>) -> Result<Option<(File, u64)>> {
    let Some(file) = file else { return Ok(None) };
    let inode = file.metadata().map_err(failed)?.ino();
    Ok(Some((file, inode)))
}

fn read(file: &mut File, buffer: &mut Vec<u8>) -> Result<usize> {
    let room = (BLOCK - buffer.len().min(BLOCK)) as u64;
    file.take(room.max(1)).read_to_end(buffer).map_err(failed)
}

fn failed(error: std::io::Error) -> Error {
    Error::system("read the log", error)
}

#[cfg(test)]
mod tests;
