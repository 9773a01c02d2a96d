//! The monitor program that the library carries inside itself.
//!
//! It is written once into the engine root, under the digest of its bytes, and executed from there: a file's pages are shared
//! by all monitors, a memfd's for each would not be. It is executed through a read-only mount of that file that is in no
//! namespace, so that even a container process that gets hold of `/proc/PID/exe` cannot open it for writing (CVE-2019-5736).

/// The program.
pub(crate) const BYTES: &[u8] = include_bytes!(env!("BARQUE_MONITOR_BIN"));
