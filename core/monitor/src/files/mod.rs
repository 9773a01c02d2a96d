//! The file jail: the files of a container, read and written by a process that has nothing else within reach.
//!
//! `docker cp` was led out of containers for years, because a path was checked by one process and opened by it later, while the
//! container changed what it meant (CVE-2018-15664), or because what it then ran came from the container (CVE-2019-14271). Here
//! both are without an object: `/` of this process is the container's own `/` ([`view`]), so whatever a path leads to belongs
//! to the container, however often it is swapped meanwhile; the program is static, looks no name up, and the kernel lets it start none.
//! Nothing is mounted for a copy at a path that the container could change (CVE-2026-42306): a container that runs has its mounts,
//! and they are copied whole.

mod archive;
mod changes;
mod frozen;
mod gather;
mod lookup;
mod single;
#[cfg(test)]
mod tests;
mod view;

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use rustix::io::Errno;

use crate::pack;
use crate::protocol::{Failure, Files, Job, Report};
use crate::unpack::failure::{invalid, system};
use crate::unpack::jail::inherited;
use frozen::Frozen;

/// The role `files`: see [`Files`] for its argument and descriptors. Exits with 0 when a last report was written, whatever it says.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let Ok(reports) = inherited(4) else { return ExitCode::from(2) };
    let mut reports = Reports(File::from(reports));
    let last = match carry_out(arguments, &mut reports) {
        Ok(report) => report,
        Err(Trouble::Missing) => Report::Missing,
        Err(Trouble::Failed(failure)) => Report::Failed(failure),
    };
    match reports.send(&last) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(2),
    }
}

fn carry_out(arguments: &[OsString], reports: &mut Reports) -> Result<Report> {
    let [options] = arguments else { return Err(invalid("one argument is expected").into()) };
    let options: Files = serde_json::from_slice(options.as_encoded_bytes())
        .map_err(|error| invalid(format!("the options are not what they should be: {error}")))?;
    view::prepare(&options)?;
    let _frozen = match &options.job {
        Job::Layer { freeze } if !freeze.is_empty() => Frozen::new(freeze)?,
        _ => None,
    };
    let root = view::enter(&options)?;
    match &options.job {
        Job::Stat { path } => root.stat(path).map(Report::Stat),
        Job::Archive { path, name } => archive::pack(&root, path, name, reports),
        Job::Export => archive::export(&root),
        Job::Layer { .. } => archive::layer(&root),
        Job::Extract { path, no_overwrite_dir_non_dir, user } => {
            archive::extract(&root, path, *no_overwrite_dir_non_dir, user)
        }
        Job::Read { path, offset, limit } => single::read(&root, path, *offset, *limit, reports),
        Job::Write { path, mode, user, parents } => {
            let new = single::Write { path, mode: *mode, user, parents: *parents };
            single::write(&root, &new, reports)
        }
        Job::List { path } => single::list(&root, path),
        Job::Remove { path, recursive } => single::remove(&root, path, *recursive),
        Job::Gather(wanted) => gather::gather(&root, wanted),
        Job::Place(wanted) => gather::place(&root, wanted),
        Job::Changes => changes::of(&root, &inherited(3)?),
    }
}

/// Where reports go.
struct Reports(File);

impl Reports {
    fn send(&mut self, report: &Report) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(report)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }

    /// Tell something before the job is done.
    fn tell(&mut self, report: &Report) -> Result<()> {
        self.send(report).map_err(|_| Trouble::Failed(invalid("nobody waits for this any more")))
    }

    /// Wait to be told to go on.
    fn wait(&self) -> Result<()> {
        let mut go = [0];
        loop {
            match rustix::io::read(&self.0, &mut go) {
                Ok(1) => return Ok(()),
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return Err(invalid("nobody waits for this any more").into()),
            }
        }
    }
}

/// Why a job is not done.
#[derive(Debug)]
enum Trouble {
    /// There is nothing at the path that it is about.
    Missing,
    /// Something else.
    Failed(Failure),
}

type Result<T> = std::result::Result<T, Trouble>;

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Failed(failure)
    }
}

impl From<pack::Error> for Trouble {
    fn from(error: pack::Error) -> Trouble {
        Trouble::Failed(match error {
            pack::Error::Tree(failure) => failure,
            pack::Error::Write(error) => {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                Failure { message: format!("write the archive: {error}"), ..system("", errno) }
            }
        })
    }
}

/// The descriptor for content that goes out.
fn output() -> Result<OwnedFd> {
    Ok(inherited(1)?)
}
