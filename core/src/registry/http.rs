//! Requests and answers: one attempt at a time, nothing followed by itself.
//!
//! ureq does the protocol. What it is kept from doing is deciding: redirects come back as answers, since what goes along to another
//! origin is this module's to say; no header leaves that was not put there; a status is no error yet.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ureq::http::{HeaderMap, Method, Request, StatusCode};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, RustlsConnector};
use ureq::{Agent, SendBody};

use super::dial::{Dial, System};
use super::settings::Settings;
use super::url::{Origin, Url};
use super::{patience, proxy, tls};
use crate::error::{Error, ErrorKind, Result};
use crate::stream::Canceller;

/// What is sent after a request's header.
pub(super) enum Payload<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// As many bytes as said.
    Reader(&'a mut dyn Read, u64),
}

/// Names and values of a header.
pub(super) type Headers<'a> = &'a [(&'static str, &'a str)];

/// Whoever makes requests: connections are kept by origin for as long as it lives.
pub(super) struct Client {
    canceller: Canceller,
    settings: Settings,
    agents: Mutex<BTreeMap<Origin, Agent>>,
}

/// An answer, its body not read yet.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where it came from.
    pub(super) url: Url,
    body: ureq::Body,
}

impl Client {
    pub(super) fn new(canceller: &Canceller, settings: Settings) -> Client {
        Client { canceller: canceller.clone(), settings, agents: Mutex::default() }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn canceller(&self) -> &Canceller {
        &self.canceller
    }

    /// Send a request and wait for the answer's header. A redirect is an answer.
    pub(super) fn send(
        &self,
        method: &Method,
        url: &Url,
        headers: Headers<'_>,
        payload: Payload<'_>,
    ) -> Result<Answer> {
        self.canceller.check()?;
        if self.settings.offline {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("{} is not asked: the engine is offline", url.origin),
            )
            .with_reason("offline"));
        }
        let failed = |error| failed(method, url, error);
        let mut request = Request::builder().method(method).uri(url.whole());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let agent = self.agent(&url.origin)?;
        let wrong = |error: ureq::http::Error| {
            Error::invalid(format!("a request to {url} cannot be written")).because(error)
        };
        let answer = match payload {
            Payload::Nothing => agent.run(request.body(()).map_err(wrong)?),
            Payload::Bytes(bytes) => agent.run(request.body(bytes).map_err(wrong)?),
            Payload::Reader(reader, size) => {
                let request = request.header("content-length", size);
                agent.run(request.body(SendBody::from_reader(reader)).map_err(wrong)?)
            }
        };
        let (parts, body) = answer.map_err(failed)?.into_parts();
        Ok(Answer { status: parts.status, headers: parts.headers, url: url.clone(), body })
    }

    fn agent(&self, origin: &Origin) -> Result<Agent> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(origin) {
            return Ok(agent.clone());
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(format!("barque/{}", crate::VERSION))
            .accept_encoding(ureq::config::AutoHeaderValue::None)
            .accept(ureq::config::AutoHeaderValue::None)
            .input_buffer_size(256 << 10)
            .output_buffer_size(256 << 10)
            .timeout_send_request(Some(patience::answer()))
            .timeout_recv_response(Some(patience::answer()))
            .proxy(proxy::of(origin)?)
            .tls_config(tls::config(origin, &self.settings)?)
            .build();
        let dial = Dial { canceller: self.canceller.clone() };
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(dial)
                .chain(RustlsConnector::default());
        let agent = Agent::with_parts(config, connector, System);
        agents.insert(origin.clone(), agent.clone());
        Ok(agent)
    }
}

impl Answer {
    /// A header's value; nothing when it is not there or not text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, to be read as it comes. What goes wrong is the engine's error inside an `io::Error` ([`broken`]).
    pub(super) fn reader(self) -> impl Read + use<> {
        self.body.into_reader()
    }

    /// The body whole, which must be a small document.
    pub(super) fn document(self, limit: u64) -> Result<Vec<u8>> {
        let (url, begin) = (self.url.clone(), Instant::now());
        let mut reader = self.reader();
        let mut bytes = Vec::new();
        let mut piece = vec![0; 32 << 10];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => return Ok(bytes),
                Ok(read) => bytes.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(&url, error)),
            }
            if bytes.len() as u64 > limit {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("{url}: the answer is larger than {limit} bytes"),
                )
                .with_reason("too_large"));
            }
            if begin.elapsed() > patience::answer() {
                return Err(slow(&url));
            }
        }
    }
}

/// Whether the same request may do better later: no connection, one that was cut, silence.
pub(crate) fn is_transient(error: &Error) -> bool {
    matches!(error.reason(), "connection" | "slow")
}

/// A peer that does not go on.
pub(super) fn slow(url: &Url) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{url}: the registry does not go on sending"))
        .with_reason("slow")
}

/// The same of a blob.
pub(crate) fn slow_blob(registry: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{registry} does not go on sending a blob"))
        .with_reason("slow")
}

/// What went wrong while a body was read.
pub(super) fn broken(url: &Url, error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => match error.downcast::<ureq::Error>() {
            Ok(ureq::Error::Io(error)) => broken(url, error),
            Ok(ureq::Error::Timeout(_)) => slow(url),
            Ok(error) => cut(url).because(error),
            Err(error) => cut(url).because(error),
        },
    }
}

fn cut(url: &Url) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{url}: the answer was cut off"))
        .with_reason("connection")
}

/// What went wrong before there was an answer. The addresses in ureq's messages are whole, so its texts are not repeated where they
/// could hold one.
fn failed(method: &Method, url: &Url, error: ureq::Error) -> Error {
    let unavailable = |why: &str, reason| {
        Error::new(ErrorKind::Unavailable, format!("{method} {url}: {why}")).with_reason(reason)
    };
    match error {
        ureq::Error::Io(error) => match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => match error.downcast::<rustls::Error>() {
                Ok(error) => unavailable(&tls::explain(&error), tls::reason(&error)).because(error),
                Err(error) => unavailable(&describe(&error), "connection").because(error),
            },
        },
        ureq::Error::HostNotFound => {
            unavailable(&format!("lookup {}: no such host", url.origin.host), "no_such_host")
        }
        ureq::Error::Timeout(_) => slow(url),
        ureq::Error::Rustls(error) => {
            unavailable(&tls::explain(&error), tls::reason(&error)).because(error)
        }
        ureq::Error::ConnectProxyFailed(why) => unavailable(&why, "proxy"),
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => {
            unavailable("the answer is not HTTP", "not_http")
        }
        ureq::Error::Http(_) => unavailable("the answer is not HTTP", "not_http"),
        _ => unavailable("the request failed", "connection"),
    }
}

/// The system's words for an error, without Rust's number.
fn describe(error: &std::io::Error) -> String {
    let text = match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the connection was closed".to_owned(),
        std::io::ErrorKind::TimedOut => "the connection was not made in time".to_owned(),
        _ => error.to_string(),
    };
    text.split(" (os error ").next().unwrap_or_default().to_lowercase()
}
