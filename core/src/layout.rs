//! Every path of an engine, named once.
//!
//! Below the *root* lies what must survive a reboot, below the *run directory* what must not. The run directory's name is
//! made from the root's identity (device and inode), so that two names of one root share it and two copies of a root do not.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use barque_monitor::protocol::RULES_FILE;

use crate::error::{Error, Result};

/// The paths of one engine.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    run: PathBuf,
    instance: String,
}

impl Layout {
    /// The layout of an existing root directory, with run-time state below `run_base`.
    pub(crate) fn of(root: &Path, run_base: &Path) -> Result<Layout> {
        let root = root.canonicalize().map_err(|error| {
            Error::system(format!("open the engine root {}", root.display()), error)
        })?;
        let metadata = root
            .metadata()
            .map_err(|error| Error::system(format!("stat {}", root.display()), error))?;
        let instance = format!("{:x}-{:x}", metadata.dev(), metadata.ino());
        let run = run_base.join(&instance);
        Ok(Layout { root, run, instance })
    }

    /// The engine root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The run directory.
    pub(crate) fn run(&self) -> &Path {
        &self.run
    }

    /// A short name for this root on this machine, for kernel objects (cgroups).
    #[cfg(test)]
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("barque.db")
    }

    /// The one temporary directory; each operation leases a directory of its own in it.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Content by digest, an OCI image layout's `blobs/sha256`.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    /// The journal of events.
    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join(barque_monitor::journal::FILE)
    }

    /// Blobs that are being fetched, by their hexadecimal digits, and those whose fetching was cut short.
    pub(crate) fn ingest(&self) -> PathBuf {
        self.root.join("ingest")
    }

    /// Says that the root is an OCI image layout.
    pub(crate) fn oci_layout(&self) -> PathBuf {
        self.root.join("oci-layout")
    }

    /// Its images, for other programs: made from the record.
    pub(crate) fn index(&self) -> PathBuf {
        self.root.join("index.json")
    }

    /// Locked while content gets or loses its name.
    pub(crate) fn content_lock(&self) -> PathBuf {
        self.root.join("content.lock")
    }

    /// Unpacked layers by chain id.
    pub(crate) fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// The unpacked layer of a chain id (64 hexadecimal digits, checked by the caller's type).
    pub(crate) fn layer(&self, chain_hex: &str) -> PathBuf {
        self.layers().join(chain_hex)
    }

    /// All containers.
    pub(crate) fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// A container's directory.
    pub(crate) fn container(&self, id: &str) -> PathBuf {
        self.containers().join(id)
    }

    /// Directories that builds mount with `RUN --mount=type=cache`.
    pub(crate) fn cache_mounts(&self) -> PathBuf {
        self.root.join("cache-mounts")
    }

    /// A byte of it is locked for each of those that is in use.
    pub(crate) fn cache_locks(&self) -> PathBuf {
        self.run.join("cache-mounts")
    }

    /// All volumes.
    pub(crate) fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    /// A volume's directory (the name was checked when the volume was made).
    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        self.volumes().join(name)
    }

    /// Programs the library carries and writes out: the monitor.
    pub(crate) fn programs(&self) -> PathBuf {
        self.root.join("libexec")
    }

    /// A container's run directory: its monitor's control socket.
    pub(crate) fn container_run(&self, id: &str) -> PathBuf {
        self.run.join(id)
    }

    /// The containers' lock files.
    pub(crate) fn locks(&self) -> PathBuf {
        self.run.join("locks")
    }

    /// A container's lock file. It lies beside the run directory and not in it, so that removing the one leaves the other.
    pub(crate) fn container_lock(&self, id: &str) -> PathBuf {
        self.locks().join(id)
    }

    /// Who has which name in which network (`network/names.rs`).
    pub(crate) fn names(&self) -> PathBuf {
        self.run.join(barque_monitor::names::table::DIRECTORY)
    }

    /// Says in which boot everything was looked at (`reconcile.rs`).
    pub(crate) fn boot(&self) -> PathBuf {
        self.run.join("boot")
    }

    /// Says which firewall rules were last seen in the kernel (`network/firewall.rs`).
    pub(crate) fn firewall(&self) -> PathBuf {
        self.run.join("firewall")
    }

    /// What a container's monitor puts back of them (`barque_monitor::protocol::RULES_FILE`).
    pub(crate) fn rules(&self) -> PathBuf {
        self.run.join(RULES_FILE)
    }

    /// The engine's table of firewall rules. That of the machine's own engine is the one that people look for.
    pub(crate) fn firewall_table(&self) -> String {
        match self.root.as_os_str() == "/var/lib/barque" {
            true => "barque".to_owned(),
            false => format!("barque_{}", self.instance.replace('-', "_")),
        }
    }

    /// A container's cgroup, below the root of every hierarchy or the parent that was asked for. Each directory on the way
    /// costs a mkdir in each of them (ten on a machine with cgroup v1), so there is none of ours.
    pub(crate) fn cgroup(&self, parent: &str, id: &str) -> String {
        match parent.trim_matches('/') {
            "" => format!("/barque-{}-{id}", self.instance),
            parent => format!("/{parent}/barque-{}-{id}", self.instance),
        }
    }
}
