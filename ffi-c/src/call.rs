//! The way of a call: engine and canceller in, document or stream out.

use std::ffi::{c_char, c_int};
use std::sync::Arc;

use barque::{Canceller, Engine, Result, Stream};
use serde::Serialize;

use crate::cancel::{Cancel, barque_cancel};
use crate::engine::{Opened, barque_engine};
use crate::error::BARQUE_OK;
use crate::handle;
use crate::out::Out;
use crate::stream::{Reader, barque_stream};
use crate::text;

/// An opened engine, and the same with its calls under a canceller.
pub(crate) struct Call {
    opened: Arc<Opened>,
    /// What to call.
    pub(crate) engine: Engine,
}

impl Call {
    /// Check the first and the cancel parameter of a call.
    pub(crate) fn on(engine: *const barque_engine, cancel: *const barque_cancel) -> Result<Call> {
        let opened = handle::get::<Opened>(engine, "engine")?;
        // Without one the call is the engine's own, which nothing cancels.
        let engine = match handle::maybe::<Cancel>(cancel, "cancel")? {
            Some(cancel) => opened.engine.with_canceller(&cancel.0),
            None => opened.engine.clone(),
        };
        Ok(Call { opened, engine })
    }

    /// The same for a call that opens a stream: cancelling a stream that was given no canceller must cancel it alone, so
    /// that it gets one of its own.
    pub(crate) fn for_stream(
        engine: *const barque_engine,
        cancel: *const barque_cancel,
    ) -> Result<Call> {
        let call = Call::on(engine, cancel)?;
        if !cancel.is_null() {
            return Ok(call);
        }
        let engine = call.engine.with_canceller(&Canceller::new()?);
        Ok(Call { engine, ..call })
    }

    /// Hand out a stream, which keeps the engine open.
    pub(crate) fn lend(self, stream: Stream) -> Result<*mut barque_stream> {
        handle::give(Reader::new(stream, self.opened)?)
    }
}

/// An operation by name that answers with a document.
pub(crate) fn document(
    engine: *const barque_engine,
    operation: &str,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
) -> Result<c_int> {
    let call = Call::on(engine, cancel)?;
    let request = text::optional(request, "request")?;
    let out = Out::required(out, "out")?;
    out.set(text::give(&call.engine.call(operation, request)?)?);
    Ok(BARQUE_OK)
}

/// An operation by name that answers with a stream.
pub(crate) fn stream(
    engine: *const barque_engine,
    operation: &str,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
) -> Result<c_int> {
    let call = Call::for_stream(engine, cancel)?;
    let request = text::optional(request, "request")?;
    let out = Out::required(out, "out")?;
    let stream = call.engine.stream(operation, request)?;
    out.set(call.lend(stream)?);
    Ok(BARQUE_OK)
}

/// Write an answer to its place as a document.
pub(crate) fn answer<T: Serialize>(out: Out<*mut c_char>, answer: &T) -> Result<c_int> {
    let document = serde_json::to_string(answer)
        .map_err(|error| barque::Error::internal("write a document").because(error))?;
    out.set(text::give(&document)?);
    Ok(BARQUE_OK)
}
