//! A process as `/proc/PID` describes it (proc_pid_stat(5)).

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::sys::memory;

/// `USER_HZ` and the size of a page in kilobytes.
const HZ: u64 = 100;

/// A process.
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) ppid: i32,
    pub(super) pgid: i32,
    pub(super) sid: i32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) state: char,
    /// Its name, at most 15 bytes.
    pub(super) comm: String,
    /// Its arguments, or its name in brackets where it has none.
    pub(super) args: String,
    pub(super) tty: Option<String>,
    pub(super) nice: i64,
    pub(super) priority: i64,
    pub(super) threads: u64,
    /// Seconds of processor time.
    pub(super) cpu_time: u64,
    /// Kilobytes.
    pub(super) virtual_kb: u64,
    pub(super) resident_kb: u64,
    /// Ticks since the machine was started.
    pub(super) start_ticks: u64,
    is_session_leader: bool,
    in_foreground: bool,
}

impl Process {
    /// The process with this number; `None` when it is gone.
    pub(super) fn read(pid: i32) -> Option<Process> {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).ok();
        let stat = String::from_utf8_lossy(&read("stat")?).into_owned();
        let status = String::from_utf8_lossy(&read("status")?).into_owned();
        Process::parse(pid, &stat, &status, &read("cmdline")?)
    }

    fn parse(pid: i32, stat: &str, status: &str, cmdline: &[u8]) -> Option<Process> {
        // The name may hold anything, parentheses and blanks too.
        let (head, rest) = stat.rsplit_once(") ")?;
        let comm = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Field 3 of the manual page is the first here.
        let field = |n: usize| fields.get(n - 3).copied().unwrap_or("0");
        let number = |n: usize| field(n).parse::<u64>().unwrap_or(0);
        let signed = |n: usize| field(n).parse::<i64>().unwrap_or(0);
        let id = |n: usize| i32::try_from(signed(n)).unwrap_or(0);
        // Real, effective, saved and of the file system: ps shows the effective one.
        let owner = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        let words = cmdline.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let args: Vec<String> =
            words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        Some(Process {
            pid,
            ppid: id(4),
            pgid: id(5),
            sid: id(6),
            uid: owner("Uid:")?,
            gid: owner("Gid:")?,
            state: field(3).chars().next().unwrap_or('?'),
            args: if args.is_empty() { format!("[{comm}]") } else { args.join(" ") },
            comm,
            tty: terminal(number(7)),
            nice: signed(19),
            priority: signed(18),
            threads: number(20),
            cpu_time: (number(14) + number(15)) / HZ,
            virtual_kb: number(23) / 1024,
            resident_kb: number(24) * rustix::param::page_size() as u64 / 1024,
            start_ticks: number(22),
            is_session_leader: id(6) == pid,
            in_foreground: id(8) == id(5),
        })
    }

    /// The state and what more ps says about it: `Ss+`.
    pub(super) fn full_state(&self) -> String {
        let mut state = self.state.to_string();
        state.push_str(match self.nice {
            ..0 => "<",
            0 => "",
            1.. => "N",
        });
        for (holds, letter) in [
            (self.is_session_leader, 's'),
            (self.threads > 1, 'l'),
            (self.in_foreground && self.tty.is_some(), '+'),
        ] {
            if holds {
                state.push(letter);
            }
        }
        state
    }
}

/// A terminal's name from its device number (`man 5 proc_pid_stat`: the minor number is in two places).
fn terminal(device: u64) -> Option<String> {
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00);
    match (major, minor) {
        (0, _) => None,
        // Unix98 pseudo-terminals: Documentation/admin-guide/devices.txt.
        (136..=143, minor) => Some(format!("pts/{}", (major - 136) * 256 + minor)),
        (4, 0..64) => Some(format!("tty{minor}")),
        (4, minor) => Some(format!("ttyS{}", minor - 64)),
        _ => Some("?".to_owned()),
    }
}

/// What a process is measured against.
pub(super) struct Machine {
    /// Seconds since 1970 at which the machine was started.
    boot: i64,
    /// Ticks since then.
    pub(super) uptime_ticks: u64,
    /// Kilobytes.
    memory_kb: u64,
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Machine {
    pub(super) fn now() -> Result<Machine> {
        let read = |path: &str| {
            std::fs::read_to_string(path)
                .map_err(|error| Error::system(format!("read {path}"), error))
        };
        let uptime = read("/proc/uptime")?;
        let seconds: f64 =
            uptime.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default();
        let memory = memory::total().map_err(|error| Error::system("read /proc/meminfo", error))?;
        Ok(Machine {
            boot: Timestamp::now().as_second() - seconds as i64,
            uptime_ticks: (seconds * HZ as f64) as u64,
            memory_kb: memory / 1024,
            // A machine need not have these files.
            users: names(&read("/etc/passwd").unwrap_or_default()),
            groups: names(&read("/etc/group").unwrap_or_default()),
        })
    }

    /// The name this machine has for a user, or the number.
    pub(super) fn user(&self, uid: u32) -> String {
        self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }

    pub(super) fn group(&self, gid: u32) -> String {
        self.groups.get(&gid).cloned().unwrap_or_else(|| gid.to_string())
    }

    /// When the process was started, seconds since 1970.
    pub(super) fn started(&self, process: &Process) -> i64 {
        self.boot + (process.start_ticks / HZ).cast_signed()
    }

    /// Seconds that it has lived.
    pub(super) fn age(&self, process: &Process) -> u64 {
        self.uptime_ticks.saturating_sub(process.start_ticks) / HZ
    }

    /// Its share of a processor over its whole life, in thousandths.
    pub(super) fn cpu_thousandths(&self, process: &Process) -> u64 {
        process.cpu_time * 1000 / self.age(process).max(1)
    }

    /// Its share of the memory, in thousandths.
    pub(super) fn memory_thousandths(&self, process: &Process) -> u64 {
        process.resident_kb * 1000 / self.memory_kb.max(1)
    }
}

/// `name:password:number:…` a line.
fn names(text: &str) -> BTreeMap<u32, String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        Some((number.parse().ok()?, name.to_owned()))
    };
    let mut names = BTreeMap::new();
    for (number, name) in text.lines().filter_map(entry) {
        // The first of several names counts, as for getpwuid(3).
        names.entry(number).or_insert(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_calls_itself() {
        let stat =
            "7 (a) b (c) S 1 7 6 34816 7 4194304 1 2 3 4 150 50 7 8 20 -5 3 0 1000 8192 2 1 1";
        let status = "Name:\ta\nUid:\t1000\t0\t0\t0\nGid:\t5\t6\t6\t6\n";
        let process = Process::parse(7, stat, status, b"sh\0-c\0sleep 1\0").unwrap();
        assert_eq!((process.comm.as_str(), process.args.as_str()), ("a) b (c", "sh -c sleep 1"));
        assert_eq!((process.ppid, process.pgid, process.sid), (1, 7, 6));
        assert_eq!((process.uid, process.gid, process.cpu_time), (0, 6, 2));
        assert_eq!((process.virtual_kb, process.start_ticks, process.threads), (8, 1000, 3));
        assert_eq!(process.tty.as_deref(), Some("pts/0"));
        assert_eq!(process.full_state(), "S<l+");
        let kernel = Process::parse(7, stat, status, b"").unwrap();
        assert_eq!(kernel.args, "[a) b (c]");
    }

    #[test]
    fn names_come_from_the_first_line_that_has_the_number() {
        let names = names("root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbroken\nweb:x:33:33\n");
        assert_eq!((names[&0].as_str(), names[&33].as_str(), names.len()), ("root", "web", 2));
    }
}
