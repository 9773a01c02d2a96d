//! The time of a log line: RFC 3339 in UTC with nine digits of the second, as the CRI log format has it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Length of a formatted time.
pub(super) const LENGTH: usize = 30;

/// Nanoseconds since 1970. A clock before that counts as 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// `2026-11-24T06:22:47.123456789Z`.
pub(super) fn format(nanoseconds: i64) -> [u8; LENGTH] {
    let nanoseconds = u64::try_from(nanoseconds).unwrap_or(0);
    let (seconds, fraction) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    for (end, mut value) in [
        (4, year),
        (7, month),
        (10, day),
        (13, second / 3600),
        (16, second / 60 % 60),
        (19, second % 60),
        (29, fraction),
    ] {
        let mut at = end;
        while value > 0 {
            at -= 1;
            text[at] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    }
    text
}

/// Year, month and day of a day counted from 1970-01-01, by the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted in years that begin in March, a leap day is the last day of its year, and months have a regular pattern:
    // 153 days in five of them. Day 0 of the count is 0000-03-01.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(nanoseconds: i64) -> String {
        String::from_utf8(format(nanoseconds).to_vec()).unwrap()
    }

    #[test]
    fn a_time_has_nine_digits_of_the_second() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(text(1_795_501_367_123_456_789), "2026-11-24T06:22:47.123456789Z");
        assert_eq!(text(951_782_399_000_000_001), "2000-02-28T23:59:59.000000001Z");
        assert_eq!(text(-5), "1970-01-01T00:00:00.000000000Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let leap =
            |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for count in 0..120_000 {
            assert_eq!(date(count), (year, month, day));
            let last = match month {
                2 => 28 + u64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > last {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}
