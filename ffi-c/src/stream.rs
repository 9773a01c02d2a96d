//! Streams: pulled by their reader, cancelled and written to from anywhere.
//!
//! core's stream wants one caller at a time. A reader waits without holding it, so that another thread can write to the
//! container's standard input meanwhile.

use std::ffi::{CString, c_char, c_int};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barque::{Deadline, Item, Next, Output, Result, Stream};

use crate::boundary;
use crate::engine::Opened;
use crate::error::{BARQUE_DONE, BARQUE_OK, BARQUE_TIMEOUT, barque_error};
use crate::handle::{self, Object};
use crate::out::Out;
use crate::text;

/// A sequence of items that its reader pulls: output of a container, then the document that says how it ended.
///
/// One thread at a time reads a stream (barque_stream_next and what tells about the item). Any other may write to it, cancel it or
/// free it meanwhile. It stays usable when its engine is freed.
pub struct barque_stream {
    _private: [u8; 0],
}

/// The item is no bytes but a document: barque_stream_document.
pub const BARQUE_CHANNEL_DOCUMENT: c_int = 0;
/// The item is bytes of standard output, or of the terminal.
pub const BARQUE_CHANNEL_STDOUT: c_int = 1;
/// The item is bytes of standard error.
pub const BARQUE_CHANNEL_STDERR: c_int = 2;

pub(crate) struct Reader {
    stream: Mutex<Stream>,
    /// The stream's descriptors, to wait on them without holding the stream.
    fd: OwnedFd,
    input: Option<OwnedFd>,
    canceller: barque::Canceller,
    container: Option<CString>,
    current: Mutex<Option<Current>>,
    _engine: Arc<Opened>,
}

/// The item that next returned last.
enum Current {
    Chunk { channel: c_int, timestamp: i64, data: Vec<u8> },
    Document(CString),
}

impl Object for Reader {
    type Opaque = barque_stream;
    const KIND: (u64, &'static str) = (5, "barque_stream");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reader {
    pub(crate) fn new(stream: Stream, engine: Arc<Opened>) -> Result<Reader> {
        let copy = |fd: BorrowedFd<'_>| {
            fd.try_clone_to_owned()
                .map_err(|error| barque::Error::system("copy a stream's descriptor", error))
        };
        Ok(Reader {
            fd: copy(stream.as_fd())?,
            input: stream.input_fd().map(copy).transpose()?,
            canceller: stream.canceller(),
            container: stream.container().map(|container| text::terminated(&container.id)),
            current: Mutex::new(None),
            stream: Mutex::new(stream),
            _engine: engine,
        })
    }

    fn next(&self, deadline: Deadline) -> Result<c_int> {
        loop {
            let next = lock(&self.stream).next(Deadline::after_ms(0));
            let item = match next {
                Ok(Next::TimedOut) => {
                    if poll(&self.fd, libc::POLLIN, deadline) {
                        continue;
                    }
                    return Ok(BARQUE_TIMEOUT);
                }
                Ok(Next::Item(item)) => item,
                ended => {
                    *lock(&self.current) = None;
                    return ended.map(|_| BARQUE_DONE);
                }
            };
            *lock(&self.current) = Some(match item {
                Item::Document(document) => Current::Document(text::terminated(&document)),
                Item::Chunk(chunk) => Current::Chunk {
                    channel: match chunk.channel {
                        Output::Stdout => BARQUE_CHANNEL_STDOUT,
                        Output::Stderr => BARQUE_CHANNEL_STDERR,
                    },
                    timestamp: chunk.timestamp.unwrap_or(0),
                    data: chunk.data,
                },
            });
            return Ok(BARQUE_OK);
        }
    }

    /// Write what the other side takes before the deadline; how much that was.
    fn write(&self, data: &[u8], deadline: Deadline) -> Result<usize> {
        let mut written = 0;
        loop {
            self.canceller.check()?;
            match lock(&self.stream).write(&data[written..]) {
                Ok(taken) => written += taken,
                Err(error) if written == 0 => return Err(error),
                Err(_) => return Ok(written),
            }
            if written == data.len() {
                return Ok(written);
            }
            let Some(input) = &self.input else { return Ok(written) };
            if !poll(input, libc::POLLOUT, deadline) {
                return Ok(written);
            }
        }
    }
}

/// Wait for a descriptor; false when the deadline passes first.
fn poll(fd: &OwnedFd, events: libc::c_short, deadline: Deadline) -> bool {
    loop {
        let left = deadline.remaining();
        let timeout = left.map_or(-1, |left| {
            // Rounded up: a poll that ends before the deadline would be repeated with no time at all.
            c_int::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
        });
        let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
        // SAFETY: the array is the one entry, which lives on the stack.
        match unsafe { libc::poll(&raw mut entry, 1, timeout) } {
            1.. => return true,
            0 if timeout != c_int::MAX => return false,
            // EINTR, or a deadline further away than poll(2) can count.
            _ => {}
        }
    }
}

/// Wait for the next item, at most `timeout_ms` milliseconds; negative: as long as it takes.
///
/// BARQUE_OK: there is one, which the functions below tell about until the next call of this one. BARQUE_DONE: there will
/// be no more, also when asked again. BARQUE_TIMEOUT: nothing came, the stream goes on. An error ends the stream.
#[unsafe(no_mangle)]
pub extern "C" fn barque_stream_next(
    stream: *mut barque_stream,
    timeout_ms: i64,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        handle::get::<Reader>(stream, "stream")?.next(Deadline::after_ms(timeout_ms))
    })
}

/// Look at the item that next returned.
fn current<T>(
    stream: *const barque_stream,
    nothing: T,
    look: impl FnOnce(&Current) -> Option<T>,
) -> T {
    let found = boundary::value(None, || {
        let reader = handle::get::<Reader>(stream, "stream")?;
        let current = lock(&reader.current);
        Ok(current.as_ref().and_then(look))
    });
    found.unwrap_or(nothing)
}

/// What the item is: BARQUE_CHANNEL_STDOUT, BARQUE_CHANNEL_STDERR or BARQUE_CHANNEL_DOCUMENT; -1 when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn barque_stream_channel(stream: *const barque_stream) -> c_int {
    current(stream, -1, |item| {
        Some(match item {
            Current::Document(_) => BARQUE_CHANNEL_DOCUMENT,
            Current::Chunk { channel, .. } => *channel,
        })
    })
}

/// The item's bytes, exactly as the container wrote them, barque_stream_length of them; NULL when it is a document.
///
/// Valid until the next barque_stream_next or barque_stream_free.
#[unsafe(no_mangle)]
pub extern "C" fn barque_stream_data(stream: *const barque_stream) -> *const u8 {
    current(stream, std::ptr::null(), |item| match item {
        Current::Document(_) => None,
        Current::Chunk { data, .. } => Some(data.as_ptr()),
    })
}

/// How many bytes the item has.
#[unsafe(no_mangle)]
pub extern "C" fn barque_stream_length(stream: *const barque_stream) -> usize {
    current(stream, 0, |item| match item {
        Current::Document(_) => None,
        Current::Chunk { data, .. } => Some(data.len()),
    })
}

/// When the bytes were written, nanoseconds since 1970; 0 where it was not asked for.
#[unsafe(no_mangle)]
pub extern "C" fn barque_stream_timestamp(stream: *const barque_stream) -> i64 {
    current(stream, 0, |item| match item {
        Current::Document(_) => None,
        Current::Chunk { timestamp, .. } => Some(*timestamp),
    })
}

/// The item as a JSON document; NULL when it is bytes. Valid until the next barque_stream_next or barque_stream_free.
#[unsafe(no_mangle)]
pub extern "C" fn barque_stream_document(stream: *const barque_stream) -> *const c_char {
    current(stream, std::ptr::null(), |item| match item {
        Current::Document(document) => Some(document.as_ptr()),
        Current::Chunk { .. } => None,
    })
}

/// The id of the container whose run or attach this is; NULL for other streams. Valid until barque_stream_free.
#[unsafe(no_mangle)]
pub extern "C" fn barque_stream_container(stream: *const barque_stream) -> *const c_char {
    boundary::value(std::ptr::null(), || {
        let reader = handle::get::<Reader>(stream, "stream")?;
        Ok(reader.container.as_ref().map_or(std::ptr::null(), |id| id.as_ptr()))
    })
}

/// Send bytes to the container's standard input, waiting at most `timeout_ms` milliseconds (negative: as long as it takes) for
/// it to take them. `*written` is how many it took.
///
/// BARQUE_TIMEOUT when it took none. A container whose output nobody reads may take no input: whoever writes without a
/// timeout reads in another thread. `length` 0 does nothing; the end of the input is barque_stream_close_input.
#[unsafe(no_mangle)]
pub extern "C" fn barque_stream_write(
    stream: *mut barque_stream,
    data: *const u8,
    length: usize,
    timeout_ms: i64,
    written: *mut usize,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let reader = handle::get::<Reader>(stream, "stream")?;
        let data = text::bytes(data, length, "data")?;
        let out = Out::required(written, "written")?;
        let written = match data {
            [] => 0,
            data => reader.write(data, Deadline::after_ms(timeout_ms))?,
        };
        if written == 0 && length > 0 {
            return Ok(BARQUE_TIMEOUT);
        }
        out.set(written);
        Ok(BARQUE_OK)
    })
}

/// End the container's standard input: it reads end of file. Output goes on.
#[unsafe(no_mangle)]
pub extern "C" fn barque_stream_close_input(
    stream: *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let reader = handle::get::<Reader>(stream, "stream")?;
        lock(&reader.stream).write(&[])?;
        Ok(BARQUE_OK)
    })
}

/// A descriptor that is readable when barque_stream_next may have something to say, for poll(2) and event loops; -1 when
/// `stream` is none.
///
/// Call next with a timeout of 0 then, until it says BARQUE_TIMEOUT. Only poll it. It belongs to the stream.
#[unsafe(no_mangle)]
pub extern "C" fn barque_stream_fd(stream: *const barque_stream) -> c_int {
    boundary::value(-1, || Ok(handle::get::<Reader>(stream, "stream")?.fd.as_raw_fd()))
}

/// Cancel the stream, from any thread: a waiting barque_stream_next fails with BARQUE_ERR_CANCELLED. What was called with
/// the same barque_cancel is cancelled too.
#[unsafe(no_mangle)]
pub extern "C" fn barque_stream_cancel(stream: *const barque_stream) {
    boundary::value((), || {
        handle::get::<Reader>(stream, "stream")?.canceller.cancel();
        Ok(())
    });
}

/// Close a stream, read to its end or not. NULL is allowed. A container that is not tied to it goes on.
#[unsafe(no_mangle)]
pub extern "C" fn barque_stream_free(stream: *mut barque_stream) {
    boundary::value((), || {
        handle::free::<Reader>(stream);
        Ok(())
    });
}
