//! Who we are at a registry: from the caller, or as the docker command keeps it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::docker_config::DockerConfig;
use super::helper;
use super::secret::Secret;
use crate::api::AuthConfig;
use crate::error::{Error, Result};
use crate::stream::Canceller;

/// The name under which helpers return a refresh token in the place of a password.
pub(super) const TOKEN_USER: &str = "<token>";

/// Credentials for one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(super) username: String,
    pub(super) password: Secret,
    /// A refresh token (OAuth2), in the place of a password.
    pub(super) identity_token: Secret,
    /// A token that is to be used as it is.
    pub(super) registry_token: Secret,
}

impl Login {
    /// Those that a request brings.
    pub(crate) fn given(auth: &AuthConfig) -> Result<Login> {
        let mut login = Login {
            username: auth.username.clone(),
            password: Secret::new(&*auth.password),
            identity_token: Secret::new(&*auth.identity_token),
            registry_token: Secret::new(&*auth.registry_token),
        };
        if !auth.auth.is_empty() && login.username.is_empty() {
            let wrong = || {
                // Not repeated: it is a password.
                Error::invalid("auth is not base64 of username:password").about("field", "Auth")
            };
            let (username, password) = decoded(&auth.auth).ok_or_else(wrong)?;
            (login.username, login.password) = (username, password);
        }
        if login.username.contains(['\r', '\n', '\0', ':']) && login.identity_token.is_empty() {
            return Err(Error::invalid("a user name has neither colons nor line ends")
                .about("field", "Auth"));
        }
        Ok(login)
    }

    /// Those that were given, else those that a login left.
    pub(super) fn given_or_stored(
        auth: Option<&AuthConfig>,
        registry: &str,
        canceller: &Canceller,
    ) -> Result<Option<Login>> {
        match auth {
            Some(auth) => Login::given(auth).map(Some),
            None => Login::stored(registry, canceller),
        }
    }

    /// Those that a login left for a registry (`docker.io`, `host:port`): from the helper that is named for it, else from the store
    /// that is named for all, else from the file itself. They are looked up by that very name and no other: not a part of it, not by
    /// another's (CVE-2021-41092).
    pub(crate) fn stored(registry: &str, canceller: &Canceller) -> Result<Option<Login>> {
        let Some(config) = DockerConfig::read()? else { return Ok(None) };
        let key = key_of(registry);
        if let Some(program) = config.helper_of(&key) {
            let Some((username, secret)) = helper::get(program, &key, canceller)? else {
                return Ok(None);
            };
            return Ok(Some(match username.as_str() {
                TOKEN_USER => Login { identity_token: secret, ..Login::default() },
                _ => Login { username, password: secret, ..Login::default() },
            }));
        }
        config.entry_of(registry).map(|entry| Login::given(&entry)).transpose()
    }

    /// Whether there is anything in it.
    pub(super) fn is_given(&self) -> bool {
        let has_name = !self.username.is_empty() && !self.password.is_empty();
        has_name || !self.identity_token.is_empty() || !self.registry_token.is_empty()
    }

    /// The value of a basic `Authorization` (RFC 7617).
    pub(super) fn basic(&self) -> Secret {
        let pair = format!("{}:{}", self.username, self.password.expose());
        Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair)))
    }
}

/// The name of a registry in docker's configuration. Docker Hub's is what it was in 2013.
pub(super) fn key_of(registry: &str) -> String {
    match registry {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => {
            "https://index.docker.io/v1/".to_owned()
        }
        other => other.to_owned(),
    }
}

/// User name and password of an `auth` field. Some writers end it with zeros.
pub(super) fn decoded(auth: &str) -> Option<(String, Secret)> {
    let bytes = BASE64_STANDARD.decode(auth.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), Secret::new(password.trim_end_matches('\0'))))
}

/// What [`decoded`] reads.
pub(super) fn encoded(username: &str, password: &str) -> String {
    BASE64_STANDARD.encode(format!("{username}:{password}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_two_words_or_one_in_base64() {
        let auth = AuthConfig { auth: encoded("me", "a:b"), ..AuthConfig::default() };
        let login = Login::given(&auth).unwrap();
        assert_eq!((&*login.username, login.password.expose()), ("me", "a:b"));
        assert_eq!(login.basic().expose(), "Basic bWU6YTpi");
        for wrong in ["!", "bWU=", "////"] {
            let auth = AuthConfig { auth: wrong.into(), ..AuthConfig::default() };
            let error = Login::given(&auth).unwrap_err();
            assert!(!error.message().contains(wrong), "{error}");
        }
        let lines = AuthConfig { username: "a\r\nX: y".into(), ..AuthConfig::default() };
        assert!(Login::given(&lines).is_err());
    }

    #[test]
    fn nothing_that_is_printed_by_accident_holds_a_secret() {
        let auth = AuthConfig {
            username: "me".into(),
            password: "hunter2".into(),
            identity_token: "hunter2".into(),
            auth: "hunter2".into(),
            ..AuthConfig::default()
        };
        assert!(!format!("{auth:?}").contains("hunter2"));
        let auth = AuthConfig { auth: String::new(), ..auth };
        assert!(!format!("{:?}", Login::given(&auth).unwrap()).contains("hunter2"));
    }
}
