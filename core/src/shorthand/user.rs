//! Users, as in `--user` and a Dockerfile's `USER`.

use crate::error::{Error, Result};

/// Largest id: what Docker allows, and half of what the kernel does.
const MAX_ID: u32 = i32::MAX as u32;

/// Who a process runs as. Names are looked up in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub user: Id,
    /// The group; without it the user's own.
    pub group: Option<Id>,
}

/// A user or group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id {
    /// By number. Digits are always a number, even where the container has a user of that name (CVE-2016-3697).
    Number(u32),
    /// By name.
    Name(String),
}

/// `name`, `uid`, and either with `:group` or `:gid`; nothing is root.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for ids out of range and for what can't be a name.
pub fn user(text: &str) -> Result<User> {
    let (user, group) = match text.split_once(':') {
        Some((_, group)) if group.contains(':') => {
            return Err(Error::invalid(format!("invalid user: {text:?} has more than one colon")));
        }
        Some((user, group)) => (user, group),
        None => (text, ""),
    };
    let user = if user.is_empty() { Id::Number(0) } else { id(user)? };
    let group = (!group.is_empty()).then(|| id(group)).transpose()?;
    Ok(User { user, group })
}

/// A user's or group's number or name.
pub(crate) fn id(text: &str) -> Result<Id> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|id| *id <= MAX_ID).map(Id::Number).ok_or_else(|| {
            Error::invalid(format!("uids and gids must be in range 0-{MAX_ID}: {text}"))
        });
    }
    let strange = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | '/' | ',');
    if text.is_empty() || text.starts_with(['-', '+']) || text.contains(strange) {
        return Err(Error::invalid(format!("invalid user or group: {text:?}")));
    }
    Ok(Id::Name(text.to_owned()))
}
