//! Mounts: `-v`, `--mount` and `--tmpfs`.

use std::collections::BTreeMap;

use crate::api::{BindOptions, DriverConfig, Mount, TmpfsOptions, VolumeOptions};
use crate::error::{Error, Result};

/// A mount in the short form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bind {
    /// Path on the host, or a volume's name; empty: a new anonymous volume.
    pub source: String,
    /// Path inside.
    pub target: String,
    /// It cannot be written.
    pub read_only: bool,
    /// The other options: propagation (`rslave`), relabelling (`z`), `nocopy`, `idmap`.
    pub options: Vec<String>,
}

/// The options of a short mount, by what they are about: one of each at most.
const MODES: [&[&str]; 6] = [
    &["ro", "rw"],
    &["z", "Z"],
    &["private", "rprivate", "shared", "rshared", "slave", "rslave"],
    &["nocopy"],
    &["idmap"],
    &["consistent", "cached", "delegated", "default"],
];

/// `/host:/inside`, `name:/inside:ro`, `/inside`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn bind(text: &str) -> Result<Bind> {
    let wrong = || Error::invalid(format!("invalid volume specification: '{text}'"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [target] => ("", target, ""),
        // A container path and a mode: a mistake.
        [_, mode] if options(mode).is_some() => return Err(wrong()),
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => return Err(wrong()),
    };
    if parts[0].is_empty() {
        return Err(wrong());
    }
    check_target(target)?;
    if !source.is_empty() {
        check_source(source)?;
    }
    let invalid_mode = || Error::invalid(format!("invalid mode: {mode}"));
    let options = match mode {
        "" if parts.len() == 3 => return Err(invalid_mode()),
        "" => Vec::new(),
        mode => options(mode).ok_or_else(invalid_mode)?,
    };
    let read_only = options.contains(&"ro");
    let options = options
        .into_iter()
        .filter(|option| !matches!(*option, "ro" | "rw"))
        .map(str::to_owned)
        .collect();
    Ok(Bind { source: source.to_owned(), target: target.to_owned(), read_only, options })
}

/// Split a mode such as `ro,z`, if that is what it is.
fn options(mode: &str) -> Option<Vec<&str>> {
    let mut seen = [false; MODES.len()];
    for option in mode.split(',') {
        let about = MODES.iter().position(|options| options.contains(&option))?;
        if std::mem::replace(&mut seen[about], true) {
            return None;
        }
    }
    Some(mode.split(',').collect())
}

/// That a path is one that something can be mounted on.
pub(crate) fn check_target(target: &str) -> Result<()> {
    if !target.starts_with('/') || target.contains('\0') {
        return Err(Error::invalid(format!(
            "invalid mount path: '{target}' mount path must be absolute"
        )));
    }
    if target.split('/').any(|part| part == "..") {
        return Err(Error::invalid(format!("invalid mount path: '{target}' goes up with '..'")));
    }
    if target.split('/').all(|part| matches!(part, "" | ".")) {
        return Err(Error::invalid("invalid specification: destination can't be '/'"));
    }
    Ok(())
}

/// A path that something can be mounted on, without `.` and doubled slashes.
pub(crate) fn target(text: &str) -> Result<String> {
    check_target(text)?;
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    Ok(format!("/{}", parts.join("/")))
}

/// That it can be a volume's name.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn volume_name(name: &str) -> Result<&str> {
    if name.starts_with('/') {
        return Err(bad_volume_name(name));
    }
    check_source(name)?;
    // It is a directory's name.
    if name.len() > 255 {
        return Err(Error::invalid(format!("the volume name {name:?} is longer than 255 bytes")));
    }
    Ok(name)
}

/// That it is an absolute path or can be a volume's name.
fn check_source(source: &str) -> Result<()> {
    let first = source.starts_with(|c: char| c.is_ascii_alphanumeric());
    let rest = source.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if source.starts_with('/') || (first && rest && source.len() > 1) {
        return Ok(());
    }
    if first && source.len() == 1 {
        return Err(Error::invalid(format!(
            "volume name {source:?} is too short, names should be at least two alphanumeric characters"
        )));
    }
    Err(bad_volume_name(source))
}

fn bad_volume_name(name: &str) -> Error {
    Error::invalid(format!(
        "{name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If \
         you intended to pass a host directory, use absolute path"
    ))
}

/// `/run` or `/run:size=64m,mode=1777`: a path inside and its options, as in `HostConfig.Tmpfs`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn tmpfs(text: &str) -> Result<(String, String)> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    check_target(path)?;
    Ok((path.to_owned(), options.to_owned()))
}

/// `type=bind,source=/a,target=/b,readonly`: fields separated by commas, in quotes where they hold one.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the field.
pub fn mount(text: &str) -> Result<Mount> {
    let mut parsed = Parsed {
        mount: Mount { kind: "volume".to_owned(), ..Mount::default() },
        ..Parsed::default()
    };
    for field in fields(text)? {
        parsed.field(&field)?;
    }
    parsed.finish()
}

#[derive(Default)]
struct Parsed {
    mount: Mount,
    bind: Option<BindOptions>,
    volume: Option<VolumeOptions>,
    tmpfs: Option<TmpfsOptions>,
}

impl Parsed {
    fn bind(&mut self) -> &mut BindOptions {
        self.bind.get_or_insert_default()
    }

    fn volume(&mut self) -> &mut VolumeOptions {
        self.volume.get_or_insert_default()
    }

    fn driver(&mut self) -> &mut DriverConfig {
        self.volume().driver_config.get_or_insert_default()
    }

    fn tmpfs(&mut self) -> &mut TmpfsOptions {
        self.tmpfs.get_or_insert_default()
    }

    fn field(&mut self, field: &str) -> Result<()> {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), Some(value)),
            None => (field.to_ascii_lowercase(), None),
        };
        let truth = || boolean(&key, value);
        match key.as_str() {
            "readonly" | "ro" => {
                self.mount.read_only = truth()?;
                return Ok(());
            }
            "volume-nocopy" => {
                self.volume().no_copy = truth()?;
                return Ok(());
            }
            "bind-nonrecursive" => {
                self.bind().non_recursive = truth()?;
                return Ok(());
            }
            "bind-create-src" => {
                self.bind().create_mountpoint = truth()?;
                return Ok(());
            }
            _ => {}
        }
        let value = value.ok_or_else(|| {
            Error::invalid(format!("invalid field '{field}' must be a key=value pair"))
        })?;
        let invalid = || Error::invalid(format!("invalid value for {key}: {value}"));
        match key.as_str() {
            "type" => self.mount.kind = value.to_ascii_lowercase(),
            "source" | "src" => self.mount.source = value.to_owned(),
            "target" | "dst" | "destination" => self.mount.target = value.to_owned(),
            "consistency" => self.mount.consistency = value.to_ascii_lowercase(),
            "bind-propagation" => {
                let value = value.to_ascii_lowercase();
                if !is_propagation(&value) {
                    return Err(invalid());
                }
                self.bind().propagation = value;
            }
            "bind-recursive" => match value {
                "enabled" => drop(self.bind()),
                "disabled" => self.bind().non_recursive = true,
                "writable" => self.bind().read_only_non_recursive = true,
                "readonly" => self.bind().read_only_force_recursive = true,
                _ => return Err(invalid()),
            },
            "volume-subpath" => self.volume().subpath = value.to_owned(),
            "volume-label" => put(&mut self.volume().labels, value),
            "volume-driver" => self.driver().name = value.to_owned(),
            "volume-opt" => put(&mut self.driver().options, value),
            "tmpfs-size" => {
                self.tmpfs().size_bytes = super::size(value).map_err(|_| invalid())?;
            }
            "tmpfs-mode" => {
                let octal = value.bytes().all(|byte| byte.is_ascii_digit());
                let mode = octal.then(|| u32::from_str_radix(value, 8).ok()).flatten();
                self.tmpfs().mode = mode.filter(|mode| *mode <= 0o7777).ok_or_else(invalid)?;
            }
            _ => return Err(Error::invalid(format!("unexpected key '{key}' in '{field}'"))),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Mount> {
        let kind = self.mount.kind.clone();
        if !matches!(kind.as_str(), "bind" | "volume" | "tmpfs") {
            return Err(Error::invalid(format!(
                "invalid mount type: '{kind}'; use bind, volume or tmpfs"
            )));
        }
        if self.mount.target.is_empty() {
            return Err(Error::invalid("target is required"));
        }
        check_target(&self.mount.target)?;
        let given = [
            ("bind", self.bind.is_some()),
            ("volume", self.volume.is_some()),
            ("tmpfs", self.tmpfs.is_some()),
        ];
        for (of, given) in given {
            if given && of != kind {
                return Err(Error::invalid(format!(
                    "cannot mix '{of}-*' options with mount type '{kind}'"
                )));
            }
        }
        match kind.as_str() {
            "bind" if !self.mount.source.starts_with('/') => {
                return Err(Error::invalid(format!(
                    "invalid mount path: '{}' mount path must be absolute",
                    self.mount.source
                )));
            }
            "tmpfs" if !self.mount.source.is_empty() => {
                return Err(Error::invalid("source can't be used with mount type 'tmpfs'"));
            }
            "volume" if !self.mount.source.is_empty() => check_source(&self.mount.source)?,
            _ => {}
        }
        self.mount.bind_options = self.bind;
        self.mount.volume_options = self.volume;
        self.mount.tmpfs_options = self.tmpfs;
        Ok(self.mount)
    }
}

/// Add `KEY=VALUE`.
fn put(map: &mut BTreeMap<String, String>, pair: &str) {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    map.insert(key.to_owned(), value.to_owned());
}

/// That it is a propagation of bind mounts.
pub(crate) fn is_propagation(text: &str) -> bool {
    MODES[2].contains(&text)
}

/// What Go takes for a truth value; a key alone is true.
fn boolean(key: &str, value: Option<&str>) -> Result<bool> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(value) => Err(Error::invalid(format!("invalid value for {key}: {value}"))),
    }
}

/// The fields of one record of comma-separated values (RFC 4180).
pub(super) fn fields(text: &str) -> Result<Vec<String>> {
    let wrong = || {
        Error::invalid(format!(
            "invalid mount {text:?}: a quote is not closed or not at a field's end"
        ))
    };
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let mut field = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let end = quoted.find('"').ok_or_else(wrong)?;
                field.push_str(&quoted[..end]);
                quoted = &quoted[end + 1..];
                match quoted.strip_prefix('"') {
                    Some(after) => {
                        field.push('"');
                        quoted = after;
                    }
                    None => break,
                }
            }
            rest = quoted;
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            field.push_str(&rest[..end]);
            rest = &rest[end..];
            if field.contains('"') {
                return Err(wrong());
            }
        }
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Ok(fields),
            None => return Err(wrong()),
        }
    }
}
