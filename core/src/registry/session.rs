//! A conversation with one registry: who we are there, where an answer sends us, and when to ask again.
//!
//! Credentials belong to the registry's origin. They go to no other, wherever an answer points: not with a redirect
//! (GHSA-vh4v-2xq2-g5cg), not with an upload's `Location`, not with the `urls` of a foreign layer (CVE-2020-15157). The one exception is what the
//! protocol is made of: the token server that the registry names, and that one has rules of its own ([`super::token`]).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{Method, StatusCode};

use super::challenge::Challenge;
use super::credentials::Login;
use super::http::{Answer, Client, Headers, Payload, is_transient};
use super::secret::Secret;
use super::url::{Origin, Url};
use super::{failure, patience, token};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::clock;

/// A registry and what it has let us do so far.
pub(super) struct Session {
    client: Client,
    origin: Origin,
    login: Option<Login>,
    /// The value of `Authorization` by scope.
    authorizations: Mutex<BTreeMap<String, Secret>>,
}

impl Session {
    pub(super) fn new(client: Client, origin: Origin, login: Option<Login>) -> Session {
        Session { client, origin, login, authorizations: Mutex::default() }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// An address of the registry.
    pub(super) fn url(&self, path: impl Into<String>) -> Url {
        self.origin.url(path)
    }

    /// Ask, with what `scope` needs, until there is an answer that is neither a redirect, nor "who are you?" for the first time, nor
    /// "not now". Any other status is the caller's to judge.
    pub(super) fn ask(
        &self,
        method: &Method,
        url: &Url,
        headers: Headers<'_>,
        body: Option<&[u8]>,
        scope: &str,
    ) -> Result<Answer> {
        let request = || {
            let payload = || body.map_or(Payload::Nothing, Payload::Bytes);
            self.follow(method, url, headers, &payload, scope)
        };
        self.persist(request, Ok)
    }

    /// Ask for something small, and read it: an answer that breaks off is asked for again, like one that never came.
    pub(super) fn read<T>(
        &self,
        url: &Url,
        headers: Headers<'_>,
        scope: &str,
        read: impl Fn(Answer) -> Result<T>,
    ) -> Result<T> {
        let request = || self.follow(&Method::GET, url, headers, &|| Payload::Nothing, scope);
        self.persist(request, read)
    }

    fn persist<T>(
        &self,
        request: impl Fn() -> Result<Answer>,
        read: impl Fn(Answer) -> Result<T>,
    ) -> Result<T> {
        let mut failures = 0;
        loop {
            let is_last = failures + 1 >= patience::ATTEMPTS;
            let again = |error: &Error| is_transient(error) && !is_last;
            let wait = match request() {
                Err(error) if again(&error) => patience::back_off(failures),
                Err(error) => return Err(error),
                Ok(answer) => match postponed(&answer, failures)? {
                    Some(wait) if !is_last => wait,
                    Some(_) => return Err(failure::of(answer)),
                    None => match read(answer) {
                        Err(error) if again(&error) => patience::back_off(failures),
                        done => return done,
                    },
                },
            };
            failures += 1;
            self.client.canceller().sleep(wait)?;
        }
    }

    /// Ask once: whoever sends what cannot be sent twice sees to it alone. Authorization is that of an earlier request.
    pub(super) fn ask_once(
        &self,
        method: &Method,
        url: &Url,
        headers: Headers<'_>,
        payload: Payload<'_>,
        scope: &str,
    ) -> Result<Answer> {
        let known = self.known(scope);
        self.send(method, url, headers, payload, known.as_ref())
    }

    fn follow<'a>(
        &self,
        method: &Method,
        url: &Url,
        headers: Headers<'_>,
        payload: &dyn Fn() -> Payload<'a>,
        scope: &str,
    ) -> Result<Answer> {
        let mut url = url.clone();
        let mut authorized = false;
        for _ in 0..=patience::REDIRECTS {
            let known = self.known(scope);
            let answer = self.send(method, &url, headers, payload(), known.as_ref())?;
            if answer.status == StatusCode::UNAUTHORIZED && url.origin == self.origin && !authorized
            {
                // A token may have expired between two requests: a new one, once.
                authorized = true;
                self.authorize(&answer, scope)?;
                continue;
            }
            let readable = *method == Method::GET || *method == Method::HEAD;
            match answer.header("location") {
                Some(location) if readable && answer.status.is_redirection() => {
                    url = redirected(&url, location)?;
                }
                _ => return Ok(answer),
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("{url}: more than {} redirects", patience::REDIRECTS),
        )
        .with_reason("redirects"))
    }

    /// Send, with the authorization if it goes to the registry itself.
    fn send(
        &self,
        method: &Method,
        url: &Url,
        headers: Headers<'_>,
        payload: Payload<'_>,
        authorization: Option<&Secret>,
    ) -> Result<Answer> {
        match authorization.filter(|_| url.origin == self.origin) {
            None => self.client.send(method, url, headers, payload),
            Some(secret) => {
                let mut headers = headers.to_vec();
                headers.push(("authorization", secret.expose()));
                self.client.send(method, url, &headers, payload)
            }
        }
    }

    fn known(&self, scope: &str) -> Option<Secret> {
        let known = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(scope).cloned()
    }

    /// Answer "who are you?".
    fn authorize(&self, answer: &Answer, scope: &str) -> Result<()> {
        let headers = answer.headers.get_all("www-authenticate");
        let challenges: Vec<Challenge> = headers
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(Challenge::parse)
            .collect();
        let by = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let authorization = if let Some(challenge) = by("bearer") {
            let token = token::fetch(self, challenge, self.login.as_ref(), scope)?;
            Secret::new(format!("Bearer {}", token.expose()))
        } else if by("basic").is_some() {
            match &self.login {
                Some(login) if !login.password.is_empty() => login.basic(),
                _ => {
                    return Err(Error::new(
                        ErrorKind::Unauthorized,
                        format!("{}: no basic auth credentials", self.origin.authority()),
                    )
                    .with_reason("no_credentials"));
                }
            }
        } else {
            return Err(Error::new(
                ErrorKind::Unauthorized,
                format!("{} asks for no known kind of credentials", self.origin.authority()),
            )
            .with_reason("no_credentials"));
        };
        let mut known = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(scope.to_owned(), authorization);
        Ok(())
    }
}

/// Where a redirect may lead: to http or https, and never from https to http.
pub(super) fn redirected(from: &Url, location: &str) -> Result<Url> {
    let refused = |why: &str| {
        Error::new(ErrorKind::Unavailable, format!("{from} redirects {why}"))
            .with_reason("bad_redirect")
    };
    let to = from.join(location).map_err(|_| refused("to no address of http or https"))?;
    if from.origin.https && !to.origin.https {
        return Err(refused("from https to http"));
    }
    Ok(to)
}

/// How long the registry wants us to wait before we ask again; nothing when it has answered. More than we would is an error that
/// tells the time.
pub(super) fn postponed(answer: &Answer, failures: u32) -> Result<Option<Duration>> {
    let status = answer.status;
    let busy = status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED);
    if !busy {
        return Ok(None);
    }
    let Some(wait) = answer.header("retry-after").and_then(retry_after) else {
        return Ok(Some(patience::back_off(failures)));
    };
    if wait > patience::LONGEST_WAIT {
        return Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "{} is busy ({status}) and asks to be left alone for {} seconds; try again then",
                answer.url.origin.authority(),
                wait.as_secs()
            ),
        )
        .with_reason("busy"));
    }
    Ok(Some(wait))
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    let left = date.as_second() - clock::now() / 1_000_000_000;
    Some(Duration::from_secs(u64::try_from(left).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(
            retry_after("Wed, 21 Oct 2099 07:28:00 GMT").unwrap() > Duration::from_secs(1 << 30)
        );
        for none in ["", "soon", "-1", "1.5"] {
            assert_eq!(retry_after(none), None, "{none}");
        }
    }
}
