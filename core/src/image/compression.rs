//! Compressed streams: told by their first bytes, not by what a manifest calls them.

use std::io::{self, BufReader, Read};

use lzma_rust2::XzReader;

use crate::error::{Error, ErrorKind, Result};

/// How content is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
    /// What nobody packs images in, but many pack sources in ([`decode_source`]).
    Bzip2,
    Xz,
}

/// Most memory a zstd frame may ask for, as a power of two: what `zstd -d` grants by default.
const ZSTD_WINDOW: u32 = 27;

/// Most memory an xz stream may ask for, KiB: what `xz -9` needs is half of it.
const XZ_MEMORY: u32 = 128 << 10;

/// How much larger than its source content may be before it is taken for a bomb, and from which size on that is asked. gzip reaches
/// 1,032 with nothing but zeros; zstd has no limit.
const BOMB_RATIO: u64 = 400;
const BOMB_SIZE: u64 = 1 << 30;

impl Compression {
    /// Tell how a stored blob is compressed by its first bytes.
    pub(crate) fn of(head: &[u8]) -> Compression {
        match Compression::detect(head) {
            Compression::Bzip2 | Compression::Xz => Compression::Plain,
            known => known,
        }
    }

    /// Tell by the first bytes.
    fn detect(head: &[u8]) -> Compression {
        match head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            // A frame, or a skippable frame before one (RFC 8878, 3.1.2).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [b'B', b'Z', b'h', ..] => Compression::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            _ => Compression::Plain,
        }
    }

    /// What a layer's media type ends with.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Compression::Plain | Compression::Bzip2 | Compression::Xz => "",
            Compression::Gzip => "+gzip",
            Compression::Zstd => "+zstd",
        }
    }
}

/// Content, and how it was compressed.
type Decoded<'a> = (Compression, Box<dyn Read + Send + 'a>);

/// The plain content of `source`, which is of an image or for a container, and how that was compressed.
pub(crate) fn decode<'a>(source: impl Read + Send + 'a) -> Result<Decoded<'a>> {
    let decoded = decode_source(source)?;
    let name = match decoded.0 {
        Compression::Bzip2 => "bzip2",
        Compression::Xz => "xz",
        _ => return Ok(decoded),
    };
    Err(Error::unsupported(format!("{name} compression is not supported; use gzip or zstd")))
}

/// The same of what a build is made from.
pub(crate) fn decode_source<'a>(source: impl Read + Send + 'a) -> Result<Decoded<'a>> {
    let mut source = source;
    let failed = |error: io::Error| Error::system("read an archive", error);
    // A pipe may bring less than a magic number at once.
    let mut head = Vec::new();
    source.by_ref().take(8).read_to_end(&mut head).map_err(super::content::unreadable)?;
    let compression = Compression::detect(&head);
    let source = BufReader::with_capacity(128 << 10, io::Cursor::new(head).chain(source));
    let content: Box<dyn Read + Send + 'a> = match compression {
        Compression::Plain => return Ok((compression, Box::new(source))),
        // Members one after the other are one stream (RFC 1952, 2.2): pigz and eStargz write them.
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(source).map_err(failed)?;
            decoder.window_log_max(ZSTD_WINDOW).map_err(failed)?;
            Box::new(decoder)
        }
        // Streams one after the other are one, as pbzip2 writes them and xz(1) reads them.
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(source)),
        Compression::Xz => Box::new(XzReader::new_mem_limit(source, true, XZ_MEMORY)),
    };
    Ok((compression, content))
}

/// How many bytes it takes at most until the first plain ones are there, by the first of them: what is packed in blocks says nothing
/// before a block is whole.
pub(crate) fn lead(head: &[u8]) -> usize {
    match Compression::detect(head) {
        Compression::Plain => 0,
        Compression::Gzip => 8 << 10,
        // RFC 8878, 3.1.1.2.4.
        Compression::Zstd => 256 << 10,
        // A chunk of LZMA2 is 64 KiB.
        Compression::Xz => 128 << 10,
        // A block is 900,000 bytes, and hardly more when it cannot be compressed.
        Compression::Bzip2 => 1 << 20,
    }
}

/// Fail when so many plain bytes came from so few.
pub(crate) fn check_ratio(compressed: u64, plain: u64) -> Result<()> {
    if plain > BOMB_SIZE && plain / BOMB_RATIO > compressed {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("{plain} bytes were made of {compressed}: the archive is taken for a decompression bomb"),
        )
        .with_reason("decompression_bomb"));
    }
    Ok(())
}
