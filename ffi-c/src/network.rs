//! The operations on networks, one function each.

use std::ffi::{c_char, c_int};

use barque::api::*;

use crate::boundary;
use crate::call::{self, Call};
use crate::cancel::barque_cancel;
use crate::container::known_flags;
use crate::engine::barque_engine;
use crate::error::{BARQUE_OK, barque_error};
use crate::out::Out;
use crate::text;

/// For barque_network_remove: that there is none is fine.
pub const BARQUE_NETWORK_REMOVE_FORCE: u32 = 1;

/// For barque_network_disconnect: that the link cannot be taken away is fine.
pub const BARQUE_NETWORK_DISCONNECT_FORCE: u32 = 1;

/// Create a network: `request` is a NetworkCreate document; `*out` becomes a NetworkCreated.
#[unsafe(no_mangle)]
pub extern "C" fn barque_network_create(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = parse::<NetworkCreate>(text::required(request, "request")?)?;
        let out = Out::required(out, "out")?;
        call::answer(out, &call.engine.networks().create(&request)?)
    })
}

/// List networks: `request` is a NetworkList document, NULL for all; `*out` becomes an array of Network documents, without the
/// containers in them.
#[unsafe(no_mangle)]
pub extern "C" fn barque_network_list(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "network.list", request, cancel, out))
}

/// A network, and the running containers in it: `*out` becomes a Network document. `network` is its name, its id or the beginning of
/// that, here and below.
#[unsafe(no_mangle)]
pub extern "C" fn barque_network_inspect(
    engine: *const barque_engine,
    network: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let network = text::required(network, "network")?;
        let out = Out::required(out, "out")?;
        call::answer(out, &call.engine.networks().inspect(network)?)
    })
}

/// Remove a network. BARQUE_ERR_CONFLICT while a running container is in it. `flags`: BARQUE_NETWORK_REMOVE_*.
#[unsafe(no_mangle)]
pub extern "C" fn barque_network_remove(
    engine: *const barque_engine,
    network: *const c_char,
    flags: u32,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        known_flags(flags, BARQUE_NETWORK_REMOVE_FORCE)?;
        let request = NetworkRemove {
            id: text::required(network, "network")?.to_owned(),
            force: flags & BARQUE_NETWORK_REMOVE_FORCE != 0,
        };
        call.engine.networks().remove(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Remove the networks that no container has: `request` is a NetworkPrune document, NULL for all of them; `*out` becomes a
/// NetworksPruned. "DryRun" only says what would go.
#[unsafe(no_mangle)]
pub extern "C" fn barque_network_prune(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "network.prune", request, cancel, out))
}

/// Connect a container to a network: at once if it runs, else from its next start on. `settings` is an EndpointSettings document:
/// the address that it must have and the like; or NULL.
#[unsafe(no_mangle)]
pub extern "C" fn barque_network_connect(
    engine: *const barque_engine,
    network: *const c_char,
    container: *const c_char,
    settings: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = NetworkConnect {
            id: text::required(network, "network")?.to_owned(),
            container: text::required(container, "container")?.to_owned(),
            endpoint_config: match text::optional(settings, "settings")? {
                "" => EndpointSettings::default(),
                settings => parse::<EndpointSettings>(settings)?,
            },
        };
        call.engine.networks().connect(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Disconnect a container from a network. `flags`: BARQUE_NETWORK_DISCONNECT_*.
#[unsafe(no_mangle)]
pub extern "C" fn barque_network_disconnect(
    engine: *const barque_engine,
    network: *const c_char,
    container: *const c_char,
    flags: u32,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        known_flags(flags, BARQUE_NETWORK_DISCONNECT_FORCE)?;
        let request = NetworkDisconnect {
            id: text::required(network, "network")?.to_owned(),
            container: text::required(container, "container")?.to_owned(),
            force: flags & BARQUE_NETWORK_DISCONNECT_FORCE != 0,
        };
        call.engine.networks().disconnect(&request)?;
        Ok(BARQUE_OK)
    })
}
