//! `RUN --mount=type=secret`: what one command may read and nothing keeps.
//!
//! Secrets are read when the build begins and are held in memory. A command gets one as a file of the run directory, which by custom is
//! memory too (file-hierarchy(7)). It has a name until it is mounted, since what has none cannot be (move_mount(2): ENOENT); from then on
//! it is there for the command only, and gone with it. No record, key, history, progress line or error has more of a secret than its id.

use std::collections::BTreeMap;
use std::fs::{File as OpenFile, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{Gid, Mode, Uid, fchmod, fchown};

use super::mounts::{Access, Options};
use super::solver::Site;
use crate::api::BuildSecret;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::Layout;
use crate::store::{Owner, start_time};

/// Largest secret: BuildKit's limit.
const MOST: u64 = 500 * 1024;

/// What the names of files in the run directory begin with; the process and a number follow.
const PREFIX: &str = "secret-";

/// Where one is that says nothing else.
const DIRECTORY: &str = "/run/secrets";

/// The secrets that a build was given.
#[derive(Default)]
pub(super) struct Secrets(BTreeMap<String, Secret>);

/// One. It has no `Debug`.
#[derive(Clone)]
pub(super) struct Secret(Arc<[u8]>);

/// One as a file.
pub(super) struct File {
    secret: Secret,
    access: Access,
}

impl Secrets {
    /// Read them.
    pub(super) fn read(given: &BTreeMap<String, BuildSecret>) -> Result<Secrets> {
        let mut secrets = BTreeMap::new();
        for (id, secret) in given {
            let wrong = |why: &str| Err(Error::invalid(format!("secret {id:?}: {why}")));
            let value = match (secret.path.as_str(), &secret.value) {
                _ if id.is_empty() => return wrong("it needs an id"),
                (path, Some(_)) if !path.is_empty() => {
                    return wrong("it has a Path or a Value, one of them");
                }
                (_, Some(value)) => value.clone().into_bytes(),
                ("", None) => return wrong("it needs a Path or a Value"),
                (path, None) => content(path)?,
            };
            if value.len() as u64 > MOST {
                return wrong("it is larger than 500 kB");
            }
            secrets.insert(id.clone(), Secret(value.into()));
        }
        Ok(Secrets(secrets))
    }

    /// The one that a mount is of; `None`: there is none, and the command can do without.
    pub(super) fn find(&self, options: &Options) -> Result<Option<&Secret>> {
        let id = id(options)?;
        match self.0.get(id) {
            None if options.truth("required")? => Err(Error::new(
                ErrorKind::NotFound,
                format!("secret {id}: not found; give it to the build: --secret id={id},src=FILE"),
            )),
            found => Ok(found),
        }
    }
}

fn content(path: &str) -> Result<Vec<u8>> {
    let failed = |error| Error::of_path("read the secret", path, error);
    let options = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).clone();
    let file = options.open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::invalid(format!("the secret {path} is not a file")));
    }
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// What a mount calls it.
fn id(options: &Options) -> Result<&str> {
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().len();
    let target = options.text("target");
    match options.text("id") {
        "" if base(target) > 0 => Ok(&target[target.len() - base(target)..]),
        "" => Err(Error::invalid("a secret mount needs an id or a target")),
        id => Ok(id),
    }
}

/// Where it is to be that has no target.
pub(super) fn target(options: &Options) -> Result<String> {
    let id = id(options)?;
    let name = id.rsplit('/').next().unwrap_or_default();
    match name {
        "" | "." | ".." => Err(Error::invalid(format!("secret {id:?} needs a target"))),
        name => Ok(format!("{DIRECTORY}/{name}")),
    }
}

impl Secret {
    /// As a variable.
    pub(super) fn variable(&self, name: &str) -> Result<String> {
        if name.contains('=') {
            return Err(Error::invalid(format!("invalid value for env: {name}")));
        }
        match std::str::from_utf8(&self.0) {
            Ok(value) if !value.contains('\0') => Ok(format!("{name}={value}")),
            _ => Err(Error::invalid(format!(
                "the secret for the variable {name} is not text; mount it as a file"
            ))),
        }
    }

    pub(super) fn file(&self, access: Access) -> File {
        File { secret: self.clone(), access }
    }
}

impl File {
    /// Make it; its path.
    pub(super) fn make(&self, site: &Site<'_>, names: &mut Names) -> Result<String> {
        let failed = |error| Error::system("make a secret's file", error);
        let Owner { pid, start_time, .. } = site.engine.this_process();
        let name = format!("{PREFIX}{pid}-{start_time}-{}", site.number());
        let path = site.engine.layout().run().join(name);
        let mut file = OpenFile::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        names.0.push(path.clone());
        file.write_all(&self.secret.0).map_err(failed)?;
        let Access { mode, uid, gid } = self.access;
        fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .and_then(|()| fchmod(&file, Mode::from_raw_mode(mode)))
            .map_err(|errno| failed(errno.into()))?;
        Ok(path.to_string_lossy().into_owned())
    }
}

/// Names of secrets' files, which go with this.
#[derive(Default)]
pub(super) struct Names(Vec<PathBuf>);

impl Names {
    /// Take them away: the command has what it needs.
    pub(super) fn forget(&self) {
        for path in &self.0 {
            // It may be gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.forget();
    }
}

/// Remove files of processes that died before their commands ran, which are among these entries of the run directory.
pub(crate) fn sweep(layout: &Layout, entries: &[String]) {
    for name in entries {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| {
            let mut numbers = rest.split('-').map(str::parse::<u64>);
            Some((u32::try_from(numbers.next()?.ok()?).ok()?, numbers.next()?.ok()?))
        });
        if owner.is_some_and(|(pid, time)| start_time(pid) != Some(time)) {
            // Somebody else may do the same.
            let _ = std::fs::remove_file(layout.run().join(name));
        }
    }
}
