//! The time zone of whoever asks: `TZ`, else that of this machine.
//!
//! jiff looks a zone up by its name, also the one that `/etc/localtime` leads to, and reads the names of all zones first:
//! some 60 directories and 2 ms, in a command that takes 5. The file alone says all that is shown of a zone, its
//! abbreviations too. What it does not say, such as where else a name may be found, is left to jiff.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

const ZONES: &str = "/usr/share/zoneinfo";
const MACHINE: &str = "/etc/localtime";

/// How long a zone is good for, as with jiff: a process that runs for long follows a machine that is given another.
const GOOD_FOR: Duration = Duration::from_secs(300);

static LAST: Mutex<Option<(Instant, TimeZone)>> = Mutex::new(None);

/// The time zone that times are shown in.
pub(crate) fn local() -> TimeZone {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((when, zone)) = &*last
        && when.elapsed() < GOOD_FOR
    {
        return zone.clone();
    }
    let zone = found().unwrap_or_else(TimeZone::system);
    *last = Some((Instant::now(), zone.clone()));
    zone
}

/// The zone, where it is known which file it is in.
fn found() -> Option<TimeZone> {
    match (std::env::var_os("TZ"), std::env::var_os("TZDIR")) {
        (_, Some(_)) => None,
        (None, None) => of_machine(Path::new(MACHINE)),
        (Some(name), None) => named(&name, Path::new(ZONES)),
    }
}

fn of_machine(path: &Path) -> Option<TimeZone> {
    match fs::read(path) {
        Ok(data) => TimeZone::tzif(MACHINE, &data).ok(),
        // It may also be a link to what is elsewhere on this machine.
        Err(error) if error.kind() == ErrorKind::NotFound && fs::read_link(path).is_err() => {
            Some(TimeZone::unknown())
        }
        Err(_) => None,
    }
}

fn named(name: &OsStr, zones: &Path) -> Option<TimeZone> {
    let name = name.to_str()?;
    if name.is_empty() {
        return Some(TimeZone::UTC);
    }
    let data = fs::read(file_of(name.strip_prefix(':').unwrap_or(name), zones)?).ok()?;
    TimeZone::tzif(name, &data).ok()
}

/// The file of a zone with this name, if that is nothing else: neither a rule (`EST5EDT`) nor a path, nor in the directories
/// of zones that jiff does not know.
fn file_of(name: &str, zones: &Path) -> Option<PathBuf> {
    let first = name.split('/').next().unwrap_or_default();
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
    };
    let plain = is_word(first) && name.split('/').all(is_part);
    (plain && !["posix", "right"].contains(&first)).then(|| zones.join(name))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// The end of a file of version 2, which says it all where there are no transitions.
    fn zone(rule: &str) -> Vec<u8> {
        let header = |counts: [u8; 6]| {
            let counts = counts.into_iter().flat_map(|count| [0, 0, 0, count]);
            b"TZif2".iter().copied().chain([0; 15]).chain(counts).collect::<Vec<u8>>()
        };
        // One type of local time, UTC, and the four bytes of its abbreviation.
        let block = || [header([0, 0, 0, 0, 1, 4]), [0; 6].to_vec(), b"UTC\0".to_vec()].concat();
        [block(), block(), format!("\n{rule}\n").into_bytes()].concat()
    }

    fn shown(zone: &TimeZone) -> String {
        let moment = Timestamp::from_second(1_720_000_000).unwrap();
        moment.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M %z %Z").to_string()
    }

    #[test]
    fn a_zone_is_read_from_its_file_and_its_file_alone() {
        let zones = std::env::temp_dir().join(format!("barque-zones-{}", std::process::id()));
        fs::create_dir_all(zones.join("Inner")).unwrap();
        fs::write(zones.join("Inner/Land"), zone("INT-3IST,M3.5.0,M10.5.0/3")).unwrap();
        fs::write(zones.join("Inner/Broken"), "no zone").unwrap();
        for name in ["Inner/Land", ":Inner/Land"] {
            let zone = named(OsStr::new(name), &zones);
            assert_eq!(zone.as_ref().map(shown).as_deref(), Some("2024-07-03 13:46 +0400 IST"));
        }
        assert_eq!(
            shown(&of_machine(&zones.join("Inner/Land")).unwrap()),
            "2024-07-03 13:46 +0400 IST"
        );
        assert_eq!(
            named(OsStr::new(""), &zones).map(|zone| shown(&zone)),
            Some(shown(&TimeZone::UTC))
        );
        for name in ["inner/land", "Inner/Broken", "Inner", "Inner/../Inner/Land"] {
            assert!(named(OsStr::new(name), &zones).is_none(), "{name}");
        }
        assert!(of_machine(&zones.join("Inner/Broken")).is_none());
        assert!(of_machine(&zones.join("none")).unwrap().is_unknown());
        std::os::unix::fs::symlink("zoneinfo/Away", zones.join("leads-nowhere")).unwrap();
        assert!(of_machine(&zones.join("leads-nowhere")).is_none());
        fs::remove_dir_all(&zones).unwrap();
    }

    #[test]
    fn only_what_can_be_nothing_but_a_zone_is_looked_for_as_a_file() {
        let zones = Path::new("/z");
        for name in ["Europe/Berlin", "America/Port-au-Prince", "Etc/GMT+5", "CET", "UTC"] {
            assert_eq!(file_of(name, zones), Some(zones.join(name)));
        }
        for name in [
            "",
            "/",
            "/etc/localtime",
            "..",
            "../UTC",
            "Europe/",
            "Europe//Berlin",
            "EST5EDT",
            "CET-1CEST,M3.5.0/2",
            "<+03>-3",
            "right/Europe/Berlin",
            "posix/UTC",
            "a\0b",
        ] {
            assert_eq!(file_of(name, zones), None, "{name}");
        }
    }

    /// With the time zones of this machine, where it has any.
    #[test]
    fn times_are_those_of_jiffs_own_way() {
        assert_eq!(shown(&local()), shown(&TimeZone::system()));
        for name in ["Europe/Berlin", "Asia/Kathmandu", "America/New_York", "UTC"] {
            if let (Ok(known), Some(read)) =
                (TimeZone::get(name), named(OsStr::new(name), Path::new(ZONES)))
            {
                assert_eq!(shown(&read), shown(&known), "{name}");
            }
        }
    }
}
