//! Further processes in containers that run: Docker's exec.
//!
//! They are their monitor's: it remembers what was created, starts it, and knows how it ended. Nothing of them is recorded, and
//! with the container they are gone. The first half of an exec's id is that of its container's, so that the monitor can be
//! found by it.

mod create;
mod inspect;
mod kill;
mod resize;
mod start;
mod stream;

use barque_monitor::protocol::{Event, Request};

use super::connection::{Connection, Received};
use super::record::Record;
use super::{failure, monitor};
use crate::Engine;
use crate::error::{Error, Result};
use crate::id;

/// The further processes of an engine's containers.
#[derive(Clone, Copy)]
pub struct Execs<'a> {
    engine: &'a Engine,
}

/// The exec that an engine has created last, and the connection to its monitor: it is started next, as a rule.
#[derive(Debug)]
pub(crate) struct Created {
    id: String,
    container: String,
    connection: Connection,
}

/// Digits of an exec's id that are its container's.
const SHARED: usize = 32;

impl<'a> Execs<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Execs<'a> {
        Execs { engine }
    }

    /// The id of the container of the exec `id`, and a connection to its monitor.
    fn find(&self, id: &str) -> Result<(String, Connection)> {
        let unknown = || Error::not_found("exec instance", id);
        if !id::is_whole(id) {
            return Err(unknown());
        }
        let found =
            self.engine.store().read(|connection| Record::beginning(connection, &id[..SHARED]))?;
        let [Record { id: container, .. }] = found.as_slice() else { return Err(unknown()) };
        match monitor::connect(self.engine, container)? {
            Some(connection) => Ok((container.clone(), connection)),
            None => Err(unknown()),
        }
    }

    /// Ask the monitor of the exec `id` about it.
    fn ask_about(&self, id: &str, request: &Request) -> Result<Event> {
        let (container, mut connection) = self.find(id)?;
        ask(self.engine, &container, &mut connection, request)
            .map_err(|error| error.about("exec", id))
    }
}

/// Send a request and wait for its answer.
fn ask(
    engine: &Engine,
    container: &str,
    connection: &mut Connection,
    request: &Request,
) -> Result<Event> {
    connection.document(request)?;
    let deadline = monitor::soon();
    loop {
        match connection.receive(engine.canceller(), deadline)? {
            Received::Event(Event::Refused { failure }) => {
                return Err(failure::error(&failure, container));
            }
            Received::Event(event) => return Ok(event),
            Received::Closed => return Err(monitor::not_running(container)),
            Received::Nothing => return Err(monitor::silent(container)),
            Received::Output(..) => {}
        }
    }
}
