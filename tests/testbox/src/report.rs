//! `report [SECTION…]`: what this process sees, as one line of JSON. Without sections: all of them.

mod identity;
mod kernel;
mod surroundings;

use serde_json::{Map, Value};

use crate::say;

/// A part of the report.
type Section = (&'static str, fn() -> Value);

const SECTIONS: &[Section] = &[
    ("argv", identity::argv),
    ("env", identity::env),
    ("cwd", identity::cwd),
    ("ids", identity::ids),
    ("process", identity::process),
    ("hostname", identity::hostname),
    ("namespaces", kernel::namespaces),
    ("capabilities", kernel::capabilities),
    ("security", kernel::security),
    ("signals", kernel::signals),
    ("rlimits", kernel::rlimits),
    ("fds", kernel::descriptors),
    ("cgroup", surroundings::cgroup),
    ("mounts", surroundings::mounts),
    ("paths", surroundings::paths),
    ("devices", surroundings::devices),
    ("network", surroundings::network),
    ("processes", surroundings::processes),
    ("tty", surroundings::terminal),
];

pub(crate) fn report(arguments: &[String]) -> Result<u8, String> {
    let mut answer = Map::new();
    for (name, section) in SECTIONS {
        if arguments.is_empty() || arguments.iter().any(|wanted| wanted == name) {
            answer.insert((*name).to_owned(), section());
        }
    }
    if let Some(unknown) = arguments.iter().find(|name| !answer.contains_key(*name)) {
        return Err(format!("no section {unknown}"));
    }
    say(&Value::from(answer).to_string())?;
    Ok(0)
}
