//! Cancelling from another thread.

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd};

use barque::Canceller;

use crate::boundary;
use crate::error::{BARQUE_OK, barque_error};
use crate::handle::{self, Object};
use crate::out::Out;

/// Cancels the calls and streams it was given to. Any thread may use it at any time.
///
/// Once used it stays used: a call that is given a used one fails at once with BARQUE_ERR_CANCELLED. What was half done is
/// undone, unless the call's own comment says otherwise.
pub struct barque_cancel {
    _private: [u8; 0],
}

pub(crate) struct Cancel(pub(crate) Canceller);

impl Object for Cancel {
    type Opaque = barque_cancel;
    const KIND: (u64, &'static str) = (2, "barque_cancel");
}

/// Make a canceller. Free it with barque_cancel_free; calls and streams that use it keep what they need of it.
#[unsafe(no_mangle)]
pub extern "C" fn barque_cancel_new(
    out: *mut *mut barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let out = Out::required(out, "out")?;
        out.set(handle::give(Cancel(Canceller::new()?))?);
        Ok(BARQUE_OK)
    })
}

/// Cancel. Twice does no harm, nor does cancelling what has ended. In a signal handler write to barque_cancel_fd instead.
#[unsafe(no_mangle)]
pub extern "C" fn barque_cancel_trigger(cancel: *const barque_cancel) {
    boundary::value((), || {
        handle::get::<Cancel>(cancel, "cancel")?.0.cancel();
        Ok(())
    });
}

/// 1 when it has been used, 0 when not (or when `cancel` is none).
#[unsafe(no_mangle)]
pub extern "C" fn barque_cancel_is_triggered(cancel: *const barque_cancel) -> c_int {
    boundary::value(0, || Ok(handle::get::<Cancel>(cancel, "cancel")?.0.is_cancelled().into()))
}

/// Its descriptor, an eventfd(2); -1 when `cancel` is none.
///
/// write(2) of a uint64_t 1 to it cancels whatever waits at the time, and is allowed in a signal handler. It belongs to the
/// canceller: don't close it.
#[unsafe(no_mangle)]
pub extern "C" fn barque_cancel_fd(cancel: *const barque_cancel) -> c_int {
    boundary::value(-1, || Ok(handle::get::<Cancel>(cancel, "cancel")?.0.as_fd().as_raw_fd()))
}

/// Free a canceller, used or not. NULL is allowed. Freeing cancels nothing.
#[unsafe(no_mangle)]
pub extern "C" fn barque_cancel_free(cancel: *mut barque_cancel) {
    boundary::value((), || {
        handle::free::<Cancel>(cancel);
        Ok(())
    });
}
