//! Lengths of time.

use std::time::Duration;

use crate::error::{Error, Result};

/// A length of time as Go writes it: `10s`, `1m30s`, `1.5h`, `300ms`, `0`. Days are not a unit, and a number needs one.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn duration(text: &str) -> Result<Duration> {
    parse(text).map_err(|problem| Error::invalid(format!("{problem} {text:?}")))
}

pub(super) fn parse(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || "invalid duration".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(wrong());
    }
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let number_end =
            rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (whole, fraction) = super::size::decimal(number).ok_or_else(wrong)?;
        let nanoseconds: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => return Err("missing unit in duration".to_owned()),
            unit => return Err(format!("unknown unit {unit:?} in duration")),
        };
        let part = u64::try_from(whole)
            .ok()
            .and_then(|whole| whole.checked_mul(nanoseconds))
            .and_then(|part| part.checked_add(share(fraction, nanoseconds)))
            .ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = after;
    }
    // Go's durations end after 292 years; so do ours, that they fit where they go.
    if i64::try_from(total).is_err() {
        return Err(wrong());
    }
    Ok(Duration::from_nanos(total))
}

/// The fraction `0.digits` of a unit, cut off.
fn share(digits: &str, unit: u64) -> u64 {
    let mut share = 0;
    let mut place = unit;
    for digit in digits.bytes().take(16) {
        share += u64::from(digit - b'0') * place / 10;
        place /= 10;
    }
    share
}
