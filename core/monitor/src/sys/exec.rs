//! What is done to a process right before it executes a file: descriptors, signals, execve(2).

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use rustix::io::{Errno, Result};

use super::clone::last_errno;

/// A null-terminated array of C strings, as execve(2) takes it.
pub(crate) struct Strings {
    pointers: Vec<*const libc::c_char>,
    strings: Vec<CString>,
}

impl Strings {
    /// The array of these.
    pub(crate) fn new(strings: Vec<CString>) -> Strings {
        let pointers = strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        Strings { pointers, strings }
    }

    /// The strings.
    pub(crate) fn strings(&self) -> &[CString] {
        &self.strings
    }
}

/// Execute a file. Returns only with an error.
pub(crate) fn execve(path: &CStr, arguments: &Strings, environment: &Strings) -> Errno {
    // SAFETY: all strings are null-terminated, and so are both arrays; they live longer than the call.
    unsafe {
        libc::execve(path.as_ptr(), arguments.pointers.as_ptr(), environment.pointers.as_ptr())
    };
    last_errno()
}

/// Mark every descriptor from 3 on close-on-exec, whoever opened it.
pub(crate) fn close_on_exec_above_stdio() -> Result<()> {
    close_range(3, libc::CLOSE_RANGE_CLOEXEC)
}

/// Close every descriptor.
///
/// # Safety
///
/// Nothing may use, or close by being dropped, any descriptor afterwards.
pub(crate) unsafe fn close_all() -> Result<()> {
    close_range(0, 0)
}

/// Close every descriptor but these.
///
/// # Safety
///
/// As of [`close_all`], for all others.
pub(crate) unsafe fn close_all_but(kept: &[BorrowedFd<'_>]) -> Result<()> {
    let mut kept: Vec<u32> = kept.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).collect();
    kept.sort_unstable();
    let mut first = 0;
    for number in kept {
        if number > first {
            close_between(first, number - 1, 0)?;
        }
        first = number + 1;
    }
    close_between(first, u32::MAX, 0)
}

fn close_range(first: u32, flags: libc::c_uint) -> Result<()> {
    close_between(first, u32::MAX, flags)
}

fn close_between(first: u32, last: u32, flags: libc::c_uint) -> Result<()> {
    // SAFETY: plain integers. With CLOEXEC nothing is closed; without, the caller promises that nothing is missed.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}

/// Set every signal to its default disposition and block none. An ignored signal stays ignored over execve(2), and a
/// host program may well ignore some (CPython ignores SIGPIPE).
///
/// Not by way of libc, which leaves out those that it keeps for itself (32 and 33).
pub(crate) fn reset_signals() {
    const SIGNALS: libc::c_int = 64;
    /// Default disposition, no flags, no restorer, empty mask: `struct sigaction` as the kernel has it.
    const DEFAULT: [u64; 4] = [0; 4];
    const MASK_SIZE: usize = 8;
    for signal in 1..=SIGNALS {
        // SAFETY: the kernel reads a structure of four words; the old one is not asked for. Fails for SIGKILL and SIGSTOP.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                DEFAULT.as_ptr(),
                ptr::null_mut::<u64>(),
                MASK_SIZE,
            )
        };
    }
    // SAFETY: an all-zero set is valid, and initialized before use.
    unsafe {
        let mut none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
    }
}

/// End this process at once, without running anything that its parent's memory holds.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: has no preconditions.
    unsafe { libc::_exit(code) }
}
