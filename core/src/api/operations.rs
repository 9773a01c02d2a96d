//! The table of operations: every feature of the engine, once.
//!
//! [`Engine::call`](crate::Engine::call) and [`Engine::stream`](crate::Engine::stream) dispatch on it, `docs/operations.md` is
//! made from it, and the parity test proves that each row has its C symbol, Python method, Node method and command.

use std::os::fd::IntoRawFd;

use crate::Engine;
use crate::error::{Error, Result};
use crate::stream::Stream;

use super::*;

/// An operation.
#[derive(Clone, Copy)]
pub struct Operation {
    /// `noun.verb`.
    pub name: &'static str,
    /// Type of the request document.
    pub request: &'static str,
    /// Type of the answer, or of a stream's last document.
    pub response: &'static str,
    /// The version that first had it.
    pub since: &'static str,
    /// What it does.
    pub kind: Kind,
}

/// The two shapes of operations.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A document in, a document out.
    Unary(fn(&Engine, &str) -> Result<String>),
    /// A document in, a stream out.
    Stream(fn(&Engine, &str) -> Result<Stream>),
}

impl Operation {
    /// The operation of that name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound).
    pub fn find(name: &str) -> Result<&'static Operation> {
        OPERATIONS
            .iter()
            .find(|operation| operation.name == name)
            .ok_or_else(|| Error::not_found("operation", name))
    }

    /// Whether it may take seconds. Who limits how many operations run at once does not count these: ten slow stops must not
    /// hold up a start.
    pub fn may_take_long(&self) -> bool {
        LONG.contains(&self.name)
    }
}

/// What waits for a container, for a network, or for as much data as there is.
const LONG: &[&str] = &[
    "archive.put",
    "builder.prune",
    "container.commit",
    "container.connect",
    "container.diff",
    "container.prune",
    "container.restart",
    "container.stop",
    "file.copy",
    "file.write",
    "image.import",
    "image.load",
    "image.prune",
    "image.save",
    "image.search",
    "registry.delete",
    "registry.login",
    "registry.referrers",
    "system.check",
    "system.prune",
    "volume.prune",
];

fn answer<T: serde::Serialize>(document: T) -> Result<String> {
    serde_json::to_string(&document)
        .map_err(|error| Error::internal("write a document").because(error))
}

/// `unary!("container.start", ContainerStart => Nothing, "0.1.0", |engine, request| …)`.
macro_rules! unary {
    ($name:literal, $request:ty => $response:ty, $since:literal, $body:expr) => {
        Operation {
            name: $name,
            request: stringify!($request),
            response: stringify!($response),
            since: $since,
            kind: Kind::Unary(|engine, text| {
                let body: fn(&Engine, $request) -> Result<$response> = $body;
                answer(body(engine, parse(text)?)?)
            }),
        }
    };
}

/// The same for a stream; the response is its last document.
macro_rules! stream {
    ($name:literal, $request:ty => $response:ty, $since:literal, $body:expr) => {
        Operation {
            name: $name,
            request: stringify!($request),
            response: stringify!($response),
            since: $since,
            kind: Kind::Stream(|engine, text| {
                let body: fn(&Engine, $request) -> Result<Stream> = $body;
                body(engine, parse(text)?)
            }),
        }
    };
}

/// Every operation, by noun and verb.
pub const OPERATIONS: &[Operation] = &[
    stream!("archive.get", ArchiveGet => PathStat, "0.1.0", |engine, request| {
        engine.containers().get_archive(&request)
    }),
    unary!("archive.put", ArchivePut => Nothing, "0.1.0", |engine, request| {
        engine.containers().put_archive(&request).map(|()| Nothing {})
    }),
    unary!("builder.prune", BuilderPrune => BuilderPruned, "0.1.0", |engine, request| {
        engine.images().prune_builds(&request)
    }),
    stream!("container.attach", ContainerAttach => ContainerExit, "0.1.0", |engine, request| {
        engine.containers().attach(&request)
    }),
    unary!("container.commit", ContainerCommit => ImageCreated, "0.1.0", |engine, request| {
        engine.containers().commit(&request)
    }),
    unary!("container.connect", ContainerConnect => ContainerConnected, "0.1.0", |engine, request| {
        let socket = engine.containers().connect(&request)?;
        Ok(ContainerConnected { descriptor: socket.into_raw_fd() })
    }),
    unary!("container.create", ContainerCreate => ContainerCreated, "0.1.0", |engine, request| {
        engine.containers().create(&request)
    }),
    unary!("container.diff", ContainerRef => Vec<FilesystemChange>, "0.1.0", |engine, request| {
        engine.containers().diff(&request.id)
    }),
    stream!("container.export", ContainerRef => Nothing, "0.1.0", |engine, request| {
        engine.containers().export(&request.id)
    }),
    unary!("container.inspect", ContainerInspectOptions => ContainerInspect, "0.1.0", |engine, request| {
        engine.containers().inspect_with(&request)
    }),
    unary!("container.kill", ContainerKill => Nothing, "0.1.0", |engine, request| {
        engine.containers().kill(&request).map(|()| Nothing {})
    }),
    unary!("container.list", ContainerList => Vec<ContainerSummary>, "0.1.0", |engine, request| {
        engine.containers().list(&request)
    }),
    stream!("container.logs", ContainerLogs => Nothing, "0.1.0", |engine, request| {
        engine.containers().logs(&request)
    }),
    unary!("container.pause", ContainerRef => Nothing, "0.1.0", |engine, request| {
        engine.containers().pause(&request.id).map(|()| Nothing {})
    }),
    unary!("container.prune", ContainerPrune => ContainersPruned, "0.1.0", |engine, request| {
        engine.containers().prune(&request)
    }),
    unary!("container.remove", ContainerRemove => Nothing, "0.1.0", |engine, request| {
        engine.containers().remove(&request).map(|()| Nothing {})
    }),
    unary!("container.rename", ContainerRename => Nothing, "0.1.0", |engine, request| {
        engine.containers().rename(&request).map(|()| Nothing {})
    }),
    unary!("container.resize", ContainerResize => Nothing, "0.1.0", |engine, request| {
        engine.containers().resize(&request).map(|()| Nothing {})
    }),
    unary!("container.restart", ContainerRestart => Nothing, "0.1.0", |engine, request| {
        engine.containers().restart(&request).map(|()| Nothing {})
    }),
    stream!("container.run", ContainerRun => ContainerExit, "0.1.0", |engine, request| {
        engine.containers().run(&request)
    }),
    unary!("container.start", ContainerStart => Nothing, "0.1.0", |engine, request| {
        engine.containers().start(&request).map(|()| Nothing {})
    }),
    stream!("container.stats", ContainerStats => StatsResponse, "0.1.0", |engine, request| {
        engine.containers().stats(&request)
    }),
    unary!("container.stop", ContainerStop => Nothing, "0.1.0", |engine, request| {
        engine.containers().stop(&request).map(|()| Nothing {})
    }),
    unary!("container.top", ContainerTop => ContainerTopResponse, "0.1.0", |engine, request| {
        engine.containers().top(&request)
    }),
    unary!("container.unpause", ContainerRef => Nothing, "0.1.0", |engine, request| {
        engine.containers().unpause(&request.id).map(|()| Nothing {})
    }),
    unary!("container.update", ContainerUpdate => ContainerUpdated, "0.1.0", |engine, request| {
        engine.containers().update(&request)
    }),
    stream!("container.wait", ContainerWait => ContainerExit, "0.1.0", |engine, request| {
        engine.containers().wait(&request)
    }),
    unary!("exec.create", ExecCreate => ExecCreated, "0.1.0", |engine, request| {
        engine.execs().create(&request)
    }),
    unary!("exec.inspect", ExecRef => ExecInspect, "0.1.0", |engine, request| {
        engine.execs().inspect(&request.id)
    }),
    unary!("exec.kill", ExecKill => Nothing, "0.1.0", |engine, request| {
        engine.execs().kill(&request).map(|()| Nothing {})
    }),
    unary!("exec.resize", ExecResize => Nothing, "0.1.0", |engine, request| {
        engine.execs().resize(&request).map(|()| Nothing {})
    }),
    stream!("exec.start", ExecStart => ExecExit, "0.1.0", |engine, request| {
        engine.execs().start(&request)
    }),
    unary!("file.copy", FileCopy => FileCopied, "0.1.0", |engine, request| {
        engine.containers().copy(&request)
    }),
    unary!("file.list", FileRef => Vec<PathStat>, "0.1.0", |engine, request| {
        engine.containers().list_files(&request)
    }),
    stream!("file.read", FileRead => PathStat, "0.1.0", |engine, request| {
        engine.containers().read_file(&request)
    }),
    unary!("file.remove", FileRemove => Nothing, "0.1.0", |engine, request| {
        engine.containers().remove_file(&request).map(|()| Nothing {})
    }),
    unary!("file.stat", FileRef => PathStat, "0.1.0", |engine, request| {
        engine.containers().stat_path(&request)
    }),
    unary!("file.write", FileWrite => Nothing, "0.1.0", |engine, request| {
        engine.containers().write_file(&request).map(|()| Nothing {})
    }),
    stream!("image.build", ImageBuild => ImageBuilt, "0.1.0", |engine, request| {
        engine.images().build(&request)
    }),
    unary!("image.history", ImageRef => Vec<HistoryRow>, "0.1.0", |engine, request| {
        engine.images().history(&request.name)
    }),
    unary!("image.import", ImageImport => ImageCreated, "0.1.0", |engine, request| {
        engine.images().import(&request)
    }),
    unary!("image.inspect", ImageRef => ImageInspect, "0.1.0", |engine, request| {
        engine.images().inspect(&request.name)
    }),
    unary!("image.list", ImageList => Vec<ImageSummary>, "0.1.0", |engine, request| {
        engine.images().list(&request)
    }),
    unary!("image.load", ImageLoad => ImageLoaded, "0.1.0", |engine, request| {
        engine.images().load(&request)
    }),
    unary!("image.prune", ImagePrune => ImagesPruned, "0.1.0", |engine, request| {
        engine.images().prune(&request)
    }),
    stream!("image.pull", ImagePull => ImagePulled, "0.1.0", |engine, request| {
        engine.images().pull(&request)
    }),
    stream!("image.push", ImagePush => ImagePushed, "0.1.0", |engine, request| {
        engine.images().push(&request)
    }),
    unary!("image.remove", ImageRemove => Vec<ImageRemoved>, "0.1.0", |engine, request| {
        engine.images().remove(&request)
    }),
    stream!("image.save", ImageSave => Nothing, "0.1.0", |engine, request| {
        engine.images().save(&request)
    }),
    unary!("image.search", ImageSearch => Vec<SearchResult>, "0.1.0", |engine, request| {
        engine.images().search(&request)
    }),
    unary!("image.tag", ImageTag => Nothing, "0.1.0", |engine, request| {
        engine.images().tag(&request).map(|()| Nothing {})
    }),
    unary!("network.connect", NetworkConnect => Nothing, "0.1.0", |engine, request| {
        engine.networks().connect(&request).map(|()| Nothing {})
    }),
    unary!("network.create", NetworkCreate => NetworkCreated, "0.1.0", |engine, request| {
        engine.networks().create(&request)
    }),
    unary!("network.disconnect", NetworkDisconnect => Nothing, "0.1.0", |engine, request| {
        engine.networks().disconnect(&request).map(|()| Nothing {})
    }),
    unary!("network.inspect", NetworkRef => Network, "0.1.0", |engine, request| {
        engine.networks().inspect(&request.id)
    }),
    unary!("network.list", NetworkList => Vec<Network>, "0.1.0", |engine, request| {
        engine.networks().list(&request)
    }),
    unary!("network.prune", NetworkPrune => NetworksPruned, "0.1.0", |engine, request| {
        engine.networks().prune(&request)
    }),
    unary!("network.remove", NetworkRemove => Nothing, "0.1.0", |engine, request| {
        engine.networks().remove(&request).map(|()| Nothing {})
    }),
    unary!("registry.delete", RegistryDelete => Nothing, "0.1.0", |engine, request| {
        engine.registries().delete(&request).map(|()| Nothing {})
    }),
    unary!("registry.login", RegistryLogin => RegistryLoggedIn, "0.1.0", |engine, request| {
        engine.registries().login(&request)
    }),
    unary!("registry.logout", RegistryLogout => Nothing, "0.1.0", |engine, request| {
        engine.registries().logout(&request).map(|()| Nothing {})
    }),
    unary!("registry.referrers", RegistryReferrers => Vec<Referrer>, "0.1.0", |engine, request| {
        engine.registries().referrers(&request)
    }),
    unary!("system.check", SystemCheck => SystemChecked, "0.1.0", |engine, request| {
        engine.check(&request)
    }),
    unary!("system.df", Nothing => DiskUsage, "0.1.0", |engine, _| engine.disk_usage()),
    stream!("system.events", SystemEvents => EventMessage, "0.1.0", |engine, request| {
        engine.events(&request)
    }),
    unary!("system.info", Nothing => SystemInfo, "0.1.0", |engine, _| engine.info()),
    unary!("system.prune", SystemPrune => SystemPruned, "0.1.0", |engine, request| {
        engine.prune(&request)
    }),
    unary!("system.version", Nothing => SystemVersion, "0.1.0", |engine, _| engine.version()),
    unary!("volume.create", VolumeCreate => Volume, "0.1.0", |engine, request| {
        engine.volumes().create(&request)
    }),
    unary!("volume.inspect", VolumeRef => Volume, "0.1.0", |engine, request| {
        engine.volumes().inspect(&request.name)
    }),
    unary!("volume.list", VolumeList => VolumesListed, "0.1.0", |engine, request| {
        engine.volumes().list(&request)
    }),
    unary!("volume.prune", VolumePrune => VolumesPruned, "0.1.0", |engine, request| {
        engine.volumes().prune(&request)
    }),
    unary!("volume.remove", VolumeRemove => Nothing, "0.1.0", |engine, request| {
        engine.volumes().remove(&request).map(|()| Nothing {})
    }),
];

#[cfg(test)]
mod tests {
    use super::{LONG, OPERATIONS};

    #[test]
    fn operations_are_sorted_and_have_one_row_each() {
        let names: Vec<&str> = OPERATIONS.iter().map(|operation| operation.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
    }

    #[test]
    fn what_may_take_long_is_an_operation() {
        let found = OPERATIONS.iter().filter(|operation| operation.may_take_long()).count();
        assert_eq!(found, LONG.len());
    }
}
