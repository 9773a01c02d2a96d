//! From `linux.resources` to the files of a cgroup.
//!
//! Each section of the document belongs to one controller and becomes a list of [`Setting`]s, by one function for the
//! files of cgroup v1 and one for those of v2: a hybrid machine has some controllers here and some there. What a version
//! has no file for is an error that names the limit. A limit of 0 is no limit where the document says so, as with Docker.

mod block_io;
mod cpu;
mod memory;
mod small;

use std::borrow::Cow;

use rustix::io::Errno;

use super::directory::Directory;
use crate::oci::Resources;
use crate::protocol::Failure;

/// One file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    /// The limit as users know it.
    limit: &'static str,
    file: Cow<'static, str>,
    value: String,
    /// Written instead on a kernel that does not have `file`.
    otherwise: Option<(&'static str, String)>,
    /// Nothing is lost on a kernel that does not have `file`.
    optional: bool,
}

impl Setting {
    fn new(
        limit: &'static str,
        file: impl Into<Cow<'static, str>>,
        value: impl ToString,
    ) -> Setting {
        let (file, value) = (file.into(), value.to_string());
        Setting { limit, file, value, otherwise: None, optional: false }
    }

    fn or(self, file: &'static str, value: impl ToString) -> Setting {
        Setting { otherwise: Some((file, value.to_string())), ..self }
    }

    fn optional(self, optional: bool) -> Setting {
        Setting { optional, ..self }
    }

    fn write(&self, directory: &Directory) -> Result<(), Failure> {
        let mut result = (&*self.file, &*self.value, directory.write(&self.file, &self.value));
        if let ((_, _, Err(Errno::NOENT)), Some((file, value))) = (&result, &self.otherwise) {
            result = (file, value, directory.write(file, value));
        }
        match result {
            (_, _, Ok(())) => Ok(()),
            (_, _, Err(Errno::NOENT)) if self.optional => Ok(()),
            (file, value, Err(errno)) => Err(directory.refusal(self.limit, file, value, errno)),
        }
    }
}

type Settings = Result<Vec<Setting>, Failure>;

/// The limits of one controller.
struct Section {
    /// The controller's name in cgroup v1, and in v2 where it has one there.
    names: (&'static str, &'static str),
    v1: fn(&Resources) -> Settings,
    v2: fn(&Resources) -> Settings,
}

const SECTIONS: [Section; 9] = [
    Section { names: ("cpuset", "cpuset"), v1: cpu::sets, v2: cpu::sets },
    Section { names: ("cpu", "cpu"), v1: cpu::v1, v2: cpu::v2 },
    Section { names: ("memory", "memory"), v1: memory::v1, v2: memory::v2 },
    Section { names: ("pids", "pids"), v1: small::pids, v2: small::pids },
    Section { names: ("blkio", "io"), v1: block_io::v1, v2: block_io::v2 },
    Section { names: ("hugetlb", "hugetlb"), v1: small::huge_pages_v1, v2: small::huge_pages_v2 },
    Section { names: ("rdma", "rdma"), v1: small::rdma, v2: small::rdma },
    Section { names: ("net_cls", ""), v1: small::packet_class, v2: small::packet_class },
    Section { names: ("net_prio", ""), v1: small::packet_priorities, v2: small::packet_priorities },
];

/// Where a controller's files are.
pub(super) enum Place<'a> {
    V1(&'a Directory),
    V2(&'a Directory),
}

/// The v2 controllers that `resources` needs, among those that `has_v1` does not have.
pub(super) fn wanted_of_v2(
    resources: &Resources,
    has_v1: impl Fn(&str) -> bool,
) -> Result<Vec<String>, Failure> {
    let mut wanted = Vec::new();
    for Section { names: (v1, v2), v2: settings, .. } in SECTIONS {
        if !v2.is_empty() && !has_v1(v1) && !settings(resources)?.is_empty() {
            wanted.push(v2.to_owned());
        }
    }
    for file in resources.unified.keys() {
        let controller = file.split('.').next().unwrap_or_default();
        if controller != "cgroup" && !wanted.iter().any(|w| w == controller) {
            wanted.push(controller.to_owned());
        }
    }
    Ok(wanted)
}

/// Apply the limits. `place` says where a controller's files are, by its names in v1 and v2, `unified` is the v2 directory.
pub(super) fn apply<'a>(
    resources: &Resources,
    place: impl Fn(&str, &str) -> Option<Place<'a>>,
    unified: Option<&Directory>,
) -> Result<(), Failure> {
    for Section { names: (in_v1, in_v2), v1, v2 } in SECTIONS {
        // v1 has files for all that the document can say.
        let Some(first) = v1(resources)?.into_iter().next() else { continue };
        let (directory, settings) = match place(in_v1, in_v2) {
            Some(Place::V1(directory)) => (directory, v1(resources)?),
            Some(Place::V2(directory)) => (directory, v2(resources)?),
            None => {
                return Err(Failure::unsupported(format!(
                    "{}: this machine has no {in_v1} cgroup controller",
                    first.limit
                )));
            }
        };
        write_all(directory, &settings)?;
    }
    let files = small::unified(resources)?;
    match unified {
        Some(directory) => write_all(directory, &files),
        None if files.is_empty() => Ok(()),
        None => Err(Failure::unsupported(format!(
            "unified resource {}: this machine has no cgroup v2",
            files[0].file
        ))),
    }
}

/// Write the files, and what was refused once more after the others: some limits must not be above or below others
/// (memory and memory with swap, quota and period), and which has to go first depends on the values that hold now.
fn write_all(directory: &Directory, settings: &[Setting]) -> Result<(), Failure> {
    let refused: Vec<&Setting> = settings.iter().filter(|s| s.write(directory).is_err()).collect();
    refused.iter().try_for_each(|s| s.write(directory))
}

fn only_in_v1<T>(limit: &str) -> Result<T, Failure> {
    Err(Failure::unsupported(format!("{limit}: cgroup v2 has no such limit")))
}

#[cfg(test)]
mod tests;
