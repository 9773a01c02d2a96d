//! Mounts: `-v`, `--mount` and `--tmpfs`.

use serde_json::{Map, Value, json};

use crate::api::Mount;
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
    /// The other options: propagation (`rslave`), relabelling (`z`), `nocopy`.
    pub options: Vec<String>,
}

/// The options of a short mount, by what they are about: one of each at most.
const MODES: [&[&str]; 5] = [
    &["ro", "rw"],
    &["z", "Z"],
    &["private", "rprivate", "shared", "rshared", "slave", "rslave"],
    &["nocopy"],
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

/// That it is an absolute path or can be a volume's name.
fn check_source(source: &str) -> Result<()> {
    let first = source.starts_with(|c: char| c.is_ascii_alphanumeric());
    let rest = source.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if source.starts_with('/') || (first && rest && source.len() > 1) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{source:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If \
         you intended to pass a host directory, use absolute path"
    )))
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
    bind: Map<String, Value>,
    volume: Map<String, Value>,
    driver: Map<String, Value>,
    tmpfs: Map<String, Value>,
}

impl Parsed {
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
                self.volume.insert("NoCopy".into(), truth()?.into());
                return Ok(());
            }
            "bind-nonrecursive" => {
                self.bind.insert("NonRecursive".into(), truth()?.into());
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
                if !MODES[2].contains(&value.as_str()) {
                    return Err(invalid());
                }
                self.bind.insert("Propagation".into(), value.into());
            }
            "bind-recursive" => match value {
                "enabled" => {}
                "disabled" => {
                    self.bind.insert("NonRecursive".into(), true.into());
                }
                "writable" => {
                    self.bind.insert("ReadOnlyNonRecursive".into(), true.into());
                }
                "readonly" => {
                    self.bind.insert("ReadOnlyForceRecursive".into(), true.into());
                }
                _ => return Err(invalid()),
            },
            "volume-subpath" => {
                self.volume.insert("Subpath".into(), value.into());
            }
            "volume-label" => put(&mut self.volume, "Labels", value),
            "volume-driver" => {
                self.driver.insert("Name".into(), value.into());
            }
            "volume-opt" => put(&mut self.driver, "Options", value),
            "tmpfs-size" => {
                self.tmpfs
                    .insert("SizeBytes".into(), super::size(value).map_err(|_| invalid())?.into());
            }
            "tmpfs-mode" => {
                let octal = value.bytes().all(|byte| byte.is_ascii_digit());
                let mode = octal.then(|| u32::from_str_radix(value, 8).ok()).flatten();
                self.tmpfs.insert(
                    "Mode".into(),
                    mode.filter(|mode| *mode <= 0o7777).ok_or_else(invalid)?.into(),
                );
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
        if !self.driver.is_empty() {
            self.volume.insert("DriverConfig".into(), Value::Object(self.driver));
        }
        for (options, of) in
            [(&self.bind, "bind"), (&self.volume, "volume"), (&self.tmpfs, "tmpfs")]
        {
            if !options.is_empty() && of != kind {
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
        let options = |map: Map<String, Value>| (!map.is_empty()).then_some(Value::Object(map));
        self.mount.bind_options = options(self.bind);
        self.mount.volume_options = options(self.volume);
        self.mount.tmpfs_options = options(self.tmpfs);
        Ok(self.mount)
    }
}

/// Add `KEY=VALUE` to the object `name`.
fn put(map: &mut Map<String, Value>, name: &str, pair: &str) {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    if let Some(object) = map.entry(name).or_insert_with(|| json!({})).as_object_mut() {
        object.insert(key.to_owned(), value.into());
    }
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
