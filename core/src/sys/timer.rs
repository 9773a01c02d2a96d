//! Timers as descriptors.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::error::{Error, Result};

/// A descriptor that becomes readable after this long.
pub(crate) fn once(after: Duration) -> Result<OwnedFd> {
    timer(after, Duration::ZERO)
}

/// A descriptor that becomes readable again and again.
pub(crate) fn every(period: Duration) -> Result<OwnedFd> {
    timer(period, period)
}

/// Whether it has gone off. Of one that goes off again, whether it has since the last look.
pub(crate) fn has_gone_off(timer: &OwnedFd) -> bool {
    let mut count = [0; 8];
    rustix::io::read(timer, &mut count).is_ok()
}

fn timer(first: Duration, period: Duration) -> Result<OwnedFd> {
    let failed = |errno: rustix::io::Errno| Error::system("set a timer", errno.into());
    // CLOCK_BOOTTIME: time that the machine sleeps is time.
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let timer = timerfd_create(TimerfdClockId::Boottime, flags).map_err(failed)?;
    // Zero would disarm it.
    let setting = Itimerspec {
        it_interval: timespec(period),
        it_value: timespec(first.max(Duration::from_nanos(1))),
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &setting).map_err(failed)?;
    Ok(timer)
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
