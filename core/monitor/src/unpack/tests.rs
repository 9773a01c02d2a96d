//! Layers unpacked into a directory, without the jail: what is tested here must hold by itself. Needs root.

use std::io::Seek;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ::tar::{Builder, EntryType, Header};
use rustix::fs::{MemfdFlags, memfd_create};

use super::*;
use crate::protocol::Live;

fn unpacked(name: &str, entries: &[(&str, EntryType, &str, u32)]) -> (PathBuf, Result<Unpacked>) {
    rustix::process::umask(rustix::fs::Mode::empty());
    let root = std::env::temp_dir().join(format!("barque-unpack-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&root).unwrap();
    let mut builder = Builder::new(Vec::new());
    for (path, kind, text, mode) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_mtime(1000);
        header.set_uid(7);
        header.set_gid(8);
        header.set_size(0);
        match kind {
            EntryType::Symlink | EntryType::Link => {
                builder.append_link(&mut header, path, text).unwrap();
            }
            _ => {
                header.set_size(text.len() as u64);
                builder.append_data(&mut header, path, text.as_bytes()).unwrap();
            }
        }
    }
    let archive = builder.into_inner().unwrap();
    let options = Unpack {
        max_bytes: 1 << 20,
        max_entries: 1000,
        whiteouts: true,
        end_marker: true,
        live: None,
    };
    let fd = OwnedFd::from(File::open(&root).unwrap());
    let file = memfd_create(c"archive", MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(file);
    file.write_all(&archive).unwrap();
    file.rewind().unwrap();
    let result = unpack_stream(file, fd, options);
    (root, result)
}

const FILE: EntryType = EntryType::Regular;
const DIR: EntryType = EntryType::Directory;

fn is_whiteout(path: &Path) -> bool {
    let metadata = path.symlink_metadata().unwrap();
    metadata.mode() & libc::S_IFMT == libc::S_IFCHR && metadata.rdev() == 0
}

fn is_opaque(path: &Path) -> bool {
    let mut value = [0; 4];
    rustix::fs::lgetxattr(path, c"trusted.overlay.opaque", &mut value[..]) == Ok(1)
}

#[test]
fn whiteouts_hide_what_is_below_and_not_what_this_layer_has() {
    let (root, result) = unpacked(
        "whiteouts",
        &[
            ("gone/.wh.x", FILE, "", 0),
            ("file", FILE, "1", 0o644),
            (".wh.file", FILE, "", 0),
            (".wh.back", FILE, "", 0),
            ("back", DIR, "", 0o755),
            ("dir", DIR, "", 0o755),
            ("dir/kept", FILE, "1", 0o644),
            (".wh.dir", FILE, "", 0),
            ("opaque/.wh..wh..opq", FILE, "", 0),
            ("opaque/a", FILE, "1", 0o644),
        ],
    );
    let unpacked = result.unwrap();
    assert!(is_whiteout(&root.join("gone/x")));
    assert!(root.join("file").is_file());
    assert!(is_opaque(&root.join("back")) && is_opaque(&root.join("dir")));
    assert!(root.join("dir/kept").is_file());
    assert!(is_opaque(&root.join("opaque")) && root.join("opaque/a").is_file());
    assert!(!unpacked.opaque);
    assert_eq!(unpacked.implied, ["676f6e65", "6f7061717565"], "gone and opaque");
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn owners_modes_and_times_are_the_archives() {
    let (root, result) = unpacked(
        "attributes",
        &[
            ("d", DIR, "", 0o2770),
            ("d/suid", FILE, "x", 0o4755),
            ("d/open", FILE, "x", 0o666),
            ("d/link", EntryType::Symlink, "open", 0o777),
            ("d/pipe", EntryType::Fifo, "", 0o600),
            ("d/hard", EntryType::Link, "d/open", 0o644),
        ],
    );
    result.unwrap();
    for (name, mode) in
        [("d", 0o2770), ("d/suid", 0o4755), ("d/open", 0o666), ("d/link", 0o777), ("d/pipe", 0o600)]
    {
        let metadata = root.join(name).symlink_metadata().unwrap();
        assert_eq!(metadata.mode() & 0o7777, mode, "{name}");
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mtime()), (7, 8, 1000), "{name}");
    }
    let inode = |name: &str| root.join(name).metadata().unwrap().ino();
    assert_eq!(inode("d/hard"), inode("d/open"));
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_later_entry_replaces_an_earlier_one_and_is_never_written_through_it() {
    let (root, result) = unpacked(
        "replaced",
        &[
            ("target", FILE, "kept", 0o644),
            ("a", EntryType::Symlink, "target", 0o777),
            ("a", FILE, "new", 0o644),
            ("tree/x/y", FILE, "1", 0o644),
            ("tree", FILE, "now a file", 0o644),
            ("l", EntryType::Symlink, "/elsewhere", 0o777),
            ("l", DIR, "", 0o755),
            ("l/in", FILE, "1", 0o644),
        ],
    );
    result.unwrap();
    assert_eq!(std::fs::read(root.join("target")).unwrap(), b"kept");
    assert_eq!(std::fs::read(root.join("a")).unwrap(), b"new");
    assert_eq!(std::fs::read(root.join("tree")).unwrap(), b"now a file");
    assert!(root.join("l").symlink_metadata().unwrap().is_dir() && root.join("l/in").is_file());
    assert!(!Path::new("/elsewhere").exists());
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn links_lead_where_they_would_in_a_container() {
    let (root, result) = unpacked(
        "links",
        &[
            ("usr/lib", DIR, "", 0o755),
            ("lib", EntryType::Symlink, "/usr/lib", 0o777),
            ("lib/x", FILE, "1", 0o644),
        ],
    );
    result.unwrap();
    assert!(root.join("usr/lib/x").is_file());
    let (nowhere, result) = unpacked(
        "nowhere",
        &[("e", EntryType::Symlink, "/victim", 0o777), ("e/x", FILE, "1", 0o644)],
    );
    assert!(result.unwrap_err().message.contains("not a directory of this layer"));
    std::fs::remove_dir_all(root).unwrap();
    std::fs::remove_dir_all(nowhere).unwrap();
}

/// Unpack into a directory in use what `give` writes into a pipe.
fn piped(
    name: &str,
    root: Option<&Path>,
    give: impl FnOnce(&mut Builder<File>) + Send + 'static,
) -> (PathBuf, Result<Unpacked>) {
    rustix::process::umask(rustix::fs::Mode::empty());
    let fresh = std::env::temp_dir().join(format!("barque-unpack-{name}-{}", std::process::id()));
    let root = root.unwrap_or(&fresh).to_owned();
    std::fs::create_dir_all(&root).unwrap();
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let giver = std::thread::spawn(move || give(&mut Builder::new(File::from(theirs))));
    let live = Live { no_overwrite_dir_non_dir: true, ..Live::default() };
    let options = Unpack {
        max_bytes: u64::MAX,
        max_entries: 1000,
        whiteouts: false,
        end_marker: true,
        live: Some(live),
    };
    let fd = OwnedFd::from(File::open(&root).unwrap());
    let result = unpack_stream(File::from(ours), fd, options);
    let _ = giver.join();
    (root, result)
}

fn add(builder: &mut Builder<File>, path: &str, kind: EntryType, mode: u32, uid: u64, text: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(1000);
    header.set_uid(uid);
    header.set_gid(uid);
    header.set_size(text.len() as u64);
    builder.append_data(&mut header, path, text).unwrap();
}

#[test]
fn a_directory_in_use_gets_all_that_files_have_whether_it_is_new_or_not() {
    let large: Vec<u8> = (0..3_000_003u32).map(|n| (n % 251) as u8).collect();
    let content = large.clone();
    let (root, result) = piped("live", None, move |builder| {
        for above in ["", "new/", "new/deeper/"] {
            if !above.is_empty() {
                add(builder, above, DIR, 0o750, 9, b"");
            }
            add(builder, &format!("{above}large"), FILE, 0o4711, 7, &content);
            add(builder, &format!("{above}small"), FILE, 0o666, 0, b"text");
            add(builder, &format!("{above}again"), FILE, 0o600, 0, b"first");
            add(builder, &format!("{above}again"), FILE, 0o640, 8, b"second");
        }
        // Back in one that was left.
        add(builder, "new/late", FILE, 0o2755, 0, b"late");
        builder.finish().unwrap();
    });
    result.unwrap();
    let of = |path: &str| {
        let metadata = root.join(path).metadata().unwrap();
        let text = std::fs::read(root.join(path)).unwrap();
        ((metadata.mode() & 0o7777, metadata.uid(), metadata.gid(), metadata.mtime()), text)
    };
    for above in ["", "new/", "new/deeper/"] {
        let found = of(&format!("{above}large"));
        assert!(found == ((0o4711, 7, 7, 1000), large.clone()), "{above}large is another");
        assert_eq!(of(&format!("{above}small")), ((0o666, 0, 0, 1000), b"text".to_vec()));
        assert_eq!(of(&format!("{above}again")), ((0o640, 8, 8, 1000), b"second".to_vec()));
    }
    assert_eq!(of("new/late"), ((0o2755, 0, 0, 1000), b"late".to_vec()));
    assert_eq!(std::fs::read_dir(root.join("new")).unwrap().count(), 5);
    std::fs::remove_dir_all(&root).unwrap();
}

#[test]
fn a_file_that_is_cut_short_is_not_there() {
    let (root, result) = piped("cut", None, |builder| {
        add(builder, "new/", DIR, 0o755, 0, b"");
        add(builder, "new/whole", FILE, 0o644, 0, b"whole");
        let mut header = Header::new_gnu();
        header.set_path("new/cut").unwrap();
        header.set_size(1 << 20);
        header.set_mode(0o644);
        header.set_cksum();
        builder.get_mut().write_all(header.as_bytes()).unwrap();
        builder.get_mut().write_all(&[7; 200_000]).unwrap();
        // A builder ends its archive when it is dropped, which would be more of the file.
        let nowhere = File::options().write(true).open("/dev/null").unwrap();
        drop(std::mem::replace(builder.get_mut(), nowhere));
    });
    assert!(result.unwrap_err().message.contains("ends within an entry"));
    let names: Vec<_> = std::fs::read_dir(root.join("new")).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    std::fs::remove_dir_all(&root).unwrap();
}
