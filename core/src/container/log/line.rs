//! A line of the log: `2026-11-24T06:22:47.123456789Z stdout F text` (`docs/decisions/0003-log-format.md`).

use crate::stream::Output;

/// Length of what stands before the text. The monitor writes times with nine digits, always in UTC.
pub(super) const PREFIX: usize = 40;

/// Where the tag stands: `F` or `P`.
pub(super) const TAG: usize = 38;

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// When it was read from the container, RFC 3339.
    pub(crate) time: &'a str,
    /// Where it came from.
    pub(crate) stream: Output,
    /// It is the end of a line of output; otherwise that goes on.
    pub(crate) ends: bool,
    /// What the container wrote, without the line's end.
    pub(crate) text: &'a [u8],
}

impl<'a> Line<'a> {
    /// Read a line that is without its newline; `None` when it is not one of ours (the rest of a torn one).
    pub(crate) fn parse(line: &'a [u8]) -> Option<Line<'a>> {
        let (prefix, text) = line.split_at_checked(PREFIX)?;
        let time = std::str::from_utf8(&prefix[..30]).ok()?;
        let stream = match &prefix[30..TAG] {
            b" stdout " => Output::Stdout,
            b" stderr " => Output::Stderr,
            _ => return None,
        };
        let ends = match &prefix[TAG..] {
            b"F " => true,
            b"P " => false,
            _ => return None,
        };
        (time.as_bytes()[10] == b'T' && time.ends_with('Z')).then_some(())?;
        Some(Line { time, stream, ends, text })
    }

    /// Its time, nanoseconds since 1970.
    pub(crate) fn timestamp(&self) -> i64 {
        let number = |range: std::ops::Range<usize>| self.time[range].parse::<i64>().unwrap_or(0);
        let days = days_from_civil(number(0..4), number(5..7), number(8..10));
        let seconds = days * 86_400 + number(11..13) * 3_600 + number(14..16) * 60 + number(17..19);
        seconds.saturating_mul(1_000_000_000).saturating_add(number(20..29))
    }
}

/// Days since 1970 of a date of the Gregorian calendar. The year is counted from March, so that the leap day is its last:
/// day 0 of year 0 is 719,468 days before 1970.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::Line;
    use crate::stream::Output;

    #[test]
    fn a_line_has_its_parts_and_its_text_is_any_bytes() {
        let line = Line::parse(b"2026-11-24T06:22:47.123456789Z stderr P a\xff b ").unwrap();
        assert_eq!((line.stream, line.ends, line.text), (Output::Stderr, false, &b"a\xff b "[..]));
        let line = Line::parse(b"2026-11-24T06:22:47.123456789Z stdout F ").unwrap();
        assert_eq!((line.stream, line.ends, line.text), (Output::Stdout, true, &b""[..]));
    }

    #[test]
    fn what_is_torn_is_no_line() {
        for torn in [
            &b""[..],
            b"2026-11-24T06:22:47.123456789Z stdout F",
            b"6-11-24T06:22:47.123456789Z stdout F text that is long enough",
            b"2026-11-24T06:22:47.123456789Z stdxxx F text",
            b"2026-11-24T06:22:47.123456789Z stdout X text",
            b"\xff026-11-24T06:22:47.123456789Z stdout F text",
        ] {
            assert_eq!(Line::parse(torn), None);
        }
    }

    #[test]
    fn times_are_those_that_a_calendar_says() {
        for text in [
            "1970-01-01T00:00:00.000000000Z",
            "1969-12-31T23:59:59.999999999Z",
            "2000-02-29T12:00:00.000000001Z",
            "2026-11-24T06:22:47.123456789Z",
            "2100-03-01T00:00:00.000000000Z",
        ] {
            let line = format!("{text} stdout F x");
            let expected = text.parse::<jiff::Timestamp>().unwrap().as_nanosecond();
            assert_eq!(i128::from(Line::parse(line.as_bytes()).unwrap().timestamp()), expected);
        }
    }
}
