//! The journal of events: one file of an engine root, which every process of barque appends to and any may read.
//!
//! There is no daemon to number events and to hand them out, so the file does it: a record is one `write` to a descriptor opened
//! with `O_APPEND`, which the kernel orders against all others (write(2): "the adjustment of the file offset and the write
//! operation are performed as an atomic step"), and where it ends is a position that a reader can go on from. The form is
//! that of JSON text sequences (RFC 7464): a byte 0x1e before each document says where one begins, also behind one that a full
//! disk or a power cut has torn. Nothing moves when the oldest go: their part of the file becomes a hole, and every
//! position stays what it was (docs/decisions/0008-events.md).

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, fstat, open};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// File name in the engine root.
pub const FILE: &str = "events.json-seq";

/// Begins a record: RFC 7464's separator.
pub const SEPARATOR: u8 = 0x1e;

/// How many bytes of the newest records are kept at least.
pub const KEPT: u64 = 8 << 20;

/// How many bytes the file may take on disk before the oldest records go.
const MOST: u64 = 12 << 20;

/// Where a hole may end: a block of every file system.
const BLOCK: u64 = 64 << 10;

/// How many bytes of labels a record carries: an image can have megabytes of them, and a few of its events would push out all others.
const LABELS: usize = 16 << 10;

/// What has happened, in Docker's words and Docker's form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `container`, `image`, `volume`, `network`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// `start`, `die`, `health_status: healthy`.
    #[serde(rename = "Action")]
    pub action: String,
    /// To what.
    #[serde(rename = "Actor")]
    pub actor: Actor,
    /// `local`.
    pub scope: String,
    /// Seconds since 1970.
    pub time: i64,
    /// Nanoseconds since 1970.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
}

/// What an event has happened to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Its id, or the name of what has none.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name, image and labels, and what the action is about.
    #[serde(rename = "Attributes")]
    pub attributes: BTreeMap<String, String>,
}

/// An engine's journal, to be appended to.
#[derive(Debug)]
pub struct Journal {
    file: OwnedFd,
}

impl Journal {
    /// Open the journal at `path`, making it where there is none.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> Result<Journal, Errno> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
        let file = open(path, flags | OFlags::NOFOLLOW, Mode::RUSR | Mode::WUSR)?;
        Ok(Journal { file })
    }

    /// The journal that a descriptor is open on.
    pub fn from_descriptor(file: OwnedFd) -> Journal {
        Journal { file }
    }

    /// Add a record.
    ///
    /// # Errors
    /// The system's; a full disk's too when only a part of the record found room. Readers take no notice of that part.
    pub fn append(&self, record: &Record) -> Result<(), Errno> {
        let mut text = Vec::with_capacity(512);
        text.push(SEPARATOR);
        serde_json::to_writer(&mut text, record).map_err(|_| Errno::INVAL)?;
        text.push(b'\n');
        let written = rustix::io::write(&self.file, &text)?;
        self.prune();
        if written == text.len() { Ok(()) } else { Err(Errno::NOSPC) }
    }

    /// Let go of the oldest records when there are too many. Any number of processes may do it at once.
    fn prune(&self) {
        let Ok(stat) = fstat(&self.file) else { return };
        let (size, taken) = (stat.st_size.cast_unsigned(), stat.st_blocks.cast_unsigned() * 512);
        if taken <= MOST {
            return;
        }
        let end = size.saturating_sub(KEPT) / BLOCK * BLOCK;
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // A file system that overlayfs can write to can make holes.
        let _ = fallocate(&self.file, hole, 0, end);
    }
}

impl AsFd for Journal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The attributes of what has labels: these, as far as they are not too many, and its own, which count before labels of
/// the same name.
pub fn attributes<'a>(
    labels: &BTreeMap<String, String>,
    own: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, String> {
    let mut room = LABELS;
    let mut attributes = BTreeMap::new();
    for (label, value) in labels {
        if let Some(left) = room.checked_sub(label.len() + value.len()) {
            room = left;
            attributes.insert(label.clone(), value.clone());
        }
    }
    attributes.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    attributes
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    fn record(n: usize) -> Record {
        let mut record = Record { kind: "container".to_owned(), ..Record::default() };
        record.actor.id = format!("{n:064}");
        record
    }

    #[test]
    fn records_of_many_writers_are_whole_and_each_there_once() {
        let path = std::env::temp_dir().join(format!("barque-journal-{}", std::process::id()));
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let journal = Journal::open(path).unwrap();
                    (0..500).for_each(|n| journal.append(&record(writer * 500 + n)).unwrap());
                });
            }
        });
        let text = std::fs::read(&path).unwrap();
        let mut ids: Vec<usize> = text
            .split(|byte| *byte == SEPARATOR)
            .skip(1)
            .map(|text| serde_json::from_slice::<Record>(text).unwrap().actor.id.parse().unwrap())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..4000).collect::<Vec<_>>());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_oldest_records_go_and_positions_stay() {
        let path = std::env::temp_dir().join(format!("barque-pruned-{}", std::process::id()));
        let journal = Journal::open(&path).unwrap();
        let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        // Records that one write after the other would take a while for.
        let filler = vec![b'x'; 1 << 20];
        for n in 0..14 {
            file.write_all_at(&filler, n << 20).unwrap();
        }
        let end = file.metadata().unwrap().len();
        journal.append(&record(1)).unwrap();
        let metadata = file.metadata().unwrap();
        assert!(metadata.len() > end, "the file does not get shorter");
        assert!(metadata.blocks() * 512 < MOST, "{} bytes are kept", metadata.blocks() * 512);
        let mut byte = [1];
        file.read_exact_at(&mut byte, 0).unwrap();
        assert_eq!(byte, [0]);
        file.read_exact_at(&mut byte, end - KEPT + BLOCK).unwrap();
        assert_eq!(byte, [b'x']);
        file.read_exact_at(&mut byte, end).unwrap();
        assert_eq!(byte, [SEPARATOR]);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn labels_beyond_measure_are_left_out_and_hide_no_attribute() {
        let big = "x".repeat(LABELS - 5);
        let labels = BTreeMap::from([("name", "fake"), ("a", &big), ("z", "last")])
            .into_iter()
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .collect();
        let attributes = attributes(&labels, [("name", "web")]);
        assert_eq!(attributes["name"], "web");
        assert!(attributes.contains_key("a"));
        assert!(!attributes.contains_key("z"));
    }
}
