//! PAX records: `length key=value\n`, the length counting itself and the newline.
//!
//! They replace fields of the header of the next file entry. Keys that nobody needs here (user names, change times, ACLs in
//! text) are read over; the same key twice is an error, since readers differ in which one they take.

use super::header::{Wrong, owner};
use super::{Extent, MAX_EXTENTS, Time};

/// What a PAX header says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<Time>,
    pub(super) atime: Option<Time>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: Option<Sparse>,
}

/// GNU's sparse files in PAX, in their three versions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sparse {
    /// 1.0: the map stands before the data.
    pub(super) map_in_data: bool,
    major: Option<u64>,
    minor: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    pub(super) extents: Vec<Extent>,
    blocks: Option<u64>,
    offset: Option<u64>,
}

const XATTR: &[u8] = b"SCHILY.xattr.";

impl Pax {
    /// The records of a header for the next entry.
    pub(super) fn parse(bytes: &[u8]) -> Result<Pax, Wrong> {
        let mut pax = Pax::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        each(bytes, |key, value| {
            let repeats = matches!(key, b"GNU.sparse.offset" | b"GNU.sparse.numbytes");
            if pax.take(key, value)? && !repeats {
                if seen.contains(&key) {
                    return Err(format!("PAX record {} stands twice", super::quoted(key)));
                }
                seen.push(key);
            }
            Ok(())
        })?;
        if let Some(sparse) = &mut pax.sparse {
            sparse.check()?;
        }
        Ok(pax)
    }

    /// Check a header that stands for all entries that follow (`git archive` keeps its commit in one). Some readers apply it
    /// and some do not, so it must not say anything about entries.
    pub(super) fn check_global(bytes: &[u8]) -> Result<(), Wrong> {
        let mut ignored = Pax::default();
        each(bytes, |key, value| match ignored.take(key, value)? {
            true => Err(format!("a global PAX header sets {}", super::quoted(key))),
            false => Ok(()),
        })
    }

    /// Take a record; whether it means something here.
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<bool, Wrong> {
        // POSIX: an empty value takes the record back, so that the header's own field counts.
        let empty = value.is_empty();
        let unless_empty = |value: Result<_, Wrong>| if empty { Ok(None) } else { value.map(Some) };
        match key {
            b"path" => self.path = name(key, value)?,
            b"linkpath" => self.link = name(key, value)?,
            b"size" => self.size = if empty { None } else { Some(decimal(key, value)?) },
            b"uid" => self.uid = unless_empty(id(key, value))?,
            b"gid" => self.gid = unless_empty(id(key, value))?,
            b"mtime" => self.mtime = if empty { None } else { Some(time(key, value)?) },
            b"atime" => self.atime = if empty { None } else { Some(time(key, value)?) },
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    if name.is_empty() || name.len() > 255 || name.contains(&0) {
                        return Err(format!("xattr name {} cannot be", super::quoted(name)));
                    }
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(name) = key.strip_prefix(b"GNU.sparse.") {
                    return self.sparse.get_or_insert_default().take(name, value);
                } else {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

impl Sparse {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<bool, Wrong> {
        match key {
            b"major" => self.major = Some(decimal(key, value)?),
            b"minor" => self.minor = Some(decimal(key, value)?),
            b"name" => self.name = name(key, value)?,
            // `size` in 0.x, `realsize` in 1.0.
            b"size" | b"realsize" => {
                if self.real_size.replace(decimal(key, value)?).is_some() {
                    return Err("a sparse file has two sizes".into());
                }
            }
            b"numblocks" => self.blocks = Some(decimal(key, value)?),
            b"offset" => {
                if self.offset.replace(decimal(key, value)?).is_some() {
                    return Err("a sparse map has two offsets in a row".into());
                }
            }
            b"numbytes" => {
                let offset = self.offset.take().ok_or("a sparse map has a length first")?;
                self.push(Extent { offset, length: decimal(key, value)? })?;
            }
            b"map" => {
                let mut numbers = value.split(|byte| *byte == b',');
                while let Some(offset) = numbers.next() {
                    let length = numbers.next().ok_or("a sparse map ends with an offset")?;
                    let extent =
                        Extent { offset: decimal(key, offset)?, length: decimal(key, length)? };
                    self.push(extent)?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn push(&mut self, extent: Extent) -> Result<(), Wrong> {
        if self.extents.len() >= MAX_EXTENTS {
            return Err(format!("a sparse file of more than {MAX_EXTENTS} pieces"));
        }
        self.extents.push(extent);
        Ok(())
    }

    fn check(&mut self) -> Result<(), Wrong> {
        match (self.major, self.minor) {
            (Some(1), Some(0)) => self.map_in_data = true,
            (None, None) | (Some(0), Some(0 | 1)) => {}
            _ => return Err("a sparse file of an unknown version".into()),
        }
        if self.real_size.is_none() {
            return Err("a sparse file without a size".into());
        }
        let counted = self.extents.len() as u64;
        if self.offset.is_some() || self.blocks.is_some_and(|blocks| blocks != counted) {
            return Err("a sparse map is not complete".into());
        }
        if self.map_in_data && counted > 0 {
            return Err("a sparse file has two maps".into());
        }
        Ok(())
    }
}

/// Go over the records.
fn each<'a>(
    mut bytes: &'a [u8],
    mut record: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    let malformed = || "a PAX record is malformed".to_owned();
    while !bytes.is_empty() {
        // Twenty digits are more than any length that could be right.
        let head = &bytes[..bytes.len().min(20)];
        let space = head.iter().position(|byte| *byte == b' ').ok_or_else(malformed)?;
        let length = decimal(b"length", &head[..space]).map_err(|_| malformed())?;
        let length = usize::try_from(length).map_err(|_| malformed())?;
        let body = bytes.get(space + 1..length).ok_or_else(malformed)?;
        let (newline, body) = body.split_last().ok_or_else(malformed)?;
        let equals = body.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
        if *newline != b'\n' || equals == 0 {
            return Err(malformed());
        }
        record(&body[..equals], &body[equals + 1..])?;
        bytes = &bytes[length..];
    }
    Ok(())
}

fn name(key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, Wrong> {
    if value.contains(&0) {
        return Err(format!("{} has a NUL in it", String::from_utf8_lossy(key)));
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn id(key: &[u8], value: &[u8]) -> Result<u32, Wrong> {
    let name = String::from_utf8_lossy(key);
    owner(&name, i64::try_from(decimal(key, value)?).unwrap_or(-1))
}

/// Digits, and nothing else: no sign, no space.
pub(super) fn decimal(key: &[u8], value: &[u8]) -> Result<u64, Wrong> {
    let wrong = || format!("PAX {} is not a number", String::from_utf8_lossy(key));
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    let value = value.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    i64::try_from(value).map_err(|_| wrong())?;
    Ok(value)
}

/// Seconds with a fraction, before or after 1970. Digits beyond nanoseconds are cut off.
fn time(key: &[u8], value: &[u8]) -> Result<Time, Wrong> {
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let (whole, fraction) = match digits.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&digits[..dot], &digits[dot + 1..]),
        None => (digits, &[][..]),
    };
    let seconds = decimal(key, whole)? as i64;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(format!("PAX {} is not a time", String::from_utf8_lossy(key)));
    }
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let nanoseconds = digits.fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Ok(match (negative, nanoseconds) {
        (false, _) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds },
        // A struct timespec's nanoseconds count forward.
        (true, _) => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}
