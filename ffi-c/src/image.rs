//! The operations on images, one function each.

use std::ffi::{c_char, c_int};

use barque::api::*;

use crate::boundary;
use crate::call::{self, Call};
use crate::cancel::barque_cancel;
use crate::container::known_flags;
use crate::engine::barque_engine;
use crate::error::{BARQUE_OK, barque_error};
use crate::out::Out;
use crate::stream::barque_stream;
use crate::text;

/// For barque_image_remove: also when it has other names, or stopped containers use it.
pub const BARQUE_IMAGE_REMOVE_FORCE: u32 = 1;
/// For barque_image_remove: keep images without a name that it was built on.
pub const BARQUE_IMAGE_REMOVE_NO_PRUNE: u32 = 2;

/// Load images from an archive (docker save, podman save, skopeo; plain, gzip or zstd) or an OCI image layout directory.
///
/// `*out` becomes an ImageLoaded document: the images and their names. Images are named by name and tag, digest, id or the
/// beginning of an id.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_load(
    engine: *const barque_engine,
    path: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let path = text::required(path, "path")?.to_owned();
        let out = Out::required(out, "out")?;
        let request = ImageLoad { input: Input { path, fd: None } };
        call::answer(out, &call.engine.images().load(&request)?)
    })
}

/// The same from an open descriptor, read from where it stands to its end. It stays the caller's.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_load_fd(
    engine: *const barque_engine,
    fd: c_int,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let out = Out::required(out, "out")?;
        let request = ImageLoad { input: Input { path: String::new(), fd: Some(fd) } };
        call::answer(out, &call.engine.images().load(&request)?)
    })
}

/// Build an image from a Dockerfile. `request` is an ImageBuild document: "Context.Path" (a directory or a tar archive) or
/// "Context.Fd", "Dockerfile" or "DockerfileText", "Tags", "BuildArgs", "Target" …
///
/// The stream gives Progress documents, which have a "status" and tell of a "step", and at last an ImageBuilt: Id. Output of steps waits
/// until it is read; freeing the stream ends the build.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_build(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::stream(engine, "image.build", request, cancel, out)
    })
}

/// Fetch an image from its registry. `request` is an ImagePull document: "Name", "Platform", "Auth", "Policy".
///
/// The stream gives Progress documents, which have a "status", and at last an ImagePulled. The pull goes on whether it is read or
/// not; freeing the stream ends it.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_pull(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::stream(engine, "image.pull", request, cancel, out)
    })
}

/// Bring an image to its registry. `request` is an ImagePush document: "Name", "AllTags", "Auth".
///
/// The stream gives Progress documents, which have a "status", and at last an ImagePushed. The push goes on whether it is read or
/// not; freeing the stream ends it.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_push(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::stream(engine, "image.push", request, cancel, out)
    })
}

/// Make an image of a root file system. `request` is an ImageImport document: "Input.Path" (a tar archive or a directory) or
/// "Input.Fd", "Reference", "Changes" …; `*out` becomes an ImageCreated: Id.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_import(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::document(engine, "image.import", request, cancel, out)
    })
}

/// Save images to one archive, which docker, podman and skopeo load too. `request` is an ImageSave document: "Names", "Platform".
///
/// The stream gives the archive's bytes (BARQUE_CHANNEL_STDOUT); only when it ends without an error is the archive whole.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_save(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::stream(engine, "image.save", request, cancel, out)
    })
}

/// Search a registry for repositories. `request` is an ImageSearch document: "Term", "Limit", "Filters", "Auth"; `*out` becomes an
/// array of SearchResult.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_search(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::document(engine, "image.search", request, cancel, out)
    })
}

/// List images: `request` is an ImageList document, NULL for all with a name; `*out` becomes an array of ImageSummary.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_list(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "image.list", request, cancel, out))
}

/// Everything about an image: `*out` becomes an ImageInspect document.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_inspect(
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
        call::answer(out, &call.engine.images().inspect(name)?)
    })
}

/// The instructions an image was made by, newest first: `*out` becomes an array of HistoryRow.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_history(
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
        call::answer(out, &call.engine.images().history(name)?)
    })
}

/// Give an image another name, `reference`, with or without a tag.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_tag(
    engine: *const barque_engine,
    name: *const c_char,
    reference: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = ImageTag {
            name: text::required(name, "name")?.to_owned(),
            reference: text::required(reference, "reference")?.to_owned(),
        };
        call.engine.images().tag(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Remove a name from an image, and the image when that was its last.
///
/// `flags` is 0 or a sum of BARQUE_IMAGE_REMOVE_FORCE and BARQUE_IMAGE_REMOVE_NO_PRUNE. `*out`, which may be NULL, becomes
/// an array of ImageRemoved: what is gone.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_remove(
    engine: *const barque_engine,
    name: *const c_char,
    flags: u32,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let flags = known_flags(flags, BARQUE_IMAGE_REMOVE_FORCE | BARQUE_IMAGE_REMOVE_NO_PRUNE)?;
        let request = ImageRemove {
            name: text::required(name, "name")?.to_owned(),
            force: flags & BARQUE_IMAGE_REMOVE_FORCE != 0,
            no_prune: flags & BARQUE_IMAGE_REMOVE_NO_PRUNE != 0,
        };
        let removed = call.engine.images().remove(&request)?;
        if out.is_null() {
            return Ok(BARQUE_OK);
        }
        call::answer(Out::optional(out), &removed)
    })
}

/// Remove what builds have left in their cache and none uses just now: `request` is a BuilderPrune document, NULL for what no image has;
/// `*out` becomes a BuilderPruned.
#[unsafe(no_mangle)]
pub extern "C" fn barque_builder_prune(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "builder.prune", request, cancel, out))
}

/// Remove the images that nothing needs: `request` is an ImagePrune document, NULL for those without a tag; `*out` becomes an
/// ImagesPruned.
#[unsafe(no_mangle)]
pub extern "C" fn barque_image_prune(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "image.prune", request, cancel, out))
}
