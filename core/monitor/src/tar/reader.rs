//! Going over an archive, entry by entry.

use std::io::{self, BufRead, BufReader, Read, Seek};

use super::error::{Error, Result};
use super::header::{BLOCK, Format, Header, MAX_OCTAL_SIZE, Wrong, field, unsigned};
use super::pax::Pax;
use super::sparse::{self, MapInData};
use super::{Entry, Kind, MAX_LONG_NAME, MAX_PAX, quoted};

/// Reads an archive from beginning to end.
pub struct Reader<R> {
    input: R,
    /// Bytes read so far.
    position: u64,
    /// Where the present entry begins.
    entry: u64,
    /// Bytes of its data that have not been read.
    remaining: u64,
    /// And of the padding after it.
    padding: u64,
    end: End,
}

/// How far the archive's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NotYet,
    /// Two blocks of NULs, as there should be.
    Marked,
    /// The bytes ended between two entries.
    Unmarked,
}

/// What headers before an entry say about it.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Pax>,
}

impl<R: BufRead> Reader<R> {
    /// Read the archive in `input`.
    pub fn new(input: R) -> Reader<R> {
        Reader { input, position: 0, entry: 0, remaining: 0, padding: 0, end: End::NotYet }
    }

    /// The next entry, `None` at the end. What is left of the present one's data is read over.
    ///
    /// # Errors
    /// The archive is malformed or cannot be read; there is no going on then.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        self.skip_data()?;
        let mut extensions = Extensions::default();
        loop {
            self.entry = self.position;
            let Some(block) = self.header()? else {
                if extensions.is_empty() {
                    return Ok(None);
                }
                return self.fail("an extension header with no entry after it");
            };
            let header = Header(&block);
            self.or_fail(header.check())?;
            let has_extensions = header.format() != Format::V7;
            match header.kind() {
                kind @ (b'x' | b'g' | b'L' | b'K') if has_extensions => {
                    self.extension(kind, &header, &mut extensions)?;
                }
                _ => return self.file(&header, extensions).map(Some),
            }
        }
    }

    /// Data of the present entry: a part of it, empty at its end. To be followed by [`Reader::consume`].
    ///
    /// # Errors
    /// The archive ends here or cannot be read.
    pub fn data(&mut self) -> io::Result<&[u8]> {
        if self.remaining == 0 {
            return Ok(&[]);
        }
        let buffer = loop {
            match self.input.fill_buf() {
                // The second call gets what the first one got; borrows do not allow to keep it.
                Ok(_) => break self.input.fill_buf()?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        if buffer.is_empty() {
            return Err(truncated());
        }
        let len = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(buffer.len());
        Ok(&buffer[..len])
    }

    /// So many bytes of [`Reader::data`] are done with.
    pub fn consume(&mut self, len: usize) {
        self.input.consume(len);
        self.position += len as u64;
        self.remaining -= len as u64;
    }

    /// Whether the archive ended as it should: with two blocks of NULs. One without them may have been cut short between two
    /// entries, which nothing else would tell.
    pub fn has_end_marker(&self) -> bool {
        self.end == End::Marked
    }

    /// Bytes read so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What the archive is read from, to read on behind it.
    pub fn into_inner(self) -> R {
        self.input
    }

    fn fail<T>(&self, why: impl Into<String>) -> Result<T> {
        Err(Error::Malformed { position: self.entry, why: why.into() })
    }

    fn or_fail<T>(&self, result: std::result::Result<T, Wrong>) -> Result<T> {
        result.or_else(|why| self.fail(why))
    }

    fn skip_data(&mut self) -> Result<()> {
        while self.remaining > 0 {
            let len = self.data()?.len();
            self.consume(len);
        }
        self.remaining = std::mem::take(&mut self.padding);
        while self.remaining > 0 {
            let len = self.data()?.len();
            self.consume(len);
        }
        Ok(())
    }

    /// The next block, `None` when there are no more bytes.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return self.fail("the archive ends within a header"),
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.position += BLOCK as u64;
        Ok(Some(block))
    }

    /// The next header, `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>> {
        if self.end != End::NotYet {
            return Ok(None);
        }
        let Some(block) = self.block()? else {
            self.end = End::Unmarked;
            return Ok(None);
        };
        if !Header(&block).is_zero() {
            return Ok(Some(block));
        }
        match self.block()? {
            Some(second) if !Header(&second).is_zero() => {
                self.fail("one block of NULs, and then more: neither an entry nor the end")
            }
            // What follows is padding to the size of a tape's record.
            _ => {
                self.end = End::Marked;
                Ok(None)
            }
        }
    }

    fn begin_data(&mut self, size: u64) -> Result<()> {
        if size > i64::MAX as u64 {
            return self.fail("size is out of range");
        }
        self.remaining = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    /// Read the whole data of an extension header.
    fn whole(&mut self, size: u64, most: u64, what: &str) -> Result<Vec<u8>> {
        if size > most {
            return self.fail(format!("a {what} of {size} bytes; at most {most} are read"));
        }
        self.begin_data(size)?;
        let mut bytes = Vec::new();
        while self.remaining > 0 {
            let part = self.data()?;
            bytes.extend_from_slice(part);
            let len = part.len();
            self.consume(len);
        }
        self.skip_data()?;
        Ok(bytes)
    }

    fn extension(&mut self, kind: u8, header: &Header<'_>, to: &mut Extensions) -> Result<()> {
        let size = self.or_fail(header.size())?;
        let twice = match kind {
            b'x' => to.pax.is_some(),
            b'L' => to.path.is_some(),
            b'K' => to.link.is_some(),
            _ => false,
        };
        if twice {
            return self.fail("two extension headers of one kind for one entry");
        }
        match kind {
            b'x' => {
                let records = self.whole(size, MAX_PAX, "PAX header")?;
                to.pax = Some(self.or_fail(Pax::parse(&records))?);
            }
            b'g' => {
                let records = self.whole(size, MAX_PAX, "PAX header")?;
                self.or_fail(Pax::check_global(&records))?;
            }
            _ => {
                let mut name = self.whole(size, MAX_LONG_NAME, "long name")?;
                let end = name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                name.truncate(end);
                if name.is_empty() || name.contains(&0) {
                    return self.fail("a long name that is empty or has a NUL in it");
                }
                *(if kind == b'L' { &mut to.path } else { &mut to.link }) = Some(name);
            }
        }
        Ok(())
    }

    /// The entry of this header.
    fn file(&mut self, header: &Header<'_>, extensions: Extensions) -> Result<Entry> {
        let Extensions { path: long_path, link: long_link, pax } = extensions;
        let mut pax = pax.unwrap_or_default();
        let stored = self.or_fail(stored_size(header, pax.size))?;
        let mut sparse = pax.sparse.take();
        let sparse_name = sparse.as_mut().and_then(|sparse| sparse.name.take());
        let path = self.or_fail(one_name("path", sparse_name.or(pax.path), long_path))?;
        let link = self.or_fail(one_name("link", pax.link, long_link))?;
        let mut entry = Entry {
            path: path.unwrap_or_else(|| header.path()),
            mode: self.or_fail(header.mode())?,
            uid: pax.uid.map_or_else(|| self.or_fail(header.uid()), Ok)?,
            gid: pax.gid.map_or_else(|| self.or_fail(header.gid()), Ok)?,
            size: stored,
            mtime: pax.mtime.map_or_else(|| self.or_fail(header.mtime()), Ok)?,
            atime: pax.atime,
            xattrs: pax.xattrs,
            ..Entry::default()
        };
        entry.kind = match header.kind() {
            // Archives from before ustar mark a directory by the slash behind its name.
            0 | b'0' | b'7' if entry.path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::SymbolicLink,
            b'3' => Kind::CharacterDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => {
                let kind = quoted(&[other]);
                return self
                    .fail(format!("entry {} is of unknown type {kind}", quoted(&entry.path)));
            }
        };
        match entry.kind {
            Kind::HardLink | Kind::SymbolicLink => {
                entry.link = link.unwrap_or_else(|| header.link())
            }
            Kind::CharacterDevice | Kind::BlockDevice => {
                entry.device = self.or_fail(header.device())?;
            }
            _ => {}
        }
        // Some readers take a size on these for data that follows and some do not.
        if entry.kind != Kind::File && (stored != 0 || sparse.is_some()) {
            return self.fail(format!("entry {} is no file and has a size", quoted(&entry.path)));
        }
        if header.kind() == b'S' {
            if sparse.is_some() {
                return self.fail("a file that is sparse in two formats");
            }
            self.old_sparse(header, &mut entry, stored)?;
        } else {
            self.begin_data(stored)?;
            if let Some(mut map) = sparse {
                entry.size = map.real_size.unwrap_or_default();
                if map.map_in_data {
                    map.extents = self.map_in_data()?;
                }
                self.or_fail(sparse::check(&map.extents, entry.size, self.remaining))?;
                entry.extents = Some(map.extents);
            }
        }
        Ok(entry)
    }

    fn old_sparse(&mut self, header: &Header<'_>, entry: &mut Entry, stored: u64) -> Result<()> {
        if header.format() != Format::Gnu {
            return self.fail("a sparse file of another format than GNU's");
        }
        let (pairs, mut more, real_size) = header.sparse();
        let mut extents = Vec::new();
        self.or_fail(sparse::old_pairs(pairs, &mut extents))?;
        let real_size = field("real size", real_size).and_then(|size| unsigned("real size", size));
        entry.size = self.or_fail(real_size)?;
        while more {
            let Some(block) = self.block()? else {
                return self.fail("the archive ends within a sparse map");
            };
            more = self.or_fail(sparse::old_block(&block, &mut extents))?;
        }
        self.or_fail(sparse::check(&extents, entry.size, stored))?;
        entry.extents = Some(extents);
        self.begin_data(stored)
    }

    fn map_in_data(&mut self) -> Result<Vec<super::Extent>> {
        let mut map = MapInData::default();
        loop {
            let left = self.remaining.checked_sub(BLOCK as u64);
            let (Some(left), Some(block)) = (left, self.block()?) else {
                return self.fail("the archive ends within a sparse map");
            };
            self.remaining = left;
            if let Some(extents) = self.or_fail(map.take(&block))? {
                return Ok(extents);
            }
        }
    }
}

impl<R: Read> Reader<BufReader<R>> {
    /// Have data of the present entry, at most so many bytes, taken from what the archive is read from, for as long as none are in
    /// the buffer before it; how many were. None: they come through [`Reader::data`].
    ///
    /// # Errors
    /// Those of `take`.
    pub fn data_by<E>(
        &mut self,
        most: u64,
        take: impl FnOnce(&R, u64) -> std::result::Result<u64, E>,
    ) -> std::result::Result<u64, E> {
        let most = most.min(self.remaining);
        if most == 0 || !self.input.buffer().is_empty() {
            return Ok(0);
        }
        let taken = take(self.input.get_ref(), most)?;
        self.position += taken;
        self.remaining -= taken;
        Ok(taken)
    }
}

impl<R: Read + Seek> Reader<BufReader<R>> {
    /// Pass over what is left of the present entry's data without reading it: all but its last byte, which tells whether it is there.
    pub fn pass_over(&mut self) {
        let over = self.remaining.saturating_sub(1);
        let Ok(offset) = i64::try_from(over) else { return };
        // Where nobody can seek to nothing can be read either, which reading will tell.
        if self.input.seek_relative(offset).is_ok() {
            self.position += over;
            self.remaining -= over;
        }
    }
}

impl Extensions {
    fn is_empty(&self) -> bool {
        self.path.is_none() && self.link.is_none() && self.pax.is_none()
    }
}

/// The size of what the archive holds for an entry. A PAX size is for what eleven octal digits cannot say; where they could,
/// the two must agree, or readers that know only one of them would see different entries from here on.
fn stored_size(header: &Header<'_>, pax: Option<u64>) -> std::result::Result<u64, Wrong> {
    let Some(size) = pax else { return header.size() };
    if header.size()? == size || (size > MAX_OCTAL_SIZE && header.size_is_truncated(size)?) {
        return Ok(size);
    }
    Err("the PAX size is not the header's".into())
}

fn one_name(
    what: &str,
    pax: Option<Vec<u8>>,
    gnu: Option<Vec<u8>>,
) -> std::result::Result<Option<Vec<u8>>, Wrong> {
    match (pax, gnu) {
        (Some(_), Some(_)) => Err(format!("an entry has its {what} from PAX and from GNU")),
        (pax, gnu) => Ok(pax.or(gnu)),
    }
}

fn truncated() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends within an entry")
}
