//! Resource limits (getrlimit(2)).

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::oci;
use crate::protocol::{Failure, FailureClass};

use super::failure::{classed, invalid};

const NAMES: [(&str, Resource); 16] = [
    ("RLIMIT_AS", Resource::As),
    ("RLIMIT_CORE", Resource::Core),
    ("RLIMIT_CPU", Resource::Cpu),
    ("RLIMIT_DATA", Resource::Data),
    ("RLIMIT_FSIZE", Resource::Fsize),
    ("RLIMIT_LOCKS", Resource::Locks),
    ("RLIMIT_MEMLOCK", Resource::Memlock),
    ("RLIMIT_MSGQUEUE", Resource::Msgqueue),
    ("RLIMIT_NICE", Resource::Nice),
    ("RLIMIT_NOFILE", Resource::Nofile),
    ("RLIMIT_NPROC", Resource::Nproc),
    ("RLIMIT_RSS", Resource::Rss),
    ("RLIMIT_RTPRIO", Resource::Rtprio),
    ("RLIMIT_RTTIME", Resource::Rttime),
    ("RLIMIT_SIGPENDING", Resource::Sigpending),
    ("RLIMIT_STACK", Resource::Stack),
];

/// The limits of a container's process.
pub(crate) struct Limits {
    limits: Vec<(Resource, Rlimit)>,
    names: Vec<String>,
}

impl Limits {
    /// Parse them.
    pub(crate) fn new(documents: &[oci::Rlimit]) -> Result<Limits, Failure> {
        let mut limits = Limits { limits: Vec::new(), names: Vec::new() };
        for document in documents {
            let kind = document.kind.as_str();
            let (_, resource) = NAMES
                .iter()
                .find(|(name, _)| *name == kind)
                .ok_or_else(|| invalid(format!("unknown rlimit {kind:?}")))?;
            let name = kind.trim_start_matches("RLIMIT_").to_ascii_lowercase();
            if limits.names.contains(&name) {
                return Err(invalid(format!("rlimit {name} is given twice")));
            }
            if document.soft > document.hard {
                return Err(invalid(format!(
                    "rlimit {name}: the soft limit {} is above the hard limit {}",
                    document.soft, document.hard
                )));
            }
            let value = |value| (value != u64::MAX).then_some(value);
            let limit = Rlimit { current: value(document.soft), maximum: value(document.hard) };
            limits.limits.push((*resource, limit));
            limits.names.push(name);
        }
        Ok(limits)
    }

    /// Raise the soft limit of open files for as long as the set-up lasts, since every mount is a descriptor for a while.
    /// It is put back by [`Limits::set`], unless the container has one of its own.
    pub(crate) fn make_room(&mut self, files: usize) {
        let limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|current| current < files as u64) {
            let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
            if setrlimit(Resource::Nofile, raised).is_ok()
                && !self.limits.iter().any(|(resource, _)| *resource == Resource::Nofile)
            {
                self.limits.push((Resource::Nofile, limit));
                self.names.push("nofile".to_owned());
            }
        }
    }

    /// Set them, as the last thing that needs memory, files or privilege.
    pub(crate) fn set(&self) -> Result<(), Failure> {
        for ((resource, limit), name) in self.limits.iter().zip(&self.names) {
            setrlimit(*resource, *limit).map_err(|error| {
                let wanted = show(limit.maximum);
                let step = match error {
                    Errno::PERM => format!(
                        "rlimit {name} {}:{wanted}: the hard limit here is {}, raising it needs \
                         CAP_SYS_RESOURCE",
                        show(limit.current),
                        show(getrlimit(*resource).maximum)
                    ),
                    _ => format!("rlimit {name} {}:{wanted}", show(limit.current)),
                };
                classed(FailureClass::Unsupported, step, error)
            })?;
        }
        Ok(())
    }
}

fn show(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(kind: &str, soft: u64, hard: u64) -> oci::Rlimit {
        oci::Rlimit { kind: kind.to_owned(), soft, hard }
    }

    #[test]
    fn what_is_not_a_limit_is_refused() {
        for wrong in [
            vec![limit("RLIMIT_FOO", 1, 1)],
            vec![limit("nofile", 1, 1)],
            vec![limit("RLIMIT_NOFILE", 2, 1)],
            vec![limit("RLIMIT_CORE", 1, 1), limit("RLIMIT_CORE", 2, 2)],
        ] {
            assert!(Limits::new(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_largest_number_means_unlimited() {
        let limits = Limits::new(&[limit("RLIMIT_CORE", 0, u64::MAX)]).unwrap();
        let (_, limit) = &limits.limits[0];
        assert_eq!((limit.current, limit.maximum), (Some(0), None));
    }
}
