//! What the library and the monitor share, and the monitor itself.
//!
//! `barque-monitor` is one static program with a few roles, chosen by its first argument: the *monitor* that stands beside
//! a container ([`monitor`]), the OCI runtime inside it ([`runtime`]), the jails that unpack image layers ([`unpack`]), fill new
//! volumes ([`fill`]) and work on a container's files ([`files`]), what makes user namespaces ([`userns`]), and the little programs of the
//! built-in image ([`applet`]). It is a program and not a part of the library because only a single-threaded process may clone, change namespaces and go on: a host program with threads must not
//! (ARCHITECTURE.md, "Processes").
//!
//! The library uses this crate for the documents they exchange, [`protocol`], [`state`] and [`journal`].

pub mod applet;
pub mod cgroup;
pub mod failpoint;
pub mod files;
pub mod filesystem;
pub mod fill;
pub mod gather;
pub mod journal;
pub mod monitor;
pub mod names;
pub mod oci;
pub mod pack;
pub mod protocol;
pub mod runtime;
pub mod seccomp;
pub mod state;
mod sys;
pub mod tar;
pub mod unpack;
pub mod userns;
