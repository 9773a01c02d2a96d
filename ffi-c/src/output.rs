//! The result of a run as one call.

use std::ffi::{CString, c_char, c_int};

use barque::{Captured, Collected, Result};

use crate::boundary;
use crate::handle::{self, Object};
use crate::text;

/// What a container wrote and how it ended: the result of barque_container_run. Any thread may read it.
pub struct barque_output {
    _private: [u8; 0],
}

pub(crate) struct Outcome {
    stdout: Captured,
    stderr: Captured,
    exit_code: c_int,
    id: CString,
    reason: CString,
    json: CString,
}

impl Object for Outcome {
    type Opaque = barque_output;
    const KIND: (u64, &'static str) = (6, "barque_output");
}

impl Outcome {
    pub(crate) fn of(collected: Collected) -> Result<Outcome> {
        let Collected { stdout, stderr, exit } = collected;
        let json = serde_json::to_string(&exit)
            .map_err(|error| barque::Error::internal("write a document").because(error))?;
        Ok(Outcome {
            stdout,
            stderr,
            exit_code: exit.status_code,
            id: text::terminated(&exit.id),
            reason: text::terminated(&exit.reason),
            json: text::terminated(&json),
        })
    }
}

/// Look at an outcome. What is returned by address lives as long as the handle, whose row owns it.
fn look<T>(output: *const barque_output, nothing: T, at: impl FnOnce(&Outcome) -> T) -> T {
    boundary::value(nothing, || Ok(at(&*handle::get::<Outcome>(output, "output")?)))
}

/// The exit code: the process's own, or 128 + the signal that killed it; 125 when it is not known (and when `output` is none).
#[unsafe(no_mangle)]
pub extern "C" fn barque_output_exit_code(output: *const barque_output) -> c_int {
    look(output, 125, |outcome| outcome.exit_code)
}

/// Why it ended: "exited", "signaled", "killed", "stopped", "stop-timeout", "oom-killed", "owner-gone", "timeout",
/// "start-failed" or "monitor-died"; "" when `output` is none. Valid until the output is freed, as all of it is.
#[unsafe(no_mangle)]
pub extern "C" fn barque_output_reason(output: *const barque_output) -> *const c_char {
    look(output, c"".as_ptr(), |outcome| outcome.reason.as_ptr())
}

/// The container's id.
#[unsafe(no_mangle)]
pub extern "C" fn barque_output_id(output: *const barque_output) -> *const c_char {
    look(output, c"".as_ptr(), |outcome| outcome.id.as_ptr())
}

/// The bytes of standard output (or of the terminal) that were kept, barque_output_stdout_length of them.
#[unsafe(no_mangle)]
pub extern "C" fn barque_output_stdout(output: *const barque_output) -> *const u8 {
    look(output, std::ptr::null(), |outcome| outcome.stdout.data.as_ptr())
}

/// How many bytes of standard output were kept.
#[unsafe(no_mangle)]
pub extern "C" fn barque_output_stdout_length(output: *const barque_output) -> usize {
    look(output, 0, |outcome| outcome.stdout.data.len())
}

/// How many bytes the container wrote to standard output: more than were kept when the limit cut it.
#[unsafe(no_mangle)]
pub extern "C" fn barque_output_stdout_total(output: *const barque_output) -> u64 {
    look(output, 0, |outcome| outcome.stdout.total)
}

/// The bytes of standard error that were kept, barque_output_stderr_length of them.
#[unsafe(no_mangle)]
pub extern "C" fn barque_output_stderr(output: *const barque_output) -> *const u8 {
    look(output, std::ptr::null(), |outcome| outcome.stderr.data.as_ptr())
}

/// How many bytes of standard error were kept.
#[unsafe(no_mangle)]
pub extern "C" fn barque_output_stderr_length(output: *const barque_output) -> usize {
    look(output, 0, |outcome| outcome.stderr.data.len())
}

/// How many bytes the container wrote to standard error.
#[unsafe(no_mangle)]
pub extern "C" fn barque_output_stderr_total(output: *const barque_output) -> u64 {
    look(output, 0, |outcome| outcome.stderr.total)
}

/// How it ended, as a JSON document: Id, StatusCode, Reason, OOMKilled, Error.
#[unsafe(no_mangle)]
pub extern "C" fn barque_output_json(output: *const barque_output) -> *const c_char {
    look(output, c"".as_ptr(), |outcome| outcome.json.as_ptr())
}

/// Free an output. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn barque_output_free(output: *mut barque_output) {
    boundary::value((), || {
        handle::free::<Outcome>(output);
        Ok(())
    });
}
