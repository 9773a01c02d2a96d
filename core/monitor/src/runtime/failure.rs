//! Makes the [`Failure`]s of this module: one line that names the step and the thing, and the error number.

use crate::protocol::{Failure, FailureClass};

/// The kernel or this machine cannot do it.
pub(crate) fn unsupported(message: impl Into<String>) -> Failure {
    Failure { class: FailureClass::Unsupported, message: message.into(), errno: None }
}
