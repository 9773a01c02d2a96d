//! Promises, and the threads that settle them.
//!
//! The runtime is made by the first call and not when the addon is loaded. One thread watches every stream's descriptor (tokio's
//! epoll) and pulls from those that are ready; blocking calls have threads for as long as they take. libuv's pool is not
//! used: it has four threads for the file system, DNS and cryptography of the whole program.

use std::future::Future;
use std::sync::OnceLock;

use barque::{Error, ErrorKind};
use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, Status};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// The addon's runtime, shared by all environments (worker threads) of the process.
pub(crate) fn runtime() -> barque::Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    made(&RUNTIME, Builder::new_multi_thread().worker_threads(1).thread_name("barque").enable_io())
}

/// The threads of operations that are soon over, which take turns: each has one for milliseconds, and a thousand at once would be a
/// thousand threads waiting for one record.
pub(crate) fn turns() -> barque::Result<&'static Runtime> {
    static TURNS: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    // Nothing but blocking calls is ever given to it, which need nobody who drives it.
    made(&TURNS, Builder::new_current_thread().max_blocking_threads(8).thread_name("barque"))
}

fn made(
    once: &'static OnceLock<std::io::Result<Runtime>>,
    builder: &mut Builder,
) -> barque::Result<&'static Runtime> {
    once.get_or_init(|| builder.build()).as_ref().map_err(|error| {
        let kind = ErrorKind::ResourceExhausted;
        Error::new(kind, "cannot start the threads that serve Node").because(error.to_string())
    })
}

/// A promise of what a task answers. The task's panic is an error like others.
///
/// A promise that is not settled yet keeps the process alive. When its environment ends first (a terminated worker, `process.exit`) the
/// answer is dropped.
pub(crate) fn of_task<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    begin: impl FnOnce(&'static Runtime) -> JoinHandle<barque::Result<T>>,
) -> napi::Result<Object<'env>> {
    let (deferred, promise) = env.create_deferred()?;
    match runtime() {
        Ok(runtime) => {
            let task = begin(runtime);
            runtime.spawn(async move {
                match task.await {
                    Ok(Ok(answer)) => deferred.resolve(move |_| Ok(answer)),
                    Ok(Err(error)) => deferred.reject(rejection(&error)),
                    Err(_) => deferred.reject(rejection(&Error::internal("the engine panicked"))),
                }
            });
        }
        Err(error) => deferred.reject(rejection(&error)),
    }
    Ok(promise)
}

/// A promise of what a future answers.
pub(crate) fn of_future<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    future: impl Future<Output = barque::Result<T>> + Send + 'static,
) -> napi::Result<Object<'env>> {
    of_task(env, |runtime| runtime.spawn(future))
}

/// What a promise is rejected with: the error's document as the message. `lib/errors.ts` makes the error of it.
pub(crate) fn rejection(error: &Error) -> napi::Error {
    napi::Error::new(Status::GenericFailure, error.to_document().to_string())
}
