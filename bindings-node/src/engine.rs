//! The engine: operations by name, documents as text.

use barque::api::operations::Operation;
use barque::{Engine, EngineOptions, Error};
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use crate::promise::{of_future, of_task, rejection, runtime, turns};
use crate::stream::NativeStream;

/// Cancels calls and streams that were given it.
#[napi]
pub struct NativeCanceller(pub(crate) barque::Canceller);

#[napi]
impl NativeCanceller {
    /// A canceller that has not been used.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> napi::Result<NativeCanceller> {
        barque::Canceller::new().map(NativeCanceller).map_err(|error| rejection(&error))
    }

    /// Cancel.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// An engine root, opened by this process.
#[napi]
pub struct NativeEngine(Engine);

/// Open an engine. It reads and mends its record, which may take a while after a crash.
#[napi(catch_unwind, ts_return_type = "Promise<NativeEngine>")]
pub fn open(env: &Env, root: Option<String>, run: Option<String>) -> napi::Result<Object<'_>> {
    of_task(env, |runtime| {
        runtime.spawn_blocking(move || {
            let mut options = root.map(EngineOptions::at).unwrap_or_default();
            if let Some(run) = run {
                options = options.run_directory(run);
            }
            Engine::open(options).map(NativeEngine)
        })
    })
}

#[napi]
impl NativeEngine {
    /// Carry out an operation that answers with a document.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn call<'env>(
        &self,
        env: &'env Env,
        operation: String,
        request: String,
        canceller: Option<&NativeCanceller>,
    ) -> napi::Result<Object<'env>> {
        let engine = self.with(canceller)?;
        of_future(env, in_turn(operation, move |name| engine.call(name, &request)))
    }

    /// Carry out an operation that answers with a stream.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeStream>")]
    pub fn stream<'env>(
        &self,
        env: &'env Env,
        operation: String,
        request: String,
        canceller: Option<&NativeCanceller>,
    ) -> napi::Result<Object<'env>> {
        let engine = self.with(canceller)?;
        let work = move |name: &str| engine.stream(name, &request).map(NativeStream::new);
        of_future(env, in_turn(operation, work))
    }

    /// The engine for one call, with what cancels that call alone.
    fn with(&self, canceller: Option<&NativeCanceller>) -> napi::Result<Engine> {
        let canceller = match canceller {
            Some(canceller) => canceller.0.clone(),
            None => barque::Canceller::new().map_err(|error| rejection(&error))?,
        };
        Ok(self.0.with_canceller(&canceller))
    }
}

async fn in_turn<T: Send + 'static>(
    operation: String,
    work: impl FnOnce(&str) -> barque::Result<T> + Send + 'static,
) -> barque::Result<T> {
    let threads = match Operation::find(&operation).is_ok_and(Operation::may_take_long) {
        true => runtime()?,
        false => turns()?,
    };
    let task = threads.spawn_blocking(move || work(&operation));
    task.await.unwrap_or_else(|_| Err(Error::internal("the engine panicked")))
}
