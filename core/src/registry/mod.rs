//! Registries: the client's side of the OCI distribution specification.
//!
//! It knows how to get there ([`dial`], [`proxy`], [`tls`]), how to be let in ([`session`], [`token`]), and what to ask a
//! repository ([`repository`]). What the answers are good for is `image`'s business. Nothing in here runs, is read or is connected
//! until an operation needs a registry.

mod challenge;
mod credentials;
mod delete;
mod dial;
mod docker_config;
mod failure;
mod fetch;
mod helper;
mod http;
mod login;
mod patience;
mod proxy;
mod referrers;
mod repository;
mod search;
mod secret;
mod session;
mod settings;
mod tls;
mod token;
mod upload;
mod url;

pub(crate) use credentials::Login;
pub use login::Registries;

pub(crate) use fetch::fetch;
pub(crate) use http::{is_transient, slow_blob};
pub(crate) use patience::{ATTEMPTS, SLOWEST, back_off, silence};
pub(crate) use repository::{Access, Fetched, Place, Repository};
pub(crate) use search::search;
pub(crate) use settings::Settings;
pub(crate) use upload::{Begun, Upload};
pub(crate) use url::Url;
