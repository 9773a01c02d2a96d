//! `stats`: what a container uses, from the kernel's own files. A sample costs a few reads and asks no other process.

mod cgroup;
mod machine;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use barque_monitor::cgroup::Cgroup;

use super::Containers;
use super::failure;
use super::record::Record;
use super::state::Standing;
use crate::Engine;
use crate::api::{ContainerStats, CpuStats, StatsResponse};
use crate::error::{Error, Result};
use crate::store::Owner;
use crate::stream::{Item, Next, Source, Stream};
use crate::sys::{clock, timer};

/// Docker's time between two samples.
const PERIOD: Duration = Duration::from_secs(1);

impl Containers<'_> {
    /// What a container uses: a stream of [`StatsResponse`]s. Of a container that does not run there is one, all zero.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn stats(&self, request: &ContainerStats) -> Result<Stream> {
        if request.stream && request.one_shot {
            return Err(Error::invalid("cannot have Stream and OneShot").about("field", "OneShot"));
        }
        let record = self.find(&request.id)?;
        let standing = Standing::of(self.engine, &record.id)?;
        if standing.is_over(record.auto_remove) {
            return Err(Error::not_found("container", &request.id));
        }
        let mut source = Stats {
            engine: self.engine.clone(),
            record,
            stream: request.stream,
            before: None,
            clock: timer::every(PERIOD)?,
            due: true,
            done: false,
        };
        if !request.stream && !request.one_shot && standing.is_running() {
            source.before = source.sample()?.map(|sample| (sample.read, sample.cpu_stats));
            source.due = false;
        }
        Stream::new(Box::new(source), self.engine.canceller().clone())
    }
}

struct Stats {
    engine: Engine,
    record: Record,
    stream: bool,
    /// When the last sample was taken, and what it says of the processors.
    before: Option<(String, CpuStats)>,
    clock: OwnedFd,
    /// The first sample needs no waiting.
    due: bool,
    done: bool,
}

impl Stats {
    /// A sample; `None` when the container does not run.
    fn sample(&self) -> Result<Option<StatsResponse>> {
        let id = &self.record.id;
        let standing = Standing::of(&self.engine, id)?;
        let path = self.record.cgroup(self.engine.layout());
        let cgroup = Cgroup::open(&path).map_err(|failure| failure::error(&failure, id))?;
        let (Some(run), Some(cgroup)) = (standing.running(), cgroup) else { return Ok(None) };
        let process = Owner {
            pid: run.pid.cast_unsigned(),
            start_time: run.pid_start_time,
            boot_id: run.boot_id.clone(),
        };
        let machine = machine::Machine::now()?;
        let host_network = super::plan::mode_name(&self.record.document) == "host";
        Ok(Some(StatsResponse {
            id: id.clone(),
            name: format!("/{}", self.record.name),
            read: clock::rfc3339(clock::now()),
            preread: clock::rfc3339(0),
            pids_stats: cgroup::pids(&cgroup),
            blkio_stats: cgroup::blkio(&cgroup),
            cpu_stats: cgroup::cpu(&cgroup, &machine),
            memory_stats: cgroup::memory(&cgroup, &machine),
            // A process that is gone may have left its number to another.
            networks: (!host_network)
                .then(|| machine::networks(run.pid))
                .flatten()
                .filter(|_| process.is_alive()),
            ..StatsResponse::default()
        }))
    }

    fn nothing(&self) -> StatsResponse {
        let never = clock::rfc3339(0);
        StatsResponse {
            id: self.record.id.clone(),
            name: format!("/{}", self.record.name),
            read: never.clone(),
            preread: never,
            ..StatsResponse::default()
        }
    }
}

impl Source for Stats {
    fn try_next(&mut self) -> Result<Next> {
        if self.done {
            return Ok(Next::Done);
        }
        if !std::mem::take(&mut self.due) && !timer::has_gone_off(&self.clock) {
            return Ok(Next::TimedOut);
        }
        let sample = match self.sample()? {
            Some(mut sample) => {
                if let Some((read, cpu)) = self.before.take() {
                    (sample.preread, sample.precpu_stats) = (read, cpu);
                }
                self.before = Some((sample.read.clone(), sample.cpu_stats.clone()));
                self.done = !self.stream;
                sample
            }
            None => {
                self.done = true;
                self.nothing()
            }
        };
        let text = serde_json::to_string(&sample)
            .map_err(|error| Error::internal("write a document").because(error))?;
        Ok(Next::Item(Item::Document(text)))
    }

    fn readable(&self) -> BorrowedFd<'_> {
        self.clock.as_fd()
    }
}
