//! Devices, their limits, and CPUs.

use crate::api::{DeviceMapping, ThrottleDevice, WeightDevice};
use crate::error::{Error, Result};

/// `/dev/sda`, `/dev/sda:/dev/xvda`, `/dev/sda:r` and all three parts: a host device in the container.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn device(text: &str) -> Result<DeviceMapping> {
    let parts: Vec<&str> = text.split(':').collect();
    let (host, container, mode) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, mode] if is_access(mode) => (host, host, mode),
        [host, container] => (host, container, "rwm"),
        [host, container, mode] if is_access(mode) => (host, container, mode),
        [_, _, mode] => return Err(Error::invalid(format!("bad mode specified: {mode}"))),
        _ => return Err(Error::invalid(format!("invalid device specification: {text}"))),
    };
    for path in [host, container] {
        if !path.starts_with('/') {
            return Err(Error::invalid(format!("'{path}' is not an absolute path")));
        }
    }
    Ok(DeviceMapping {
        path_on_host: host.to_owned(),
        path_in_container: container.to_owned(),
        cgroup_permissions: mode.to_owned(),
    })
}

/// Whether it is some of `r`, `w` and `m`, each at most once.
pub(crate) fn is_access(text: &str) -> bool {
    let count = |wanted| text.chars().filter(|c| *c == wanted).count();
    !text.is_empty()
        && text.chars().all(|c| "rwm".contains(c))
        && "rwm".chars().all(|wanted| count(wanted) <= 1)
}

/// `/dev/sda:10mb`: bytes a second.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn blkio_bps(text: &str) -> Result<ThrottleDevice> {
    let (path, rate) = device_and(text)?;
    let rate = super::size(rate).ok().and_then(|rate| u64::try_from(rate).ok()).ok_or_else(|| {
        Error::invalid(format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. Number must be a \
             positive integer. Unit is optional and can be kb, mb, or gb"
        ))
    })?;
    Ok(ThrottleDevice { path: path.to_owned(), rate })
}

/// `/dev/sda:1000`: operations a second.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn blkio_iops(text: &str) -> Result<ThrottleDevice> {
    let (path, rate) = device_and(text)?;
    let rate = number(rate).ok_or_else(|| {
        Error::invalid(format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>. Number must be a positive \
             integer"
        ))
    })?;
    Ok(ThrottleDevice { path: path.to_owned(), rate })
}

/// `/dev/sda:500`: a weight of 10 to 1,000, or 0 for none.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn blkio_weight(text: &str) -> Result<WeightDevice> {
    let (path, weight) = device_and(text)?;
    match number(weight) {
        Some(weight @ (0 | 10..=1000)) => {
            Ok(WeightDevice { path: path.to_owned(), weight: weight as u16 })
        }
        _ => Err(Error::invalid(format!("invalid weight for device: {text}"))),
    }
}

fn device_and(text: &str) -> Result<(&str, &str)> {
    let (path, value) =
        text.rsplit_once(':').ok_or_else(|| Error::invalid(format!("bad format: {text}")))?;
    if !path.starts_with("/dev/") {
        return Err(Error::invalid(format!("bad format for device path: {text}")));
    }
    Ok((path, value))
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `1.5` CPUs, in billionths.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn cpus(text: &str) -> Result<i64> {
    let wrong = || Error::invalid(format!("failed to parse {text} as a rational number"));
    let (whole, fraction) = super::size::decimal(text).ok_or_else(wrong)?;
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 9 {
        return Err(Error::invalid(format!("value is too precise: {text}")));
    }
    let billionths: i64 = format!("{fraction:0<9}").parse().map_err(|_| wrong())?;
    whole.checked_mul(1_000_000_000).and_then(|n| n.checked_add(billionths)).ok_or_else(wrong)
}
