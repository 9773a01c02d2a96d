//! Writing an archive: POSIX pax, and the same bytes for the same entries.
//!
//! What a header's own fields can say is said there, so that the oldest readers understand most archives; what they cannot (long
//! names, parts of seconds, large numbers, extended attributes, holes) stands in PAX records before it. Holes are in GNU's format
//! 1.0, which GNU tar, bsdtar, Python and Go read.

use std::io::{self, Write};

use super::header::{BLOCK, MAX_OCTAL_SIZE};
use super::{Entry, Extent, Kind, MAX_PAX, Time};

/// Largest number of seven octal digits: owners and device numbers.
const MAX_OCTAL_ID: u32 = 0o777_7777;

/// Writes an archive.
pub struct Writer<W> {
    out: W,
    /// Bytes of the present entry's data that are still to come.
    left: u64,
    /// NULs that follow them.
    padding: usize,
}

impl<W: Write> Writer<W> {
    /// Write an archive to `out`, which should take small pieces well.
    pub fn new(out: W) -> Writer<W> {
        Writer { out, left: 0, padding: 0 }
    }

    /// Begin an entry. The data of a file follow through [`Writer::data`]: all of its `size` bytes, or those of its `extents`.
    ///
    /// # Errors
    /// Writing failed, or the entry cannot be said in an archive that our reader would take.
    pub fn begin(&mut self, entry: &Entry) -> io::Result<()> {
        if self.left > 0 {
            return Err(io::Error::other("the entry before is not complete"));
        }
        let map = entry.extents.as_deref().map(sparse_map);
        let stored = match &entry.extents {
            Some(extents) => {
                extents.iter().map(|extent| extent.length).sum::<u64>()
                    + map.as_ref().map_or(0, |map| map.len() as u64)
            }
            None if entry.kind == Kind::File => entry.size,
            None => 0,
        };
        let records = records(entry, stored);
        let name = match entry.extents {
            Some(_) => [b"GNUSparseFile.0/", base(&entry.path)].concat(),
            None => entry.path.clone(),
        };
        if !records.is_empty() {
            if records.len() as u64 > MAX_PAX {
                return Err(io::Error::other("an entry with too many attributes for an archive"));
            }
            let about = [b"PaxHeaders.0/", base(&entry.path)].concat();
            let mut header = Header::new(b'x', &about);
            header.number(100, 8, 0o644);
            header.number(124, 12, records.len() as u64);
            self.out.write_all(&header.finish())?;
            self.out.write_all(&records)?;
            self.out.write_all(&[0; BLOCK][..padding(records.len() as u64)])?;
        }
        let mut header = Header::new(type_flag(entry.kind), &name);
        header.number(100, 8, u64::from(entry.mode & 0o7777));
        header.number(108, 8, u64::from(if entry.uid > MAX_OCTAL_ID { 0 } else { entry.uid }));
        header.number(116, 8, u64::from(if entry.gid > MAX_OCTAL_ID { 0 } else { entry.gid }));
        header.number(124, 12, if stored > MAX_OCTAL_SIZE { 0 } else { stored });
        let seconds = u64::try_from(entry.mtime.seconds).unwrap_or_default();
        header.number(136, 12, seconds.min(MAX_OCTAL_SIZE));
        header.text(157, 100, &entry.link);
        header.number(329, 8, u64::from(entry.device.0));
        header.number(337, 8, u64::from(entry.device.1));
        self.out.write_all(&header.finish())?;
        self.left = stored;
        self.padding = padding(stored);
        match map {
            Some(map) => self.data(&map),
            None => Ok(()),
        }
    }

    /// Data of the present entry.
    ///
    /// # Errors
    /// Writing failed, or these are more than the entry has.
    pub fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.data_by(|out| out.write_all(bytes).map(|()| bytes.len())).map(drop)
    }

    /// The same for what `give` writes, which says how many bytes these are.
    ///
    /// # Errors
    /// Those of `give`; or these are more than the entry has.
    pub fn data_by(&mut self, give: impl FnOnce(&mut W) -> io::Result<usize>) -> io::Result<usize> {
        let given = give(&mut self.out)?;
        self.left = self
            .left
            .checked_sub(given as u64)
            .ok_or_else(|| io::Error::other("more data than the entry has"))?;
        if self.left == 0 && self.padding > 0 {
            self.out.write_all(&[0; BLOCK][..self.padding])?;
            self.padding = 0;
        }
        Ok(given)
    }

    /// End the archive.
    ///
    /// # Errors
    /// Writing failed.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The PAX records of an entry, in an order of their own that is always the same.
fn records(entry: &Entry, stored: u64) -> Vec<u8> {
    let mut records = Vec::new();
    let mut number =
        |key: &str, value: u64| record(&mut records, key.as_bytes(), value.to_string().as_bytes());
    if entry.extents.is_some() {
        number("GNU.sparse.major", 1);
        number("GNU.sparse.minor", 0);
    }
    if stored > MAX_OCTAL_SIZE {
        number("size", stored);
    }
    if entry.uid > MAX_OCTAL_ID {
        number("uid", u64::from(entry.uid));
    }
    if entry.gid > MAX_OCTAL_ID {
        number("gid", u64::from(entry.gid));
    }
    if entry.extents.is_some() {
        record(&mut records, b"GNU.sparse.name", &entry.path);
        record(&mut records, b"GNU.sparse.realsize", entry.size.to_string().as_bytes());
    } else if entry.path.len() > 100 {
        record(&mut records, b"path", &entry.path);
    }
    if entry.link.len() > 100 {
        record(&mut records, b"linkpath", &entry.link);
    }
    let Time { seconds, nanoseconds } = entry.mtime;
    if nanoseconds > 0 || !(0..=MAX_OCTAL_SIZE as i64).contains(&seconds) {
        record(&mut records, b"mtime", time(entry.mtime).as_bytes());
    }
    for (name, value) in &entry.xattrs {
        record(&mut records, &[b"SCHILY.xattr.", &name[..]].concat(), value);
    }
    records
}

/// `length key=value\n`, where the length counts its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// Decimal seconds. A struct timespec's nanoseconds count forward, also before 1970.
fn time(time: Time) -> String {
    match (time.seconds, time.nanoseconds) {
        (seconds, 0) => seconds.to_string(),
        (seconds @ 0.., nanoseconds) => format!("{seconds}.{nanoseconds:09}"),
        (seconds, nanoseconds) => {
            format!("-{}.{:09}", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanoseconds)
        }
    }
}

/// The map of a sparse file, as it stands before its data: padded to a whole block.
fn sparse_map(extents: &[Extent]) -> Vec<u8> {
    let mut map = format!("{}\n", extents.len());
    for extent in extents {
        map.push_str(&format!("{}\n{}\n", extent.offset, extent.length));
    }
    let mut map = map.into_bytes();
    map.resize(map.len() + padding(map.len() as u64), 0);
    map
}

fn type_flag(kind: Kind) -> u8 {
    match kind {
        Kind::File => b'0',
        Kind::HardLink => b'1',
        Kind::SymbolicLink => b'2',
        Kind::CharacterDevice => b'3',
        Kind::BlockDevice => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    }
}

/// The last component of a name, for headers whose own name nobody needs.
fn base(path: &[u8]) -> &[u8] {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    &path[path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1)..]
}

fn padding(length: u64) -> usize {
    ((BLOCK as u64 - length % BLOCK as u64) % BLOCK as u64) as usize
}

/// A ustar header block in the making.
struct Header([u8; BLOCK]);

impl Header {
    fn new(type_flag: u8, name: &[u8]) -> Header {
        let mut header = Header([0; BLOCK]);
        header.text(0, 100, name);
        header.0[156] = type_flag;
        header.0[257..265].copy_from_slice(b"ustar\x0000");
        for (at, length) in [(100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (329, 8), (337, 8)]
        {
            header.number(at, length, 0);
        }
        header
    }

    /// Text that fits, or as much of it as fits: the whole is in a PAX record then.
    fn text(&mut self, at: usize, length: usize, text: &[u8]) {
        let length = length.min(text.len());
        self.0[at..at + length].copy_from_slice(&text[..length]);
    }

    fn number(&mut self, at: usize, length: usize, value: u64) {
        let digits = format!("{value:0width$o}\0", width = length - 1);
        self.0[at..at + length].copy_from_slice(digits.as_bytes());
    }

    fn finish(mut self) -> [u8; BLOCK] {
        self.0[148..156].fill(b' ');
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        let digits = format!("{sum:06o}\0 ");
        self.0[148..156].copy_from_slice(digits.as_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::Reader;

    /// Write entries, and read them again with our reader.
    fn round(entries: &[(Entry, Vec<u8>)]) -> Vec<(Entry, Vec<u8>)> {
        let mut writer = Writer::new(Vec::new());
        for (entry, data) in entries {
            writer.begin(entry).unwrap();
            writer.data(data).unwrap();
        }
        let archive = writer.finish().unwrap();
        assert_eq!(archive.len() % BLOCK, 0);
        let mut reader = Reader::new(&archive[..]);
        let mut read = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            let mut data = Vec::new();
            loop {
                let piece = reader.data().unwrap();
                if piece.is_empty() {
                    break;
                }
                let length = piece.len();
                data.extend_from_slice(piece);
                reader.consume(length);
            }
            read.push((entry, data));
        }
        assert!(reader.has_end_marker());
        read
    }

    fn file(path: &str, size: u64) -> Entry {
        Entry { path: path.into(), size, mode: 0o644, ..Entry::default() }
    }

    #[test]
    fn what_is_written_is_what_the_reader_reads() {
        let at = |seconds, nanoseconds| Time { seconds, nanoseconds };
        let long = format!("d/{}", "n".repeat(200));
        let entries = [
            (
                Entry {
                    path: b"d/".to_vec(),
                    kind: Kind::Directory,
                    mode: 0o1777,
                    mtime: at(5, 7),
                    ..Entry::default()
                },
                vec![],
            ),
            (
                Entry {
                    uid: 1000,
                    gid: u32::MAX - 1,
                    mtime: at(-2, 250_000_000),
                    ..file("d/f", 3)
                },
                b"abc".to_vec(),
            ),
            (Entry { mtime: at(-7, 0), mode: 0o4755, ..file(&long, 512) }, vec![b'x'; 512]),
            (
                Entry {
                    path: b"l".to_vec(),
                    kind: Kind::SymbolicLink,
                    link: vec![b't'; 300],
                    mode: 0o777,
                    ..Entry::default()
                },
                vec![],
            ),
            (
                Entry {
                    path: b"h".to_vec(),
                    kind: Kind::HardLink,
                    link: b"d/f".to_vec(),
                    ..Entry::default()
                },
                vec![],
            ),
            (
                Entry {
                    path: b"c".to_vec(),
                    kind: Kind::CharacterDevice,
                    device: (4095, 0xf_ffff),
                    ..Entry::default()
                },
                vec![],
            ),
            (Entry { path: b"p".to_vec(), kind: Kind::Fifo, ..Entry::default() }, vec![]),
            (
                Entry {
                    xattrs: vec![
                        (b"user.a".to_vec(), vec![0, 1, b'\n', b'=']),
                        (b"security.capability".to_vec(), vec![1; 20]),
                    ],
                    ..file("x\nä", 0)
                },
                vec![],
            ),
        ];
        assert_eq!(round(&entries), entries);
    }

    #[test]
    fn a_sparse_file_is_its_pieces_and_its_size() {
        let extents =
            vec![Extent { offset: 4096, length: 5 }, Extent { offset: 1 << 40, length: 600 }];
        let entry =
            Entry { extents: Some(extents), ..file("sparse/with/a/name", (1 << 40) + 4096) };
        let data = [&b"hello"[..], &[7; 600]].concat();
        let read = round(&[(entry.clone(), data.clone()), (file("after", 1), vec![b'!'])]);
        assert_eq!(read[0], (entry, data));
        assert_eq!(read[1].0.path, b"after");
        let hole = Entry { extents: Some(Vec::new()), ..file("hole", 1 << 30) };
        assert_eq!(round(&[(hole.clone(), vec![])]), [(hole, vec![])]);
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for length in 80..120 {
            let mut records = Vec::new();
            record(&mut records, b"k", &vec![b'v'; length]);
            let digits = records.iter().position(|byte| *byte == b' ').unwrap();
            let said: usize = String::from_utf8_lossy(&records[..digits]).parse().unwrap();
            assert_eq!(said, records.len());
        }
    }

    #[test]
    fn data_that_were_not_announced_are_refused() {
        let mut writer = Writer::new(Vec::new());
        writer.begin(&file("a", 2)).unwrap();
        assert!(writer.data(b"abc").is_err());
        assert!(writer.begin(&file("b", 0)).is_err());
    }
}
