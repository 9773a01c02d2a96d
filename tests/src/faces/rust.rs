//! Rust, in this process.

use std::collections::BTreeMap;
use std::net::TcpStream;

use barque::{Canceller, Deadline, Engine, Error, Item, Next, Output, Stream};
use serde_json::{Value, json};

use super::{Face, Failure, Streamed, broken};
use crate::Sandbox;

pub(super) struct Rust {
    engine: Engine,
    streams: BTreeMap<String, Stream>,
}

impl Rust {
    pub(super) fn open(sandbox: &Sandbox) -> Rust {
        Rust { engine: sandbox.engine(), streams: BTreeMap::new() }
    }
}

fn failed(error: &Error) -> Failure {
    Failure(error.to_document())
}

impl Face for Rust {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn call(&mut self, operation: &str, request: &str) -> Result<Value, Failure> {
        if operation == "container.connect" {
            let request = barque::api::parse(request).map_err(|error| failed(&error))?;
            let connected =
                self.engine.containers().connect(&request).map_err(|error| failed(&error))?;
            let heard = std::io::read_to_string(TcpStream::from(connected)).map_err(broken)?;
            return Ok(json!({"Heard": heard}));
        }
        let text = self.engine.call(operation, request).map_err(|error| failed(&error))?;
        serde_json::from_str(&text).map_err(broken)
    }

    fn begin(&mut self, id: &str, operation: &str, request: &str) -> Result<(), Failure> {
        // A canceller of its own: the engine's would end every other call too.
        let canceller = Canceller::new().map_err(|error| failed(&error))?;
        let engine = self.engine.with_canceller(&canceller);
        let stream = engine.stream(operation, request).map_err(|error| failed(&error))?;
        self.streams.insert(id.to_owned(), stream);
        Ok(())
    }

    fn input(&mut self, id: &str, mut data: &[u8]) -> Result<(), Failure> {
        let stream = self.streams.get_mut(id).ok_or_else(|| broken("no such stream"))?;
        loop {
            let taken = stream.write(data).map_err(|error| failed(&error))?;
            data = &data[taken..];
            if data.is_empty() {
                return Ok(());
            }
            if taken == 0 {
                // A write never waits; the scenarios' inputs are small, so the other side is about to take it.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
    }

    fn cancel(&mut self, id: &str) -> Result<(), Failure> {
        self.streams.get(id).ok_or_else(|| broken("no such stream"))?.canceller().cancel();
        Ok(())
    }

    fn end(&mut self, id: &str) -> Result<Streamed, Failure> {
        let mut stream = self.streams.remove(id).ok_or_else(|| broken("no such stream"))?;
        let mut seen = Streamed::default();
        loop {
            match stream.next(Deadline::never()).map_err(|error| failed(&error))? {
                Next::Item(Item::Chunk(chunk)) => match chunk.channel {
                    Output::Stdout => seen.stdout.extend(chunk.data),
                    Output::Stderr => seen.stderr.extend(chunk.data),
                },
                Next::Item(Item::Document(text)) => {
                    seen.documents.push(serde_json::from_str(&text).map_err(broken)?);
                }
                Next::Done => return Ok(seen),
                Next::TimedOut => {}
            }
        }
    }
}
