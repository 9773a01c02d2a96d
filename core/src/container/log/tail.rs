//! Finds where the last lines of a log begin, backwards from its end.

use std::fs::File;
use std::os::unix::fs::FileExt;

use memchr::memrchr_iter;

use super::files::Files;
use super::line::{PREFIX, TAG};
use crate::error::{Error, Result};

const BLOCK: u64 = 64 << 10;

/// File and offset at which the last `count` lines begin; `None` when there are not that many. A line that was written in
/// pieces is one.
pub(super) fn find(files: &Files, count: u64) -> Result<Option<(u64, u64)>> {
    let mut wanted = count;
    for (n, inode) in files.inodes()?.into_iter().enumerate() {
        // Deleted while we look: what it had is no longer among the last.
        let Some(file) = files.open(inode)? else { continue };
        let length = file.metadata().map_err(failed)?.len();
        if n == 0 {
            if count == 0 {
                return Ok(Some((inode, length)));
            }
            // The last line of all may go on: then its pieces so far count as one.
            let goes_on = last_tag(&file, length)? == Some(b'P');
            wanted -= u64::from(goes_on);
        }
        if let Some(offset) = backwards(&file, length, &mut wanted)? {
            return Ok(Some((inode, offset)));
        }
    }
    Ok(None)
}

/// The offset behind the line end before the `wanted` last ones; what is not found here is still `wanted`.
fn backwards(file: &File, length: u64, wanted: &mut u64) -> Result<Option<u64>> {
    // The end of the line whose beginning is looked for next; a torn one at the end of the file has none.
    let mut line_end: Option<u64> = None;
    let mut end = length;
    // Tags stand behind the place where a line begins, maybe in the block that was read before.
    let mut block = vec![0; BLOCK as usize + PREFIX];
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let read = read_at(file, &mut block, start)?;
        for at in memrchr_iter(b'\n', &block[..(end - start) as usize]) {
            if let Some(offset) = line(&block[at + 1..read], line_end, wanted) {
                return Ok(Some(offset));
            }
            line_end = Some(start + at as u64);
        }
        if start == 0
            && let Some(offset) = line(&block[..read], line_end, wanted)
        {
            return Ok(Some(offset));
        }
        end = start;
    }
    Ok(None)
}

/// Count the line that begins here and ends at `end`. If it is the one before the wanted ones: where those begin.
fn line(bytes: &[u8], end: Option<u64>, wanted: &mut u64) -> Option<u64> {
    let end = end?;
    if bytes.get(TAG) != Some(&b'F') {
        return None;
    }
    if *wanted == 0 {
        return Some(end + 1);
    }
    *wanted -= 1;
    None
}

/// Tag of the last whole line.
fn last_tag(file: &File, length: u64) -> Result<Option<u8>> {
    let start = length.saturating_sub(2 * BLOCK + 2 * PREFIX as u64);
    let mut block = vec![0; (length - start) as usize];
    let read = read_at(file, &mut block, start)?;
    let mut ends = memrchr_iter(b'\n', &block[..read]);
    if ends.next().is_none() {
        return Ok(None);
    }
    let begin = ends.next().map_or(0, |at| at + 1);
    Ok(block.get(begin + TAG).copied())
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(read)
}

fn failed(error: std::io::Error) -> Error {
    Error::system("read the log", error)
}
