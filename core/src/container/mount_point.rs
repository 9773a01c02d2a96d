//! What a container has mounted beside what every container has: worked out once, by `create`, and recorded.
//!
//! Docker lets it be said in six places: `Binds`, `Mounts`, `Tmpfs`, `VolumesFrom`, `Volumes` and the image's `Volumes`.
//! What was said for a place itself counts before what another container has there, and that before an empty volume.
//! Whatever has to be chosen (the name of an anonymous volume) is chosen here, so that every start mounts the same.

use barque_monitor::oci;
use serde::{Deserialize, Serialize};

use super::plan;
use crate::api::{
    self, BindOptions, ContainerConfig, ContainerCreate, Mount, TmpfsOptions, VolumeOptions,
};
use crate::error::{Error, ErrorKind, Result};
use crate::id;
use crate::shorthand;
use crate::volume::{self, Backing, Wanted};

/// Propagation of a bind mount when nobody says it: nothing that is mounted later is seen on the other side.
const PROPAGATION: &str = "rprivate";

/// Something mounted into a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MountPoint {
    /// Where, in the container: absolute, without `.`, `..` and doubled slashes.
    pub(crate) destination: String,
    /// What.
    pub(crate) source: Source,
    /// Whether it can be written.
    pub(crate) access: Access,
    /// The short form's mode, for whoever looks.
    pub(crate) mode: String,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Source {
    /// A path of the host.
    Bind {
        path: String,
        propagation: String,
        /// With what is mounted below it.
        recursive: bool,
        /// It is made when it is missing.
        make: bool,
        /// Its files have the ids on disk that they have in the container.
        #[serde(default)]
        id_map: bool,
    },
    /// A volume.
    Volume {
        name: String,
        /// It was made for this container, which nobody gave it a name for.
        anonymous: bool,
        /// While it is empty it gets what the image has in its place.
        copy: bool,
        /// What of it; empty: all.
        subpath: String,
    },
    /// Memory.
    Tmpfs { options: String },
}

/// Whether a mount can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Access {
    Writable,
    /// It cannot, nor can what is mounted below it.
    ReadOnly,
    /// It cannot, but what is mounted below it may.
    ReadOnlyItself,
}

/// What a container is to have mounted.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    /// The mounts.
    pub(super) points: Vec<MountPoint>,
    /// Volumes among them that are made unless they exist.
    pub(super) volumes: Vec<Wanted>,
}

impl Mounts {
    /// Work out what a container has mounted. `other` finds what another container has.
    pub(super) fn of(
        create: &ContainerCreate,
        image: &ContainerConfig,
        other: impl Fn(&str) -> Result<Vec<MountPoint>>,
    ) -> Result<Mounts> {
        let host_config = &create.host_config;
        volume::check_driver(&host_config.volume_driver)?;
        let mut mounts = Mounts::default();
        for from in &host_config.volumes_from {
            mounts.inherit(from, &other)?;
        }
        let inherited = std::mem::take(&mut mounts.points);
        for text in &host_config.binds {
            let point = mounts.short(text)?;
            mounts.add(point)?;
        }
        for mount in &host_config.mounts {
            let point = mounts.long(mount).map_err(|error| in_config(&mount.kind, error))?;
            mounts.add(point)?;
        }
        let memory: Vec<String> = host_config
            .tmpfs
            .keys()
            .map(|path| shorthand::mount_target(path))
            .collect::<Result<_>>()?;
        if let Some(twice) = memory.iter().find(|path| mounts.has(path)) {
            return Err(duplicate(twice));
        }
        for point in inherited {
            if !mounts.has(&point.destination) && !memory.contains(&point.destination) {
                mounts.points.push(point);
            }
        }
        let asked = create.volumes.keys().map(|path| shorthand::mount_target(path));
        let declared = image.volumes.iter().flatten().map(|(path, _)| declared(path));
        for destination in asked.chain(declared) {
            let destination = destination?;
            if !mounts.has(&destination) && !memory.contains(&destination) {
                let point = mounts.anonymous(destination, Access::Writable, true)?;
                mounts.points.push(point);
            }
        }
        Ok(mounts)
    }

    fn has(&self, destination: &str) -> bool {
        self.points.iter().any(|point| point.destination == destination)
    }

    fn add(&mut self, point: MountPoint) -> Result<()> {
        if self.has(&point.destination) {
            return Err(duplicate(&point.destination));
        }
        self.points.push(point);
        Ok(())
    }

    /// `container[:ro|rw]`.
    fn inherit(
        &mut self,
        text: &str,
        other: impl Fn(&str) -> Result<Vec<MountPoint>>,
    ) -> Result<()> {
        let (container, mode) = text.split_once(':').unwrap_or((text, "rw"));
        if container.is_empty() {
            return Err(Error::invalid(format!("invalid volumes-from specification: {text:?}")));
        }
        let read_only = match mode {
            "rw" | "z" | "Z" | "rw,z" | "rw,Z" => false,
            "ro" | "ro,z" | "ro,Z" => true,
            _ => return Err(Error::invalid(format!("invalid mode: {mode}"))),
        };
        for mut point in other(container)? {
            if matches!(point.source, Source::Tmpfs { .. }) {
                continue;
            }
            if read_only && point.access == Access::Writable {
                point.access = Access::ReadOnly;
            }
            if let Source::Volume { copy, .. } = &mut point.source {
                // It is the other's to fill.
                *copy = false;
            }
            self.points.retain(|present| present.destination != point.destination);
            self.points.push(point);
        }
        Ok(())
    }

    /// A `HostConfig.Binds`.
    fn short(&mut self, text: &str) -> Result<MountPoint> {
        let bind = shorthand::bind(text)?;
        let destination = shorthand::mount_target(&bind.target)?;
        let access = if bind.read_only { Access::ReadOnly } else { Access::Writable };
        let mode = text.split(':').nth(2).unwrap_or_default().to_owned();
        let invalid_mode = || Error::invalid(format!("invalid mode: {mode}"));
        let propagation = bind.options.iter().find(|option| shorthand::is_propagation(option));
        let no_copy = bind.options.iter().any(|option| option == "nocopy");
        if bind.source.starts_with('/') {
            if no_copy {
                return Err(invalid_mode());
            }
            let propagation = propagation.map_or(PROPAGATION, String::as_str).to_owned();
            let path = clean(&bind.source);
            return Ok(MountPoint {
                destination,
                source: Source::Bind {
                    path,
                    propagation,
                    recursive: true,
                    make: true,
                    id_map: bind.options.iter().any(|option| option == "idmap"),
                },
                access,
                mode,
            });
        }
        if propagation.is_some() {
            return Err(invalid_mode());
        }
        if bind.source.is_empty() {
            return self.anonymous(destination, access, !no_copy);
        }
        self.volumes.push(Wanted { name: bind.source.clone(), ..Default::default() });
        Ok(MountPoint {
            destination,
            source: Source::Volume {
                name: bind.source,
                anonymous: false,
                copy: !no_copy,
                subpath: String::new(),
            },
            access,
            // As docker shows a volume that was mounted without a word.
            mode: if mode.is_empty() { "z".to_owned() } else { mode },
        })
    }

    /// A `HostConfig.Mounts`.
    fn long(&mut self, mount: &Mount) -> Result<MountPoint> {
        let kind = mount.kind.as_str();
        let given = [
            ("bind", "BindOptions", mount.bind_options.is_some()),
            ("volume", "VolumeOptions", mount.volume_options.is_some()),
            ("tmpfs", "TmpfsOptions", mount.tmpfs_options.is_some()),
        ];
        if !given.iter().any(|(of, ..)| *of == kind) {
            return Err(Error::invalid("mount type unknown"));
        }
        if mount.target.is_empty() {
            return Err(Error::invalid("field Target must not be empty"));
        }
        if let Some((_, field, _)) = given.iter().find(|(of, _, given)| *given && *of != kind) {
            return Err(Error::invalid(format!("field {field} must not be specified")));
        }
        let destination = shorthand::mount_target(&mount.target)?;
        match kind {
            "bind" => {
                let options = mount.bind_options.clone().unwrap_or_default();
                self.long_bind(mount, destination, &options)
            }
            "volume" => {
                let options = mount.volume_options.clone().unwrap_or_default();
                self.long_volume(mount, destination, options)
            }
            _ => {
                if !mount.source.is_empty() {
                    return Err(Error::invalid("field Source must not be specified"));
                }
                let options = tmpfs_options(&mount.tmpfs_options.clone().unwrap_or_default())?;
                Ok(MountPoint {
                    destination,
                    source: Source::Tmpfs { options },
                    access: access(mount.read_only),
                    mode: String::new(),
                })
            }
        }
    }

    fn long_bind(
        &self,
        mount: &Mount,
        destination: String,
        options: &BindOptions,
    ) -> Result<MountPoint> {
        if mount.source.is_empty() {
            return Err(Error::invalid("field Source must not be empty"));
        }
        if !mount.source.starts_with('/') || mount.source.contains('\0') {
            return Err(Error::invalid(format!(
                "invalid mount path: '{}' mount path must be absolute",
                mount.source
            )));
        }
        let propagation = match options.propagation.as_str() {
            "" => PROPAGATION,
            text if shorthand::is_propagation(text) => text,
            text => return Err(Error::invalid(format!("invalid propagation mode: {text}"))),
        };
        if options.read_only_force_recursive {
            let conflict = match () {
                () if options.read_only_non_recursive => Some("ReadOnlyNonRecursive"),
                () if options.non_recursive => Some("NonRecursive"),
                () if !mount.read_only => Some("a mount that is not ReadOnly"),
                () if propagation != PROPAGATION => Some("Propagation other than rprivate"),
                () => None,
            };
            if let Some(with) = conflict {
                return Err(Error::invalid(format!(
                    "ReadOnlyForceRecursive cannot be specified with {with}"
                )));
            }
        }
        let access = match mount.read_only {
            false => Access::Writable,
            true if options.read_only_non_recursive || options.non_recursive => {
                Access::ReadOnlyItself
            }
            true => Access::ReadOnly,
        };
        let path = clean(&mount.source);
        if !options.create_mountpoint {
            check_exists(&path)?;
        }
        Ok(MountPoint {
            destination,
            source: Source::Bind {
                path,
                propagation: propagation.to_owned(),
                recursive: !options.non_recursive,
                make: options.create_mountpoint,
                id_map: false,
            },
            access,
            mode: String::new(),
        })
    }

    fn long_volume(
        &mut self,
        mount: &Mount,
        destination: String,
        options: VolumeOptions,
    ) -> Result<MountPoint> {
        let driver = options.driver_config.unwrap_or_default();
        if mount.source.is_empty() && !options.subpath.is_empty() {
            return Err(Error::invalid(
                "must not set Subpath when using anonymous volumes: it would be empty",
            ));
        }
        let subpath = options.subpath;
        // What is in the volume is resolved when it is mounted; this is for whoever made a mistake.
        if subpath.starts_with('/') || subpath.split('/').any(|part| part == "..") {
            return Err(Error::invalid(format!(
                "invalid subpath {subpath:?}: it must be relative and stay in the volume"
            )));
        }
        let (name, anonymous) = match mount.source.as_str() {
            "" => (id::random()?, true),
            name => (shorthand::volume_name(name)?.to_owned(), false),
        };
        volume::check_driver(&driver.name)?;
        let wanted = Wanted {
            name: name.clone(),
            options: driver.options,
            labels: options.labels,
            anonymous,
        };
        Backing::of(&wanted.options, String::new)?;
        self.volumes.push(wanted);
        Ok(MountPoint {
            destination,
            source: Source::Volume { name, anonymous, copy: !options.no_copy, subpath },
            access: access(mount.read_only),
            mode: "z".to_owned(),
        })
    }

    /// A new volume without a name of its own.
    fn anonymous(&mut self, destination: String, access: Access, copy: bool) -> Result<MountPoint> {
        let name = id::random()?;
        self.volumes.push(Wanted { name: name.clone(), anonymous: true, ..Default::default() });
        Ok(MountPoint {
            destination,
            source: Source::Volume { name, anonymous: true, copy, subpath: String::new() },
            access,
            mode: String::new(),
        })
    }
}

impl MountPoint {
    /// The volume that is mounted, and whether nobody gave it a name.
    pub(crate) fn volume(&self) -> Option<(&str, bool)> {
        match &self.source {
            Source::Volume { name, anonymous, .. } => Some((name, *anonymous)),
            _ => None,
        }
    }

    /// As the specification has it. `backing` says where a volume is.
    pub(crate) fn mount(&self, backing: impl Fn(&str) -> Result<Backing>) -> Result<oci::Mount> {
        let (path, mut options) = match &self.source {
            Source::Tmpfs { options } => return self.tmpfs(options),
            Source::Bind { path, propagation, recursive, id_map, .. } => {
                let kind = if *recursive { "rbind" } else { "bind" };
                let mut options = vec![kind.to_owned(), propagation.clone()];
                options.extend(id_map.then(|| "ridmap".to_owned()));
                (path.clone(), options)
            }
            Source::Volume { name, subpath, .. } => {
                let (path, mut options) = match backing(name)? {
                    Backing::Directory(path) => {
                        (path, vec!["rbind".to_owned(), PROPAGATION.to_owned()])
                    }
                    Backing::Bind { path, options } => (path, options),
                    Backing::Tmpfs { .. } if !subpath.is_empty() => {
                        return Err(Error::invalid(format!(
                            "volume {name} is a tmpfs, in which there is no {subpath:?} yet"
                        )));
                    }
                    Backing::Tmpfs { options } => return self.tmpfs(&options),
                };
                if !subpath.is_empty() {
                    options.push(format!("{}={subpath}", oci::SUBDIRECTORY));
                }
                (path, options)
            }
        };
        match self.access {
            Access::Writable => {}
            Access::ReadOnly => options.extend(["ro".to_owned(), "rro".to_owned()]),
            Access::ReadOnlyItself => options.push("ro".to_owned()),
        }
        Ok(oci::Mount {
            destination: self.destination.clone(),
            kind: "bind".to_owned(),
            source: path,
            options,
            ..Default::default()
        })
    }

    fn tmpfs(&self, options: &str) -> Result<oci::Mount> {
        let mut mount = plan::tmpfs(&self.destination, options)?;
        if self.access != Access::Writable {
            mount.options.push("ro".to_owned());
        }
        Ok(mount)
    }

    /// As an inspect document has it. `path` is the place of a volume's files.
    pub(crate) fn document(&self, path: impl Fn(&str) -> String) -> api::MountPoint {
        let document = api::MountPoint {
            destination: self.destination.clone(),
            mode: self.mode.clone(),
            rw: self.access == Access::Writable,
            ..Default::default()
        };
        match &self.source {
            Source::Bind { path, propagation, .. } => api::MountPoint {
                kind: "bind".to_owned(),
                source: path.clone(),
                propagation: propagation.clone(),
                ..document
            },
            Source::Volume { name, .. } => api::MountPoint {
                kind: "volume".to_owned(),
                name: name.clone(),
                source: path(name),
                driver: volume::DRIVER.to_owned(),
                ..document
            },
            Source::Tmpfs { .. } => api::MountPoint { kind: "tmpfs".to_owned(), ..document },
        }
    }

    /// Have the host's path there that is to be mounted: made where that was asked for, else an error.
    pub(super) fn ensure_source(&self) -> Result<()> {
        match &self.source {
            Source::Bind { path, make: true, .. } => match std::fs::metadata(path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    std::fs::create_dir_all(path).map_err(|error| {
                        Error::system(
                            format!("error while creating mount source path '{path}'"),
                            error,
                        )
                    })
                }
                _ => Ok(()),
            },
            Source::Bind { path, make: false, .. } => {
                check_exists(path).map_err(|error| in_config("bind", error))
            }
            _ => Ok(()),
        }
    }
}

fn access(read_only: bool) -> Access {
    if read_only { Access::ReadOnly } else { Access::Writable }
}

/// That there is something to mount.
fn check_exists(path: &str) -> Result<()> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::invalid(format!("bind source path does not exist: {path}"))
                .with_reason("no_mount_source"))
        }
        Err(error) => Err(Error::system(format!("stat {path}"), error)),
        Ok(_) => Ok(()),
    }
}

/// The options as text, as `--tmpfs` takes them.
fn tmpfs_options(options: &TmpfsOptions) -> Result<String> {
    if options.size_bytes < 0 {
        return Err(Error::invalid("TmpfsOptions.SizeBytes must not be negative"));
    }
    if options.mode > 0o7777 {
        return Err(Error::invalid(format!("invalid TmpfsOptions.Mode {:o}", options.mode)));
    }
    let mut words = Vec::new();
    if options.size_bytes != 0 {
        words.push(format!("size={}", options.size_bytes));
    }
    if options.mode != 0 {
        words.push(format!("mode={:o}", options.mode));
    }
    for option in &options.options {
        words.push(match option.as_slice() {
            [flag] => flag.clone(),
            [key, value] => format!("{key}={value}"),
            _ => return Err(Error::invalid("TmpfsOptions.Options: a key, or a key and a value")),
        });
    }
    Ok(words.join(","))
}

/// A volume that an image declares. Its path is the image's to write, so it is only cleaned (CVE-2022-23648), but where the
/// runtime and the programs inside rely on what is there it cannot be (CVE-2019-16884, CVE-2019-19921).
fn declared(path: &str) -> Result<String> {
    let path = clean(path);
    if is_special(&path) || path.contains('\0') {
        return Err(Error::invalid(format!(
            "the image declares a volume at {path:?}, where none can be mounted"
        ))
        .about("field", "Config.Volumes"));
    }
    Ok(path)
}

/// Whether nothing may be mounted at a path, which is absolute and clean, by somebody who only writes images.
pub(crate) fn is_special(path: &str) -> bool {
    let is_below = |special: &&str| {
        path.strip_prefix(*special).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    path == "/" || ["/proc", "/sys", "/dev"].iter().any(is_below)
}

/// A path below `/` without `.`, `..` and doubled slashes.
fn clean(path: &str) -> String {
    let mut kept = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    format!("/{}", kept.join("/"))
}

fn duplicate(destination: &str) -> Error {
    Error::invalid(format!("Duplicate mount point: {destination}"))
}

fn in_config(kind: &str, error: Error) -> Error {
    if error.kind() != ErrorKind::InvalidArgument {
        return error;
    }
    Error::invalid(format!("invalid mount config for type \"{kind}\": {}", error.message()))
        .about("field", "HostConfig.Mounts")
}

#[cfg(test)]
mod tests;
