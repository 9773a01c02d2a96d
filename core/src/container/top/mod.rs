//! `top`: the processes in a container, from its cgroup and `/proc`. No `ps` is needed, neither inside nor on this machine;
//! its options and columns are those of procps, as far as people use them with docker.

mod columns;
mod process;

use barque_monitor::cgroup::Cgroup;

use super::Containers;
use super::failure;
use super::monitor;
use super::state::Standing;
use crate::api::{ContainerTop, ContainerTopResponse};
use crate::error::{Error, Result};
use columns::Columns;
use process::{Machine, Process};

impl Containers<'_> {
    /// The processes in a container.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when it does not run. See `docs/errors.md`.
    pub fn top(&self, request: &ContainerTop) -> Result<ContainerTopResponse> {
        let record = self.find(&request.id)?;
        let columns = Columns::parse(&request.ps_args)?;
        if !Standing::of(self.engine, &record.id)?.is_running() {
            return Err(monitor::not_running(&record.id));
        }
        let failed = |failure| failure::error(&failure, &record.id);
        let cgroup = Cgroup::open(&record.cgroup(self.engine.layout())).map_err(failed)?;
        let pids = match cgroup {
            Some(cgroup) => cgroup.processes().map_err(failed)?,
            None => return Err(monitor::not_running(&record.id)),
        };
        let machine = Machine::now()?;
        // One that has ended since is left out.
        let mut processes: Vec<Process> = pids.into_iter().filter_map(Process::read).collect();
        processes.sort_by_key(|process| process.pid);
        Ok(ContainerTopResponse {
            titles: columns.titles(),
            processes: processes.iter().map(|process| columns.row(process, &machine)).collect(),
        })
    }
}

/// An option that this `ps` does not have.
fn unknown(what: &str) -> Error {
    Error::invalid(format!("Error running ps: {what}")).about("field", "PsArgs")
}
