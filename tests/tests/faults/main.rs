//! Everything that can go wrong under an operation, made to go wrong: the caller or the monitor is killed at every failpoint and
//! at sampled system calls, calls fail, the disk is full, broken, read-only or tampered with, the power goes, descriptors run out.
//!
//! After each fault the promise is the same: the next command finds a whole store ([`barque_tests::invariants`]), the operation
//! either did not happen or did, and done again it succeeds.

mod disk;
mod execs;
mod failpoints;
mod monitor;
mod operations;
mod places;
mod power;
mod syscalls;
mod tampering;

use barque_tests::suite::Suite;

fn main() -> std::process::ExitCode {
    let mut suite = Suite::default();
    // It stands as long as this process: what it has open is no test's.
    suite.begin_with(|| _ = operations::registry());
    failpoints::add(&mut suite);
    syscalls::add(&mut suite);
    monitor::add(&mut suite);
    execs::add(&mut suite);
    disk::add(&mut suite);
    places::add(&mut suite);
    power::add(&mut suite);
    tampering::add(&mut suite);
    suite.run()
}
