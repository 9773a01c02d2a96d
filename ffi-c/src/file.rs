//! The operations on the files of containers, one function each.

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use barque::api::*;
use barque::{Error, Result};

use crate::boundary;
use crate::call::{self, Call};
use crate::cancel::barque_cancel;
use crate::container::known_flags;
use crate::engine::barque_engine;
use crate::error::{BARQUE_OK, barque_error};
use crate::out::Out;
use crate::stream::barque_stream;
use crate::text;

/// For barque_file_remove: a directory with everything in it.
pub const BARQUE_FILE_REMOVE_RECURSIVE: u32 = 1;
/// For barque_file_write: make directories that are missing.
pub const BARQUE_FILE_WRITE_PARENTS: u32 = 1;
/// For barque_file_write: the permissions of the file that was there, or 0644.
pub const BARQUE_FILE_MODE_DEFAULT: i64 = -1;

/// Pack what is at a path of a container, running or not. The stream gives a PathStat document, then the tar archive as standard
/// output. Only when it has ended without an error the archive is whole.
#[unsafe(no_mangle)]
pub extern "C" fn barque_archive_get(
    engine: *const barque_engine,
    id: *const c_char,
    path: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::for_stream(engine, cancel)?;
        let request = ArchiveGet {
            id: text::required(id, "id")?.to_owned(),
            path: text::required(path, "path")?.to_owned(),
        };
        let out = Out::required(out, "out")?;
        let stream = call.engine.containers().get_archive(&request)?;
        out.set(call.lend(stream)?);
        Ok(BARQUE_OK)
    })
}

/// Unpack a tar archive (plain, gzip or zstd) into a directory of a container. `request` is an ArchivePut document: "Id", "Path",
/// "Input.Path" or "Input.Fd" …
#[unsafe(no_mangle)]
pub extern "C" fn barque_archive_put(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = parse::<ArchivePut>(text::required(request, "request")?)?;
        call.engine.containers().put_archive(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Copy between this host and a container. `request` is a FileCopy document: "Source" and "Destination", each with "Path" and one of
/// them with "Id". `*out` becomes a FileCopied document.
#[unsafe(no_mangle)]
pub extern "C" fn barque_file_copy(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::document(engine, "file.copy", request, cancel, out)
    })
}

/// What is in a directory of a container: `*out` becomes an array of PathStat.
#[unsafe(no_mangle)]
pub extern "C" fn barque_file_list(
    engine: *const barque_engine,
    id: *const c_char,
    path: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = file(id, path)?;
        let out = Out::required(out, "out")?;
        call::answer(out, &call.engine.containers().list_files(&request)?)
    })
}

/// What is at a path of a container: `*out` becomes a PathStat document.
#[unsafe(no_mangle)]
pub extern "C" fn barque_file_stat(
    engine: *const barque_engine,
    id: *const c_char,
    path: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = file(id, path)?;
        let out = Out::required(out, "out")?;
        call::answer(out, &call.engine.containers().stat_path(&request)?)
    })
}

/// Read a regular file of a container from byte `offset` on, at most `limit` bytes; 0: all. The stream gives a PathStat document,
/// then the content as standard output.
#[unsafe(no_mangle)]
pub extern "C" fn barque_file_read(
    engine: *const barque_engine,
    id: *const c_char,
    path: *const c_char,
    offset: u64,
    limit: u64,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::for_stream(engine, cancel)?;
        let FileRef { id, path } = file(id, path)?;
        let request = FileRead { id, path, offset, limit };
        let out = Out::required(out, "out")?;
        let stream = call.engine.containers().read_file(&request)?;
        out.set(call.lend(stream)?);
        Ok(BARQUE_OK)
    })
}

/// Make a file in a container, or replace one, with the `length` bytes at `data`: others see the old one or the new one, whole.
///
/// `mode` is its permissions, or BARQUE_FILE_MODE_DEFAULT; `user` its owner (`user`, `uid`, `user:group` …), NULL that of the file
/// that was there, or root; `flags` 0 or BARQUE_FILE_WRITE_PARENTS. For content that is in a file or comes through a pipe, use
/// barque_call and the operation "file.write".
#[unsafe(no_mangle)]
pub extern "C" fn barque_file_write(
    engine: *const barque_engine,
    id: *const c_char,
    path: *const c_char,
    data: *const c_void,
    length: usize,
    mode: i64,
    user: *const c_char,
    flags: u32,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let FileRef { id, path } = file(id, path)?;
        let flags = known_flags(flags, BARQUE_FILE_WRITE_PARENTS)?;
        let content = in_memory(text::bytes(data.cast(), length, "data")?)?;
        let mode = match mode {
            BARQUE_FILE_MODE_DEFAULT => None,
            mode => Some(u32::try_from(mode).map_err(|_| {
                Error::invalid(format!("mode {mode} is not permissions")).about("parameter", "mode")
            })?),
        };
        let request = FileWrite {
            id,
            path,
            input: Input { path: String::new(), fd: Some(content.as_raw_fd()) },
            mode,
            user: text::optional(user, "user")?.to_owned(),
            parents: flags & BARQUE_FILE_WRITE_PARENTS != 0,
        };
        call.engine.containers().write_file(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Remove what is at a path of a container. `flags` is 0 or BARQUE_FILE_REMOVE_RECURSIVE.
#[unsafe(no_mangle)]
pub extern "C" fn barque_file_remove(
    engine: *const barque_engine,
    id: *const c_char,
    path: *const c_char,
    flags: u32,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let FileRef { id, path } = file(id, path)?;
        let recursive =
            known_flags(flags, BARQUE_FILE_REMOVE_RECURSIVE)? & BARQUE_FILE_REMOVE_RECURSIVE != 0;
        call.engine.containers().remove_file(&FileRemove { id, path, recursive })?;
        Ok(BARQUE_OK)
    })
}

/// What a container has changed of its image: `*out` becomes an array of FilesystemChange.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_diff(
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
        call::answer(out, &call.engine.containers().diff(id)?)
    })
}

/// The root file system of a container as a tar archive, which the stream gives as standard output.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_export(
    engine: *const barque_engine,
    id: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::for_stream(engine, cancel)?;
        let id = text::required(id, "id")?;
        let out = Out::required(out, "out")?;
        let stream = call.engine.containers().export(id)?;
        out.set(call.lend(stream)?);
        Ok(BARQUE_OK)
    })
}

/// Make an image of a container. `request` is a ContainerCommit document: "Id", "Reference", "Changes" …; `*out` becomes an
/// ImageCreated: Id.
#[unsafe(no_mangle)]
pub extern "C" fn barque_container_commit(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::document(engine, "container.commit", request, cancel, out)
    })
}

fn file(id: *const c_char, path: *const c_char) -> Result<FileRef> {
    Ok(FileRef {
        id: text::required(id, "id")?.to_owned(),
        path: text::required(path, "path")?.to_owned(),
    })
}

/// Bytes as a file without a name, standing at its beginning.
fn in_memory(bytes: &[u8]) -> Result<OwnedFd> {
    let failed = |error| Error::system("make a file in memory", error);
    let name = CString::default();
    // SAFETY: the name ends with NUL.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(failed(std::io::Error::last_os_error()));
    }
    // SAFETY: it was just opened, and nobody else has it.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut file = std::fs::File::from(file);
    std::io::Write::write_all(&mut file, bytes).map_err(failed)?;
    std::io::Seek::rewind(&mut file).map_err(failed)?;
    Ok(file.into())
}
