//! The process beside a container: it makes the container ([`crate::runtime`], [`crate::cgroup`]), keeps its standard
//! streams and its log, carries out what clients ask for, and records and clears away at the end.
//!
//! It is started by the library and outlives it. All that it has are the descriptors of [`crate::protocol::fd`]: the socket to
//! its caller, the lock that says that it lives, two directories, the engine's journal, and what there is of the container's network. It runs one thread, for the runtime's sake, and waits
//! in one place (`supervisor`). When it dies its container dies with it, so there is never one that nobody looks after.

mod client;
mod clients;
mod directories;
mod doorway;
mod emergency;
mod ending;
mod events;
mod exec;
mod execs;
mod finish;
mod health;
mod joined;
mod launch;
mod links;
mod listener;
mod log;
mod mending;
mod names;
mod netfilter;
mod netlink;
mod output;
mod poller;
mod process;
mod record;
mod removal;
mod request;
mod restart;
mod rules;
mod stdin;
mod streams;
mod supervisor;
mod timestamp;
mod withdrawal;

use std::process::ExitCode;

/// The role `monitor`. The process that the library started returns at once (in [`process::detach`]).
pub fn main() -> ExitCode {
    // There is nobody yet to tell: the library sees how the process ended that it has started.
    let given = match process::detach() {
        Ok(given) => given,
        Err(errno) => return ExitCode::from(u8::try_from(errno.raw_os_error()).unwrap_or(u8::MAX)),
    };
    let mut supervisor = launch::launch(given);
    loop {
        match supervisor.run() {
            Ok(Some(ending)) if supervisor.finish(ending) => {}
            Ok(Some(_)) => break,
            Ok(None) => {
                supervisor.finish_waiting();
                break;
            }
            Err(errno) => {
                let why = crate::protocol::describe(errno.raw_os_error());
                emergency::end(&format!("the monitor failed: {why}"));
                break;
            }
        }
    }
    supervisor.vanish()
}
