//! `wait`: a stream of one document, which comes when the container has ended.
//!
//! A monitor is asked to tell the end of its run. What no monitor can tell, that a container is started or removed, is seen in
//! the engine's run directory, where both leave their mark: inotify(7) says when to look.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use barque_monitor::protocol::{Event, Request};
use barque_monitor::state::{RunState, Status};
use rustix::event::epoll;
use rustix::fs::{Mode, inotify};

use super::Containers;
use super::connection::{Connection, Received};
use super::record::Record;
use super::session::ending;
use super::state::{self, Standing};
use super::{monitor, settle};
use crate::Engine;
use crate::api::{ContainerExit, ContainerWait};
use crate::error::{Error, Result};
use crate::stream::{Item, Next, Source, Stream};
use crate::sys::{self, timer};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    NotRunning,
    NextExit,
    Removed,
}

impl Containers<'_> {
    /// Wait until a container does not run (`not-running`), has ended once more (`next-exit`) or is gone (`removed`). The
    /// stream is one [`ContainerExit`](crate::api::ContainerExit).
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn wait(&self, request: &ContainerWait) -> Result<Stream> {
        let condition = match request.condition.as_str() {
            "" | "not-running" => Condition::NotRunning,
            "next-exit" => Condition::NextExit,
            "removed" => Condition::Removed,
            other => {
                return Err(Error::invalid(format!("invalid condition: {other:?}"))
                    .about("field", "Condition"));
            }
        };
        let wait = Wait::begin(self.engine.clone(), self.find(&request.id)?, condition)?;
        Stream::new(Box::new(wait), self.engine.canceller().clone())
    }
}

/// How often a start that has begun is looked at until its monitor can be asked.
const MOMENT: Duration = Duration::from_millis(10);

struct Wait {
    engine: Engine,
    record: Record,
    condition: Condition,
    poller: OwnedFd,
    step: Step,
    /// How the run before ended: the next one is another.
    before: Option<RunState>,
    ended: Option<RunState>,
}

enum Step {
    /// It runs, and its monitor will tell.
    Running(Connection),
    /// It is to be started.
    Starting { watch: OwnedFd, moment: Option<OwnedFd> },
    /// It is to be removed.
    Removing { watch: OwnedFd },
    /// There is something to tell.
    Over,
    /// It was told.
    Told,
}

impl Wait {
    fn begin(engine: Engine, record: Record, condition: Condition) -> Result<Wait> {
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|errno| Error::system("set up an epoll", errno.into()))?;
        let mut wait =
            Wait { engine, record, condition, poller, step: Step::Over, before: None, ended: None };
        // Before anything is looked at, so that nothing happens in between.
        let starts = match condition {
            Condition::NextExit => Some(wait.watch_starts()?),
            _ => None,
        };
        if let Some(connection) = monitor::connect(&wait.engine, &wait.record.id)? {
            wait.ask(connection)?;
            return Ok(wait);
        }
        wait.before = Standing::of(&wait.engine, &wait.record.id)?.run;
        match (condition, starts) {
            (Condition::NotRunning, _) => wait.ended.clone_from(&wait.before),
            (Condition::Removed, _) => {
                wait.ended.clone_from(&wait.before);
                wait.await_removal()?;
            }
            (Condition::NextExit, Some(watch)) => {
                wait.step = Step::Starting { watch, moment: None };
            }
            (Condition::NextExit, None) => {}
        }
        Ok(wait)
    }

    /// Have the monitor tell the end.
    fn ask(&mut self, mut connection: Connection) -> Result<()> {
        connection.document(&Request::Wait)?;
        self.poll(&connection)?;
        self.step = Step::Running(connection);
        Ok(())
    }

    fn poll(&self, fd: impl AsFd) -> Result<()> {
        epoll::add(&self.poller, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)
            .map_err(|errno| Error::system("change an epoll", errno.into()))
    }

    fn watch(&self, directory: &Path, what: inotify::WatchFlags) -> Result<OwnedFd> {
        let failed = |errno: rustix::io::Errno| {
            Error::system(format!("watch {}", directory.display()), errno.into())
        };
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let watch = inotify::init(flags).map_err(failed)?;
        inotify::add_watch(&watch, directory, what).map_err(failed)?;
        self.poll(&watch)?;
        Ok(watch)
    }

    fn watch_starts(&self) -> Result<OwnedFd> {
        let run = self.engine.layout().run().to_owned();
        self.watch(&run, inotify::WatchFlags::CREATE | inotify::WatchFlags::DELETE)
    }

    fn await_removal(&mut self) -> Result<()> {
        let locks = self.engine.layout().locks();
        sys::directory::make(&locks, Mode::RWXU)?;
        let watch = self.watch(&locks, inotify::WatchFlags::DELETE)?;
        self.step = Step::Removing { watch };
        Ok(())
    }

    fn is_gone(&self) -> Result<bool> {
        let id = &self.record.id;
        Ok(self.engine.store().read(|connection| Record::find(connection, id))?.is_none())
    }

    /// One step further. `false`: there is nothing to do before something happens.
    fn advance(&mut self) -> Result<bool> {
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Running(mut connection) => match connection.try_receive()? {
                Received::Nothing => {
                    self.step = Step::Running(connection);
                    Ok(false)
                }
                Received::Event(Event::Exited { state, again: true }) => {
                    if self.condition == Condition::NextExit {
                        self.ended = Some(state);
                    } else {
                        self.step = Step::Running(connection);
                    }
                    Ok(true)
                }
                Received::Event(Event::Exited { state, again: false }) => {
                    // It is told when the monitor is gone too, and nothing of the run is left.
                    self.ended = Some(state);
                    self.step = Step::Running(connection);
                    Ok(true)
                }
                Received::Closed => {
                    let state = match self.ended.take() {
                        Some(state) => state,
                        None => ending(&self.engine, &self.record)?,
                    };
                    self.ended(state)
                }
                Received::Event(Event::Refused { failure }) => {
                    Err(super::failure::error(&failure, &self.record.id))
                }
                Received::Event(_) | Received::Output(..) => {
                    self.step = Step::Running(connection);
                    Ok(true)
                }
            },
            Step::Starting { watch, moment } => self.starting(watch, moment),
            Step::Removing { watch } => {
                drain(&watch);
                if self.is_gone()? {
                    return Ok(true);
                }
                self.step = Step::Removing { watch };
                Ok(false)
            }
            step @ (Step::Over | Step::Told) => {
                self.step = step;
                Ok(true)
            }
        }
    }

    fn ended(&mut self, run: RunState) -> Result<bool> {
        self.ended = Some(run);
        settle::after_exit(&self.engine, &self.record)?;
        if self.condition == Condition::Removed && !self.is_gone()? {
            self.await_removal()?;
        }
        Ok(true)
    }

    fn starting(&mut self, watch: OwnedFd, moment: Option<OwnedFd>) -> Result<bool> {
        drain(&watch);
        let run = self.engine.layout().container_run(&self.record.id);
        if let Some(connection) = Connection::connect(&run)? {
            self.ask(connection)?;
            return Ok(true);
        }
        let standing = Standing::of(&self.engine, &self.record.id)?;
        if standing.ended().is_some() && standing.run != self.before {
            // It was started and has ended since.
            self.ended = standing.run;
            return Ok(true);
        }
        if self.is_gone()? {
            return Err(Error::not_found("container", &self.record.id));
        }
        let moment = match run.exists() {
            true => {
                let moment = timer::once(MOMENT)?;
                self.poll(&moment)?;
                Some(moment)
            }
            // Closing it takes it out of the epoll.
            false => moment.filter(|_| standing.lock.monitor),
        };
        self.step = Step::Starting { watch, moment };
        Ok(false)
    }
}

impl Source for Wait {
    fn try_next(&mut self) -> Result<Next> {
        loop {
            match self.step {
                Step::Told => return Ok(Next::Done),
                Step::Over => {
                    self.step = Step::Told;
                    return document(&self.record, self.ended.as_ref());
                }
                _ => {
                    if !self.advance()? {
                        return Ok(Next::TimedOut);
                    }
                }
            }
        }
    }

    fn readable(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

/// What is told of a container that was never run is that there was no error, as docker does.
fn document(record: &Record, run: Option<&RunState>) -> Result<Next> {
    let exit = match run {
        Some(run) if run.status != Status::Running => state::exit(&record.id, run),
        _ => ContainerExit { id: record.id.clone(), ..Default::default() },
    };
    let text = serde_json::to_string(&exit)
        .map_err(|error| Error::internal("write a document").because(error))?;
    Ok(Next::Item(Item::Document(text)))
}

/// Read all events: they say only that it is time to look.
fn drain(watch: &OwnedFd) {
    let mut buffer = [0; 4096];
    while rustix::io::read(watch, &mut buffer).is_ok_and(|read| read > 0) {}
}
