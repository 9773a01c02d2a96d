//! Which library this is, and what it can do.

use std::ffi::{c_char, c_int};

use crate::boundary;
use crate::text;

/// The version's text, with the NUL that C wants.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// The library's version, "0.1.0". The header's is BARQUE_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn barque_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// The library's version as a number: major * 1000000 + minor * 1000 + patch. The header's is BARQUE_VERSION_NUMBER.
#[unsafe(no_mangle)]
pub extern "C" fn barque_version_number() -> c_int {
    const NUMBER: c_int = part(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
        + part(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
        + part(env!("CARGO_PKG_VERSION_PATCH"));
    NUMBER
}

const fn part(digits: &str) -> c_int {
    let bytes = digits.as_bytes();
    let (mut value, mut at) = (0, 0);
    while at < bytes.len() {
        value = value * 10 + (bytes[at] - b'0') as c_int;
        at += 1;
    }
    value
}

/// Whether this library knows an operation ("container.logs") or a field of ContainerCreate ("HostConfig.Memory"), and does
/// not refuse it as unsupported: 1 or 0.
///
/// Whether this host's kernel can do it is another question: see the document of barque_system_info.
#[unsafe(no_mangle)]
pub extern "C" fn barque_supports(feature: *const c_char) -> c_int {
    boundary::value(0, || Ok(barque::api::supports(text::required(feature, "feature")?).into()))
}
