//! Everything this program writes.
//!
//! A write can fail: the disk is full (`/dev/full`), the reader is gone (`barque ps | head -0`), the descriptor does not
//! block (a parent set `O_NONBLOCK` on a shared terminal). `println!` panics in the first two cases and loses output in the
//! third, so nothing here uses it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::failure::{Failure, Result};

/// Write to standard output, all of it.
pub(crate) fn out(bytes: impl AsRef<[u8]>) -> Result<()> {
    write_all(io::stdout().as_fd(), bytes.as_ref()).map_err(|error| Failure::of_output(&error))
}

/// Write a container's standard error. Who closed it does not want it.
pub(crate) fn err(bytes: &[u8]) -> Result<()> {
    match write_all(io::stderr().as_fd(), bytes) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::quiet(141)),
        _ => Ok(()),
    }
}

/// Tell the user something on standard error, as a line. When that fails there is nobody left to tell.
pub(crate) fn say(line: &str) {
    let line = format!("{}\n", shown(line, io::stderr().as_fd()));
    let _ = write_all(io::stderr().as_fd(), line.as_bytes());
}

/// Say why a command failed; its exit status.
pub(crate) fn report(failure: Failure) -> u8 {
    if !failure.message.is_empty() {
        say(&failure.message);
    }
    failure.code
}

/// Text that others wrote (names, labels, commands, messages), as it may be shown on standard output.
pub(crate) fn printable(text: &str) -> String {
    shown(text, io::stdout().as_fd())
}

/// On a terminal, control characters act: they move the cursor, set titles, answer for the user. There they are shown as
/// escapes, and so are the marks that reverse the direction of writing (CVE-2021-42574). Into a file or pipe everything goes
/// as it is.
fn shown(text: &str, to: BorrowedFd<'_>) -> String {
    // Nearly every text is harmless, and then nobody has to ask the kernel: a list of a thousand rows has as many cells.
    let harmless = !text.chars().any(acts);
    match harmless || !nix::unistd::isatty(to).unwrap_or(false) {
        true => text.to_owned(),
        false => escaped(text),
    }
}

/// Whether a terminal does more with it than to show it.
fn acts(character: char) -> bool {
    character.is_control() && character != '\n' && character != '\t'
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            character if !acts(character) => shown.push(character),
            '\u{0}'..='\u{ff}' => shown.push_str(&format!("\\x{:02x}", u32::from(character))),
            character => shown.push_str(&format!("\\u{:04x}", u32::from(character))),
        }
    }
    shown
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match nix::unistd::write(fd, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                // An error of the poll shows again at the next write.
                let _ = poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::NONE);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_acts_on_a_terminal_is_shown_and_not_done() {
        assert_eq!(escaped("\u{1b}]0;evil\u{7}"), "\\x1b]0;evil\\x07");
        assert_eq!(escaped("a\rb\u{9b}2J"), "a\\x0db\\x9b2J");
        assert_eq!(escaped("x\u{202e}gpj.exe"), "x\\u202egpj.exe");
        assert_eq!(escaped("grün\t漢字\n"), "grün\t漢字\n");
    }
}
