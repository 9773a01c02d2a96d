//! Pulls, pushes and logins against a registry on loopback: one that misbehaves on request, and Debian's.
//!
//! The promise is the same for all that goes wrong: either the image is there whole, or there is nothing of it, an error says why in
//! one line, and the next pull does better.

mod beside;
mod login;
mod progress;
mod pull;
mod push;
mod search;
mod stall;
mod trust;

use barque_tests::suite::Suite;

fn main() -> std::process::ExitCode {
    let mut suite = Suite::default();
    pull::add(&mut suite);
    push::add(&mut suite);
    search::add(&mut suite);
    stall::add(&mut suite);
    beside::add(&mut suite);
    progress::add(&mut suite);
    login::add(&mut suite);
    trust::add(&mut suite);
    suite.run()
}
