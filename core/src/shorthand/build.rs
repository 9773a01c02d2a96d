//! What a build is given: `--build-context`, `--output`, `--secret` and `--ssh`.

use crate::api::{BuildCacheStore, BuildOutput, BuildSecret};
use crate::error::{Error, Result};

/// `NAME=VALUE`: what the value may be is the build's business.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) without a name or a value.
pub fn build_context(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(Error::invalid(format!("invalid context value: {text}, expected key=value"))),
    }
}

/// `type=local,dest=DIR`, or `DIR` alone; `-` is standard output, and alone it is an archive of the files.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for another key, and without a type.
pub fn build_output(text: &str) -> Result<BuildOutput> {
    let of = |kind: &str, dest: &str| BuildOutput {
        kind: kind.to_owned(),
        path: if dest == "-" { String::new() } else { dest.to_owned() },
        fd: (dest == "-").then_some(1),
    };
    if text == "-" {
        return Ok(of("tar", "-"));
    }
    if !text.contains('=') {
        return match text {
            "" => Err(Error::invalid("an output needs a type or a directory")),
            directory => Ok(of("local", directory)),
        };
    }
    let (mut kind, mut dest) = ("", "");
    for part in text.split(',') {
        match part.split_once('=').unwrap_or((part, "")) {
            ("type", value) => kind = value,
            ("dest", value) => dest = value,
            // Without it the archive of an image is a file, which is what it is here.
            ("tar", "true") => {}
            (key, _) => {
                return Err(Error::invalid(format!(
                    "unexpected key '{key}' in '{text}'; an output has type and dest"
                )));
            }
        }
    }
    match kind {
        "" => Err(Error::invalid(format!("type is required for output '{text}'"))),
        // As with buildx: an archive goes to standard output where no other place is named.
        "oci" | "tar" if dest.is_empty() => Ok(of(kind, "-")),
        kind => Ok(of(kind, dest)),
    }
}

/// `NAME`, `type=registry,ref=NAME`, or `type=local,src=DIR`: where a build's steps are taken from.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for another key, and without a type.
pub fn build_cache_from(text: &str) -> Result<BuildCacheStore> {
    build_cache(text, "src", &[])
}

/// The same with `dest` in place of `src`, and `mode=min` or `mode=max`: where they go.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for another key, and without a type.
pub fn build_cache_to(text: &str) -> Result<BuildCacheStore> {
    build_cache(text, "dest", &["mode"])
}

fn build_cache(text: &str, path: &str, more: &[&str]) -> Result<BuildCacheStore> {
    let mut store = BuildCacheStore::default();
    if !text.contains('=') {
        if text.is_empty() {
            return Err(Error::invalid("a cache needs a type or a name"));
        }
        store.kind = "registry".to_owned();
        store.reference = text.to_owned();
        return Ok(store);
    }
    for part in text.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let field = match key {
            "type" => &mut store.kind,
            "ref" => &mut store.reference,
            key if key == path => &mut store.path,
            key if more.contains(&key) => &mut store.mode,
            _ => {
                return Err(Error::invalid(format!(
                    "unexpected key '{key}' in '{text}'; a cache has type, ref and {path}"
                )));
            }
        };
        value.clone_into(field);
    }
    match store.kind.as_str() {
        "" => Err(Error::invalid(format!("type is required for cache '{text}'"))),
        _ => Ok(store),
    }
}

/// `id=token,src=FILE`, `id=token,env=NAME`, or `id=token` alone: the variable of that name, if there is one, or else the file.
///
/// `own` looks up a variable of the calling process.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for another key, and without an id; for a variable that is not there.
pub fn build_secret(
    text: &str,
    own: &dyn Fn(&str) -> Option<String>,
) -> Result<(String, BuildSecret)> {
    let (mut id, mut path, mut env, mut kind) = ("", "", "", "");
    for part in text.split(',') {
        let Some((key, value)) = part.split_once('=') else {
            return Err(Error::invalid(format!("invalid field '{part}' must be a key=value pair")));
        };
        match key.to_ascii_lowercase().as_str() {
            "id" => id = value,
            "src" | "source" => path = value,
            "env" => env = value,
            "type" if matches!(value, "file" | "env") => kind = value,
            "type" => return Err(Error::invalid(format!("unsupported secret type '{value}'"))),
            _ => return Err(Error::invalid(format!("unexpected key '{key}' in '{part}'"))),
        }
    }
    if id.is_empty() {
        return Err(Error::invalid(format!("secret '{text}' needs an id")));
    }
    if kind == "env" && env.is_empty() {
        (env, path) = (path, "");
    }
    let of_variable = |name: &str| {
        own(name).map(|value| BuildSecret { value: Some(value), ..BuildSecret::default() })
    };
    let of_file = |path: &str| BuildSecret { path: path.to_owned(), value: None };
    let secret = match (env, path) {
        ("", "") => match of_variable(id).filter(|_| kind != "file") {
            Some(secret) => secret,
            None => of_file(id),
        },
        ("", path) => of_file(path),
        (name, "") => of_variable(name).ok_or_else(|| {
            Error::invalid(format!("secret '{id}': the environment has no variable {name}"))
        })?,
        _ => return Err(Error::invalid(format!("secret '{id}' is of src or of env, one of them"))),
    };
    Ok((id.to_owned(), secret))
}

/// `default`, which is the agent that `SSH_AUTH_SOCK` names, or `id=SOCKET`.
///
/// `own` as for [`build_secret`].
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) without an id, and where no agent is known.
pub fn build_ssh(text: &str, own: &dyn Fn(&str) -> Option<String>) -> Result<(String, String)> {
    let (id, path) = text.split_once('=').unwrap_or((text, ""));
    let path = match path {
        "" => own("SSH_AUTH_SOCK").unwrap_or_default(),
        path => path.to_owned(),
    };
    match (id, path.as_str()) {
        ("", _) => Err(Error::invalid(format!("invalid ssh agent '{text}': empty id"))),
        (id, "") => Err(Error::invalid(format!(
            "ssh agent '{id}': SSH_AUTH_SOCK is not set; name a socket: {id}=SOCKET"
        ))),
        (id, _) => Ok((id.to_owned(), path)),
    }
}
