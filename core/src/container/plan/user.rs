//! Whose user ids a container has: `--userns`, `--uidmap`, `--gidmap`.

use barque_monitor::oci::{IdMapping, OF_CONTAINER};

use super::namespaces::{NetworkMode, Pid};
use crate::api::HostConfig;
use crate::error::{Error, Result};

/// How many ids a container has that has ids of its own. All that passwd(5) files of images have are below.
pub(crate) const RANGE: u32 = 1 << 16;

/// A user namespace mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// The host's: root in the container is the host's root.
    Host,
    /// The container's own, in so many ids of the host's that no other container has while it runs.
    Own(u32),
    /// The container's own, in these.
    Mapped {
        /// Of its users.
        uids: Vec<IdMapping>,
        /// Of its groups.
        gids: Vec<IdMapping>,
    },
    /// That of this container.
    Container(String),
}

impl User {
    /// The mode of a request.
    pub(crate) fn of(host_config: &HostConfig) -> Result<User> {
        let mode = host_config.userns_mode.as_str();
        let (uids, gids) = (&host_config.uid_map, &host_config.gid_map);
        let given = !uids.is_empty() || !gids.is_empty();
        let user = match mode {
            "" | "private" if given => {
                // Podman's rule: what is said of one is meant for both.
                let of =
                    |own: &Vec<String>, other| if own.is_empty() { other } else { own }.clone();
                User::Mapped {
                    uids: map("UidMap", &of(uids, gids))?,
                    gids: map("GidMap", &of(gids, uids))?,
                }
            }
            _ if given => {
                return Err(Error::invalid(format!(
                    "conflicting options: uid and gid maps and the USER mode {mode}"
                ))
                .about("field", "HostConfig.UsernsMode"));
            }
            "" | "host" => User::Host,
            "private" | "auto" => User::Own(RANGE),
            _ => match (mode.strip_prefix("auto:size="), mode.strip_prefix(OF_CONTAINER)) {
                (Some(size), _) => User::Own(
                    size.parse().ok().filter(|size| (1..=RANGE).contains(size)).ok_or_else(
                        || {
                            Error::invalid(format!(
                                "invalid USER mode: {mode}: the size is a number from 1 to {RANGE}"
                            ))
                            .about("field", "HostConfig.UsernsMode")
                        },
                    )?,
                ),
                (_, Some(container)) if !container.is_empty() => {
                    User::Container(container.to_owned())
                }
                _ => {
                    return Err(Error::invalid(format!("invalid USER mode: {mode}"))
                        .about("field", "HostConfig.UsernsMode"));
                }
            },
        };
        Ok(user)
    }

    /// What cannot be together with it, in docker's words for its remapped daemon: they are rights over the host, or names for what is
    /// the host's.
    pub(super) fn check(
        &self,
        host_config: &HostConfig,
        network: NetworkMode<'_>,
        pid: Pid<'_>,
    ) -> Result<()> {
        let refuse = |why: &str| Err(Error::invalid(why).about("field", "HostConfig.UsernsMode"));
        if *self == User::Host {
            return Ok(());
        }
        if host_config.privileged {
            return refuse(
                "privileged mode is incompatible with user namespaces. You must run the container in the host \
                 namespace when running privileged mode",
            );
        }
        if network == NetworkMode::Host {
            return refuse(
                "cannot share the host's network namespace when user namespaces are enabled",
            );
        }
        if pid == Pid::Host {
            return refuse("cannot share the host PID namespace when user namespaces are enabled");
        }
        Ok(())
    }
}

/// `container:host:size` each, as podman has it; the size is 1 when it is left out.
fn map(field: &str, ranges: &[String]) -> Result<Vec<IdMapping>> {
    let field = format!("HostConfig.{field}");
    let ranges = ranges
        .iter()
        .map(|text| {
            let wrong = |why: &str| {
                Error::invalid(format!("invalid map of ids {text:?}: {why}"))
                    .about("field", field.as_str())
            };
            let parts: Vec<&str> = text.split(':').collect();
            let number = |part: &str| {
                part.parse::<u32>().map_err(|_| wrong("not container:host:size in numbers"))
            };
            let (container_id, host_id, size) = match parts.as_slice() {
                [container, host] => (number(container)?, number(host)?, 1),
                [container, host, size] => (number(container)?, number(host)?, number(size)?),
                _ => return Err(wrong("not container:host:size")),
            };
            // (uid_t) -1 is nobody's id (user_namespaces(7)).
            let fits = |first: u32| first.checked_add(size).is_some();
            if size == 0 || !fits(container_id) || !fits(host_id) {
                return Err(wrong("the range is empty or goes beyond the last id"));
            }
            Ok(IdMapping { container_id, host_id, size })
        })
        .collect::<Result<Vec<_>>>()?;
    for (i, range) in ranges.iter().enumerate() {
        let overlap = |a: u32, b: u32, other: &IdMapping| a < b + other.size && b < a + range.size;
        let overlaps = |other: &IdMapping| {
            overlap(range.container_id, other.container_id, other)
                || overlap(range.host_id, other.host_id, other)
        };
        if ranges[..i].iter().any(overlaps) {
            return Err(Error::invalid("a map of ids has ranges that overlap")
                .about("field", field.as_str()));
        }
    }
    // The container's files are made as its root.
    if !ranges.iter().any(|range| range.container_id == 0) {
        return Err(Error::invalid("a map of ids must have the container's id 0")
            .about("field", field.as_str()));
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(mode: &str, uids: &[&str], gids: &[&str]) -> Result<User> {
        let strings = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        User::of(&HostConfig {
            userns_mode: mode.to_owned(),
            uid_map: strings(uids),
            gid_map: strings(gids),
            ..Default::default()
        })
    }

    #[test]
    fn modes_are_read() {
        assert_eq!(user("", &[], &[]).unwrap(), User::Host);
        assert_eq!(user("host", &[], &[]).unwrap(), User::Host);
        assert_eq!(user("private", &[], &[]).unwrap(), User::Own(65_536));
        assert_eq!(user("auto", &[], &[]).unwrap(), User::Own(65_536));
        assert_eq!(user("auto:size=1000", &[], &[]).unwrap(), User::Own(1000));
        assert_eq!(user("container:a", &[], &[]).unwrap(), User::Container("a".into()));
        for mode in ["auto:size=0", "auto:size=65537", "auto:", "keep", "container:", "Host"] {
            let error = user(mode, &[], &[]).unwrap_err();
            assert!(error.message().starts_with(&format!("invalid USER mode: {mode}")), "{error}");
        }
        assert!(user("host", &["0:1:1"], &[]).is_err());
    }

    #[test]
    fn maps_are_read_and_one_serves_both() {
        let mapping = |container_id, host_id, size| IdMapping { container_id, host_id, size };
        let (uids, gids) = (vec![mapping(0, 100_000, 1000)], vec![mapping(0, 5, 1)]);
        let both = User::Mapped { uids: uids.clone(), gids: uids.clone() };
        assert_eq!(user("", &["0:100000:1000"], &[]).unwrap(), both);
        assert_eq!(
            user("private", &["0:100000:1000"], &["0:5"]).unwrap(),
            User::Mapped { uids, gids }
        );
        for wrong in [
            &["0"][..],
            &["0:x:1"],
            &["0:1:0"],
            &["0:4294967295:1"],
            &["1:1:1"],
            &["0:5:10", "5:100:10"],
            &["0:5:10", "20:10:10"],
            &["-1:5:1"],
        ] {
            assert!(user("", wrong, &[]).is_err(), "{wrong:?}");
        }
    }
}
