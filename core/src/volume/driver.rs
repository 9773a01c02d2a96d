//! The driver `local`: where a volume's files are.
//!
//! Docker's mounts what `type`, `device` and `o` say in the host's mount namespace, at the volume's directory. Here nothing
//! is mounted there, ever; a container gets the mount itself. So what can be done is what needs no mount that outlives
//! a container: a directory of the host's, and memory.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::shorthand;

/// The one driver there is.
pub(crate) const DRIVER: &str = "local";

/// Where a volume's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// In the engine's root.
    Directory(String),
    /// In a directory of the host's, with these options of a bind mount.
    Bind {
        /// The directory.
        path: String,
        /// As mount(8) has them.
        options: Vec<String>,
    },
    /// In memory, of each container on its own.
    Tmpfs {
        /// As `--tmpfs` has them.
        options: String,
    },
}

/// That there is such a driver.
pub(crate) fn check(driver: &str) -> Result<()> {
    match driver {
        "" | DRIVER => Ok(()),
        other => Err(Error::new(
            crate::error::ErrorKind::NotFound,
            format!("error looking up volume plugin {other}: plugin \"{other}\" not found"),
        )
        .about("field", "Driver")),
    }
}

impl Backing {
    /// What the options come to; `directory` is the volume's own.
    pub(crate) fn of(
        options: &BTreeMap<String, String>,
        directory: impl FnOnce() -> String,
    ) -> Result<Backing> {
        if options.is_empty() {
            return Ok(Backing::Directory(directory()));
        }
        let known = ["type", "device", "o", "size"];
        if let Some(other) = options.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(Error::invalid(format!("invalid option: \"{other}\"")));
        }
        if options.contains_key("size") {
            return Err(Error::unsupported(
                "quota size requested but no quota support: a volume cannot be limited on this engine",
            ));
        }
        let option = |key: &str| options.get(key).map_or("", String::as_str);
        let words: Vec<&str> = option("o").split(',').filter(|word| !word.is_empty()).collect();
        let binds = words.iter().any(|word| matches!(*word, "bind" | "rbind"));
        match option("type") {
            "tmpfs" => {
                let options = words.join(",");
                // Checked now, and once more when it is mounted.
                crate::container::plan::tmpfs("/volume", &options)?;
                Ok(Backing::Tmpfs { options })
            }
            "none" | "bind" | "" if binds => bind(option("device"), &words),
            "" => Err(Error::invalid("missing required option: \"type\"")),
            kind => Err(Error::unsupported(format!(
                "volumes of type {kind:?} are not supported: mount it on the host, and make a volume with type=none, \
                 o=bind and device=PATH"
            ))),
        }
    }
}

fn bind(device: &str, words: &[&str]) -> Result<Backing> {
    if device.is_empty() {
        return Err(Error::invalid("missing required option: \"device\""));
    }
    if !device.starts_with('/') || device.contains('\0') {
        return Err(Error::invalid(format!("device {device:?} is not an absolute path")));
    }
    const FLAGS: [&str; 10] = [
        "bind",
        "rbind",
        "ro",
        "rw",
        "nosuid",
        "nodev",
        "noexec",
        "noatime",
        "nodiratime",
        "relatime",
    ];
    let mut options = Vec::new();
    for word in words {
        if !FLAGS.contains(word) && !shorthand::is_propagation(word) {
            return Err(Error::invalid(format!("invalid option of a bind mount: {word:?}")));
        }
        options.push((*word).to_owned());
    }
    if !words.iter().any(|word| shorthand::is_propagation(word)) {
        options.push("rprivate".to_owned());
    }
    Ok(Backing::Bind { path: device.to_owned(), options })
}

#[cfg(test)]
mod tests {
    use super::Backing;
    use crate::error::ErrorKind;

    fn of(options: &[(&str, &str)]) -> crate::Result<Backing> {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Backing::of(&options, || "/own".to_owned())
    }

    #[test]
    fn options_say_where_the_files_are() {
        assert_eq!(of(&[]).unwrap(), Backing::Directory("/own".into()));
        assert_eq!(
            of(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,mode=700")]).unwrap(),
            Backing::Tmpfs { options: "size=1m,mode=700".into() }
        );
        assert_eq!(
            of(&[("type", "none"), ("device", "/srv"), ("o", "bind,ro")]).unwrap(),
            Backing::Bind {
                path: "/srv".into(),
                options: vec!["bind".into(), "ro".into(), "rprivate".into()]
            }
        );
    }

    #[test]
    fn what_cannot_be_done_is_an_error_and_not_left_out() {
        for (options, kind) in [
            (
                &[("type", "nfs"), ("o", "addr=10.0.0.1"), ("device", ":/x")][..],
                ErrorKind::Unsupported,
            ),
            (&[("size", "1g")], ErrorKind::Unsupported),
            (&[("tpye", "tmpfs")], ErrorKind::InvalidArgument),
            (&[("device", "/x")], ErrorKind::InvalidArgument),
            (&[("type", "none"), ("o", "bind")], ErrorKind::InvalidArgument),
            (&[("type", "none"), ("o", "bind"), ("device", "x")], ErrorKind::InvalidArgument),
            (
                &[("type", "none"), ("o", "bind,size=1"), ("device", "/x")],
                ErrorKind::InvalidArgument,
            ),
            (&[("type", "tmpfs"), ("o", "color=red")], ErrorKind::InvalidArgument),
        ] {
            assert_eq!(of(options).unwrap_err().kind(), kind, "{options:?}");
        }
    }
}
