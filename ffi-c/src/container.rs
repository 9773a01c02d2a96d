//! The operations on containers, one function each.

use std::ffi::{c_char, c_int};
use std::os::fd::IntoRawFd;

use barque::api::*;
use barque::{Deadline, Error, Item, Next, Result};

use crate::boundary;
use crate::call::{self, Call};
use crate::cancel::barque_cancel;
use crate::engine::barque_engine;
use crate::error::{BARQUE_OK, BARQUE_TIMEOUT, barque_error};
use crate::handle;
use crate::out::Out;
use crate::output::{Outcome, barque_output};
use crate::stream::barque_stream;
use crate::text;

/// For barque_container_remove: kill it first when it runs.
pub const BARQUE_REMOVE_FORCE: u32 = 1;
/// For barque_container_remove: remove its anonymous volumes too.
pub const BARQUE_REMOVE_VOLUMES: u32 = 2;

/// Create a container. `request` is a ContainerCreate document (docs/documents.md), `*out` becomes a ContainerCreated:
/// Id and Warnings.
///
/// In this and all other operations: `cancel` may be NULL; `*out` is freed with the function that frees its type, a text
/// with barque_string_free; containers are named by name, id or the beginning of an id.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_create(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::document(engine, "container.create", request, cancel, out)
    })
}

/// Start a created or stopped container. BARQUE_ERR_NOT_MODIFIED when it runs already.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_start(
    engine: *const barque_engine,
    id: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request =
            ContainerStart { id: text::required(id, "id")?.to_owned(), ..Default::default() };
        call.engine.containers().start(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Connect to a TCP port of a running container, without the port being published. `*out` becomes a connected socket, which blocks and is
/// the caller's to close(2).
///
/// Waits at most `timeout_ms` milliseconds until somebody listens, 0: not at all. BARQUE_ERR_UNAVAILABLE when nobody does.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_connect(
    engine: *const barque_engine,
    id: *const c_char,
    port: u16,
    timeout_ms: u64,
    cancel: *const barque_cancel,
    out: *mut c_int,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let id = text::required(id, "id")?.to_owned();
        let out = Out::required(out, "out")?;
        let socket =
            call.engine.containers().connect(&ContainerConnect { id, port, timeout_ms })?;
        out.set(socket.into_raw_fd());
        Ok(BARQUE_OK)
    })
}

/// Run a container to its end and return everything at once: output, exit code and reason.
///
/// `request` is a ContainerRun document: what to create below "Create", and "TimeoutMs" and "Tied". Set
/// "Create.HostConfig.AutoRemove" to leave nothing behind. At most `output_limit` bytes of each output are kept, SIZE_MAX
/// for all; the rest is counted. An exit code other than 0 is a result, not an error.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_run(
    engine: *const barque_engine,
    request: *const c_char,
    output_limit: usize,
    cancel: *const barque_cancel,
    out: *mut *mut barque_output,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = parse::<ContainerRun>(text::required(request, "request")?)?;
        let out = Out::required(out, "out")?;
        let collected = call.engine.containers().run(&request)?.collect(output_limit)?;
        out.set(handle::give(Outcome::of(collected)?)?);
        Ok(BARQUE_OK)
    })
}

/// The same as a stream: output as it comes, then a ContainerExit document. With "Create.OpenStdin" it takes input.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_run_stream(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::stream(engine, "container.run", request, cancel, out)
    })
}

/// Wait until a container has ended, at most `timeout_ms` milliseconds; negative: as long as it takes.
///
/// `condition` is "not-running" (also when NULL), "next-exit" or "removed". `*exit_code`, which may be NULL, becomes its exit
/// code; `*out`, which may be NULL, a ContainerExit document. BARQUE_TIMEOUT when it has not ended. To wait in an event
/// loop, open the stream of the operation "container.wait".
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_wait(
    engine: *const barque_engine,
    id: *const c_char,
    condition: *const c_char,
    timeout_ms: i64,
    cancel: *const barque_cancel,
    exit_code: *mut c_int,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = ContainerWait {
            id: text::required(id, "id")?.to_owned(),
            condition: text::optional(condition, "condition")?.to_owned(),
        };
        let mut stream = call.engine.containers().wait(&request)?;
        let document = match stream.next(Deadline::after_ms(timeout_ms))? {
            Next::Item(Item::Document(document)) => document,
            Next::TimedOut => return Ok(BARQUE_TIMEOUT),
            Next::Item(Item::Chunk(_)) | Next::Done => {
                return Err(Error::internal("a wait ended without an exit"));
            }
        };
        let exit: ContainerExit = serde_json::from_str(&document)
            .map_err(|error| Error::internal("read the end of a wait").because(error))?;
        if !out.is_null() {
            Out::optional(out).set(text::give(&document)?);
        }
        Out::optional(exit_code).set(exit.status_code);
        Ok(BARQUE_OK)
    })
}

/// Stop a container: its stop signal, and SIGKILL when it still runs after `timeout_s` seconds.
///
/// BARQUE_STOP_TIMEOUT_DEFAULT: the container's own time, else 10 seconds; another negative number: never SIGKILL. `signal`
/// is the signal to begin with, NULL the container's own. Returns when it has ended.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_stop(
    engine: *const barque_engine,
    id: *const c_char,
    timeout_s: i64,
    signal: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = ContainerStop {
            id: text::required(id, "id")?.to_owned(),
            timeout: (timeout_s != BARQUE_STOP_TIMEOUT_DEFAULT).then_some(timeout_s),
            signal: text::optional(signal, "signal")?.to_owned(),
        };
        call.engine.containers().stop(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Stop a container and start it again; one that does not run is only started. Parameters as of barque_container_stop.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_restart(
    engine: *const barque_engine,
    id: *const c_char,
    timeout_s: i64,
    signal: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = ContainerRestart {
            id: text::required(id, "id")?.to_owned(),
            timeout: (timeout_s != BARQUE_STOP_TIMEOUT_DEFAULT).then_some(timeout_s),
            signal: text::optional(signal, "signal")?.to_owned(),
        };
        call.engine.containers().restart(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Freeze all processes of a container. BARQUE_ERR_CONFLICT when it is paused or does not run.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_pause(
    engine: *const barque_engine,
    id: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        call.engine.containers().pause(text::required(id, "id")?)?;
        Ok(BARQUE_OK)
    })
}

/// Let the processes of a paused container go on.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_unpause(
    engine: *const barque_engine,
    id: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        call.engine.containers().unpause(text::required(id, "id")?)?;
        Ok(BARQUE_OK)
    })
}

/// Give a container another name. The old one is free at once.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_rename(
    engine: *const barque_engine,
    id: *const c_char,
    name: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = ContainerRename {
            id: text::required(id, "id")?.to_owned(),
            name: text::required(name, "name")?.to_owned(),
        };
        call.engine.containers().rename(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Change a container's limits, at once where it runs, and its restart policy. `request` is a ContainerUpdate document: "Id",
/// "Memory", "NanoCpus", "RestartPolicy" …; `*out` becomes a ContainerUpdated: Warnings.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_update(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::document(engine, "container.update", request, cancel, out)
    })
}

/// For barque_container_stop: as long as the container itself says.
pub const BARQUE_STOP_TIMEOUT_DEFAULT: i64 = -1000;

/// Send a signal to a container: "TERM", "SIGTERM", "15"; NULL is SIGKILL.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_kill(
    engine: *const barque_engine,
    id: *const c_char,
    signal: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = ContainerKill {
            id: text::required(id, "id")?.to_owned(),
            signal: text::optional(signal, "signal")?.to_owned(),
        };
        call.engine.containers().kill(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Remove the containers that do not run: `request` is a ContainerPrune document, NULL for all of them; `*out` becomes a
/// ContainersPruned. "DryRun" only says what would go.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_prune(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "container.prune", request, cancel, out))
}

/// Remove a container. `flags` is 0 or a sum of BARQUE_REMOVE_FORCE and BARQUE_REMOVE_VOLUMES.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_remove(
    engine: *const barque_engine,
    id: *const c_char,
    flags: u32,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let flags = known_flags(flags, BARQUE_REMOVE_FORCE | BARQUE_REMOVE_VOLUMES)?;
        let request = ContainerRemove {
            id: text::required(id, "id")?.to_owned(),
            force: flags & BARQUE_REMOVE_FORCE != 0,
            volumes: flags & BARQUE_REMOVE_VOLUMES != 0,
        };
        call.engine.containers().remove(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Everything about a container: `*out` becomes a ContainerInspect document. `barque_call` with `container.inspect` has its size too.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_inspect(
    engine: *const barque_engine,
    id: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let id = text::required(id, "id")?;
        let out = Out::required(out, "out")?;
        call::answer(out, &call.engine.containers().inspect(id)?)
    })
}

/// List containers: `request` is a ContainerList document, NULL for those that run; `*out` becomes an array of
/// ContainerSummary.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_list(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "container.list", request, cancel, out))
}

/// Read a container's log. `request` is a ContainerLogs document: "Id", "Follow", "Tail", "Since" …
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_logs(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::stream(engine, "container.logs", request, cancel, out)
    })
}

/// What a container uses. `request` is a ContainerStats document: "Id", "Stream", "OneShot".
///
/// Each item of the stream is a StatsResponse document: one a second to the container's end, or one in all without "Stream".
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_stats(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::stream(engine, "container.stats", request, cancel, out)
    })
}

/// The processes in a container: `*out` becomes a ContainerTopResponse document. `ps_args` are options of ps, NULL for "-ef".
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_top(
    engine: *const barque_engine,
    id: *const c_char,
    ps_args: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = ContainerTop {
            id: text::required(id, "id")?.to_owned(),
            ps_args: text::optional(ps_args, "ps_args")?.to_owned(),
        };
        let out = Out::required(out, "out")?;
        call::answer(out, &call.engine.containers().top(&request)?)
    })
}

/// Attach to a running container. `request` is a ContainerAttach document: "Id", "Stdin", "Stdout", "Stderr".
///
/// The stream gives the output from now on, takes input where "Stdin" is set, and ends with a ContainerExit document.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_attach(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::stream(engine, "container.attach", request, cancel, out)
    })
}

/// Set the size of a container's terminal.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_resize(
    engine: *const barque_engine,
    id: *const c_char,
    rows: u16,
    columns: u16,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request =
            ContainerResize { id: text::required(id, "id")?.to_owned(), h: rows, w: columns };
        call.engine.containers().resize(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Refuse bits that mean nothing: they may mean something in a later version.
pub(crate) fn known_flags(flags: u32, known: u32) -> Result<u32> {
    match flags & !known {
        0 => Ok(flags),
        unknown => Err(Error::invalid(format!("flags: unknown bits {unknown:#x}"))
            .with_reason("unknown_flags")
            .about("parameter", "flags")),
    }
}
