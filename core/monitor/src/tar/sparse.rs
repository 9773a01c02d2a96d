//! Maps of sparse files that stand in the archive and not in a PAX record: GNU's old format and version 1.0.

use super::header::{BLOCK, Wrong, field, unsigned};
use super::{Extent, MAX_EXTENTS};

/// Add the pairs of an old-format map to `extents`. An unused pair is all NULs.
pub(super) fn old_pairs(pairs: &[u8], extents: &mut Vec<Extent>) -> Result<(), Wrong> {
    for pair in pairs.chunks_exact(24) {
        if pair.iter().all(|byte| *byte == 0) {
            continue;
        }
        if extents.len() >= MAX_EXTENTS {
            return Err(format!("a sparse file of more than {MAX_EXTENTS} pieces"));
        }
        let offset = unsigned("sparse offset", field("sparse offset", &pair[..12])?)?;
        let length = unsigned("sparse length", field("sparse length", &pair[12..])?)?;
        extents.push(Extent { offset, length });
    }
    Ok(())
}

/// A further block of an old-format map: 21 pairs and whether another block follows.
pub(super) fn old_block(block: &[u8; BLOCK], extents: &mut Vec<Extent>) -> Result<bool, Wrong> {
    old_pairs(&block[..504], extents)?;
    Ok(block[504] != 0)
}

/// The map before the data in version 1.0: a count, then offsets and lengths, each decimal on a line of its own, padded
/// with NULs to a whole block.
#[derive(Default)]
pub(super) struct MapInData {
    count: Option<u64>,
    offset: Option<u64>,
    digits: Option<u64>,
    extents: Vec<Extent>,
}

impl MapInData {
    /// Take the next block; the map when it was the last.
    pub(super) fn take(&mut self, block: &[u8; BLOCK]) -> Result<Option<Vec<Extent>>, Wrong> {
        for (at, byte) in block.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    let digit = u64::from(byte - b'0');
                    let more = self.digits.unwrap_or(0).checked_mul(10).map(|n| n + digit);
                    self.digits = Some(
                        more.filter(|n| i64::try_from(*n).is_ok())
                            .ok_or("a sparse map has a number out of range")?,
                    );
                }
                b'\n' => self.line()?,
                _ => return Err("a sparse map is malformed".into()),
            }
            if self.is_complete() {
                if block[at + 1..].iter().any(|byte| *byte != 0) {
                    return Err("a sparse map is not padded with NULs".into());
                }
                return Ok(Some(std::mem::take(&mut self.extents)));
            }
        }
        Ok(None)
    }

    fn line(&mut self) -> Result<(), Wrong> {
        let number = self.digits.take().ok_or("a sparse map has an empty line")?;
        match (self.count, self.offset) {
            (None, _) if number > MAX_EXTENTS as u64 => {
                return Err(format!("a sparse file of more than {MAX_EXTENTS} pieces"));
            }
            (None, _) => self.count = Some(number),
            (Some(_), None) => self.offset = Some(number),
            (Some(_), Some(offset)) => {
                self.extents.push(Extent { offset, length: number });
                self.offset = None;
            }
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.digits.is_none() && self.count == Some(self.extents.len() as u64)
    }
}

/// Whether the pieces are in order, inside the file, and together as long as what the archive holds.
pub(super) fn check(extents: &[Extent], size: u64, stored: u64) -> Result<(), Wrong> {
    let (mut end, mut sum) = (0u64, 0u64);
    for extent in extents {
        let wrong = || "the pieces of a sparse file overlap or leave the file".to_owned();
        let next = extent.offset.checked_add(extent.length).ok_or_else(wrong)?;
        if extent.offset < end || next > size {
            return Err(wrong());
        }
        end = next;
        sum += extent.length;
    }
    if sum != stored {
        return Err(format!("a sparse file has pieces of {sum} bytes and data of {stored}"));
    }
    Ok(())
}
