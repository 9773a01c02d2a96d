//! The operations on volumes, one function each.

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

/// For barque_volume_remove: that there is none is fine.
pub const BARQUE_VOLUME_REMOVE_FORCE: u32 = 1;

/// Create a volume, or find that there is one of that name: `request` is a VolumeCreate document, NULL for a new volume without
/// a name; `*out` becomes a Volume.
#[unsafe(no_mangle)]
pub extern "C" fn barque_volume_create(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "volume.create", request, cancel, out))
}

/// List volumes: `request` is a VolumeList document, NULL for all; `*out` becomes a VolumesListed.
#[unsafe(no_mangle)]
pub extern "C" fn barque_volume_list(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "volume.list", request, cancel, out))
}

/// A volume: `*out` becomes a Volume document, whose "Mountpoint" is the directory with its files.
#[unsafe(no_mangle)]
pub extern "C" fn barque_volume_inspect(
    engine: *const barque_engine,
    name: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let name = text::required(name, "name")?;
        let out = Out::required(out, "out")?;
        call::answer(out, &call.engine.volumes().inspect(name)?)
    })
}

/// Remove a volume and all that is in it. BARQUE_ERR_CONFLICT while a container has it. `flags`: BARQUE_VOLUME_REMOVE_*.
#[unsafe(no_mangle)]
pub extern "C" fn barque_volume_remove(
    engine: *const barque_engine,
    name: *const c_char,
    flags: u32,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        known_flags(flags, BARQUE_VOLUME_REMOVE_FORCE)?;
        let request = VolumeRemove {
            name: text::required(name, "name")?.to_owned(),
            force: flags & BARQUE_VOLUME_REMOVE_FORCE != 0,
        };
        call.engine.volumes().remove(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Remove the volumes that no container has: `request` is a VolumePrune document, NULL for those that nobody gave a name; `*out`
/// becomes a VolumesPruned. "DryRun" only says what would go.
#[unsafe(no_mangle)]
pub extern "C" fn barque_volume_prune(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "volume.prune", request, cancel, out))
}
