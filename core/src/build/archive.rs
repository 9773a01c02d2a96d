//! Archives on their way: what is in them decides whether a step was done before.
//!
//! The digest is of everything that ends up in the image but times: a file that was only touched is the same file, as with BuildKit.

use std::io::{self, BufReader, Read, Write};

use barque_monitor::tar::{self, Entry, Kind, Reader, Writer};

use crate::error::Error;
use crate::image::digest::{Digest, Hasher};
use crate::image::{compression, content};

/// An archive with nothing in it: two blocks of NULs.
pub(super) const EMPTY: [u8; 1024] = [0; 1024];

/// Bytes of a header.
pub(super) const BLOCK: u64 = 512;

/// What went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Of all that is in it, but times.
    pub(super) digest: Digest,
    /// Bytes of file content.
    pub(super) bytes: u64,
    /// It has the content of a directory.
    pub(super) directory: bool,
    /// Entries at the top that are not of a directory's.
    pub(super) files: usize,
    /// Those of them that look like archives, by their places among the entries.
    pub(super) archives: Vec<usize>,
}

/// Pass an archive on, all of it, and see what is in it.
pub(super) fn pass(input: impl Read, out: &mut dyn Write) -> io::Result<Seen> {
    let tee = Tee { input, out };
    let mut reader = Reader::new(BufReader::with_capacity(256 << 10, tee));
    let mut hasher = Hasher::new();
    let mut seen = Seen {
        digest: Digest::of(b""),
        bytes: 0,
        directory: false,
        files: 0,
        archives: Vec::new(),
    };
    let mut number = 0;
    while let Some(entry) = reader.next_entry().map_err(unreadable)? {
        hasher.update(&description(&entry)?);
        let is_root = matches!(&entry.path[..], b"./" | b".");
        seen.directory |= is_root;
        if !seen.directory {
            seen.files += 1;
        }
        let mut head = Vec::new();
        loop {
            let data = reader.data()?;
            if data.is_empty() {
                break;
            }
            lengthen(&mut head, data);
            hasher.update(data);
            let length = data.len();
            seen.bytes += length as u64;
            reader.consume(length);
        }
        if !seen.directory && entry.kind == Kind::File && is_to_unpack(&head) {
            seen.archives.push(number);
        }
        number += 1;
    }
    // What stands behind the end is padding, and is passed on too.
    io::copy(&mut reader.into_inner(), &mut io::sink())?;
    seen.digest = hasher.finish();
    Ok(seen)
}

/// Bytes by which an archive is told, at the least; some compressions take more ([`compression::lead`]).
const LEAST: usize = 512;

/// Whether these first bytes are those of an archive: its first header is one, or there is none (POSIX, pax, "ustar Interchange
/// Format").
pub(super) fn is_one(head: &[u8]) -> bool {
    let is_empty = head.get(..512).is_some_and(|block| block.iter().all(|byte| *byte == 0));
    is_empty || begins_with_header(head)
}

/// Take as much of `data` as it takes to tell.
fn lengthen(head: &mut Vec<u8>, data: &[u8]) {
    let mut rest = data;
    // The first bytes say how many it takes.
    for wanted in [|_: &[u8]| LEAST, compression::lead] {
        let (more, after) = rest.split_at(wanted(head).saturating_sub(head.len()).min(rest.len()));
        head.extend_from_slice(more);
        rest = after;
    }
}

/// What `ADD` unpacks: archives with something in them, plain or compressed.
fn is_to_unpack(head: &[u8]) -> bool {
    let mut plain = Vec::new();
    if let Ok((_, content)) = compression::decode_source(head) {
        // What is cut off here is not the end.
        let _ = content.take(BLOCK).read_to_end(&mut plain);
    }
    begins_with_header(&plain)
}

fn begins_with_header(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    block[257..262] == *b"ustar" || checksum(block).is_some_and(|told| told == sum(block))
}

/// What an old header says of its bytes' sum.
fn checksum(block: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(&block[148..156]).ok()?;
    u64::from_str_radix(text.trim_matches([' ', '\0']), 8).ok()
}

/// The sum of a header's bytes, its own field as blanks.
fn sum(block: &[u8]) -> u64 {
    let own = 148..156;
    let bytes = block.iter().enumerate();
    bytes.map(|(at, byte)| if own.contains(&at) { 0x20 } else { u64::from(*byte) }).sum()
}

/// Everything of an entry but its times and data.
fn description(entry: &Entry) -> io::Result<Vec<u8>> {
    let extents: Option<Vec<(u64, u64)>> = entry
        .extents
        .as_ref()
        .map(|extents| extents.iter().map(|extent| (extent.offset, extent.length)).collect());
    serde_json::to_vec(&(
        &entry.path,
        entry.kind as u8,
        &entry.link,
        (entry.mode, entry.uid, entry.gid, entry.size),
        entry.device,
        &entry.xattrs,
        extents,
    ))
    .map_err(io::Error::other)
}

/// Take the entries at these places out of an archive: `out` gets the others, `take` the content of each.
pub(super) fn part(
    input: impl Read,
    places: &[usize],
    out: &mut dyn Write,
    mut take: impl FnMut(&mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let mut reader = Reader::new(BufReader::with_capacity(256 << 10, input));
    let mut writer = Writer::new(out);
    let mut number = 0;
    while let Some(entry) = reader.next_entry().map_err(unreadable)? {
        if places.contains(&number) {
            take(&mut Data(&mut reader))?;
        } else {
            writer.begin(&entry)?;
            loop {
                let data = reader.data()?;
                if data.is_empty() {
                    break;
                }
                writer.data(data)?;
                let length = data.len();
                reader.consume(length);
            }
        }
        number += 1;
    }
    writer.finish().map(drop)
}

/// Hand on a caller's archive. That it cannot be read is told as such.
pub(super) fn hand_on(mut source: impl Read, out: &mut dyn Write) -> io::Result<()> {
    let mut chunk = vec![0; 256 << 10];
    loop {
        let read = source
            .read(&mut chunk)
            .map_err(|error| io::Error::other(content::unreadable(error)))?;
        if read == 0 {
            return Ok(());
        }
        out.write_all(&chunk[..read])?;
    }
}

/// The present entry's data.
struct Data<'a, R>(&'a mut Reader<R>);

impl<R: io::BufRead> Read for Data<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let data = self.0.data()?;
        let length = data.len().min(buffer.len());
        buffer[..length].copy_from_slice(&data[..length]);
        self.0.consume(length);
        Ok(length)
    }
}

/// Hands on what it reads, having written it.
struct Tee<'a, R> {
    input: R,
    out: &'a mut dyn Write,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.out.write_all(&buffer[..read])?;
        Ok(read)
    }
}

fn unreadable(error: tar::Error) -> io::Error {
    match error {
        tar::Error::Io(error) => error,
        error => io::Error::other(Error::internal("the files that a step copies").because(error)),
    }
}

/// What went wrong: the engine's own error inside, or the system's.
pub(super) fn failed(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::system("pass files on", error),
    }
}
