//! Reads the journal from a position on.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use barque_monitor::journal::{Record, SEPARATOR};
use memchr::{memchr, memchr2};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result};

/// How much is read at once.
const BLOCK: usize = 64 << 10;

/// A place in the journal, and what was read from there on.
pub(super) struct Reader {
    file: File,
    buffer: Vec<u8>,
    /// What of the buffer was given already.
    given: usize,
    /// Where in the file the rest of it begins.
    position: u64,
}

impl Reader {
    /// Read what is written from now on.
    pub(super) fn at_end(path: &Path) -> Result<Reader> {
        let file = open(path)?;
        let position = file.metadata().map_err(failed)?.len();
        Ok(Reader { file, buffer: Vec::new(), given: 0, position })
    }

    /// Read everything that is kept.
    pub(super) fn at_start(path: &Path) -> Result<Reader> {
        let file = open(path)?;
        let position = first_kept(&file)?;
        Ok(Reader { file, buffer: Vec::new(), given: 0, position })
    }

    /// Go on where another reader was.
    pub(super) fn at(path: &Path, position: u64) -> Result<Reader> {
        let file = open(path)?;
        if position > file.metadata().map_err(failed)?.len() {
            return Err(
                Error::invalid("the cursor is not one of this engine's").about("field", "Cursor")
            );
        }
        if position < first_kept(&file)? {
            return Err(too_late());
        }
        Ok(Reader { file, buffer: Vec::new(), given: 0, position })
    }

    /// The next record and the position behind it; `None` when there is none now.
    pub(super) fn next(&mut self) -> Result<Option<(Record, u64)>> {
        loop {
            if self.given == self.buffer.len() && !self.fill()? {
                return Ok(None);
            }
            let rest = &self.buffer[self.given..];
            match rest.first() {
                None => continue,
                Some(&SEPARATOR) => {}
                Some(_) => {
                    let junk = memchr(SEPARATOR, rest).unwrap_or(rest.len());
                    self.leave_out(junk)?;
                    continue;
                }
            }
            // A record that is whole ends its line, and one that was torn ends where the next begins.
            let Some(end) = memchr2(b'\n', SEPARATOR, &rest[1..]).map(|end| end + 1) else {
                if self.fill()? {
                    continue;
                }
                return Ok(None);
            };
            match serde_json::from_slice(&rest[1..end]) {
                Ok(record) if rest[end] == b'\n' => {
                    self.skip(end + 1);
                    return Ok(Some((record, self.position)));
                }
                _ => self.leave_out(end)?,
            }
        }
    }

    /// What is here is no record: one that a power cut or a full disk has torn. Or it was let go since it was written, and
    /// that must not be passed over in silence.
    fn leave_out(&mut self, count: usize) -> Result<()> {
        if self.position < first_kept(&self.file)? {
            return Err(too_late());
        }
        self.skip(count);
        Ok(())
    }

    fn skip(&mut self, count: usize) {
        self.given += count;
        self.position += count as u64;
    }

    /// Read more; `false` when there is no more now.
    fn fill(&mut self) -> Result<bool> {
        self.buffer.drain(..self.given);
        self.given = 0;
        let begin = self.buffer.len();
        self.buffer.resize(begin + BLOCK, 0);
        let read = self.file.read_at(&mut self.buffer[begin..], self.position + begin as u64);
        self.buffer.truncate(begin + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(count) => Ok(count > 0),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(failed(error)),
        }
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| Error::system(format!("open {}", path.display()), error))
}

/// Where the part of the file begins that was not let go.
fn first_kept(file: &File) -> Result<u64> {
    match seek(file, SeekFrom::Data(0)) {
        Ok(position) => Ok(position),
        // There is no data at all.
        Err(Errno::NXIO) => Ok(file.metadata().map_err(failed)?.len()),
        Err(errno) => Err(failed(errno.into())),
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::system("read the journal of events", error)
}

fn too_late() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "events were let go before they were read: the journal keeps the newest only. \
         List what there is, and go on from now",
    )
    .with_reason("events_lost")
}
