use super::*;
use crate::protocol::LogDriver;
use proptest::prelude::*;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that goes with the test, and descriptors of it that do not.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("barque-log-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn log(&self, max_size: u64, max_file: u32) -> Log {
        let directory: &'static std::fs::File =
            Box::leak(Box::new(std::fs::File::open(&self.0).unwrap()));
        let config = LogConfig { driver: LogDriver::JsonFile, max_size, max_file };
        Log::new(directory.as_fd(), &config)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The bytes that a log stands for, as stream and text, neighbours of one stream put together.
fn bytes(log: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    for line in log.split_inclusive(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\n").expect("a whole line");
        let mut fields = line.splitn(4, |b| *b == b' ');
        let time = fields.next().unwrap();
        assert!(time.len() == timestamp::LENGTH && time.ends_with(b"Z"), "{line:?}");
        let stream = String::from_utf8(fields.next().unwrap().to_vec()).unwrap();
        let tag = fields.next().unwrap();
        let mut text = fields.next().unwrap().to_vec();
        match tag {
            b"F" => text.push(b'\n'),
            b"P" => {}
            other => panic!("no such tag: {other:?}"),
        }
        match found.last_mut() {
            Some((last, all)) if *last == stream => all.extend(text),
            _ => found.push((stream, text)),
        }
    }
    found
}

#[test]
fn a_line_has_its_time_stream_and_kind() {
    let scratch = Scratch::new();
    let mut log = scratch.log(0, 1);
    log.append(Stream::Stdout, b"one\ntwo\n\nlast");
    log.append(Stream::Stderr, b"oops\n");
    let text = String::from_utf8(scratch.read("container.log")).unwrap();
    let lines: Vec<&str> = text.lines().map(|l| &l[timestamp::LENGTH..]).collect();
    assert_eq!(
        lines,
        [" stdout F one", " stdout F two", " stdout F ", " stdout P last", " stderr F oops"]
    );
}

proptest! {
    #[test]
    fn every_byte_comes_back(
        pieces in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 1..300)),
            0..20,
        )
    ) {
        let scratch = Scratch::new();
        let mut log = scratch.log(0, 1);
        let mut written: Vec<(String, Vec<u8>)> = Vec::new();
        for (stderr, piece) in &pieces {
            let (stream, name) =
                if *stderr { (Stream::Stderr, "stderr") } else { (Stream::Stdout, "stdout") };
            log.append(stream, piece);
            match written.last_mut() {
                Some((last, all)) if last == name => all.extend(piece),
                _ => written.push((name.to_owned(), piece.clone())),
            }
        }
        let read = if pieces.is_empty() { Vec::new() } else { bytes(&scratch.read("container.log")) };
        prop_assert_eq!(read, written);
    }
}

#[test]
fn the_longest_piece_fits_with_many_lines_and_with_none() {
    let scratch = Scratch::new();
    let mut log = scratch.log(0, 1);
    let (short, long) = (vec![b'\n'; PIECE_MAX], vec![b'x'; PIECE_MAX]);
    log.append(Stream::Stdout, &short);
    log.append(Stream::Stdout, &long);
    let all = bytes(&scratch.read("container.log"));
    assert_eq!(all, [("stdout".to_owned(), [short, long].concat())]);
}

#[test]
fn rotated_files_are_whole_and_no_more_than_asked_for() {
    let scratch = Scratch::new();
    let mut log = scratch.log(1000, 3);
    for n in 0..100 {
        log.append(Stream::Stdout, format!("line number {n}\n").as_bytes());
    }
    assert_eq!(scratch.names(), ["container.log", "container.log.1", "container.log.2"]);
    let mut kept = Vec::new();
    for name in ["container.log.2", "container.log.1", "container.log"] {
        let file = scratch.read(name);
        assert!(file.len() <= 1000);
        kept.extend(file);
    }
    // What is left is the end of the output, without a gap.
    let text = String::from_utf8(bytes(&kept).remove(0).1).unwrap();
    let first: usize = text.lines().next().unwrap()[12..].parse().unwrap();
    let expected: String = (first..100).map(|n| format!("line number {n}\n")).collect();
    assert_eq!(text, expected);
    assert!(log.trouble().is_none());
}

#[test]
fn with_one_file_the_old_one_goes_and_is_not_cut() {
    let scratch = Scratch::new();
    let mut log = scratch.log(200, 1);
    log.append(Stream::Stdout, b"first\n");
    let follower = std::fs::File::open(scratch.0.join("container.log")).unwrap();
    log.append(Stream::Stdout, &[&[b'x'; 190][..], b"\n"].concat());
    assert_eq!(scratch.names(), ["container.log"]);
    assert!(!String::from_utf8(scratch.read("container.log")).unwrap().contains("first"));
    assert!(std::io::read_to_string(follower).unwrap().contains("first"));
}

#[test]
fn a_torn_line_of_an_earlier_run_is_ended() {
    let scratch = Scratch::new();
    std::fs::write(scratch.0.join("container.log"), "2026-11-24T06:22:47.1").unwrap();
    scratch.log(0, 1).append(Stream::Stdout, b"next\n");
    let text = String::from_utf8(scratch.read("container.log")).unwrap();
    assert!(text.lines().nth(1).unwrap().ends_with(" stdout F next"), "{text:?}");
}

#[test]
fn a_symbolic_link_in_place_of_the_log_is_not_followed() {
    let scratch = Scratch::new();
    std::fs::write(scratch.0.join("victim"), "").unwrap();
    std::os::unix::fs::symlink("victim", scratch.0.join("container.log")).unwrap();
    let mut log = scratch.log(0, 1);
    log.append(Stream::Stdout, b"x\n");
    assert!(scratch.read("victim").is_empty());
    assert!(log.trouble().unwrap().contains("42 bytes"), "{:?}", log.trouble());
}

/// A small file system for a test.
struct SmallDisk<'a>(&'a Path);

impl SmallDisk<'_> {
    fn mount(at: &Path) -> Option<SmallDisk<'_>> {
        let arguments = ["-t", "tmpfs", "-o", "size=256k", "barque-test"];
        let mounted = rustix::process::geteuid().is_root()
            && Command::new("mount").args(arguments).arg(at).status().is_ok_and(|s| s.success());
        if !mounted {
            eprintln!("skipped: cannot mount");
        }
        mounted.then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg("-l").arg(self.0).status().unwrap().success());
    }
}

#[test]
fn a_full_disk_loses_lines_whole_and_says_how_much() {
    let scratch = Scratch::new();
    let Some(disk) = SmallDisk::mount(&scratch.0) else { return };
    let mut log = scratch.log(0, 1);
    let line = [&[b'x'; 1000][..], b"\n"].concat();
    let mut sent = 0;
    for _ in 0..400 {
        log.append(Stream::Stdout, &line.repeat(3));
        sent += 3 * (line.len() + PREFIX);
    }
    let kept = scratch.read("container.log");
    assert_eq!(kept.len() % (line.len() + PREFIX), 0, "torn");
    let trouble = log.trouble().unwrap();
    assert!(trouble.contains("no space left on device"), "{trouble}");
    assert!(trouble.contains(&format!("{} bytes", sent - kept.len())), "{trouble}");

    // With room again it goes on.
    let before = kept.len();
    let limit = Command::new("mount").args(["-o", "remount,size=1m"]).arg(disk.0).status().unwrap();
    assert!(limit.success());
    log.append(Stream::Stderr, b"room again\n");
    let kept = scratch.read("container.log");
    assert!(kept.len() > before && kept.ends_with(b" stderr F room again\n"));
    bytes(&kept);
}
