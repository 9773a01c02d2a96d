//! What `ADD` fetches: files at URLs. Those of git repositories are [`super::git`]'s.
//!
//! A file is fetched once a build, when its digest is wanted: what it is decides about the cache, not where it is from or when it was changed
//! there. One whose digest is given with `--checksum` is not fetched for that.

use std::fs::File;
use std::io::{BufWriter, Read};
use std::path::PathBuf;
use std::sync::OnceLock;

use barque_monitor::tar::{Entry, Kind, Time, Writer};
use serde_json::json;

use super::archive::{self, Seen};
use super::dockerfile::Copy;
use super::git::Repository;
use super::solver::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::image::content::Content;
use crate::image::digest::Digest;
use crate::registry::{self, Settings, Url};

/// The mode of a file that has none (docs.docker.com/reference/dockerfile, "ADD").
const MODE: u32 = 0o600;

/// Its name, where the URL has none: BuildKit's.
const UNNAMED: &str = "__unnamed__";

/// What a source of `ADD` is, if it is to be fetched.
pub(super) enum Remote {
    Url(Url),
    Git(Repository),
}

impl Remote {
    /// Tell by its text; `None`: it is a path.
    pub(super) fn of(source: &str) -> Result<Option<Remote>> {
        if let Some(repository) = Repository::parse(source)? {
            return Ok(Some(Remote::Git(repository)));
        }
        let scheme = source.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
        match scheme.as_str() {
            "http" | "https" => Url::parse(source).map(Remote::Url).map(Some),
            _ => Ok(None),
        }
    }
}

/// A file that is fetched when it is wanted.
pub(super) struct Download {
    url: Url,
    name: String,
    mode: u32,
    checksum: Option<Digest>,
    /// Archives are unpacked.
    unpack: bool,
    fetched: OnceLock<Fetched>,
}

/// One that is here.
struct Fetched {
    /// An archive that has nothing else.
    archive: PathBuf,
    seen: Seen,
}

impl Download {
    pub(super) fn of(url: Url, copy: &Copy, chmod: &str, checksum: &str) -> Result<Download> {
        let mode = match chmod {
            "" => MODE,
            text => barque_monitor::gather::Chmod::parse(text)
                .map_err(Error::invalid)?
                .apply(MODE, false),
        };
        let checksum = match checksum {
            "" => None,
            text => Some(Digest::parse(text).map_err(|_| {
                Error::invalid(format!("--checksum={text} is no digest; use sha256:HEX"))
            })?),
        };
        let name = name(&url)?;
        let unpack = copy.unpack == Some(true);
        Ok(Download { url, name, mode, checksum, unpack, fetched: OnceLock::new() })
    }

    /// See what is in it.
    pub(super) fn look(&self, site: &Site<'_>) -> Result<Seen> {
        match &self.checksum {
            // What it will be is known, or it fails.
            Some(checksum) if !self.unpack => Ok(self.seen(checksum, 0, Vec::new())),
            _ => Ok(self.fetched(site)?.seen.clone()),
        }
    }

    /// It, as an archive of one file.
    pub(super) fn open(&self, site: &Site<'_>) -> Result<File> {
        let path = &self.fetched(site)?.archive;
        File::open(path).map_err(|error| Error::system(format!("open {}", path.display()), error))
    }

    fn seen(&self, content: &Digest, bytes: u64, archives: Vec<usize>) -> Seen {
        let told = json!({"url": content.as_str(), "name": self.name, "mode": self.mode});
        let digest = Digest::of(told.to_string().as_bytes());
        Seen { digest, bytes, directory: false, files: 1, archives }
    }

    fn fetched(&self, site: &Site<'_>) -> Result<&Fetched> {
        if let Some(fetched) = self.fetched.get() {
            return Ok(fetched);
        }
        let fetched = self.fetch(site)?;
        Ok(self.fetched.get_or_init(|| fetched))
    }

    fn fetch(&self, site: &Site<'_>) -> Result<Fetched> {
        let engine = site.engine;
        let path = |what: &str| site.lease.path().join(format!("{what}-{}", site.number()));
        let settings = Settings::read(engine)?;
        let (content, modified) =
            registry::fetch(engine.canceller(), settings, &self.url, |page| {
                let modified = page.modified;
                let (reader, broken) = page.open();
                Content::spool(path("download"), reader, broken).map(|content| (content, modified))
            })?;
        let Content::Spooled { path: whole, digest, size } = &content else {
            return Err(Error::internal("a download that is nowhere"));
        };
        if let Some(checksum) = self.checksum.as_ref().filter(|checksum| *checksum != digest) {
            let message = format!("{}: digest mismatch {digest}: {checksum}", self.url);
            return Err(Error::new(ErrorKind::Corrupt, message).with_reason("digest_mismatch"));
        }
        let archive = path("downloaded");
        let entry = Entry {
            path: self.name.clone().into_bytes(),
            kind: Kind::File,
            mode: self.mode,
            size: *size,
            // The epoch, where the server does not say: as with BuildKit.
            mtime: Time { seconds: modified.unwrap_or(0), nanoseconds: 0 },
            ..Entry::default()
        };
        let mut source = content.open()?;
        let mut write = || {
            let mut writer = Writer::new(BufWriter::new(File::create_new(&archive)?));
            writer.begin(&entry)?;
            let mut chunk = vec![0; 256 << 10];
            loop {
                match source.read(&mut chunk)? {
                    0 => return writer.finish().map(drop),
                    read => writer.data(&chunk[..read])?,
                }
            }
        };
        write().map_err(|error| Error::system(format!("write {}", archive.display()), error))?;
        // The archive has it now; what cannot be removed goes with the lease.
        let _ = std::fs::remove_file(whole);
        let packed = File::open(&archive)
            .map_err(|error| Error::system(format!("open {}", archive.display()), error))?;
        let archives = match self.unpack {
            true => archive::pass(packed, &mut std::io::sink()).map_err(archive::failed)?.archives,
            false => Vec::new(),
        };
        let seen = self.seen(digest, *size, archives);
        Ok(Fetched { archive, seen })
    }
}

/// The name of the file at a URL: the last word of its path.
fn name(url: &Url) -> Result<String> {
    let path = crate::percent::decoded(url.path());
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match name {
        "" | "." => Ok(UNNAMED.to_owned()),
        name if name == ".." || name.contains('\0') => {
            Err(Error::invalid(format!("{url}: its last word is the name of no file")))
        }
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_is_told_by_its_text() {
        for (source, git) in [
            ("http://example.com/x", false),
            ("HTTPS://example.com/x.git/info", false),
            ("https://example.com/x.git", true),
            ("https://example.com/x.git#main:sub", true),
            ("git://example.com/x", true),
            ("git@example.com:x/y", true),
            ("ssh://git@example.com/x", true),
        ] {
            let remote = Remote::of(source).unwrap().expect(source);
            assert_eq!(matches!(remote, Remote::Git(_)), git, "{source}");
        }
        for path in ["a.git", "./x", "a@b", "dir/git@host:x", "file:///etc/passwd", "ftp://x/y"] {
            assert!(Remote::of(path).unwrap().is_none(), "{path}");
        }
        assert!(Remote::of("https://user:secret@example.com/x").is_err());
    }

    #[test]
    fn a_file_is_called_what_its_address_ends_with() {
        for (address, expected) in [
            ("http://h/a/b.tar?x=/y", "b.tar"),
            ("http://h/a/", "a"),
            ("http://h", UNNAMED),
            ("http://h/a%20b", "a b"),
            ("http://h/x%2f..%2Fy", "y"),
            ("http://h/100%", "100%"),
        ] {
            assert_eq!(name(&Url::parse(address).unwrap()).unwrap(), expected, "{address}");
        }
        for wrong in ["http://h/..", "http://h/%2e%2e", "http://h/a%00b"] {
            assert!(name(&Url::parse(wrong).unwrap()).is_err(), "{wrong}");
        }
    }
}
