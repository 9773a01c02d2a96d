//! How long to wait for a registry, how often to ask again, and how large its answers may be.

use std::time::Duration;

/// Longest time for a connection to be made.
pub(super) fn connect() -> Duration {
    scaled(Duration::from_secs(30))
}

/// Longest silence of a peer that owes bytes, or takes none.
pub(crate) fn silence() -> Duration {
    scaled(Duration::from_secs(30))
}

/// Longest time for an answer's header, and for a small document whole: a peer that sends a byte now and then is never silent.
pub(super) fn answer() -> Duration {
    scaled(Duration::from_secs(60))
}

/// Fewest bytes of a blob in one such time: less is a peer that only keeps the connection busy.
pub(crate) const SLOWEST: u64 = 1024;

/// How often something is tried that brings nothing.
pub(crate) const ATTEMPTS: u32 = 5;

/// Longest wait that a registry can ask for (`Retry-After`); more is told to the caller instead.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Largest document of a registry's own (tokens, errors, lists). Manifests have a limit of their own (`image/json.rs`).
pub(super) const LARGEST_ANSWER: u64 = 1 << 20;

/// Most redirects that one request follows.
pub(super) const REDIRECTS: usize = 10;

/// How long to wait before the attempt after `failures` that failed: twice as long each time, and not at the same moment as others
/// who failed at the same moment.
pub(crate) fn back_off(failures: u32) -> Duration {
    let mut random = [0; 2];
    // Without randomness all wait the same.
    let _ = getrandom::fill(&mut random);
    let base = Duration::from_millis(200) * 2u32.pow(failures.min(5));
    scaled(base.mul_f64(0.5 + f64::from(u16::from_ne_bytes(random)) / f64::from(u16::MAX)))
}

#[cfg(not(feature = "failpoints"))]
fn scaled(time: Duration) -> Duration {
    time
}

/// A test does not wait for half a minute: `BARQUE_PATIENCE=20` divides all times.
#[cfg(feature = "failpoints")]
fn scaled(time: Duration) -> Duration {
    let divisor = std::env::var("BARQUE_PATIENCE").ok().and_then(|text| text.parse::<u32>().ok());
    time / divisor.unwrap_or(1).max(1)
}
