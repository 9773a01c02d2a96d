//! The options of `ps`: which columns are shown, and what stands in them.

use jiff::Timestamp;

use super::process::{Machine, Process};
use super::unknown;
use crate::error::Result;
use crate::human;

/// What stands in a column.
type Cell = fn(&Process, &Machine) -> String;

/// A column: the names that `-o` knows it by, its title, what stands in it.
type Known = (&'static [&'static str], &'static str, Cell);

const KNOWN: &[Known] = &[
    (&["pid"], "PID", |p, _| p.pid.to_string()),
    (&["ppid"], "PPID", |p, _| p.ppid.to_string()),
    (&["pgid", "pgrp"], "PGID", |p, _| p.pgid.to_string()),
    (&["sid", "sess", "session"], "SID", |p, _| p.sid.to_string()),
    (&["user", "euser", "uname"], "USER", |p, m| m.user(p.uid)),
    (&["uid", "euid"], "UID", |p, _| p.uid.to_string()),
    (&["group", "egroup"], "GROUP", |p, m| m.group(p.gid)),
    (&["gid", "egid"], "GID", |p, _| p.gid.to_string()),
    (&["comm", "ucmd", "ucomm"], "COMMAND", |p, _| p.comm.clone()),
    (&["args", "command"], "COMMAND", |p, _| p.args.clone()),
    (&["cmd"], "CMD", |p, _| p.args.clone()),
    (&["c"], "C", |p, m| (m.cpu_thousandths(p) / 10).min(99).to_string()),
    (&["pcpu", "%cpu"], "%CPU", |p, m| tenths(m.cpu_thousandths(p))),
    (&["pmem", "%mem"], "%MEM", |p, m| tenths(m.memory_thousandths(p))),
    (&["rss", "rssize", "rsz"], "RSS", |p, _| p.resident_kb.to_string()),
    (&["vsz", "vsize"], "VSZ", |p, _| p.virtual_kb.to_string()),
    (&["s", "state"], "S", |p, _| p.state.to_string()),
    (&["stat"], "STAT", |p, _| p.full_state()),
    (&["tty", "tt", "tname"], "TTY", |p, _| p.tty.clone().unwrap_or_else(|| "?".to_owned())),
    (&["time", "cputime"], "TIME", |p, _| clock(p.cpu_time)),
    (&["bsdtime"], "TIME", |p, _| format!("{}:{:02}", p.cpu_time / 60, p.cpu_time % 60)),
    (&["stime", "start_time"], "STIME", |p, m| start(m.started(p))),
    (&["start", "bsdstart"], "START", |p, m| start(m.started(p))),
    (&["lstart"], "STARTED", |p, m| moment(m.started(p), "%a %b %e %H:%M:%S %Y")),
    (&["etime"], "ELAPSED", |p, m| elapsed(m.age(p))),
    (&["etimes"], "ELAPSED", |p, m| m.age(p).to_string()),
    (&["ni", "nice"], "NI", |p, _| p.nice.to_string()),
    (&["pri"], "PRI", |p, _| (39 - p.priority).to_string()),
    (&["nlwp", "thcount"], "NLWP", |p, _| p.threads.to_string()),
];

/// `ps -ef`, which is what docker shows.
const FULL: &[(&str, &str)] = &[
    ("user", "UID"),
    ("pid", "PID"),
    ("ppid", "PPID"),
    ("c", "C"),
    ("stime", "STIME"),
    ("tty", "TTY"),
    ("time", "TIME"),
    ("args", "CMD"),
];

/// `ps aux`.
const USER: &[(&str, &str)] = &[
    ("user", "USER"),
    ("pid", "PID"),
    ("pcpu", "%CPU"),
    ("pmem", "%MEM"),
    ("vsz", "VSZ"),
    ("rss", "RSS"),
    ("tty", "TTY"),
    ("stat", "STAT"),
    ("start", "START"),
    ("bsdtime", "TIME"),
    ("args", "COMMAND"),
];

/// `ps -e`.
const BRIEF: &[(&str, &str)] = &[("pid", "PID"), ("tty", "TTY"), ("time", "TIME"), ("comm", "CMD")];

/// `ps ax`.
const BSD: &[(&str, &str)] =
    &[("pid", "PID"), ("tty", "TTY"), ("stat", "STAT"), ("bsdtime", "TIME"), ("args", "COMMAND")];

/// Columns in their order, each with its title.
pub(super) struct Columns(Vec<(String, Cell)>);

impl Columns {
    /// Read options as `ps` does. Which processes are shown they cannot change: those of the container.
    pub(super) fn parse(options: &str) -> Result<Columns> {
        let mut columns = Columns(Vec::new());
        let mut layout = if options.trim().is_empty() { FULL } else { BRIEF };
        let mut words = options.split_whitespace();
        while let Some(word) = words.next() {
            if let Some(list) = word.strip_prefix("--format") {
                let list = match list.strip_prefix('=') {
                    Some(list) => list,
                    None if list.is_empty() => words.next().unwrap_or_default(),
                    None => return Err(unknown(&format!("unknown gnu long option {word:?}"))),
                };
                columns.add(list)?;
                continue;
            }
            let (letters, is_bsd) = match word.strip_prefix('-') {
                Some(letters) => (letters, false),
                None => (word, true),
            };
            if letters.is_empty() {
                return Err(unknown("improper list"));
            }
            for (at, letter) in letters.char_indices() {
                match letter {
                    // All processes, in one or another sense of all; wide output.
                    'e' | 'A' | 'a' | 'x' | 'w' | 'd' => {
                        if is_bsd && letter != 'e' && std::ptr::eq(layout, BRIEF) {
                            layout = BSD;
                        }
                    }
                    'f' if !is_bsd => layout = FULL,
                    'f' => layout = BSD,
                    'u' if is_bsd => layout = USER,
                    'o' => {
                        let list = match &letters[at + 1..] {
                            "" => words.next().unwrap_or_default(),
                            list => list,
                        };
                        columns.add(list)?;
                        break;
                    }
                    other => return Err(unknown(&format!("unsupported option '{other}'"))),
                }
            }
        }
        if columns.0.is_empty() {
            for (name, title) in layout {
                columns.push(name, Some(title))?;
            }
        }
        Ok(columns)
    }

    /// `pid,comm=NAME`: the text behind the first `=` is the title, with all that follows.
    fn add(&mut self, list: &str) -> Result<()> {
        let (list, title) = match list.split_once('=') {
            Some((list, title)) => (list, Some(title)),
            None => (list, None),
        };
        let names: Vec<&str> = list.split(',').filter(|name| !name.is_empty()).collect();
        if names.is_empty() {
            return Err(unknown("list of format specifiers must follow -o"));
        }
        let last = names.len() - 1;
        for (n, name) in names.into_iter().enumerate() {
            self.push(name, title.filter(|_| n == last))?;
        }
        Ok(())
    }

    fn push(&mut self, name: &str, title: Option<&str>) -> Result<()> {
        let known = KNOWN.iter().find(|(names, ..)| names.contains(&name));
        let Some((_, usual, cell)) = known else {
            return Err(unknown(&format!("unknown user-defined format specifier {name:?}")));
        };
        self.0.push((title.unwrap_or(usual).to_owned(), *cell));
        Ok(())
    }

    pub(super) fn titles(&self) -> Vec<String> {
        self.0.iter().map(|(title, _)| title.clone()).collect()
    }

    pub(super) fn row(&self, process: &Process, machine: &Machine) -> Vec<String> {
        self.0.iter().map(|(_, cell)| cell(process, machine)).collect()
    }
}

fn tenths(thousandths: u64) -> String {
    format!("{}.{}", thousandths / 10, thousandths % 10)
}

/// `[days-]hours:minutes:seconds`.
fn clock(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let rest = format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    if days > 0 { format!("{days}-{rest}") } else { rest }
}

/// The same without hours that are none.
fn elapsed(seconds: u64) -> String {
    match seconds {
        0..3_600 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        _ => clock(seconds),
    }
}

/// The time of a day, or the day of a year, or the year.
fn start(seconds: i64) -> String {
    let now = Timestamp::now().as_second();
    let format = match now - seconds {
        ..86_400 => "%H:%M",
        86_400..31_536_000 => "%b%d",
        _ => "%Y",
    };
    moment(seconds, format)
}

/// In this machine's time zone, as ps has it.
fn moment(seconds: i64, format: &str) -> String {
    human::local_time(seconds, 0, format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(options: &str) -> String {
        match Columns::parse(options) {
            Ok(columns) => columns.titles().join(" "),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn options_are_those_of_ps() {
        for (options, expected) in [
            ("", "UID PID PPID C STIME TTY TIME CMD"),
            ("-ef", "UID PID PPID C STIME TTY TIME CMD"),
            ("-e", "PID TTY TIME CMD"),
            ("ax", "PID TTY STAT TIME COMMAND"),
            ("aux", "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"),
            ("-eo pid,comm", "PID COMMAND"),
            ("-o pid -o user", "PID USER"),
            ("-eopid,args", "PID COMMAND"),
            ("-o pid=,comm=NAME", ",comm=NAME"),
            ("-o comm=THE NAME", "Error running ps: unsupported option 'N'"),
            ("-o pid,comm=NAME", "PID NAME"),
            ("--format pid", "PID"),
            ("--format=pid,uid", "PID UID"),
            ("-o flavour", "Error running ps: unknown user-defined format specifier \"flavour\""),
            ("-o", "Error running ps: list of format specifiers must follow -o"),
            ("-z", "Error running ps: unsupported option 'z'"),
            ("--sort=pid", "Error running ps: unsupported option '-'"),
        ] {
            assert_eq!(titles(options), expected, "{options}");
        }
    }

    #[test]
    fn times_are_shown_as_ps_shows_them() {
        assert_eq!(clock(3_661), "01:01:01");
        assert_eq!(clock(90_000), "1-01:00:00");
        assert_eq!((elapsed(59), elapsed(3_600)), ("00:59".to_owned(), "01:00:00".to_owned()));
        assert_eq!(tenths(1_234), "123.4");
    }
}
