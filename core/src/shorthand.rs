//! The short forms people write (`512m`, `1m30s`, `8080:80/tcp`, `/a:/b:ro`), parsed once for every face.
//!
//! They are Docker's, with its rules and its error texts. Where its parsers take more than they should (Go's number
//! parsers know `0x10`, `1e3` and `+1`; a user `+1` was root in crun, CVE-2026-30892), these do not. A parser takes what
//! it is given and asks nothing of the machine: no file, no environment, no time zone.

mod build;
mod device;
mod duration;
mod env;
mod gpus;
mod mount;
mod net;
mod pair;
mod port;
mod signal;
mod size;
#[cfg(test)]
mod tests;
mod time;
mod ulimit;
mod user;

pub use build::{
    build_cache_from, build_cache_to, build_context, build_output, build_secret, build_ssh,
};
pub(crate) use device::is_access as is_device_access;
pub use device::{blkio_bps, blkio_iops, blkio_weight, cpus, device};
pub use duration::duration;
pub use env::{env, env_file};
pub use gpus::gpus;
pub use mount::{Bind, bind, mount, tmpfs, volume_name};
pub(crate) use mount::{
    check_target as check_mount_target, is_propagation, target as mount_target,
};
pub use net::{dns, dns_option, dns_search, extra_host, hostname};
pub use pair::{label, log_option, restart_policy, sysctl};
pub(crate) use port::range as ports;
pub use port::{Port, port};
pub use signal::{signal, signal_name};
pub use size::{size, size_or_unlimited};
pub use time::timestamp;
pub(crate) use ulimit::check as check_ulimit;
pub use ulimit::ulimit;
pub(crate) use user::id;
pub use user::{Id, User, user};
