//! Logs are written here as a monitor does, and rotated as it does.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::LogReader;
use crate::sys;

struct Log(PathBuf);

impl Log {
    fn new(name: &str) -> Log {
        let path = std::env::temp_dir().join(format!("barque-log-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Log(path)
    }

    fn file(&self, n: u32) -> PathBuf {
        self.0.join(if n == 0 { "container.log".to_owned() } else { format!("container.log.{n}") })
    }

    fn raw(&self, bytes: &[u8]) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.file(0)).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn write(&self, tag: char, text: &str) {
        self.raw(format!("2026-11-24T06:22:47.123456789Z stdout {tag} {text}\n").as_bytes());
    }

    fn rotate(&self, keep: u32) {
        let _ = fs::remove_file(self.file(keep));
        for n in (0..keep).rev() {
            let _ = fs::rename(self.file(n), self.file(n + 1));
        }
    }

    fn reader(&self) -> LogReader {
        LogReader::from_start(sys::directory::open(&self.0).unwrap()).unwrap()
    }

    fn tail(&self, count: u64) -> LogReader {
        LogReader::from_end(sys::directory::open(&self.0).unwrap(), count).unwrap()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(Path::new(&self.0));
    }
}

fn read(reader: &mut LogReader) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = reader.next().unwrap() {
        let end = if line.ends { "" } else { "…" };
        lines.push(format!("{}{end}", String::from_utf8_lossy(line.text)));
    }
    lines
}

#[test]
fn lines_come_in_order_over_rotated_files_and_then_as_they_are_written() {
    let log = Log::new("order");
    for n in 0..10 {
        log.write('F', &n.to_string());
        if n % 3 == 2 {
            log.rotate(5);
        }
    }
    let mut reader = log.reader();
    assert_eq!(read(&mut reader), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(read(&mut reader).is_empty());
    log.write('F', "10");
    log.rotate(5);
    log.write('F', "11");
    assert_eq!(read(&mut reader), ["10", "11"]);
}

#[test]
fn no_line_is_missed_when_files_are_rotated_under_the_reader() {
    let log = Log::new("under");
    log.write('F', "0");
    let mut reader = log.reader();
    let mut seen = Vec::new();
    for n in 1..200 {
        if n % 7 == 0 {
            seen.extend(read(&mut reader));
        }
        if n % 3 == 0 {
            log.rotate(9);
        }
        log.write('F', &n.to_string());
    }
    seen.extend(read(&mut reader));
    assert_eq!(seen, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_reader_that_is_too_slow_goes_on_with_the_oldest_file_there_is() {
    let log = Log::new("slow");
    log.write('F', "0");
    let mut reader = log.reader();
    assert_eq!(read(&mut reader), ["0"]);
    for n in 1..10 {
        log.rotate(2);
        log.write('F', &n.to_string());
    }
    assert_eq!(read(&mut reader), ["7", "8", "9"]);
}

#[test]
fn a_log_that_begins_after_the_reader_is_read_whole() {
    let log = Log::new("late");
    let mut reader = log.reader();
    assert!(read(&mut reader).is_empty());
    log.write('F', "a");
    log.rotate(2);
    log.write('F', "b");
    assert_eq!(read(&mut reader), ["a", "b"]);
}

#[test]
fn torn_lines_are_left_out_and_the_last_one_is_told_apart() {
    let log = Log::new("torn");
    log.write('F', "a");
    log.raw(b"2026-11-24T06:22:47.1234\n");
    log.write('F', "b");
    log.raw(&[b'x'; 300 << 10]);
    log.raw(b"\n");
    log.write('F', "c");
    log.raw(b"2026-11-24T06:22:47.123456789Z stderr F hal");
    let mut reader = log.reader();
    assert_eq!(read(&mut reader), ["a", "b", "c"]);
    let torn = reader.torn().unwrap();
    assert_eq!((torn.text, torn.ends), (&b"hal"[..], false));
    assert_eq!(reader.torn(), None);
}

#[test]
fn a_line_is_whole_only_with_its_end() {
    let log = Log::new("whole");
    log.raw(b"2026-11-24T06:22:47.123456789Z stdout F hal");
    let mut reader = log.reader();
    assert!(read(&mut reader).is_empty());
    log.raw(b"f\n");
    assert_eq!(read(&mut reader), ["half"]);
}

#[test]
fn the_last_lines_are_found_over_files_and_pieces() {
    let log = Log::new("tail");
    log.write('F', "0");
    log.write('P', "1a");
    log.write('F', "1b");
    log.rotate(3);
    log.write('F', "2");
    log.write('P', "3a");
    log.write('P', "3b");
    log.write('F', "3c");
    assert!(read(&mut log.tail(0)).is_empty());
    assert_eq!(read(&mut log.tail(1)), ["3a…", "3b…", "3c"]);
    assert_eq!(read(&mut log.tail(2)), ["2", "3a…", "3b…", "3c"]);
    assert_eq!(read(&mut log.tail(3)), ["1a…", "1b", "2", "3a…", "3b…", "3c"]);
    assert_eq!(read(&mut log.tail(4)).len(), 7);
    assert_eq!(read(&mut log.tail(u64::MAX)).len(), 7);
    log.write('P', "4");
    assert_eq!(read(&mut log.tail(1)), ["4…"]);
    assert_eq!(read(&mut log.tail(2)), ["3a…", "3b…", "3c", "4…"]);
    // What is being written is not a line yet.
    log.raw(b"2026-11-24T06:22:47.123456789Z stdout F ne");
    let mut reader = log.tail(1);
    assert_eq!(read(&mut reader), ["4…"]);
    log.raw(b"w\n");
    assert_eq!(read(&mut reader), ["new"]);
}

#[test]
fn the_last_lines_are_found_whatever_the_blocks_are() {
    let log = Log::new("blocks");
    let long = "y".repeat(60_000);
    for n in 0..50 {
        log.write('F', &format!("{n}{}", &long[..(n * 7919) % 60_000]));
    }
    for count in 1..=50 {
        let lines = read(&mut log.tail(count));
        assert_eq!(lines.len() as u64, count);
        assert!(lines[0].starts_with(&(50 - count).to_string()));
    }
}

#[test]
fn a_log_that_is_not_there_is_empty() {
    let log = Log::new("none");
    assert!(read(&mut log.tail(5)).is_empty());
    assert!(read(&mut log.reader()).is_empty());
}
