//! The user's terminal: raw mode, and its size.
//!
//! In raw mode every key reaches the container's terminal, which does the echoing and the signals; a terminal left in it is
//! unusable. So it is restored by dropping a value, which every way out of a session does, a panic included, and around a
//! stop (SIGTSTP), after which the shell expects it as it was.

use std::io;
use std::os::fd::AsFd;

use nix::sys::termios::{LocalFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

/// Standard input's terminal in raw mode, until this is dropped.
pub(crate) struct RawMode {
    saved: Termios,
}

impl RawMode {
    /// Switch, if standard input is a terminal.
    pub(crate) fn enter() -> Option<RawMode> {
        let saved = tcgetattr(io::stdin()).ok()?;
        let mode = RawMode { saved };
        mode.resume();
        Some(mode)
    }

    /// Raw again, after a stop.
    pub(crate) fn resume(&self) {
        let mut raw = self.saved.clone();
        cfmakeraw(&mut raw);
        set(&raw);
    }

    /// As it was before.
    pub(crate) fn restore(&self) {
        set(&self.saved);
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Standard input's terminal without an echo, until this is dropped: for a password.
pub(crate) struct NoEcho {
    saved: Termios,
}

impl NoEcho {
    /// Switch it off, if standard input is a terminal.
    pub(crate) fn enter() -> Option<NoEcho> {
        let saved = tcgetattr(io::stdin()).ok()?;
        let mode = NoEcho { saved };
        mode.resume();
        Some(mode)
    }

    /// Silent again, after a stop.
    pub(crate) fn resume(&self) {
        let mut silent = self.saved.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        set(&silent);
    }

    /// As it was before.
    pub(crate) fn restore(&self) {
        set(&self.saved);
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        set(&self.saved);
    }
}

/// A terminal that has gone away (EIO) needs no restoring.
fn set(mode: &Termios) {
    let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, mode);
}

/// Whether standard input is a terminal.
pub(crate) fn is_input() -> bool {
    nix::unistd::isatty(io::stdin()).unwrap_or(false)
}

/// Whether standard output is a terminal.
pub(crate) fn is_output() -> bool {
    nix::unistd::isatty(io::stdout()).unwrap_or(false)
}

/// Rows and columns of the terminal that standard output is on, if it is on one that has a size.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout().as_fd()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}
