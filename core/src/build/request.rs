//! What was asked for, checked as far as that can be done without looking at anything.

use std::collections::BTreeMap;

use super::epoch::{EPOCH, Epoch};
use super::named::{self, Wanted};
use super::output::Output;
use super::secret::Secrets;
use super::shared::Stores;
use super::ssh::{self, Agents};
use crate::api::{HostConfig, ImageBuild, Input};
use crate::error::{Error, Result};
use crate::image::Reference;
use crate::image::content::{self, Opened};
use crate::image::manifest::Platform;

/// The Dockerfile that is meant when none is named.
const DOCKERFILE: &str = "Dockerfile";

/// A request that makes sense.
pub(super) struct Request {
    input: Input,
    /// Path in the context.
    pub(super) dockerfile: String,
    /// The text, where it is not in the context.
    pub(super) text: Option<String>,
    /// Contexts that stand for stages and images.
    pub(super) contexts: Wanted,
    pub(super) names: Vec<Reference>,
    pub(super) arguments: BTreeMap<String, String>,
    /// What is younger was made then.
    pub(super) epoch: Option<Epoch>,
    pub(super) target: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) check: bool,
    pub(super) no_cache: bool,
    pub(super) keep_failed: bool,
    pub(super) pull: bool,
    /// `none`, `host`, or empty: as containers have it.
    pub(super) network: String,
    /// What else the containers of steps have.
    pub(super) host_config: HostConfig,
    pub(super) outputs: Vec<Output>,
    /// Caches that are not the engine's.
    pub(super) stores: Stores,
    pub(super) platform: Platform,
    pub(super) secrets: Secrets,
    /// Of ssh.
    pub(super) agents: Agents,
}

impl Request {
    pub(super) fn check(request: &ImageBuild) -> Result<Request> {
        let field = |error: Error, field: &str| error.about("field", field);
        let names = request.tags.iter().map(|name| Reference::parse_tag(name));
        let names: Vec<Reference> = names.collect::<Result<_>>()?;
        let has_context = request.context != Input::default();
        let text = (!request.dockerfile_text.is_empty()).then(|| request.dockerfile_text.clone());
        match (has_context, &text) {
            (false, None) => {
                return Err(field(
                    Error::invalid("a build takes a Context or a DockerfileText"),
                    "Context",
                ));
            }
            (_, Some(_)) if !request.dockerfile.is_empty() => {
                let error =
                    Error::invalid("a build takes a Dockerfile or a DockerfileText, one of them");
                return Err(field(error, "Dockerfile"));
            }
            _ => {}
        }
        for (name, value) in &request.build_args {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                let error = Error::invalid(format!("invalid build argument {name:?}"));
                return Err(field(error, "BuildArgs"));
            }
        }
        let epoch = match request.build_args.get(EPOCH).map(String::as_str) {
            None | Some("") => None,
            Some(text) => Some(Epoch::parse(text).map_err(|error| field(error, "BuildArgs"))?),
        };
        let network = match request.network_mode.as_str() {
            "" | "default" | "bridge" => String::new(),
            mode @ ("none" | "host") => mode.to_owned(),
            mode => {
                let error = Error::unsupported(format!(
                    "network mode {mode:?} is not supported by build; use default, none or host"
                ));
                return Err(field(error, "NetworkMode"));
            }
        };
        Ok(Request {
            input: request.context.clone(),
            dockerfile: match request.dockerfile.as_str() {
                "" => DOCKERFILE.to_owned(),
                path => path.to_owned(),
            },
            text,
            contexts: named::check(&request.build_contexts)
                .map_err(|error| field(error, "BuildContexts"))?,
            names: names.into_iter().map(Reference::or_latest).collect(),
            arguments: request.build_args.clone(),
            epoch,
            target: request.target.clone(),
            labels: request.labels.clone(),
            check: request.check,
            no_cache: request.no_cache,
            keep_failed: request.keep_failed,
            pull: request.pull,
            network,
            host_config: HostConfig {
                extra_hosts: request.extra_hosts.clone(),
                memory: request.memory,
                nano_cpus: request.nano_cpus,
                pids_limit: request.pids_limit,
                shm_size: request.shm_size,
                ulimits: request.ulimits.clone(),
                ..HostConfig::default()
            },
            outputs: Output::read(&request.outputs).map_err(|error| field(error, "Outputs"))?,
            stores: Stores::read(&request.cache_from, &request.cache_to)?,
            platform: own(&request.platform).map_err(|error| field(error, "Platform"))?,
            secrets: Secrets::read(&request.secrets).map_err(|error| field(error, "Secrets"))?,
            agents: ssh::check(&request.ssh).map_err(|error| field(error, "SSH"))?,
        })
    }

    /// Open the context; `None`: there is none.
    pub(super) fn open(&self) -> Result<Option<Opened>> {
        if self.input == Input::default() {
            return Ok(None);
        }
        content::open_input(&self.input).map(Some)
    }
}

/// This machine's platform, which is the only one that a build can be for: its programs are run.
pub(super) fn own(wanted: &str) -> Result<Platform> {
    let this = Platform::of_images();
    if wanted.is_empty() {
        return Ok(this);
    }
    let platform = Platform::parse(wanted)?;
    if platform.fitness(&Platform::this()).is_none() {
        return Err(Error::unsupported(format!(
            "building for {wanted} is not supported on this machine, which is {}",
            this.name()
        )));
    }
    Ok(this)
}
