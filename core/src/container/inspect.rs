//! `inspect`: everything about a container.

use std::collections::BTreeMap;
use std::path::Path;

use barque_monitor::protocol::LOG_FILE;

use super::Containers;
use super::link;
use super::list::words;
use super::plan::{self, NetworkMode};
use super::ports;
use super::record::Record;
use super::state::{self, Standing};
use crate::Engine;
use crate::api::{
    ContainerInspect, ContainerInspectOptions, ContainerState, EndpointSettings, GraphDriver,
    HostConfig, MountPoint, NetworkSettings,
};
use crate::error::{Error, Result};
use crate::sys::clock;
use crate::{container, network, volume};

impl Containers<'_> {
    /// Everything about a container.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn inspect(&self, id: &str) -> Result<ContainerInspect> {
        self.inspect_with(&ContainerInspectOptions { id: id.to_owned(), size: false })
    }

    /// The same, and how large it is, where that is asked for.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn inspect_with(&self, request: &ContainerInspectOptions) -> Result<ContainerInspect> {
        let id = &request.id;
        let record = self.find(id)?;
        let standing = Standing::of(self.engine, &record.id)?;
        if standing.is_over(record.auto_remove) {
            return Err(Error::not_found("container", id));
        }
        let directory = self.engine.layout().container(&record.id);
        let path = |name: &str| path(&directory.join(name));
        let mut command = words(&record.config.entrypoint, &record.config.cmd).map(str::to_owned);
        let (size_rw, size_root_fs) = self.sizes(&record.id, &record.image_id, request.size)?;
        let running = standing.running().filter(|run| run.pid > 0);
        let disabled = record.document.network_disabled;
        let networks = networks(disabled, plan::mode_name(&record.document), || {
            network::documents(self.engine, &(&record).into(), running.is_some())
        })?;
        let ports = match running {
            Some(_) => ports::by_key(self.engine, &record)?,
            None => BTreeMap::new(),
        };
        let links = link::shown(self.engine, &record);
        // Docker says again what a container has in the default network.
        let default = networks.get(network::DEFAULT).cloned().unwrap_or_default();
        Ok(ContainerInspect {
            id: record.id.clone(),
            created: clock::rfc3339(record.created),
            path: command.next().unwrap_or_default(),
            args: command.collect(),
            state: ContainerState {
                health: standing.health().map(|health| state::health(&directory, health)),
                ..standing.document(record.removing)
            },
            image: record.image_id.clone(),
            resolv_conf_path: path("resolv.conf"),
            hostname_path: path("hostname"),
            hosts_path: path("hosts"),
            log_path: path(LOG_FILE),
            name: format!("/{}", record.name),
            restart_count: standing.run.as_ref().map_or(0, |run| run.restart_count),
            driver: "overlay2".to_owned(),
            platform: "linux".to_owned(),
            exec_ids: None,
            graph_driver: GraphDriver {
                name: "overlay2".to_owned(),
                data: self.layers(&record, &directory)?,
            },
            size_rw,
            size_root_fs,
            mounts: mounts(self.engine, &record.mounts),
            network_settings: NetworkSettings {
                ports,
                sandbox_key: match running {
                    Some(run) => format!("/proc/{}/ns/net", run.pid),
                    None => String::new(),
                },
                endpoint_id: default.endpoint_id,
                gateway: default.gateway,
                ip_address: default.ip_address,
                ip_prefix_len: default.ip_prefix_len,
                mac_address: default.mac_address,
                networks,
            },
            config: record.config,
            host_config: HostConfig { links, ..record.document.host_config },
            ..Default::default()
        })
    }

    /// Where the layers are. An image that cannot be read any more must not keep its containers from being looked at.
    fn layers(&self, record: &Record, directory: &Path) -> Result<BTreeMap<String, String>> {
        let lower = match self.engine.images().of_container(&record.image_id) {
            Ok(image) => super::launch::lower(self.engine, &image).join(":"),
            Err(_) => String::new(),
        };
        let upper = directory.join("upper");
        Ok(BTreeMap::from([
            ("LowerDir".to_owned(), lower),
            ("UpperDir".to_owned(), path(&upper)),
            ("WorkDir".to_owned(), path(&directory.join("work"))),
        ]))
    }
}

/// The networks of a container by name; `places`: those of one that has its own.
pub(super) fn networks(
    disabled: bool,
    mode: &str,
    places: impl FnOnce() -> Result<BTreeMap<String, EndpointSettings>>,
) -> Result<BTreeMap<String, EndpointSettings>> {
    match NetworkMode::of(disabled, mode) {
        NetworkMode::Named(_) => places(),
        // One that is in another's network has none of its own.
        NetworkMode::Container(_) => Ok(BTreeMap::new()),
        NetworkMode::None | NetworkMode::Host => {
            Ok([(mode.to_owned(), EndpointSettings::default())].into())
        }
    }
}

/// What a container has mounted beside what every container has.
pub(super) fn mounts(engine: &Engine, mounts: &[container::MountPoint]) -> Vec<MountPoint> {
    let path = |name: &str| volume::data(engine, name);
    mounts.iter().map(|point| point.document(path)).collect()
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
