//! What `RUN --mount` mounts: `tmpfs`, and the directories of `cache`, which survive builds.
//!
//! A cache's directory is named by a digest of its id, so an id is a name and never a path (CVE-2024-9675). Where a mount makes its own
//! place in the writable layer that place is taken away afterwards, by the jail that has that layer as its root: no link that the
//! command left leads out (CVE-2024-23652).

use barque_monitor::oci;
use rustix::fs::{Gid, Mode, Uid, chownat};

use super::dockerfile::{Mount, MountKind};
use super::solver::Site;
use super::stage::Stage;
use crate::container::files::tree::{self, Target};
use crate::container::{self, plan};
use crate::error::{Error, ErrorKind, Result};
use crate::image::digest::Digest;
use crate::image::instruction;
use crate::sys::directory;

/// Places in the writable layer that are there only for mounts, deepest first.
pub(super) struct Stubs(Vec<String>);

/// The options of one mount, with their variables replaced.
struct Options(Vec<(String, String)>);

impl Options {
    fn text(&self, name: &str) -> &str {
        self.0.iter().rev().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn truth(&self, name: &str) -> Result<bool> {
        match self.text(name) {
            "" | "false" => Ok(false),
            "true" => Ok(true),
            other => Err(Error::invalid(format!("invalid value for {name}: {other}"))),
        }
    }

    fn number(&self, name: &str, radix: u32, otherwise: u32) -> Result<u32> {
        match self.text(name) {
            "" => Ok(otherwise),
            text => u32::from_str_radix(text, radix)
                .map_err(|_| Error::invalid(format!("invalid value for {name}: {text}"))),
        }
    }
}

impl Stage<'_> {
    /// The mounts of a step.
    pub(super) fn mounts(&self, wanted: &[Mount]) -> Result<Vec<oci::Mount>> {
        let mut mounts = Vec::new();
        for mount in wanted {
            let mut options = Vec::new();
            for (name, value) in &mount.options {
                options.push((name.clone(), self.expand(value)?));
            }
            let options = Options(options);
            let target = match options.text("target") {
                "" => return Err(Error::invalid("a mount needs a target")),
                target => instruction::join(&self.state.config.config.working_dir, target),
            };
            if container::is_special(&target) {
                return Err(Error::invalid(format!("nothing can be mounted at {target}")));
            }
            mounts.push(match mount.kind {
                MountKind::Tmpfs => tmpfs(&target, &options)?,
                _ => cache(self.site, &target, &options)?,
            });
        }
        Ok(mounts)
    }
}

impl Stubs {
    /// Find out which there will be.
    pub(super) fn of(site: &Site<'_>, lower: &[String], mounts: &[oci::Mount]) -> Result<Stubs> {
        let mut places = Vec::new();
        for oci::Mount { destination, .. } in mounts {
            let above = destination.match_indices('/').skip(1);
            places.extend(above.map(|(at, _)| destination[..at].to_owned()));
            places.push(destination.clone());
        }
        // What is in a directory sorts behind it.
        places.sort_unstable();
        places.dedup();
        let mut missing = Vec::new();
        for place in places.into_iter().rev() {
            if !tree::exists(site.engine, lower.to_vec(), &place)? {
                missing.push(place);
            }
        }
        Ok(Stubs(missing))
    }

    /// Take them away, unless something is in them.
    pub(super) fn clear(&self, site: &Site<'_>, target: &dyn Fn() -> Result<Target>) -> Result<()> {
        for place in &self.0 {
            match tree::remove(site.engine, target()?, place) {
                Err(error) if error.errno() == Some(libc::ENOTEMPTY) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(())
    }
}

fn tmpfs(target: &str, options: &Options) -> Result<oci::Mount> {
    let size = match options.text("size") {
        "" => String::new(),
        size => format!("size={size}"),
    };
    plan::tmpfs(target, &format!("exec,{size}"))
}

fn cache(site: &Site<'_>, target: &str, options: &Options) -> Result<oci::Mount> {
    for name in ["from", "source"] {
        if !options.text(name).is_empty() {
            return Err(Error::unsupported(format!(
                "{name} of a cache mount is not supported yet"
            )));
        }
    }
    match options.text("sharing") {
        "" | "shared" => {}
        sharing @ ("private" | "locked") => {
            return Err(Error::unsupported(format!(
                "sharing={sharing} of a cache mount is not supported yet"
            )));
        }
        other => return Err(Error::invalid(format!("invalid value for sharing: {other}"))),
    }
    let id = match options.text("id") {
        "" => target,
        id => id,
    };
    let (mode, uid, gid) = (
        options.number("mode", 8, 0o755)?,
        options.number("uid", 10, 0)?,
        options.number("gid", 10, 0)?,
    );
    let directory = site.engine.layout().cache_mounts();
    directory::make(&directory, Mode::RWXU)?;
    let path = directory.join(Digest::of(id.as_bytes()).hex());
    if !path.exists() {
        // What a mode takes away the mask of this process must not.
        let lease = site.lease.path().join(format!("cache-{}", site.number()));
        directory::make(&lease, Mode::from_raw_mode(mode))?;
        let failed = |errno: rustix::io::Errno| {
            Error::system(format!("chown {}", lease.display()), errno.into())
        };
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chownat(rustix::fs::CWD, &lease, owner.0, owner.1, rustix::fs::AtFlags::empty())
            .map_err(failed)?;
        match std::fs::rename(&lease, &path) {
            // Another step was faster.
            Err(_) if path.is_dir() => {}
            renamed => renamed
                .map_err(|error| Error::system(format!("rename {}", lease.display()), error))?,
        }
    }
    let access = if options.truth("readonly")? { "ro" } else { "rw" };
    Ok(oci::Mount {
        destination: target.to_owned(),
        kind: "bind".to_owned(),
        source: path.to_string_lossy().into_owned(),
        options: vec!["rbind".to_owned(), "rprivate".to_owned(), access.to_owned()],
        ..oci::Mount::default()
    })
}
