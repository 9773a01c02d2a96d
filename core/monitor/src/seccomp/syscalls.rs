//! The kernel's system calls: names, and their numbers in each ABI.
//!
//! `syscalls.tsv` has a line for every call of every architecture Linux runs on, so that a name which only another
//! machine has can be told from one that is misspelt. It is turned into arrays of fixed size while compiling:
//! pointers would be relocated at each start of the monitor, and so be private memory of every container.

use super::arch::Abi;

/// Longest name: `sched_rr_get_interval_time64`.
const NAME: usize = 28;
const NONE: u16 = u16::MAX;
/// One for each [`Abi`], and [`MULTIPLEXED`].
const COLUMNS: usize = 6;
const MULTIPLEXED: usize = 5;
/// arm's private calls are at 0xf0000 and up (`__ARM_NR_BASE`); the table writes them as 0xf000 and up.
const ARM_PRIVATE: u16 = 0xf000;

/// Where numbers that are the same in every ABI begin: calls from Linux 5.1 on.
pub(super) const FIRST_UNIFIED: u32 = 424;

static SOURCE: &[u8] = include_bytes!("syscalls.tsv");
static TABLE: [Row; count_rows(SOURCE)] = parse(SOURCE);

#[derive(Clone, Copy)]
struct Row {
    name: [u8; NAME],
    numbers: [u16; COLUMNS],
}

/// A call that exists in some ABI of some architecture.
#[derive(Clone, Copy)]
pub(super) struct Call(&'static Row);

impl Call {
    /// Look a name up, as in the kernel's tables: `openat2`.
    pub(super) fn named(name: &str) -> Option<Call> {
        let name = name.as_bytes();
        if name.len() > NAME {
            return None;
        }
        let mut padded = [0; NAME];
        padded[..name.len()].copy_from_slice(name);
        TABLE.binary_search_by(|row| row.name.cmp(&padded)).ok().map(|index| Call(&TABLE[index]))
    }

    /// Its number in an ABI, as the filter sees it.
    pub(super) fn number(self, abi: Abi) -> Option<u32> {
        let number = self.0.numbers[abi as usize];
        match abi {
            _ if number == NONE => None,
            Abi::Arm if number >= ARM_PRIVATE => Some(0xf0000 | u32::from(number - ARM_PRIVATE)),
            Abi::X32 => Some(super::arch::X32_BIT | u32::from(number)),
            _ => Some(u32::from(number)),
        }
    }

    /// How 32-bit x86 programs could first reach it, before it had a number.
    pub(super) fn multiplexer(self) -> Option<Multiplexer> {
        match self.0.numbers[MULTIPLEXED] {
            NONE => None,
            selector @ ..100 => {
                let selector = u32::from(selector);
                Some(Multiplexer { number: SOCKETCALL, mask: u32::MAX, selector })
            }
            selector => {
                let selector = u32::from(selector - 100);
                Some(Multiplexer { number: IPC, mask: 0xffff, selector })
            }
        }
    }
}

/// Numbers of `socketcall` and `ipc` on 32-bit x86.
const SOCKETCALL: u32 = 102;
const IPC: u32 = 117;

/// A call that stands for several, told apart by its first argument.
pub(super) struct Multiplexer {
    /// Its number.
    pub(super) number: u32,
    /// Which bits of the argument tell (the upper half of `ipc`'s is a version).
    pub(super) mask: u32,
    /// What they say.
    pub(super) selector: u32,
}

/// Every name, for tests.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| str::from_utf8(&row.name).unwrap().trim_end_matches('\0'))
}

const fn count_rows(source: &[u8]) -> usize {
    let mut rows = 0;
    let mut at = 0;
    while at < source.len() {
        if source[at] == b'\n' {
            rows += 1;
        }
        at += 1;
    }
    // The first line names the columns.
    rows - 1
}

const fn parse<const ROWS: usize>(source: &[u8]) -> [Row; ROWS] {
    let mut rows = [Row { name: [0; NAME], numbers: [NONE; COLUMNS] }; ROWS];
    let mut at = 0;
    while source[at] != b'\n' {
        at += 1;
    }
    let mut row = 0;
    while row < ROWS {
        at += 1;
        let mut length = 0;
        while source[at] != b'\t' {
            rows[row].name[length] = source[at];
            length += 1;
            at += 1;
        }
        let mut column = 0;
        while column < COLUMNS {
            at += 1;
            if source[at] == b'-' {
                at += 1;
            } else {
                let mut number = 0;
                while source[at].is_ascii_digit() {
                    number = number * 10 + (source[at] - b'0') as u16;
                    at += 1;
                }
                rows[row].numbers[column] = number;
            }
            column += 1;
        }
        assert!(source[at] == b'\n');
        row += 1;
    }
    rows
}
