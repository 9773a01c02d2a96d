//! System calls that rustix does not wrap, one file for each family: all of the runtime's `unsafe` code.

pub(crate) mod clone;
pub(crate) mod exec;
pub(crate) mod identity;
pub(crate) mod keyring;
pub(crate) mod link;
pub(crate) mod lock;
pub(crate) mod mount;
pub(crate) mod netlink;
pub(crate) mod signal;
pub(crate) mod write_back;
