//! Compressing with gzip: on all processors, and to the same bytes whatever their number.
//!
//! The content is cut into blocks that are compressed by themselves and flushed to a byte's end, as `pigz -i` does; together they are one
//! member (RFC 1952) with neither name nor time in it.

use std::io::{self, Read, Write};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::error::{Error, Result};

/// Bytes of a block. Less would cost compression, since no block knows what stood in the one before.
const BLOCK: usize = 1 << 20;

/// ID, deflate, no flags, no time, no extra flags, Unix.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Compress `from` into `to`; `check` is called between blocks.
pub(super) fn compress(
    from: &mut dyn Read,
    to: &mut dyn Write,
    check: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let read_failed = |error| Error::system("read a layer", error);
    let failed = |error| Error::system("write a compressed layer", error);
    to.write_all(&HEADER).map_err(failed)?;
    let mut crc = Crc::new();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(16);
    loop {
        check()?;
        let mut blocks = Vec::new();
        while blocks.len() < threads {
            let block = block(from).map_err(read_failed)?;
            if block.is_empty() {
                break;
            }
            crc.update(&block);
            blocks.push(block);
        }
        if blocks.is_empty() {
            break;
        }
        for piece in side_by_side(&blocks)? {
            to.write_all(&piece).map_err(failed)?;
        }
    }
    // An empty last block of fixed codes, then what was read: its checksum and its length modulo 2^32.
    to.write_all(&[0x03, 0x00]).map_err(failed)?;
    to.write_all(&crc.sum().to_le_bytes()).map_err(failed)?;
    to.write_all(&crc.amount().to_le_bytes()).map_err(failed)
}

/// As much as a block holds, less only at the end.
fn block(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut block = Vec::with_capacity(BLOCK);
    from.take(BLOCK as u64).read_to_end(&mut block)?;
    Ok(block)
}

fn side_by_side(blocks: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    std::thread::scope(|scope| {
        let started: Vec<_> = blocks
            .iter()
            .map(|block| {
                // Without a thread it is this one's work (`scope.spawn` would panic).
                let builder = std::thread::Builder::new();
                builder.spawn_scoped(scope, || deflate(block)).map_err(|_| block)
            })
            .collect();
        let done = started.into_iter().map(|started| match started {
            Ok(thread) => {
                thread.join().unwrap_or_else(|_| Err(Error::internal("a compressing thread died")))
            }
            Err(block) => deflate(block),
        });
        done.collect()
    })
}

/// One block as deflated data that ends at a byte's end and is not the last.
fn deflate(block: &[u8]) -> Result<Vec<u8>> {
    let mut state = Compress::new(Compression::default(), false);
    let mut out = Vec::with_capacity(block.len() / 2 + 1024);
    loop {
        let taken = usize::try_from(state.total_in()).unwrap_or(usize::MAX);
        let status = state
            .compress_vec(&block[taken..], &mut out, FlushCompress::Sync)
            .map_err(|error| Error::internal("compress a layer").because(error))?;
        // All is in, and what is out did not end for want of room.
        if state.total_in() == block.len() as u64 && out.len() < out.capacity() {
            return Ok(out);
        }
        if status == Status::StreamEnd {
            return Err(Error::internal("compress a layer: it ended too early"));
        }
        out.reserve(out.capacity() / 2 + 1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        compress(&mut &*bytes, &mut out, &|| Ok(())).unwrap();
        out
    }

    fn plain(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        // One member: what reads only one must have it all.
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn what_was_compressed_is_one_member_and_the_same_every_time() {
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        })
        .take(BLOCK * 3 + 17)
        .collect();
        for bytes in [&b""[..], b"x", &vec![0; BLOCK], &vec![7; BLOCK * 2 + 1], &noise] {
            let first = compressed(bytes);
            assert_eq!(plain(&first), bytes);
            assert_eq!(compressed(bytes), first);
        }
        assert!(compressed(&vec![0; BLOCK * 4]).len() < 20_000);
    }

    #[test]
    fn it_can_be_ended_between_blocks() {
        let stop = || Err(Error::invalid("enough"));
        assert!(compress(&mut &b"x"[..], &mut Vec::new(), &stop).is_err());
    }
}
