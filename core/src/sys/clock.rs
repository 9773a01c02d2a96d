//! Wall-clock time for records. No duration is ever computed from it: clocks jump.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    let time = clock_gettime(ClockId::Realtime);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

/// RFC 3339 with nanoseconds, trailing zeros left out, as Go's `RFC3339Nano` and so Docker's documents have it; Go's zero
/// time for 0.
pub(crate) fn rfc3339(nanoseconds: i64) -> String {
    if nanoseconds == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    match jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)) {
        Ok(timestamp) => timestamp.to_string(),
        Err(_) => "0001-01-01T00:00:00Z".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_written_as_go_writes_them() {
        assert_eq!(rfc3339(0), "0001-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_500_000_000_000_000_000), "2017-07-14T02:40:00Z");
        assert_eq!(rfc3339(1_500_000_000_120_000_000), "2017-07-14T02:40:00.12Z");
        assert_eq!(rfc3339(1_500_000_000_000_000_001), "2017-07-14T02:40:00.000000001Z");
    }
}
