//! Out-parameters: checked before anything is done, written only on success.

use barque::Result;

use crate::handle;

/// A place of the caller's for one result.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// The place, which must be there. `parameter` is what the header calls it.
    pub(crate) fn required(place: *mut T, parameter: &str) -> Result<Out<T>> {
        if place.is_null() { Err(handle::null(parameter)) } else { Ok(Out(place)) }
    }

    /// The place, where the caller has one.
    pub(crate) fn optional(place: *mut T) -> Out<T> {
        Out(place)
    }

    /// Write the result.
    pub(crate) fn set(self, value: T) {
        if !self.0.is_null() {
            // SAFETY: the header requires a place for a T that this call may write; alignment is C's business for a typed
            // pointer, and an unaligned write would cost nothing either.
            unsafe { self.0.write_unaligned(value) };
        }
    }
}
