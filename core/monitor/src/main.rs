//! `barque-monitor`: the roles by the first argument, and the programs of the built-in image by the name it is called
//! with (there it stands under a link for each) or by the first argument too.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use barque_monitor::{applet, files, fill, monitor, unpack, userns};

/// A role and its entry, which gets the arguments after the role's name.
type Role = (&'static str, fn(&[OsString]) -> ExitCode);

const ROLES: [Role; 5] = [
    ("files", files::main),
    ("fill", fill::main),
    ("monitor", |_| monitor::main()),
    ("unpack", unpack::main),
    ("userns", userns::main),
];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let (called, rest) = match arguments.split_first() {
        Some((called, rest)) => (Path::new(called).file_name().unwrap_or_default(), rest),
        None => (OsStr::new(""), &[][..]),
    };
    if let Some(code) = applet::run(called, rest) {
        return code;
    }
    let Some((first, rest)) = rest.split_first() else {
        return refuse("is started by the barque library; it has nothing to say by itself");
    };
    if let Some((_, role)) = ROLES.iter().find(|(name, _)| first == name) {
        return role(rest);
    }
    applet::run(first, rest)
        .unwrap_or_else(|| refuse(&format!("no such role or applet: {}", first.display())))
}

fn refuse(why: &str) -> ExitCode {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "barque-monitor: {why}");
    ExitCode::from(2)
}
