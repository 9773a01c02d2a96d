//! Sizes in bytes.

use crate::error::{Error, Result};

/// A size in bytes: `1024`, `512k`, `64 MB`, `1.5g`, `2GiB`. Units are powers of 1,024 whichever way they are written, as
/// Docker counts memory.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn size(text: &str) -> Result<i64> {
    parse(text).ok_or_else(|| Error::invalid(format!("invalid size: '{text}'")))
}

/// The same, or `-1` for no limit.
///
/// # Errors
/// As [`size`].
pub fn size_or_unlimited(text: &str) -> Result<i64> {
    if text == "-1" { Ok(-1) } else { size(text) }
}

fn parse(text: &str) -> Option<i64> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.')? + 1;
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let shift = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return None,
    };
    let (whole, fraction) = decimal(number)?;
    let whole = whole.checked_mul(1 << shift)?;
    let fraction = match fraction {
        "" => 0,
        // Docker computes in floating point and cuts off; what 17 digits can't tell apart is below a byte.
        digits => (format!("0.{digits}").parse::<f64>().ok()? * (1u64 << shift) as f64) as i64,
    };
    whole.checked_add(fraction)
}

/// The parts of a number such as `1.5`: digits, and digits after a point.
pub(super) fn decimal(text: &str) -> Option<(i64, &str)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    Some((whole, fraction))
}
