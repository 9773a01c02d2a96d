//! What a registry refuses, as the engine's errors (distribution-spec, "Error Codes").

use serde::Deserialize;
use ureq::http::StatusCode;

use super::http::Answer;
use super::patience;
use crate::error::{Error, ErrorKind};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    errors: Vec<Row>,
    /// A token server's (RFC 6749, 5.2).
    error: String,
    error_description: String,
    /// What many proxies and token servers say instead.
    details: String,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Row {
    code: String,
    message: String,
}

/// The error that an answer is.
pub(super) fn of(answer: Answer) -> Error {
    let (status, url) = (answer.status, answer.url.clone());
    let told = told(answer);
    let kind = kind(status);
    let reason = match status {
        StatusCode::TOO_MANY_REQUESTS => "too_many_requests",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "denied",
        StatusCode::NOT_FOUND => "not_found",
        _ => "refused",
    };
    Error::new(kind, format!("{url}: {}", if told.is_empty() { status.to_string() } else { told }))
        .with_reason(reason)
}

/// The error that a token server's answer is.
pub(super) fn of_token(answer: Answer, with_credentials: bool) -> Error {
    let status = answer.status;
    let origin = answer.url.origin.clone();
    let told = told(answer);
    let denied = matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST
    );
    let what = match (denied, with_credentials) {
        (true, true) => "unauthorized: incorrect username or password",
        (true, false) => "unauthorized: authentication required",
        (false, _) => "the token server fails",
    };
    let told = if told.is_empty() { status.to_string() } else { told };
    let kind = if denied { ErrorKind::Unauthorized } else { kind(status) };
    Error::new(kind, format!("{what} ({}: {told})", origin.authority())).with_reason(if denied {
        "denied"
    } else {
        "refused"
    })
}

fn kind(status: StatusCode) -> ErrorKind {
    match status {
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
        StatusCode::FORBIDDEN => ErrorKind::PermissionDenied,
        StatusCode::NOT_FOUND | StatusCode::GONE => ErrorKind::NotFound,
        StatusCode::CONFLICT => ErrorKind::Conflict,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => ErrorKind::Unsupported,
        status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            ErrorKind::InvalidArgument
        }
        _ => ErrorKind::Unavailable,
    }
}

/// The registry's own words: one line, not long, nothing that acts on a terminal.
fn told(answer: Answer) -> String {
    let Ok(bytes) = answer.document(patience::LARGEST_ANSWER) else { return String::new() };
    let document: Document = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = match document.errors.first() {
        Some(row) if row.message.is_empty() => row.code.to_lowercase(),
        Some(row) if row.code.is_empty() => row.message.clone(),
        Some(row) => {
            format!("{}: {}", row.code.to_lowercase().replace('_', " "), row.message)
        }
        None => [document.error_description, document.error, document.details, document.message]
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_default(),
    };
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}
