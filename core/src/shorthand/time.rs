//! Moments, as in `--since`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::error::{Error, Result};

const NANOSECONDS: i64 = 1_000_000_000;

/// A moment, in nanoseconds since 1970: an RFC 3339 time (`2024-05-01T10:00:00Z`), one with parts left out
/// (`2024-05-01T10:00`, `2024-05-01`; it is then UTC, for the caller's time zone is part of its environment), seconds since
/// 1970 (`1714557600.5`), or a duration before `now` (`10m`).
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn timestamp(text: &str, now: i64) -> Result<i64> {
    let wrong = || Error::invalid(format!("failed to parse value as time or duration: {text:?}"));
    if let Some((seconds, fraction)) = super::size::decimal(text) {
        let nanoseconds = format!("{:0<9.9}", fraction).parse::<i64>().map_err(|_| wrong())?;
        return seconds
            .checked_mul(NANOSECONDS)
            .and_then(|whole| whole.checked_add(nanoseconds))
            .ok_or_else(wrong);
    }
    if let Ok(ago) = super::duration::parse(text) {
        let ago = i64::try_from(ago.as_nanos()).map_err(|_| wrong())?;
        return Ok(now.saturating_sub(ago));
    }
    let moment = text.parse::<Timestamp>().ok().or_else(|| {
        // `2024-05-01T10` is no ISO time to jiff, but it is one to Docker.
        let hour = text.split_once('T').filter(|(_, time)| time.len() == 2);
        let completed = hour.map(|_| format!("{text}:00"));
        let civil: DateTime = completed.as_deref().unwrap_or(text).parse().ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    });
    let nanoseconds = moment.ok_or_else(wrong)?.as_nanosecond();
    i64::try_from(nanoseconds).map_err(|_| wrong())
}
