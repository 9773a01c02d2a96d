//! What is written for people, rounded as docker rounds it.

use jiff::Timestamp;

use crate::sys::time_zone;

/// A duration in one unit, as docker's `units.HumanDuration` rounds it: `3 hours`. The clock may have been set back: a negative
/// one is none.
pub fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let minutes = seconds / 60;
    // Hours are rounded to the nearest, everything else down.
    let hours = seconds.saturating_add(1_800) / 3_600;
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (2..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, 2..60, _) => format!("{minutes} minutes"),
        (.., 1) => "About an hour".to_owned(),
        (.., 2..48) => format!("{hours} hours"),
        (.., 48..336) => format!("{} days", hours / 24),
        (.., 336..1_440) => format!("{} weeks", hours / 168),
        (.., 1_440..17_520) => format!("{} months", hours / 720),
        _ => format!("{} years", hours / 8_760),
    }
}

/// A moment in the time zone of `TZ`, else of this machine, by a format of strftime(3). `None`: it is out of the calendar.
pub fn local_time(seconds: i64, nanoseconds: i32, format: &str) -> Option<String> {
    let moment = Timestamp::new(seconds, nanoseconds).ok()?;
    Some(moment.to_zoned_datetime(time_zone::local()).strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_dockers() {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 3_600;
        const DAY: i64 = 24 * HOUR;
        for (seconds, text) in [
            (-5, "Less than a second"),
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (MINUTE, "About a minute"),
            (2 * MINUTE - 1, "About a minute"),
            (2 * MINUTE, "2 minutes"),
            (HOUR - 1, "59 minutes"),
            (HOUR, "About an hour"),
            (HOUR + 29 * MINUTE, "About an hour"),
            (HOUR + 31 * MINUTE, "2 hours"),
            (47 * HOUR, "47 hours"),
            (48 * HOUR, "2 days"),
            (13 * DAY, "13 days"),
            (14 * DAY, "2 weeks"),
            (59 * DAY, "8 weeks"),
            (60 * DAY, "2 months"),
            (729 * DAY, "24 months"),
            (730 * DAY, "2 years"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }
}
