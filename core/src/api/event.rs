//! Documents about events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which events to give: the query of `GET /events`, and a cursor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct SystemEvents {
    /// Those that happened at or after this too, as far as they are kept: RFC 3339, seconds since 1970, or a duration ago
    /// (`10m`). Without it and `Cursor` only those that happen from now on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub since: String,
    /// The stream ends at this time; the same forms. Without it it goes on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub until: String,
    /// `{"type": ["container"], "event": ["die"], "label": ["a=b"]}`. Values of one name are alternatives, but every label
    /// must hold; names must all hold.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub filters: BTreeMap<String, Vec<String>>,
    /// Go on behind the event that had this `cursor`: nothing that happened since is left out, or it is an error. Not in
    /// Docker's query.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cursor: String,
}

/// Something has happened: what `GET /events` sends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventMessage {
    /// The action, of containers and images. Docker's old name for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The actor's id, of containers and images. Docker's old name for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The image of a container. Docker's old name for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// `container`, `image`, `volume`, `network`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What has happened: `create`, `start`, `die`, `health_status: healthy`, …
    #[serde(rename = "Action")]
    pub action: String,
    /// To what.
    #[serde(rename = "Actor")]
    pub actor: EventActor,
    /// `local`.
    pub scope: String,
    /// When, seconds since 1970.
    pub time: i64,
    /// When, nanoseconds since 1970.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
    /// Where to go on from, for [`SystemEvents::cursor`]. Not in Docker's document.
    pub cursor: String,
}

/// What an event has happened to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventActor {
    /// Its id, or the name of what has none.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name, image and labels, and what the action is about (`exitCode`, `signal`, `execID`).
    #[serde(rename = "Attributes")]
    pub attributes: BTreeMap<String, String>,
}
