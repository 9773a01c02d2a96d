//! A stream, pulled from JavaScript. No thread waits for it: its descriptor is watched by the runtime.

use std::future::{Future, poll_fn};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use barque::{Chunk, Deadline, Error, Item, Next, Output, Stream};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Buffer, Either, Object};
use napi_derive::napi;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::promise::{of_future, rejection};

/// How much one pull brings to JavaScript. A promise costs microseconds, so what is there already comes together; what a slow
/// reader has not asked for stays in the engine.
const BATCH_ITEMS: usize = 128;
const BATCH_BYTES: usize = 256 << 10;

/// Bytes a container wrote.
#[napi(object)]
pub struct NativeChunk {
    /// 1: standard output, 2: standard error.
    pub output: u32,
    /// The bytes.
    pub data: Buffer,
    /// When they were read, nanoseconds since 1970, where the stream tells.
    pub time: Option<BigInt>,
}

struct Shared {
    stream: Mutex<Stream>,
    canceller: barque::Canceller,
    output: RawFd,
    input: Option<RawFd>,
    /// One reader at a time: a descriptor can be watched once. It holds the error that the next pull fails with.
    reading: tokio::sync::Mutex<Option<Error>>,
    /// … and one writer.
    writing: tokio::sync::Mutex<()>,
}

/// A sequence of items that its reader pulls.
#[napi]
pub struct NativeStream(Mutex<Option<Arc<Shared>>>);

impl NativeStream {
    pub(crate) fn new(stream: Stream) -> NativeStream {
        let shared = Shared {
            canceller: stream.canceller(),
            output: stream.as_fd().as_raw_fd(),
            input: stream.input_fd().map(|fd| fd.as_raw_fd()),
            stream: Mutex::new(stream),
            reading: tokio::sync::Mutex::new(None),
            writing: tokio::sync::Mutex::new(()),
        };
        NativeStream(Mutex::new(Some(Arc::new(shared))))
    }

    fn shared(&self) -> Option<Arc<Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[napi]
impl NativeStream {
    /// The next items, at least one; none when there will be no more (or the stream was closed).
    #[napi(catch_unwind, ts_return_type = "Promise<Array<NativeChunk | string>>")]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let shared = self.shared();
        of_future(env, async move {
            match shared {
                Some(shared) => shared.next_batch().await,
                None => Ok(Vec::new()),
            }
        })
    }

    /// Give the other side all of these bytes. The promise settles when it has taken them.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn write<'env>(&self, env: &'env Env, data: Buffer) -> napi::Result<Object<'env>> {
        // A copy: JavaScript may change the buffer meanwhile.
        let data = data.to_vec();
        let shared = self.shared().ok_or_else(closed)?;
        of_future(env, async move { shared.write_all(&data).await })
    }

    /// End the other side's input; its output goes on.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn end<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let shared = self.shared().ok_or_else(closed)?;
        of_future(env, async move {
            let _writing = shared.writing.lock().await;
            shared.stream().write(&[]).map(|_| ())
        })
    }

    /// Cancel it and let go of it. A `next` that waits is rejected.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        let shared = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(shared) = shared {
            shared.canceller.cancel();
        }
    }
}

impl Drop for NativeStream {
    /// Collected, or its environment ended (a terminated worker): a pull that still waits would hold the stream for ever.
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next_batch(self: Arc<Self>) -> barque::Result<Vec<Either<NativeChunk, String>>> {
        let mut failed = self.reading.lock().await;
        if let Some(error) = failed.take() {
            return Err(error);
        }
        loop {
            if let Some(items) = self.pull(&mut failed)? {
                return Ok(items.into_iter().map(for_javascript).collect());
            }
            watch(&self, self.output, Interest::READABLE).await?;
        }
    }

    /// What is there now; `None` when nothing is. Neighbouring bytes of one output without a time become one chunk. An error
    /// after the first item is kept for the next pull.
    fn pull(&self, failed: &mut Option<Error>) -> barque::Result<Option<Vec<Item>>> {
        let mut stream = self.stream();
        let mut items = Vec::new();
        let (mut bytes, mut pulled) = (0, 0);
        while pulled < BATCH_ITEMS && bytes < BATCH_BYTES {
            match stream.next(Deadline::after(Duration::ZERO)) {
                Ok(Next::Item(item)) => {
                    pulled += 1;
                    bytes += size(&item);
                    append(&mut items, item);
                }
                Ok(Next::TimedOut) if items.is_empty() => return Ok(None),
                Ok(Next::TimedOut | Next::Done) => break,
                Err(error) if items.is_empty() => return Err(error),
                Err(error) => {
                    *failed = Some(error);
                    break;
                }
            }
        }
        Ok(Some(items))
    }

    async fn write_all(self: Arc<Self>, data: &[u8]) -> barque::Result<()> {
        let _writing = self.writing.lock().await;
        let mut rest = data;
        while !rest.is_empty() {
            self.canceller.check()?;
            let taken = self.stream().write(rest)?;
            rest = &rest[taken..];
            if let (0, Some(input)) = (taken, self.input) {
                let cancelled = self.canceller.as_fd().as_raw_fd();
                first(
                    watch(&self, input, Interest::WRITABLE),
                    watch(&self, cancelled, Interest::READABLE),
                )
                .await?;
            }
        }
        Ok(())
    }
}

fn size(item: &Item) -> usize {
    match item {
        Item::Chunk(chunk) => chunk.data.len(),
        Item::Document(text) => text.len(),
    }
}

fn append(items: &mut Vec<Item>, item: Item) {
    if let (Some(Item::Chunk(last)), Item::Chunk(next)) = (items.last_mut(), &item)
        && last.channel == next.channel
        && last.timestamp.is_none()
        && next.timestamp.is_none()
    {
        last.data.extend_from_slice(&next.data);
        return;
    }
    items.push(item);
}

fn for_javascript(item: Item) -> Either<NativeChunk, String> {
    match item {
        Item::Document(text) => Either::B(text),
        Item::Chunk(Chunk { channel, timestamp, data }) => Either::A(NativeChunk {
            output: match channel {
                Output::Stdout => 1,
                Output::Stderr => 2,
            },
            data: data.into(),
            time: timestamp.map(BigInt::from),
        }),
    }
}

/// Wait until a descriptor of a stream is ready.
async fn watch(shared: &Arc<Shared>, fd: RawFd, interest: Interest) -> barque::Result<()> {
    let watched = Watched { fd, _owner: Arc::clone(shared) };
    // SAFETY: the descriptor is the stream's (or its canceller's), which `watched` keeps alive until it is no longer registered.
    let watched = unsafe { AsyncFd::register_with_interest(watched, interest) }
        .map_err(|error| Error::system("watch a stream", error.into()))?;
    let ready = match interest {
        Interest::WRITABLE => watched.writable().await.map(drop),
        _ => watched.readable().await.map(drop),
    };
    ready.map_err(|error| Error::system("watch a stream", error))
}

struct Watched {
    fd: RawFd,
    _owner: Arc<Shared>,
}

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}

/// Whichever is done first.
async fn first<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Pending => other.as_mut().poll(context),
        ready => ready,
    })
    .await
}

fn closed() -> napi::Error {
    rejection(&Error::new(barque::ErrorKind::Conflict, "the stream is closed"))
}
