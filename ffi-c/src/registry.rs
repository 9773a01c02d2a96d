//! The operations on registries.

use std::ffi::{c_char, c_int};

use barque::api::RegistryLogout;

use crate::boundary;
use crate::call::{self, Call};
use crate::cancel::barque_cancel;
use crate::engine::barque_engine;
use crate::error::{BARQUE_OK, barque_error};
use crate::text;

/// Delete from a registry a tag, or by digest a manifest with all its tags. `request` is a RegistryDelete document: "Name", "Auth".
#[unsafe(no_mangle)]
pub extern "C" fn barque_registry_delete(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        call.engine.call("registry.delete", text::required(request, "request")?)?;
        Ok(BARQUE_OK)
    })
}

/// What refers to an image at its registry: signatures, attestations. `request` is a RegistryReferrers document: "Name",
/// "ArtifactType", "Auth"; `*out` becomes an array of Referrer.
#[unsafe(no_mangle)]
pub extern "C" fn barque_registry_referrers(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::document(engine, "registry.referrers", request, cancel, out)
    })
}

/// Ask a registry whether it takes credentials, and keep them as the docker command does. `request` is a RegistryLogin document:
/// "Auth", "CheckOnly"; `*out` becomes a RegistryLoggedIn: Status, ServerAddress, Kept.
#[unsafe(no_mangle)]
pub extern "C" fn barque_registry_login(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::document(engine, "registry.login", request, cancel, out)
    })
}

/// Forget the credentials of a registry: its name, or NULL for Docker Hub.
#[unsafe(no_mangle)]
pub extern "C" fn barque_registry_logout(
    engine: *const barque_engine,
    server: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let server_address = text::optional(server, "server")?.to_owned();
        call.engine.registries().logout(&RegistryLogout { server_address })?;
        Ok(BARQUE_OK)
    })
}
