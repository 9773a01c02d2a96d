//! Who has which name: files in the engine's run directory, `names/ID`.
//!
//! A network's has a line for each container that has been started in it, `CONTAINER =ADDRESS … NAME NAME … `, the container's own name
//! first of the names, and a container's has a line for each network that it is in, `NETWORK open|internal NAME ALIAS=NAME …`, with the aliases for others
//! that only it knows. They are replaced as a whole and
//! read anew for every question, so whoever reads one sees what is so now, and nobody has to be told. That a container is in a file does
//! not say that it runs: its lock does.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use memchr::{memmem, memrchr};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, read};

use crate::protocol::LOCK_MONITOR;
use crate::sys::lock::is_locked;

/// The directory, beside the containers' run directories.
pub const DIRECTORY: &str = "names";

/// Bytes of a line at the most.
pub const LONGEST_LINE: usize = 32 << 10;

/// A network that a container is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Nothing outside of it is reached from it.
    pub internal: bool,
    /// The container's own names for others there, and their names, in lower case.
    pub links: Vec<(String, String)>,
}

impl Network {
    /// Its line in a container's file.
    pub fn line(&self) -> String {
        let way = if self.internal { "internal" } else { "open" };
        let links: String =
            self.links.iter().map(|(alias, name)| format!(" {alias}={name}")).collect();
        format!("{} {way} {}{links}\n", self.id, self.name)
    }

    /// The networks of which these are the lines.
    pub fn parse(text: &str) -> impl Iterator<Item = Network> {
        text.lines().filter_map(|line| {
            let mut words = line.split(' ');
            let (id, way, name) = (words.next()?, words.next()?, words.next()?);
            is_id(id).then(|| Network {
                id: id.to_owned(),
                name: name.to_owned(),
                internal: way != "open",
                links: words
                    .filter_map(|word| word.split_once('='))
                    .map(|(alias, name)| (alias.to_owned(), name.to_owned()))
                    .collect(),
            })
        })
    }
}

/// A container's line in a network's file.
pub fn line(
    container: &str,
    addresses: impl IntoIterator<Item = IpAddr>,
    names: &[String],
) -> String {
    let mut line = format!("{container} ");
    for address in addresses {
        line.push_str(&format!("={address} "));
    }
    for name in names {
        line.push_str(&name.to_ascii_lowercase());
        line.push(' ');
    }
    line.push('\n');
    line
}

/// What is known, seen from a container's run directory.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    /// That directory.
    pub run: BorrowedFd<'a>,
}

impl Table<'_> {
    /// The networks that a container is in.
    pub fn networks(&self, container: &str) -> Vec<Network> {
        let text = self
            .open(&format!("../{DIRECTORY}/{container}"))
            .and_then(|file| std::io::read_to_string(File::from(file)).map_err(|_| Errno::IO));
        text.map(|text| Network::parse(&text).collect()).unwrap_or_default()
    }

    /// The addresses of the running containers that have a name in a network.
    pub fn addresses(&self, network: &str, name: &str) -> Vec<IpAddr> {
        let mut found = Vec::new();
        if !name.is_empty() {
            self.each(network, &format!(" {name} "), |line| {
                found.extend(line.split(' ').skip(1).map_while(address));
            });
        }
        found
    }

    /// The name of the running container that has an address in a network.
    pub fn name(&self, network: &str, address: IpAddr) -> Option<String> {
        let mut found = None;
        self.each(network, &format!(" ={address} "), |line| {
            let mut words = line.split(' ').skip(1);
            found = words.find(|word| !word.starts_with('=')).map(str::to_owned);
        });
        found
    }

    /// The lines of a network's file with this in them, of containers that run.
    fn each(&self, network: &str, words: &str, mut with: impl FnMut(&str)) {
        let Ok(file) = self.open(&format!("../{DIRECTORY}/{network}")) else { return };
        // One that cannot be read to its end knows nothing more.
        let _ = lines_with(
            |buffer| read(&file, buffer),
            words.as_bytes(),
            |line| {
                let line = std::str::from_utf8(line).unwrap_or_default();
                if line.split(' ').next().is_some_and(|id| self.is_running(id)) {
                    with(line);
                }
            },
        );
    }

    fn is_running(&self, container: &str) -> bool {
        is_id(container)
            && self
                .open(&format!("../locks/{container}"))
                .is_ok_and(|lock| is_locked(&lock, LOCK_MONITOR))
    }

    fn open(&self, path: &str) -> Result<std::os::fd::OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        openat(self.run, path, flags, Mode::empty())
    }
}

fn address(word: &str) -> Option<IpAddr> {
    word.strip_prefix('=')?.parse().ok()
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Find lines by what is in them, without having the whole file in memory. A thousand of them are looked through in some ten
/// microseconds.
fn lines_with(
    mut read: impl FnMut(&mut [u8]) -> Result<usize, Errno>,
    words: &[u8],
    mut each: impl FnMut(&[u8]),
) -> Result<(), Errno> {
    let finder = memmem::Finder::new(words);
    let mut buffer = [0; LONGEST_LINE];
    let mut kept = 0;
    loop {
        let count = match read(&mut buffer[kept..]) {
            Err(Errno::INTR) => continue,
            count => count?,
        };
        let filled = kept + count;
        let whole = memrchr(b'\n', &buffer[..filled]).map_or(0, |at| at + 1);
        let mut rest = &buffer[..whole];
        while let Some(at) = finder.find(rest) {
            let begin = memrchr(b'\n', &rest[..at]).map_or(0, |at| at + 1);
            let end = memchr::memchr(b'\n', &rest[at..]).map_or(rest.len(), |length| at + length);
            each(&rest[begin..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        // At the end, or at a line that is longer than any.
        if count == 0 || filled - whole == buffer.len() {
            return Ok(());
        }
        buffer.copy_within(whole..filled, 0);
        kept = filled - whole;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &[u8], words: &str, step: usize) -> Vec<String> {
        let mut left = text;
        let mut found = Vec::new();
        let read = |buffer: &mut [u8]| {
            let count = left.len().min(buffer.len()).min(step);
            buffer[..count].copy_from_slice(&left[..count]);
            left = &left[count..];
            Ok(count)
        };
        lines_with(read, words.as_bytes(), |line| {
            found.push(String::from_utf8_lossy(line).into_owned());
        })
        .unwrap();
        found
    }

    #[test]
    fn a_line_is_found_by_a_whole_word_of_it_however_it_is_read() {
        let id = "0".repeat(64);
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let v4 = |text: &str| [text.parse::<IpAddr>().unwrap()];
        let both = [v4("10.0.0.1")[0], v4("fd00::1")[0]];
        let one = line(&id, both, &names(&["Web", "db", "db"]));
        let two = line(&id, v4("10.0.0.2"), &names(&["webs", "db"]));
        let mut text = one.clone();
        (0..500).for_each(|number| {
            text += &line(&id, v4("127.0.0.1"), &names(&[&format!("other-{number}")]));
        });
        text += &two;
        for step in [7, 4096, usize::MAX] {
            assert_eq!(
                found(text.as_bytes(), " db ", step),
                [one.trim_end_matches('\n'), two.trim_end_matches('\n')]
            );
            assert_eq!(found(text.as_bytes(), " web ", step).len(), 1);
            assert_eq!(found(text.as_bytes(), " other-499 ", step).len(), 1);
            assert_eq!(found(text.as_bytes(), " =10.0.0.2 ", step).len(), 1);
            assert_eq!(found(text.as_bytes(), " =fd00::1 ", step).len(), 1);
            assert_eq!(found(text.as_bytes(), " 10.0.0.2 ", step), [] as [&str; 0]);
        }
    }

    #[test]
    fn a_line_without_an_end_is_none_and_one_without_bounds_ends_the_search() {
        assert_eq!(found(b"a b c", " b ", 3), [] as [&str; 0]);
        let endless = vec![b' '; 4 * LONGEST_LINE];
        assert_eq!(found(&endless, " b ", usize::MAX), [] as [&str; 0]);
    }

    #[test]
    fn networks_are_read_as_they_were_written() {
        let links = vec![("store".into(), "db".into()), ("x".into(), "y".into())];
        let network = Network { id: "a".repeat(64), name: "web".into(), internal: true, links };
        let text = format!("{}nonsense\n../x open y\n", network.line());
        assert_eq!(Network::parse(&text).collect::<Vec<_>>(), [network]);
    }
}
