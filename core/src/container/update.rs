//! `update`: other limits, which hold at once, and another restart policy.

use barque_monitor::oci::Pids;
use barque_monitor::protocol::{Request, Restart};

use super::lock::OperationLock;
use super::record::Record;
use super::{Containers, launch, monitor};
use crate::api::{ContainerUpdate, ContainerUpdated, HostConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::store::Durability;

impl Containers<'_> {
    /// Change limits and restart policy of a container. What is not named stays. A running container has them when this
    /// returns; when it fails, it has those that it had.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn update(&self, request: &ContainerUpdate) -> Result<ContainerUpdated> {
        let engine = self.engine;
        let found = self.find(&request.id)?;
        let lock = OperationLock::take_quietly(engine, &found.id)?;
        let id = &found.id;
        let Some(record) = engine.store().read(|connection| Record::find(connection, id))? else {
            lock.remove(engine)?;
            return Err(Error::not_found("container", &request.id));
        };
        let mut document = record.document.clone();
        merge(&mut document.host_config, request);
        if request.restart_policy.is_some() && record.auto_remove {
            return Err(Error::new(
                ErrorKind::Conflict,
                "Restart policy cannot be updated because AutoRemove is enabled for the container",
            )
            .about("container", &request.id));
        }
        // It is checked as if the container were to be started so.
        let image = engine.images().of_container(&record.image_id)?;
        let plan = launch::plan(engine, id, &document, &record.mounts, &image)?;
        let warnings = plan.warnings.clone();
        failpoint("update-checked")?;
        if let Some(mut connection) = monitor::connect(engine, &record.id)? {
            let mut resources = plan.launch.spec.linux.resources.clone().unwrap_or_default();
            resources.devices.clear();
            if request.pids_limit.is_some() {
                // What no longer has a limit must be told so.
                resources.pids.get_or_insert(Pids { limit: -1 });
            }
            let restart = plan.launch.restart;
            let launch = match restart {
                Restart::No => None,
                _ => Some(launch::document(engine, &record, plan, launch::Manner::default())?),
            };
            let launch = launch.map(Box::new);
            let update = Request::Update { resources: Box::new(resources), restart, launch };
            monitor::ask(engine, &record.id, &mut connection, &update, monitor::soon())?;
            failpoint("update-applied")?;
        }
        let written = engine
            .store()
            .write(Durability::Full, |t| Record::set_document(t, &record.id, &document))?;
        if !written {
            return Err(Error::not_found("container", &request.id));
        }
        failpoint("update-committed")?;
        events::container(engine, &record, "update", &[]);
        Ok(ContainerUpdated { warnings })
    }
}

/// What the request names, over what the container has.
fn merge(host_config: &mut HostConfig, request: &ContainerUpdate) {
    let ContainerUpdate {
        id: _,
        memory,
        memory_swap,
        memory_reservation,
        cpu_shares,
        cpu_period,
        cpu_quota,
        cpu_realtime_period,
        cpu_realtime_runtime,
        cpuset_cpus,
        cpuset_mems,
        nano_cpus,
        pids_limit,
        blkio_weight,
        restart_policy,
    } = request;
    fn set<T: PartialEq + Default + Clone>(place: &mut T, value: &T) {
        if *value != T::default() {
            place.clone_from(value);
        }
    }
    set(&mut host_config.memory, memory);
    set(&mut host_config.memory_swap, memory_swap);
    set(&mut host_config.memory_reservation, memory_reservation);
    set(&mut host_config.cpu_shares, cpu_shares);
    set(&mut host_config.cpu_period, cpu_period);
    set(&mut host_config.cpu_quota, cpu_quota);
    set(&mut host_config.cpu_realtime_period, cpu_realtime_period);
    set(&mut host_config.cpu_realtime_runtime, cpu_realtime_runtime);
    set(&mut host_config.cpuset_cpus, cpuset_cpus);
    set(&mut host_config.cpuset_mems, cpuset_mems);
    set(&mut host_config.nano_cpus, nano_cpus);
    set(&mut host_config.pids_limit, pids_limit);
    set(&mut host_config.blkio_weight, blkio_weight);
    if let Some(policy) = restart_policy {
        host_config.restart_policy = policy.clone();
    }
}
