//! System call filters: the OCI runtime specification's `linux.seccomp`, compiled to classic BPF and installed.
//!
//! The kernel runs the filter before every system call of the container with the call's number, its ABI and its six
//! arguments (seccomp(2)), so it is built to answer fast: a binary search over ranges of numbers, whose common answers
//! look at no argument and can therefore be remembered by the kernel in a bitmap (since Linux 5.11).
//! What a *profile* of Docker's kind means (capabilities, `includes`, `excludes`) is decided by whoever makes the
//! document, not here.

mod document;

pub use document::{Action, Condition, Operator, Rule, Seccomp};
