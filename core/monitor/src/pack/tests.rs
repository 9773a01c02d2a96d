use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev, mknodat, setxattr};

use super::*;
use crate::tar::Reader;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("barque-pack-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn fd(&self) -> OwnedFd {
        File::open(&self.0).unwrap().into()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pack(fd: &OwnedFd, options: Options) -> Result<Vec<u8>> {
    let mut packer = Packer::new(Vec::new(), options);
    packer.directory(fd, b"")?;
    packer.finish()
}

fn entries(archive: &[u8]) -> BTreeMap<String, Entry> {
    let mut reader = Reader::new(archive);
    let mut entries = BTreeMap::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        entries.insert(String::from_utf8_lossy(&entry.path).into_owned(), entry);
    }
    entries
}

fn message(error: Error) -> String {
    match error {
        Error::Tree(failure) => failure.message,
        Error::Write(error) => error.to_string(),
    }
}

fn device(path: &Path, major: u32, minor: u32) {
    let mode = Mode::from_raw_mode(0o600);
    mknodat(CWD, path, FileType::CharacterDevice, mode, makedev(major, minor)).unwrap();
}

#[test]
fn a_tree_is_packed_with_all_it_has_and_twice_to_the_same_bytes() {
    let scratch = Scratch::new("tree");
    let at = |name: &str| scratch.0.join(name);
    fs::create_dir(at("d")).unwrap();
    fs::write(at("d/f"), "content").unwrap();
    fs::set_permissions(at("d/f"), fs::Permissions::from_mode(0o4711)).unwrap();
    fs::hard_link(at("d/f"), at("g")).unwrap();
    symlink("/nowhere", at("l")).unwrap();
    setxattr(at("d/f"), c"user.note", b"v", XattrFlags::empty()).unwrap();
    mknodat(CWD, at("p"), FileType::Fifo, Mode::from_raw_mode(0o622), 0).unwrap();
    device(&at("null"), 1, 3);
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();

    let first = pack(&scratch.fd(), Options::default()).unwrap();
    assert_eq!(first, pack(&scratch.fd(), Options::default()).unwrap());
    let found = entries(&first);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["./", "d/", "d/f", "g", "l", "null", "p"]);
    let file = &found["d/f"];
    assert_eq!((file.mode, file.size, file.uid), (0o4711, 7, 0));
    assert_eq!(file.xattrs, [(b"user.note".to_vec(), b"v".to_vec())]);
    assert_eq!(file.mtime.seconds, at("d/f").metadata().unwrap().mtime());
    assert_eq!((found["g"].kind, &found["g"].link[..]), (Kind::HardLink, &b"d/f"[..]));
    assert_eq!(found["l"].link, b"/nowhere");
    assert_eq!((found["null"].kind, found["null"].device), (Kind::CharacterDevice, (1, 3)));
    assert_eq!(found["p"].kind, Kind::Fifo);
}

#[test]
fn the_marks_of_overlayfs_become_whiteouts_in_a_layer() {
    let scratch = Scratch::new("layer");
    let at = |name: &str| scratch.0.join(name);
    fs::create_dir_all(at("d/opaque")).unwrap();
    fs::write(at("d/opaque/new"), "").unwrap();
    let _ = setxattr(at("d/opaque"), c"trusted.overlay.opaque", b"y", XattrFlags::empty());
    let _ = setxattr(at("d"), c"trusted.overlay.impure", b"y", XattrFlags::empty());
    device(&at("d/gone"), 0, 0);
    device(&at("gone"), 0, 0);
    let archive = pack(&scratch.fd(), Options { layer: true, ..Options::default() }).unwrap();
    let found = entries(&archive);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "./",
            ".wh.gone",
            "d/",
            "d/.wh.gone",
            "d/opaque/",
            "d/opaque/.wh..wh..opq",
            "d/opaque/new"
        ]
    );
    assert_eq!(found["d/.wh.gone"].kind, Kind::File);
    assert!(found.values().all(|entry| entry.xattrs.is_empty()));
}

#[test]
fn what_a_layer_cannot_say_is_refused() {
    let scratch = Scratch::new("refused");
    fs::write(scratch.0.join(".wh.x"), "").unwrap();
    let layer = Options { layer: true, ..Options::default() };
    assert!(message(pack(&scratch.fd(), layer).unwrap_err()).contains("would mean a deleted one"));
    assert!(pack(&scratch.fd(), Options::default()).is_ok());
    fs::rename(scratch.0.join(".wh.x"), scratch.0.join("x")).unwrap();
    setxattr(scratch.0.join("x"), c"trusted.overlay.metacopy", b"", XattrFlags::empty()).unwrap();
    assert!(message(pack(&scratch.fd(), layer).unwrap_err()).contains("content is elsewhere"));
}

#[test]
fn holes_are_not_packed() {
    let scratch = Scratch::new("holes");
    let file = File::create(scratch.0.join("sparse")).unwrap();
    file.set_len(1 << 36).unwrap();
    file.write_all_at(b"end", (1 << 36) - 3).unwrap();
    let archive = pack(&scratch.fd(), Options::default()).unwrap();
    assert!(archive.len() < 1 << 20, "{} bytes", archive.len());
    let entry = &entries(&archive)["sparse"];
    assert_eq!(entry.size, 1 << 36);
    let extents = entry.extents.as_ref().unwrap();
    let last = extents.last().unwrap();
    assert_eq!(last.offset + last.length, 1 << 36);
}

#[test]
fn owners_can_be_given_and_one_thing_can_be_packed_under_another_name() {
    let scratch = Scratch::new("one");
    fs::create_dir_all(scratch.0.join("a/b")).unwrap();
    let mut packer = Packer::new(Vec::new(), Options { owner: Some((7, 8)), ..Options::default() });
    packer.entry(scratch.fd(), c"a", b"other").unwrap();
    let found = entries(&packer.finish().unwrap());
    assert_eq!(found.keys().collect::<Vec<_>>(), ["other/", "other/b/"]);
    assert!(found.values().all(|entry| (entry.uid, entry.gid) == (7, 8)));
    let mut packer = Packer::new(Vec::new(), Options::default());
    assert!(packer.entry(scratch.fd(), c"missing", b"x").is_err());
}

/// Parts of files that go past the packer count as what it writes itself: the archive is the same.
#[test]
fn large_files_may_go_another_way() {
    fn splice(out: &mut Vec<u8>, file: BorrowedFd<'_>, at: u64, most: usize) -> io::Result<usize> {
        let mut part = vec![0; most.min(70_001)];
        let read = pread(file, &mut part[..], at)?;
        out.extend_from_slice(&part[..read]);
        Ok(read)
    }
    fn refused(_: &mut Vec<u8>, _: BorrowedFd<'_>, _: u64, _: usize) -> io::Result<usize> {
        Ok(0)
    }
    let scratch = Scratch::new("splice");
    fs::write(scratch.0.join("a"), vec![7; 300_001]).unwrap();
    fs::write(scratch.0.join("b"), "small").unwrap();
    let plain = pack(&scratch.fd(), Options::default()).unwrap();
    for way in [splice, refused] {
        let mut packer = Packer::new(Vec::new(), Options::default());
        packer.splice_with(way);
        packer.directory(scratch.fd(), b"").unwrap();
        assert!(packer.finish().unwrap() == plain, "another archive");
    }
}
