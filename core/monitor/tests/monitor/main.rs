//! The monitor as a program: driven over its sockets as the library drives it, with a busybox root file system.
//!
//! All of it needs root (namespaces, cgroups), and each test leaves nothing behind: [`bench::Bench`] checks that when it goes.
//! `BARQUE_TEST_MONITOR` names another build of the program than the one that cargo has made for these tests; the figures are
//! asserted only of a static one, as `core/build.rs` makes it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and prints its figures"
)]

mod bench;
mod clients;
mod ending;
mod failing;
mod figures;
mod limits;
mod output;
mod wire;
