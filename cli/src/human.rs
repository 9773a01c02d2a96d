//! Sizes, ages and ids for people, rounded as docker rounds them.

use jiff::Timestamp;

/// A size in powers of 1,000 with at most `digits` significant digits: `7.66MB`.
pub(crate) fn size(bytes: i64, digits: usize) -> String {
    scaled(bytes, 1000.0, digits, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// A size in powers of 1,024: `23.5GiB`.
pub(crate) fn memory(bytes: i64) -> String {
    scaled(bytes, 1024.0, 4, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

fn scaled(bytes: i64, base: f64, digits: usize, units: &[&str]) -> String {
    let (mut value, mut unit) = (bytes as f64, 0);
    while value.abs() >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let whole = format!("{:.0}", value.abs().trunc()).len();
    let text = format!("{value:.*}", digits.saturating_sub(whole));
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", units[unit])
}

/// How long ago, in one unit: `3 hours ago`. A time to come (the clock was set back) is none.
pub(crate) fn age(seconds_since_1970: i64) -> String {
    format!(
        "{} ago",
        barque::human::duration(Timestamp::now().as_second().saturating_sub(seconds_since_1970))
    )
}

/// A moment in this machine's time zone, as Go prints it: `2024-01-02 03:04:05 +0100 CET`.
pub(crate) fn moment(seconds_since_1970: i64) -> String {
    barque::human::local_time(seconds_since_1970, 0, "%Y-%m-%d %H:%M:%S %z %Z").unwrap_or_default()
}

/// The first 12 digits of an id, without the name of its algorithm.
pub(crate) fn short_id(id: &str) -> &str {
    let digits = id.split_once(':').map_or(id, |(_, digits)| digits);
    digits.get(..12).unwrap_or(digits)
}

/// A text of at most `width` characters, the last of which says that there is more.
pub(crate) fn ellipsis(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => text.chars().take(width - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_dockers() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1_000, "1kB"),
            (1_500, "1.5kB"),
            (7_656_432, "7.66MB"),
            (77_800_000, "77.8MB"),
            (778_123_456, "778MB"),
            (1_234_567_890, "1.23GB"),
        ] {
            assert_eq!(size(bytes, 3), text);
        }
        assert_eq!(size(1_234_567, 4), "1.235MB");
        assert_eq!(memory(25_233_477_632), "23.5GiB");
    }

    #[test]
    fn ages_change_their_unit_where_dockers_do() {
        for (seconds, text) in [
            (-5, "Less than a second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (3_599, "59 minutes"),
            (3_600 + 1_740, "About an hour"),
            (3_600 + 1_860, "2 hours"),
            (48 * 3_600, "2 days"),
            (14 * 86_400, "2 weeks"),
            (60 * 86_400, "2 months"),
            (730 * 86_400, "2 years"),
            // From a clock of 1970 to one of 2106, and back.
            (1 << 32, "136 years"),
            (-(1 << 32), "Less than a second"),
            (i64::MAX, "292471208677 years"),
            (i64::MIN, "Less than a second"),
        ] {
            assert_eq!(barque::human::duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn long_texts_end_in_an_ellipsis_and_ids_after_twelve_digits() {
        assert_eq!(ellipsis("docker-entrypoint.sh nginx", 20), "docker-entrypoint.s…");
        assert_eq!(ellipsis("12345678901234567890", 20), "12345678901234567890");
        assert_eq!(ellipsis("grüßgrüß", 4), "grü…");
        assert_eq!(short_id("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short_id("<missing>"), "<missing>");
    }
}
