//! Thin safe wrappers around the system calls the engine needs, one file a family. The only place in core with `unsafe`.

pub(crate) mod clock;
pub(crate) mod descriptor;
pub(crate) mod directory;
pub(crate) mod environment;
pub(crate) mod file;
pub(crate) mod lock;
pub(crate) mod memory;
pub(crate) mod mount;
pub(crate) mod namespace;
pub(crate) mod netlink;
pub(crate) mod pipe;
pub(crate) mod socket;
pub(crate) mod spawn;
pub(crate) mod thread;
pub(crate) mod time_zone;
pub(crate) mod timer;
