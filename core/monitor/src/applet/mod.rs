//! The little programs of the built-in image, which holds nothing but this binary and one symbolic link for each name.
//!
//! They exist so that `barque run hello` works with no network and no file, and so that an image built `FROM` it can
//! look around. Each does what POSIX asks of its plain use and no more; there is no shell among them.

mod text;
mod whereabouts;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;

/// One of the programs.
type Applet = fn(&[OsString]) -> io::Result<ExitCode>;

/// Every program by its name.
const APPLETS: [(&str, Applet); 11] = [
    ("cat", text::cat),
    ("echo", text::echo),
    ("env", whereabouts::env),
    ("false", |_| Ok(ExitCode::FAILURE)),
    ("hello", text::hello),
    ("hostname", whereabouts::hostname),
    ("id", whereabouts::id),
    ("pwd", whereabouts::pwd),
    ("sleep", text::sleep),
    ("true", |_| Ok(ExitCode::SUCCESS)),
    ("uname", whereabouts::uname),
];

/// The names under which the built-in image links this binary.
pub fn names() -> impl Iterator<Item = &'static str> {
    APPLETS.iter().map(|(name, _)| *name)
}

/// Run the program called `name`; `None` when there is none.
pub fn run(name: &OsStr, arguments: &[OsString]) -> Option<ExitCode> {
    let (name, applet) = APPLETS.iter().find(|(known, _)| name == *known)?;
    Some(applet(arguments).unwrap_or_else(|error| {
        // Nobody is left to tell when standard error itself is closed.
        let _ = writeln!(io::stderr(), "{name}: {error}");
        ExitCode::FAILURE
    }))
}
