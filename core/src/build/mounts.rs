//! What `RUN --mount` mounts. Each kind has a file of its own but `tmpfs`; here is what they have in common.
//!
//! What is mounted is made when it is sure that the command runs, and is there for as long as it does.

use std::io::Write;

use barque_monitor::oci;
use serde_json::{Value, json};

use super::bind::Bind;
use super::cache::Cache;
use super::dockerfile::{Mount, MountKind, Run};
use super::origin::Origin;
use super::secret;
use super::solver::Site;
use super::ssh::{self, Agent};
use super::stage::Stage;
use crate::container::{self, plan};
use crate::error::{Error, Result};
use crate::image::instruction;
use crate::sys::file;
use crate::sys::lock::LockFile;

/// The mounts of a step, not made yet.
pub(super) struct Mounts<'a> {
    list: Vec<(oci::Mount, Content<'a>)>,
    /// Variables that are secrets.
    pub(super) env: Vec<String>,
}

enum Content<'a> {
    /// The kernel makes it.
    Fresh,
    Bind(Box<Bind<'a>>),
    Cache(Cache<'a>),
    Secret(secret::File),
    Ssh(ssh::Socket),
}

/// What mounts are of, while the command runs.
#[derive(Default)]
pub(super) struct Held {
    pub(super) mounts: Vec<oci::Mount>,
    pub(super) secrets: secret::Names,
    locks: Vec<Lock>,
    agents: Vec<Agent>,
}

/// A lock that goes with whoever has it.
pub(super) struct Lock {
    pub(super) file: LockFile,
    pub(super) byte: i64,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.file.unlock(self.byte);
    }
}

/// The options of one mount, with their variables replaced.
pub(super) struct Options(Vec<(String, String)>);

impl Options {
    fn of(stage: &Stage<'_>, mount: &Mount) -> Result<Options> {
        let expand = |(name, value): &(String, String)| Ok((name.clone(), stage.expand(value)?));
        mount.options.iter().map(expand).collect::<Result<_>>().map(Options)
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().rev().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(super) fn truth(&self, name: &str) -> Result<bool> {
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

    /// `mode`, `uid` and `gid`.
    pub(super) fn access(&self, mode: u32) -> Result<Access> {
        Ok(Access {
            mode: self.number("mode", 8, mode)? & 0o7777,
            uid: self.number("uid", 10, 0)?,
            gid: self.number("gid", 10, 0)?,
        })
    }
}

/// Whose something is, and who else may have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl<'a> Stage<'a> {
    /// Where the mounts of a step are from, those that are from a stage or an image: that is there when this returns.
    pub(super) fn sources_of_mounts(&self, run: &Run) -> Result<Vec<Option<Origin<'a>>>> {
        let origins = run.mounts.iter().map(|mount| match mount.from() {
            "" => Ok(None),
            name => self.origin(name).map(Some),
        });
        origins.collect()
    }

    /// The mounts of a step; `from` as [`Stage::sources_of_mounts`] gives it.
    pub(super) fn mounts(&self, run: &Run, from: Vec<Option<Origin<'a>>>) -> Result<Mounts<'a>> {
        let mut mounts = Mounts { list: Vec::new(), env: Vec::new() };
        for (number, (mount, origin)) in run.mounts.iter().zip(from).enumerate() {
            let options = Options::of(self, mount)?;
            let target = match (options.text("target"), mount.kind) {
                ("", MountKind::Secret) => secret::target(&options)?,
                ("", MountKind::Ssh) => ssh::target(number),
                ("", _) => return Err(Error::invalid("a mount needs a target")),
                (target, _) => target.to_owned(),
            };
            let target = instruction::join(&self.state.config.config.working_dir, &target);
            if container::is_special(&target) {
                return Err(Error::invalid(format!("nothing can be mounted at {target}")));
            }
            let request = self.site.request;
            let entry = match mount.kind {
                MountKind::Tmpfs => (tmpfs(&target, &options)?, Content::Fresh),
                MountKind::Bind => {
                    let writable =
                        options.truth("readwrite")? || options.text("readonly") == "false";
                    let origin = origin.unwrap_or(Origin::Context(self.site.context));
                    let bind = Bind::of(&options, origin);
                    (bound(&target, !writable), Content::Bind(Box::new(bind)))
                }
                MountKind::Cache => {
                    let cache = Cache::of(&target, &options, origin)?;
                    (bound(&target, options.truth("readonly")?), Content::Cache(cache))
                }
                MountKind::Secret => {
                    let Some(secret) = request.secrets.find(&options)? else { continue };
                    let name = options.text("env");
                    if !name.is_empty() {
                        mounts.env.push(secret.variable(name)?);
                        if options.text("target").is_empty() {
                            continue;
                        }
                    }
                    let file = secret.file(options.access(0o400)?);
                    (bound(&target, true), Content::Secret(file))
                }
                MountKind::Ssh => {
                    let Some(socket) = ssh::find(&request.agents, &options)? else { continue };
                    if mounts.env.iter().all(|entry| !entry.starts_with(ssh::VARIABLE)) {
                        mounts.env.push(format!("{}={target}", ssh::VARIABLE));
                    }
                    (bound(&target, false), Content::Ssh(socket))
                }
            };
            mounts.list.push(entry);
        }
        Ok(mounts)
    }
}

impl Mounts<'_> {
    /// Where they will be.
    pub(super) fn places(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(mount, _)| mount.destination.as_str())
    }

    /// What of them a step's key has: the content of those that are of files. That of a cache is nobody's business, and nothing that is
    /// kept may tell a secret.
    pub(super) fn look(&self, site: &Site<'_>) -> Result<Value> {
        let mut digests = Vec::new();
        for (_, content) in &self.list {
            if let Content::Bind(bind) = content {
                digests.push(bind.look(site)?.digest.as_str().to_owned());
            }
        }
        Ok(json!(digests))
    }

    /// Make them; also what [`Mounts::look`] would say of what they have become.
    pub(super) fn make(&self, site: &Site<'_>) -> Result<(Held, Value)> {
        let mut held = Held::default();
        let mut digests = Vec::new();
        let caches = self.list.iter().filter_map(|(_, content)| match content {
            Content::Cache(cache) => Some(cache),
            _ => None,
        });
        let mut caches = Cache::take(site, caches, &mut held.locks)?.into_iter();
        for (mount, content) in &self.list {
            let source = match content {
                Content::Fresh => mount.source.clone(),
                Content::Bind(bind) => {
                    let (seen, path) = bind.make(site)?;
                    digests.push(seen.digest.as_str().to_owned());
                    path.to_string_lossy().into_owned()
                }
                Content::Cache(_) => caches
                    .next()
                    .ok_or_else(|| Error::internal("a cache mount without a directory"))?
                    .to_string_lossy()
                    .into_owned(),
                Content::Secret(file) => file.make(site, &mut held.secrets)?,
                Content::Ssh(socket) => {
                    let (agent, path) = Agent::start(site, socket)?;
                    held.agents.push(agent);
                    path.to_string_lossy().into_owned()
                }
            };
            held.mounts.push(oci::Mount { source, ..mount.clone() });
        }
        Ok((held, json!(digests)))
    }
}

/// A here-document that is a program.
pub(super) fn script(site: &Site<'_>, target: &str, content: &str) -> Result<oci::Mount> {
    let path = site.lease.path().join(format!("script-{}", site.number()));
    let failed = |error| Error::system(format!("write {}", path.display()), error);
    file::create(&path, 0o755)?.write_all(content.as_bytes()).map_err(failed)?;
    Ok(oci::Mount { source: path.to_string_lossy().into_owned(), ..bound(target, true) })
}

fn tmpfs(target: &str, options: &Options) -> Result<oci::Mount> {
    let size = match options.text("size") {
        "" => String::new(),
        size => format!("size={size}"),
    };
    plan::tmpfs(target, &format!("exec,{size}"))
}

/// Of what is known when it is made.
fn bound(target: &str, read_only: bool) -> oci::Mount {
    let access = if read_only { "ro" } else { "rw" };
    oci::Mount {
        destination: target.to_owned(),
        kind: "bind".to_owned(),
        options: vec!["rbind".to_owned(), "rprivate".to_owned(), access.to_owned()],
        ..oci::Mount::default()
    }
}
