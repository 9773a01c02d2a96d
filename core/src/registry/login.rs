//! Logging in and out: whether a registry takes credentials, and where they are kept, as the docker command does both.

use ureq::http::{Method, StatusCode};

use super::credentials::{TOKEN_USER, encoded, key_of};
use super::docker_config::DockerConfig;
use super::http::Client;
use super::repository::{self, HUB};
use super::session::Session;
use super::url::Url;
use super::{Login, Settings, failure, helper};
use crate::Engine;
use crate::api::{RegistryLoggedIn, RegistryLogin, RegistryLogout};
use crate::error::{Error, ErrorKind, Result};
use crate::stream::Canceller;

/// Registries: who we are there.
#[derive(Clone, Copy)]
pub struct Registries<'a> {
    pub(super) engine: &'a Engine,
}

impl<'a> Registries<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Registries<'a> {
        Registries { engine }
    }

    /// Ask a registry whether it takes these credentials, and keep them.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`] when it does not, [`ErrorKind::Unavailable`] when it cannot be asked.
    pub fn login(&self, request: &RegistryLogin) -> Result<RegistryLoggedIn> {
        let name = name_of(&request.auth.server_address)?;
        let login = Login::given(&request.auth)?;
        if !login.is_given() {
            return Err(Error::invalid("a login takes a user name and a password, or a token")
                .about("field", "Auth"));
        }
        self.check(&name, &login)?;
        let mut answer = RegistryLoggedIn {
            status: "Login Succeeded".to_owned(),
            server_address: name.clone(),
            ..RegistryLoggedIn::default()
        };
        if !request.check_only {
            answer.kept = keep(&name, &login, self.engine.canceller())?;
        }
        Ok(answer)
    }

    /// Forget the credentials of a registry. That there are none is no error.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a name of no registry, and what the configuration or a helper makes impossible.
    pub fn logout(&self, request: &RegistryLogout) -> Result<()> {
        let name = name_of(&request.server_address)?;
        let Some(mut config) = DockerConfig::read()? else { return Ok(()) };
        let key = key_of(&name);
        if let Some(program) = config.helper_of(&key) {
            helper::erase(program, &key, self.engine.canceller())?;
        }
        // Also what a helper left, and what stood there before there was one.
        if config.forget(&name) { config.write() } else { Ok(()) }
    }

    /// Whether the registry lets them in.
    fn check(&self, name: &str, login: &Login) -> Result<()> {
        let canceller = self.engine.canceller();
        let settings = Settings::read(self.engine)?;
        let origin = repository::origin_of(name, canceller, &settings)?;
        let client = Client::new(canceller, settings);
        let session = Session::new(client, origin, Some(login.clone()));
        let url = session.url("/v2/");
        let answer = session.ask(&Method::GET, &url, &[], None, "")?;
        match answer.status {
            status if status.is_success() => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Error::new(
                ErrorKind::Unauthorized,
                format!("login attempt to {url} failed with status: {}", answer.status),
            )
            .with_reason("denied")),
            _ => Err(failure::of(answer)),
        }
        .map_err(|error| error.about("registry", name))
    }
}

/// The registry that a person means: `host[:port]`, also written as an address; nothing: Docker Hub.
fn name_of(text: &str) -> Result<String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.unwrap_or(text).split('/').next().unwrap_or_default();
    let name = match host {
        "" | HUB | "index.docker.io" | "registry-1.docker.io" => HUB.to_owned(),
        host => host.to_ascii_lowercase(),
    };
    match Url::parse(&format!("https://{name}")) {
        Ok(_) if !host.is_empty() || text.is_empty() => Ok(name),
        _ => {
            Err(Error::invalid(format!("not the name of a registry: {text:?}"))
                .about("registry", text))
        }
    }
}

/// Keep credentials where the docker command would; where that is.
fn keep(name: &str, login: &Login, canceller: &Canceller) -> Result<String> {
    let mut config = DockerConfig::read_or_new()?;
    let key = key_of(name);
    if let Some(program) = config.helper_of(&key).map(str::to_owned) {
        let (username, secret) = match login.identity_token.is_empty() {
            true => (login.username.as_str(), &login.password),
            false => (TOKEN_USER, &login.identity_token),
        };
        helper::store(&program, &key, username, secret, canceller)?;
        // An entry without anything in it is how docker's configuration shows who is logged in.
        config.forget(name);
        config.remember(&key, &[]);
        config.write()?;
        return Ok(format!("docker-credential-{program}"));
    }
    let auth = encoded(&login.username, login.password.expose());
    let mut fields = vec![("auth", auth.as_str())];
    if !login.identity_token.is_empty() {
        fields.push(("identitytoken", login.identity_token.expose()));
    }
    config.forget(name);
    config.remember(&key, &fields);
    config.write()?;
    Ok(config.path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_registry_is_named_by_its_host_however_it_is_written() {
        for (text, name) in [
            ("", "docker.io"),
            ("docker.io", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("Registry.Example:5000", "registry.example:5000"),
            ("https://registry.example/v2/", "registry.example"),
            ("http://127.0.0.1:5000", "127.0.0.1:5000"),
            ("[::1]:5000", "[::1]:5000"),
        ] {
            assert_eq!(name_of(text).unwrap(), name, "{text}");
        }
        for wrong in ["https://", "/", "user@host", "a b", "host:port", "a\nb"] {
            assert!(name_of(wrong).is_err(), "{wrong}");
        }
    }
}
