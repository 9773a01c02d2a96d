//! Names and addresses that end up in `/etc/hosts`, `/etc/resolv.conf` and `/etc/hostname`.
//!
//! All of these files are lines of words, so nothing that gets in may hold a space or a line end: an entry could
//! otherwise add lines of its own (CVE-2022-4318 did that to a generated `/etc/passwd`).

use std::net::IpAddr;

use crate::error::{Error, Result};

/// `name:address` or `name=address`; an IPv6 address may be in brackets. The address `host-gateway` stands for the host.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn extra_host(text: &str) -> Result<(String, String)> {
    let wrong = || Error::invalid(format!("bad format for add-host: {text:?}"));
    let at = text.find(['=', ':']).ok_or_else(wrong)?;
    let (name, address) = (&text[..at], &text[at + 1..]);
    if !is_host_name(name, true) {
        return Err(wrong());
    }
    if address == "host-gateway" {
        return Ok((name.to_owned(), address.to_owned()));
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare.unwrap_or(address).parse::<IpAddr>() {
        Ok(ip) if bare.is_none() || ip.is_ipv6() => Ok((name.to_owned(), ip.to_string())),
        _ => Err(Error::invalid(format!("invalid IP address in add-host: {address:?}"))),
    }
}

/// The address of a name server.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn dns(text: &str) -> Result<String> {
    let ip: IpAddr = text
        .trim()
        .parse()
        .map_err(|_| Error::invalid(format!("{text:?} is not an ip address")))?;
    Ok(ip.to_string())
}

/// A domain to search; `.` for none.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn dns_search(text: &str) -> Result<String> {
    let name = text.trim_matches(' ');
    if name == "." || is_host_name(name.strip_suffix('.').unwrap_or(name), true) {
        return Ok(name.to_owned());
    }
    Err(Error::invalid(format!("{text:?} is not a valid domain")))
}

/// A resolver option (resolv.conf(5)): `ndots:2`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn dns_option(text: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.');
    if text.is_empty() || !text.chars().all(plain) {
        return Err(Error::invalid(format!("invalid DNS option: {text:?}")));
    }
    Ok(text.to_owned())
}

/// A host or domain name for a container.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn hostname(text: &str) -> Result<String> {
    // sethostname(2): at most 64 bytes (HOST_NAME_MAX).
    if text.len() > 64 || !is_host_name(text, false) {
        return Err(Error::invalid(format!(
            "invalid hostname format: {text:?}: use letters, digits, '-', '_' and '.', at most 64"
        )));
    }
    Ok(text.to_owned())
}

/// Labels of letters, digits, hyphens and (as in practice) underscores, with points between. Letters of other alphabets
/// are taken where the text goes into a file and not to the kernel.
fn is_host_name(text: &str, any_letter: bool) -> bool {
    let fits = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '-' | '_')
            || (any_letter && !c.is_ascii() && c.is_alphanumeric())
    };
    text.len() <= 255
        && text.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(fits)
        })
}
