//! Compressed streams: told by their first bytes, not by what a manifest calls them.

use std::io::{self, BufReader, Read};

use crate::error::{Error, ErrorKind, Result};

/// How content is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

/// Most memory a zstd frame may ask for, as a power of two: what `zstd -d` grants by default.
const ZSTD_WINDOW: u32 = 27;

/// How much larger than its source content may be before it is taken for a bomb, and from which size on that is asked. gzip reaches
/// 1,032 with nothing but zeros; zstd has no limit.
const BOMB_RATIO: u64 = 400;
const BOMB_SIZE: u64 = 1 << 30;

impl Compression {
    /// Tell how a stored blob is compressed by its first bytes.
    pub(crate) fn of(head: &[u8]) -> Compression {
        Compression::detect(head).unwrap_or(Compression::Plain)
    }

    /// Tell by the first bytes.
    fn detect(head: &[u8]) -> Result<Compression> {
        let unsupported = |name: &str| {
            Err(Error::unsupported(format!(
                "{name} compression is not supported; use gzip or zstd"
            )))
        };
        match head {
            [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
            // A frame, or a skippable frame before one (RFC 8878, 3.1.2).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Ok(Compression::Zstd)
            }
            [b'B', b'Z', b'h', ..] => unsupported("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => unsupported("xz"),
            _ => Ok(Compression::Plain),
        }
    }

    /// What a layer's media type ends with.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Compression::Plain => "",
            Compression::Gzip => "+gzip",
            Compression::Zstd => "+zstd",
        }
    }
}

/// The plain content of `source`, and how that was compressed.
pub(crate) fn decode<'a>(
    source: impl Read + Send + 'a,
) -> Result<(Compression, Box<dyn Read + Send + 'a>)> {
    let mut source = source;
    let failed = |error: io::Error| Error::system("read an archive", error);
    // A pipe may bring less than a magic number at once.
    let mut head = Vec::new();
    source.by_ref().take(8).read_to_end(&mut head).map_err(super::content::unreadable)?;
    let compression = Compression::detect(&head)?;
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
    };
    Ok((compression, content))
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
