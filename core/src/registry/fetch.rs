//! Files at addresses of http and https: what a build's `ADD` of a URL brings.
//!
//! The same connections as registries have, with their TLS, proxies and patience. There is nobody to be here: no credentials go anywhere,
//! and a server that asks for some is told no. A redirect leads to http or https, and never from https to http.

use std::io::Read;

use ureq::http::Method;

use super::http::{Answer, Client, Payload, broken, is_transient};
use super::session::{postponed, redirected};
use super::url::Url;
use super::{Settings, failure, patience};
use crate::error::{Error, ErrorKind, Result};
use crate::stream::Canceller;

/// A file that comes.
pub(crate) struct Page {
    /// When it was last changed, seconds since 1970, if the server says so.
    pub(crate) modified: Option<i64>,
    answer: Answer,
}

impl Page {
    /// The bytes, and what an error of reading them means.
    pub(crate) fn open(self) -> (impl Read, impl Fn(std::io::Error) -> Error) {
        let url = self.answer.url.clone();
        (self.answer.reader(), move |error| named(broken(&url, error), &url))
    }
}

/// Fetch what is at an address; `read` begins anew with each attempt.
pub(crate) fn fetch<T>(
    canceller: &Canceller,
    settings: Settings,
    url: &Url,
    mut read: impl FnMut(Page) -> Result<T>,
) -> Result<T> {
    let client = Client::new(canceller, settings);
    let mut failures = 0;
    loop {
        let is_last = failures + 1 >= patience::ATTEMPTS;
        let again = |error: &Error| is_transient(error) && !is_last;
        let wait = match follow(&client, url) {
            Err(error) if again(&error) => patience::back_off(failures),
            Err(error) => return Err(named(error, url)),
            Ok(answer) => match postponed(&answer, failures)? {
                Some(wait) if !is_last => wait,
                None if answer.status.is_success() => {
                    let modified = answer.header("last-modified").and_then(seconds);
                    match read(Page { modified, answer }) {
                        Err(error) if again(&error) => patience::back_off(failures),
                        done => return done,
                    }
                }
                _ => return Err(failure::of(answer)),
            },
        };
        failures += 1;
        canceller.sleep(wait)?;
    }
}

/// The answer that redirects lead to.
fn follow(client: &Client, url: &Url) -> Result<Answer> {
    let mut url = url.clone();
    for _ in 0..=patience::REDIRECTS {
        let answer = client.send(&Method::GET, &url, &[], Payload::Nothing)?;
        match answer.header("location") {
            Some(location) if answer.status.is_redirection() => url = redirected(&url, location)?,
            _ => return Ok(answer),
        }
    }
    let message = format!("{url}: more than {} redirects", patience::REDIRECTS);
    Err(Error::new(ErrorKind::Unavailable, message).with_reason("redirects"))
}

/// A time as HTTP writes it (RFC 9110, 5.6.7).
fn seconds(text: &str) -> Option<i64> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(time.as_second())
}

/// The server is no registry.
fn named(error: Error, url: &Url) -> Error {
    match error.reason() {
        "slow" => {
            Error::new(ErrorKind::Unavailable, format!("{url}: the server does not go on sending"))
                .with_reason("slow")
        }
        _ => error,
    }
}
