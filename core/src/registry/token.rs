//! Tokens: what a registry's token server gives for credentials, or for none (distribution, `docs/spec/auth/token.md`, `oauth.md`).
//!
//! The registry names the server (`realm`), and our password goes there. So what may be named is limited: https, unless the registry
//! itself is spoken to in the clear; no address that is written as one and lies inside this machine or its network, unless the
//! registry does too (CVE-2026-48978, CVE-2026-33540: the metadata service of a cloud answers there); no redirect from it.

use std::net::IpAddr;

use serde::Deserialize;
use ureq::http::Method;

use super::challenge::Challenge;
use super::credentials::Login;
use super::http::{Headers, Payload};
use super::secret::Secret;
use super::session::Session;
use super::url::{Origin, Url};
use super::{failure, patience};
use crate::error::{Error, ErrorKind, Result};
use crate::percent::encoded;

/// The name under which this client is known to a token server.
const CLIENT: &str = "barque";

#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// Get a token for `scope` as the challenge asks.
pub(super) fn fetch(
    session: &Session,
    challenge: &Challenge,
    login: Option<&Login>,
    scope: &str,
) -> Result<Secret> {
    if let Some(login) = login.filter(|login| !login.registry_token.is_empty()) {
        return Ok(login.registry_token.clone());
    }
    let realm = challenge.get("realm").unwrap_or_default();
    let url = Url::parse(realm).map_err(|_| refused(session.origin(), "is no address"))?;
    check(session, &url.origin)?;
    let service = challenge.get("service").unwrap_or_default();
    let scopes: Vec<&str> = match scope {
        "" => challenge.get("scope").into_iter().collect(),
        scope => scope.split(' ').collect(),
    };
    let client = session.client();
    let answer = match login.filter(|login| !login.identity_token.is_empty()) {
        Some(login) => {
            let form = format!(
                "grant_type=refresh_token&client_id={CLIENT}&service={}&scope={}&refresh_token={}",
                encoded(service),
                encoded(&scopes.join(" ")),
                encoded(login.identity_token.expose())
            );
            let headers: Headers<'_> = &[("content-type", "application/x-www-form-urlencoded")];
            client.send(&Method::POST, &url, headers, Payload::Bytes(form.as_bytes()))?
        }
        None => {
            let mut url = url;
            if !service.is_empty() {
                url = url.with("service", service);
            }
            for scope in scopes {
                url = url.with("scope", scope);
            }
            let basic = login.filter(|login| !login.password.is_empty()).map(Login::basic);
            let header = basic.as_ref().map(|basic| ("authorization", basic.expose()));
            client.send(&Method::GET, &url, header.as_slice(), Payload::Nothing)?
        }
    };
    if answer.status.is_redirection() {
        return Err(refused(session.origin(), "redirects, which a token server must not"));
    }
    if !answer.status.is_success() {
        return Err(failure::of_token(answer, login.is_some()));
    }
    let document = answer.document(patience::LARGEST_ANSWER)?;
    let unusable = || refused(session.origin(), "gave no token");
    let given: Given = serde_json::from_slice(&document).map_err(|_| unusable())?;
    let token = if given.token.is_empty() { given.access_token } else { given.token };
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(unusable());
    }
    Ok(Secret::new(token))
}

/// Whether the registry may name this server.
fn check(session: &Session, server: &Origin) -> Result<()> {
    let registry = session.origin();
    if !server.https && registry.https {
        return Err(refused(registry, "is not reached by https"));
    }
    if !server.https && !session.client().settings().may_be_plain(server) {
        return Err(refused(registry, "is not reached by https"));
    }
    let is_inside =
        |origin: &Origin| origin.host == "localhost" || origin.address().is_some_and(is_inside);
    if is_inside(server) && !is_inside(registry) {
        return Err(refused(registry, "lies inside this network"));
    }
    // Link-local addresses are nobody's registry: a cloud's metadata service is there.
    if server.address().is_some_and(is_link_local) {
        return Err(refused(registry, "has a link-local address"));
    }
    Ok(())
}

fn is_inside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn refused(registry: &Origin, why: &str) -> Error {
    Error::new(
        ErrorKind::Unauthorized,
        format!("the token server that {} names {why}", registry.authority()),
    )
    .with_reason("bad_token_server")
}
