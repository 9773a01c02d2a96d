//! Who a container's process runs as: Docker's `User` and `GroupAdd`, looked up in the container's own `/etc/passwd` and
//! `/etc/group`.
//!
//! Both files are an image's, so they are read with suspicion: regular files only, at most [`MOST_BYTES`] long with lines of
//! at most [`LONGEST_LINE`], numbers in range. A number is a number even where a user is called so (CVE-2016-3697), and
//! what is no number is never read as 0 (CVE-2026-30892).

use std::io::{self, BufRead, BufReader, Read};

use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::Errno;

use crate::oci;
use crate::protocol::Failure;

use super::failure::{Doing, invalid, system};
use super::paths::{Links, Root};

/// Most bytes of either file.
const MOST_BYTES: u64 = 10 << 20;
/// Most bytes of a line.
const LONGEST_LINE: usize = 4096;
/// The largest id: Docker's limit. Above it, ids turn negative or into "unchanged" (-1) on their way.
const LARGEST_ID: u64 = i32::MAX as u64;
/// Most supplementary groups of a process (NGROUPS_MAX).
const MOST_GROUPS: usize = 65536;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// Who a process is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// User id.
    pub(crate) uid: u32,
    /// Group id.
    pub(crate) gid: u32,
    /// All its groups, [`Identity::gid`] first. That it is among them matters: a file that keeps a group out would let in a
    /// process that has it only as its primary one and then gives it up (CVE-2022-36109).
    pub(crate) groups: Vec<u32>,
    /// Its home directory, if that was asked for.
    pub(crate) home: Option<String>,
}

/// What is to be looked up.
pub(crate) struct Asked<'a> {
    /// `user`, `uid`, `user:group`, and so on; empty: what the specification says.
    pub(crate) user: &'a str,
    /// More groups.
    pub(crate) group_add: &'a [String],
    /// What the specification says.
    pub(crate) default: &'a oci::User,
    /// The home directory is wanted.
    pub(crate) home: bool,
}

/// Look it up in a container's root.
pub(crate) fn look_up(root: &Root, asked: &Asked<'_>) -> Result<Identity, Failure> {
    resolve(asked, &|path| open(root, path))
}

/// A user or group as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name<'a> {
    Number(u32),
    Text(&'a str),
}

impl<'a> Name<'a> {
    fn new(text: &'a str) -> Result<Name<'a>, Failure> {
        match number(text.as_bytes()) {
            None => Ok(Name::Text(text)),
            Some(id) => id.map(Name::Number).ok_or_else(out_of_range),
        }
    }
}

fn resolve<R: Read>(
    asked: &Asked<'_>,
    open: &dyn Fn(&'static str) -> Result<Option<R>, Failure>,
) -> Result<Identity, Failure> {
    let mut identity = Identity::default();
    let mut member = None;
    let mut group = None;
    let user = if asked.user.is_empty() {
        identity.gid = asked.default.gid;
        Name::Number(asked.default.uid)
    } else {
        let (user, wanted) = match asked.user.split_once(':') {
            Some((_, wanted)) if wanted.contains(':') => {
                return Err(invalid(format!("user {:?} has more than one colon", asked.user)));
            }
            Some((user, wanted)) => (user, wanted),
            None => (asked.user, ""),
        };
        group = (!wanted.is_empty()).then(|| Name::new(wanted)).transpose()?;
        if user.is_empty() { Name::Number(0) } else { Name::new(user)? }
    };
    let explicit_group = group.is_some() || asked.user.is_empty();
    if let Name::Number(uid) = user {
        identity.uid = uid;
    }
    if matches!(user, Name::Text(_)) || !explicit_group || asked.home {
        match find_user(user, open(PASSWD)?)? {
            Some(found) => {
                identity.uid = found.uid;
                if !explicit_group {
                    identity.gid = found.gid;
                    member = Some(found.name);
                }
                identity.home = Some(found.home);
            }
            None => {
                if let Name::Text(name) = user {
                    return Err(not_found("user", name, "passwd"));
                }
            }
        }
    }
    if asked.home {
        identity.home.get_or_insert_default();
        if identity.home.as_deref() == Some("") {
            identity.home = Some("/".to_owned());
        }
    } else {
        identity.home = None;
    }

    let added: Vec<Name<'_>> =
        asked.group_add.iter().map(|name| Name::new(name)).collect::<Result<_, _>>()?;
    let names: Vec<&str> = group
        .iter()
        .chain(&added)
        .filter_map(|name| match name {
            Name::Text(name) => Some(*name),
            Name::Number(_) => None,
        })
        .collect();
    let mut groups = Groups::default();
    if member.is_some() || !names.is_empty() {
        groups = Groups::find(&names, member.as_deref(), open(GROUP)?)?;
    }
    let id = |name: &Name<'_>| match name {
        Name::Number(id) => Ok(*id),
        Name::Text(name) => {
            groups.id(&names, name).ok_or_else(|| not_found("group", name, "group"))
        }
    };
    if let Some(group) = &group {
        identity.gid = id(group)?;
    }
    identity.groups.push(identity.gid);
    let specified: &[u32] = match asked.user.is_empty() {
        true => &asked.default.additional_gids,
        false => &[],
    };
    for gid in specified.iter().copied().chain(groups.memberships.iter().copied()) {
        push_new(&mut identity.groups, gid);
    }
    for name in &added {
        push_new(&mut identity.groups, id(name)?);
    }
    if identity.groups.len() > MOST_GROUPS {
        return Err(invalid(format!("more than {MOST_GROUPS} groups")));
    }
    Ok(identity)
}

/// A line of `/etc/passwd`.
struct User {
    name: Vec<u8>,
    uid: u32,
    gid: u32,
    home: String,
}

fn find_user<R: Read>(wanted: Name<'_>, file: Option<R>) -> Result<Option<User>, Failure> {
    let mut found = None;
    each_line(PASSWD, file, |line| {
        // name:password:uid:gid:comment:home:shell (passwd(5))
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let [name, _, uid, gid, ref rest @ ..] = fields[..] else { return Ok(true) };
        let (Some(uid), Some(gid)) = (number(uid), number(gid)) else { return Ok(true) };
        let matches = match wanted {
            Name::Number(wanted) => uid == Some(wanted),
            Name::Text(wanted) => name == wanted.as_bytes(),
        };
        if !matches || name.is_empty() {
            return Ok(true);
        }
        found = Some(User {
            name: name.to_owned(),
            uid: uid.ok_or_else(out_of_range)?,
            gid: gid.ok_or_else(out_of_range)?,
            home: String::from_utf8_lossy(rest.get(1).copied().unwrap_or_default()).into_owned(),
        });
        Ok(false)
    })?;
    Ok(found)
}

/// What `/etc/group` says.
#[derive(Default)]
struct Groups {
    /// For each name asked for, its number.
    ids: Vec<Option<u32>>,
    /// The groups that the user is a member of.
    memberships: Vec<u32>,
}

impl Groups {
    fn find<R: Read>(
        names: &[&str],
        member: Option<&[u8]>,
        file: Option<R>,
    ) -> Result<Groups, Failure> {
        let mut groups = Groups { ids: vec![None; names.len()], memberships: Vec::new() };
        each_line(GROUP, file, |line| {
            // name:password:gid:member,member (group(5))
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
            let [name, _, gid, ref rest @ ..] = fields[..] else { return Ok(true) };
            let Some(gid) = number(gid) else { return Ok(true) };
            for (wanted, id) in names.iter().zip(&mut groups.ids) {
                if id.is_none() && wanted.as_bytes() == name {
                    *id = Some(gid.ok_or_else(out_of_range)?);
                }
            }
            let members = rest.first().copied().unwrap_or_default();
            if member.is_some_and(|user| members.split(|byte| *byte == b',').any(|m| m == user)) {
                groups.memberships.push(gid.ok_or_else(out_of_range)?);
            }
            Ok(groups.memberships.len() <= MOST_GROUPS)
        })?;
        Ok(groups)
    }

    fn id(&self, names: &[&str], name: &str) -> Option<u32> {
        let at = names.iter().position(|known| *known == name)?;
        self.ids.get(at).copied().flatten()
    }
}

/// Call `act` for each line that is not empty or a comment, until it says `false`.
fn each_line<R: Read>(
    path: &str,
    file: Option<R>,
    mut act: impl FnMut(&[u8]) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    // One more than allowed, to notice what is longer.
    let mut file = BufReader::with_capacity(LONGEST_LINE + 2, file.take(MOST_BYTES + 1));
    let mut read = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = LONGEST_LINE as u64 + 1;
        let length = (&mut file)
            .take(most)
            .read_until(b'\n', &mut line)
            .map_err(|error| system(format!("read {path} of the image"), errno(&error)))?;
        if length == 0 {
            return Ok(());
        }
        read += length as u64;
        if read > MOST_BYTES {
            return Err(invalid(format!("{path} of the image is longer than {MOST_BYTES} bytes")));
        }
        if line.len() > LONGEST_LINE && !line.ends_with(b"\n") {
            return Err(invalid(format!(
                "{path} of the image has a line longer than {LONGEST_LINE} bytes"
            )));
        }
        let line = line.trim_ascii();
        if !line.is_empty() && !line.starts_with(b"#") && !act(line)? {
            return Ok(());
        }
    }
}

fn open(root: &Root, path: &str) -> Result<Option<std::fs::File>, Failure> {
    let doing = || format!("open {path} of the image");
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    // Opening a device is not harmless, and reading a FIFO never ends: so look at what it is before opening, and again
    // afterwards.
    for flags in [OFlags::PATH, flags] {
        let file = match root.open(path, Links::Follow, flags) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(system(doing(), error)),
        };
        let found = fstat(&file).doing(doing)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(invalid(format!("{path} of the image is not a regular file")));
        }
        if found.st_size as u64 > MOST_BYTES {
            return Err(invalid(format!("{path} of the image is longer than {MOST_BYTES} bytes")));
        }
        if !flags.contains(OFlags::PATH) {
            return Ok(Some(file.into()));
        }
    }
    Ok(None)
}

/// A decimal number; the inner `None`: one that is no id.
fn number(text: &[u8]) -> Option<Option<u32>> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = text
        .iter()
        .try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    Some(value.filter(|value| *value <= LARGEST_ID).map(|value| value as u32))
}

fn push_new(groups: &mut Vec<u32>, gid: u32) {
    if !groups.contains(&gid) {
        groups.push(gid);
    }
}

fn out_of_range() -> Failure {
    invalid(format!("uids and gids must be in range 0-{LARGEST_ID}"))
}

fn not_found(what: &str, name: &str, file: &str) -> Failure {
    invalid(format!("unable to find {what} {name}: no matching entries in {file} file"))
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests;
