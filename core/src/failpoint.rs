//! Named places where a test build can stop, kill or delay this process: those of the monitor's crate
//! ([`barque_monitor::failpoint`]), as the engine's errors. In a release they are nothing at all.

use crate::error::{Error, Result};

/// Pass the place called `name`.
#[inline(always)]
pub(crate) fn failpoint(name: &'static str) -> Result<()> {
    barque_monitor::failpoint::failpoint(name).map_err(|error| Error::system(name, error))
}
