//! `config.json` of the docker command: `$DOCKER_CONFIG`, else `~/.docker`. It is another program's file: what is not about credentials
//! stays as it means. It holds passwords: nobody else may read it, and at no moment is it half written.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::credentials::key_of;
use crate::api::AuthConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::environment;

/// Largest file that is read.
const LARGEST: u64 = 8 << 20;

/// The file.
#[derive(Debug)]
pub(super) struct DockerConfig {
    pub(super) path: PathBuf,
    pub(super) document: Map<String, Value>,
}

impl DockerConfig {
    /// Where it is, or would be.
    pub(super) fn path() -> Option<PathBuf> {
        let directory = match environment::trusted("DOCKER_CONFIG") {
            Some(directory) => PathBuf::from(directory),
            None => PathBuf::from(environment::trusted("HOME")?).join(".docker"),
        };
        Some(directory.join("config.json"))
    }

    /// Read it; nothing when there is none.
    pub(super) fn read() -> Result<Option<DockerConfig>> {
        let Some(path) = DockerConfig::path() else { return Ok(None) };
        let failed = |error| Error::system(format!("read {}", path.display()), error);
        // Whatever stands there (a FIFO is opened when somebody writes to it): open(2), O_NONBLOCK.
        let opened = std::fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        let text = match opened {
            Ok(file) if !file.metadata().map_err(failed)?.is_file() => {
                return Err(Error::invalid(format!("{}: not a file", path.display()))
                    .with_reason("bad_docker_config")
                    .about("path", path.display().to_string()));
            }
            Ok(file) => {
                let mut text = Vec::new();
                std::io::Read::read_to_end(&mut std::io::Read::take(file, LARGEST), &mut text)
                    .map_err(failed)?;
                text
            }
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        let document = match text.iter().all(u8::is_ascii_whitespace) {
            true => Map::new(),
            // Where it is wrong, and not what stands there.
            false => serde_json::from_slice(&text).map_err(|error| {
                let place = format!("line {} column {}", error.line(), error.column());
                Error::new(
                    ErrorKind::InvalidArgument,
                    format!("{}: not a configuration of docker: {place}", path.display()),
                )
                .with_reason("bad_docker_config")
                .about("path", path.display().to_string())
            })?,
        };
        Ok(Some(DockerConfig { path, document }))
    }

    /// Read it, or begin it.
    pub(super) fn read_or_new() -> Result<DockerConfig> {
        if let Some(config) = DockerConfig::read()? {
            return Ok(config);
        }
        let path = DockerConfig::path().ok_or_else(|| {
            Error::invalid("neither DOCKER_CONFIG nor HOME says where docker's configuration is")
        })?;
        Ok(DockerConfig { path, document: Map::new() })
    }

    /// Take out all that is kept for a registry, under whichever of its names; whether there was anything.
    pub(super) fn forget(&mut self, registry: &str) -> bool {
        let key = key_of(registry);
        match self.document.get_mut("auths").and_then(Value::as_object_mut) {
            None => false,
            Some(entries) => {
                let before = entries.len();
                entries.retain(|name, _| *name != key && host_of(name) != registry);
                entries.len() != before
            }
        }
    }

    /// Put in an entry.
    pub(super) fn remember(&mut self, key: &str, fields: &[(&str, &str)]) {
        let entry: Map<String, Value> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let auths = self.document.entry("auths").or_insert_with(|| Map::new().into());
        if !auths.is_object() {
            *auths = Map::new().into();
        }
        if let Some(auths) = auths.as_object_mut() {
            auths.insert(key.to_owned(), entry.into());
        }
    }

    /// Write it: under another name first, so that it is the old one or the new one at any time. Where it is a link, what that leads
    /// to is replaced, as docker does.
    pub(super) fn write(&self) -> Result<()> {
        let path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let failed = |error| Error::system(format!("write {}", path.display()), error);
        if let Some(directory) = path.parent() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(failed)?;
        }
        let mut text = serde_json::to_vec_pretty(&self.document)
            .map_err(|error| Error::internal("write a configuration").because(error))?;
        text.push(b'\n');
        // Docker's own permissions stay when somebody gave the file others; a new one is for its owner alone.
        let mode =
            std::fs::metadata(&path).map_or(0o600, |there| there.permissions().mode() & 0o777);
        let mut number = [0; 8];
        // Without randomness a name that is taken fails below.
        let _ = getrandom::fill(&mut number);
        let name = format!("config.json{:016x}", u64::from_ne_bytes(number));
        let temporary = path.with_file_name(name);
        let written = std::fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| {
                file.set_permissions(std::fs::Permissions::from_mode(mode))?;
                file.write_all(&text)?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&temporary, &path));
        written.map_err(|error| {
            // It may not be there.
            let _ = std::fs::remove_file(&temporary);
            failed(error)
        })
    }

    /// The helper that keeps a registry's credentials.
    pub(super) fn helper_of(&self, key: &str) -> Option<&str> {
        let helper = self.document.get("credHelpers").and_then(|helpers| {
            // Docker Hub stands there under either of its names.
            let short = (key == key_of("docker.io")).then_some("docker.io");
            helpers.get(key).or_else(|| helpers.get(short?))
        });
        let store = self.document.get("credsStore");
        helper.or(store).and_then(Value::as_str).filter(|name| !name.is_empty())
    }

    /// The entry of a registry: of that very name, or written as an address of it, as old versions did.
    pub(super) fn entry_of(&self, registry: &str) -> Option<AuthConfig> {
        let entries = self.document.get("auths")?.as_object()?;
        let key = key_of(registry);
        let entry = entries.get(&key).or_else(|| {
            entries.iter().find(|(name, _)| host_of(name) == registry).map(|(_, entry)| entry)
        })?;
        let text = |name: &str| {
            entry.get(name).and_then(Value::as_str).map(str::to_owned).unwrap_or_default()
        };
        let found = AuthConfig {
            username: text("username"),
            password: text("password"),
            auth: text("auth"),
            identity_token: text("identitytoken"),
            registry_token: text("registrytoken"),
            ..AuthConfig::default()
        };
        // What a helper has, leaves an empty entry here.
        (found != AuthConfig::default()).then_some(found)
    }
}

/// `https://host:port/v1/` is `host:port`.
fn host_of(name: &str) -> &str {
    let rest = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://"));
    match rest {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> DockerConfig {
        DockerConfig { path: PathBuf::new(), document: serde_json::from_str(text).unwrap() }
    }

    #[test]
    fn credentials_are_found_by_the_whole_name_of_the_registry() {
        let config = config(
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "aHViOng="},
                "r.example:5000": {"auth": "cmVnOng="}, "https://old.example/v1/": {"auth": "b2xkOng="},
                "kept.example": {}}}"#,
        );
        let auth = |registry: &str| config.entry_of(registry).map(|entry| entry.auth);
        assert_eq!(auth("docker.io").as_deref(), Some("aHViOng="));
        assert_eq!(auth("r.example:5000").as_deref(), Some("cmVnOng="));
        assert_eq!(auth("old.example").as_deref(), Some("b2xkOng="));
        for none in [
            "r.example",
            "r.example:50001",
            "evil.r.example:5000",
            "r.example:5000.evil",
            "R.EXAMPLE:5000",
            "r.example.:5000",
            "kept.example",
            "example",
            "",
        ] {
            assert_eq!(auth(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_kept_goes_under_all_names_of_its_registry_and_the_rest_stays() {
        let mut config = config(
            r#"{"auths": {"https://r.example/v1/": {"auth": "eA=="}, "r.example": {"auth": "eA=="},
                "r.example:5000": {"auth": "eQ=="}}, "detachKeys": "ctrl-e,e", "proxies": {"default": {"x": 1}}}"#,
        );
        assert!(config.forget("r.example"));
        assert!(!config.forget("r.example"));
        config.remember("new.example", &[("auth", "eg==")]);
        assert_eq!(
            Value::from(config.document),
            serde_json::json!({
                "auths": {"r.example:5000": {"auth": "eQ=="}, "new.example": {"auth": "eg=="}},
                "detachKeys": "ctrl-e,e", "proxies": {"default": {"x": 1}}
            })
        );
    }

    #[test]
    fn a_helper_for_one_registry_goes_before_the_store_for_all() {
        let config = config(
            r#"{"credsStore": "all", "credHelpers": {"r.example": "one", "docker.io": "hub"}}"#,
        );
        assert_eq!(config.helper_of("r.example"), Some("one"));
        assert_eq!(config.helper_of("other.example"), Some("all"));
        assert_eq!(config.helper_of("https://index.docker.io/v1/"), Some("hub"));
    }
}
