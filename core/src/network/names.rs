//! Writing down who has which name, for the resolvers in containers ([`barque_monitor::names::table`] says how and where).
//!
//! What is written follows from the record. It is written when a container is about to start and when something about its names or networks
//! changes, and taken away when the container is removed: one that does not run is known by its lock, so nothing has to be done when it
//! ends, however that happens.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind as Io, Write};
use std::path::PathBuf;

use barque_monitor::names::table::{LONGEST_LINE, Network, line};
use rusqlite::Transaction;
use rustix::fs::Mode;

use super::DEFAULT;
use super::endpoint::Called;
use super::record::{Endpoint, Record};
use crate::Engine;
use crate::api::EndpointSettings;
use crate::container;
use crate::container::link::Link;
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::store::{Durability, Intent};
use crate::sys::{self, clock};

/// That what is written about a container has to follow the record. The object is its id.
pub(crate) const INTENT: &str = "names";

/// Bytes of a name at the most (RFC 1035).
const LONGEST_NAME: usize = 253;
/// Bytes of the names that one container may have in a network.
const MOST: usize = LONGEST_LINE / 2;

/// The names that a container has in a network, as docker shows them: its own first, each once.
pub(super) fn of(container: &Called<'_>, settings: &EndpointSettings) -> Vec<String> {
    each(container.name, container.id, container.hostname, settings)
}

fn each(name: &str, id: &str, hostname: &str, settings: &EndpointSettings) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let aliases = settings.aliases.iter().map(String::as_str);
    for name in [name].into_iter().chain(aliases).chain([&id[..12], hostname]) {
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Check what is asked for as further names in a network.
pub(super) fn check(network: &Record, aliases: &[String]) -> Result<()> {
    let field = "NetworkingConfig.EndpointsConfig.Aliases";
    if network.name == DEFAULT && !aliases.is_empty() {
        return Err(Error::invalid(
            "network-scoped aliases are only supported for user-defined networks",
        )
        .about("field", field));
    }
    for alias in aliases {
        if !is_name(alias) {
            return Err(Error::invalid(format!(
                "invalid alias {alias:?}: use letters, digits, '-' and '_', and points between words of at most 63"
            ))
            .about("field", field));
        }
    }
    if aliases.iter().map(|alias| alias.len() + 1).sum::<usize>() > MOST {
        return Err(
            Error::invalid(format!("more than {MOST} bytes of aliases")).about("field", field)
        );
    }
    Ok(())
}

/// Whether it can be asked for by DNS.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fits = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
    text.len() <= LONGEST_NAME && text.split('.').all(fits)
}

/// Check links in a network, and write the names for ids, by which nobody asks.
pub(super) fn check_links(engine: &Engine, network: &Record, links: &mut [String]) -> Result<()> {
    let field = "NetworkingConfig.EndpointsConfig.Links";
    if network.name == DEFAULT && !links.is_empty() {
        return Err(Error::invalid(
            "links in a network are only supported for user-defined networks: use HostConfig.Links",
        )
        .about("field", field));
    }
    if links.iter().map(|link| link.len() + 1).sum::<usize>() > MOST {
        return Err(
            Error::invalid(format!("more than {MOST} bytes of links")).about("field", field)
        );
    }
    for text in links {
        let link = Link::parse(text)?;
        // Docker asks by the name whenever the alias is asked for: it may be another's by then.
        let name = match engine.containers().find(link.container)? {
            found if found.id.starts_with(link.container) => found.name,
            _ => link.container.to_owned(),
        };
        *text = format!("{name}:{}", link.alias);
    }
    Ok(())
}

/// The links of a container in a network, as its resolver reads them.
fn links(settings: &EndpointSettings) -> Vec<(String, String)> {
    let links = settings.links.iter().filter_map(|text| Link::parse(text).ok());
    let lower = |name: &str| name.to_ascii_lowercase();
    links.map(|Link { container, alias }| (lower(alias), lower(container))).collect()
}

/// Write down what the record says about a container's networks and names.
pub(crate) fn publish(engine: &Engine, id: &str) -> Result<()> {
    let names = Names::lock(engine)?;
    let Some((record, places)) = engine.store().read(|connection| {
        let Some(record) = container::Record::find(connection, id)? else { return Ok(None) };
        Ok(Some((record, Endpoint::with_networks(connection, id)?)))
    })?
    else {
        return Ok(());
    };
    let mut left: BTreeSet<String> = names.networks(id)?.into_iter().map(|n| n.id).collect();
    let mut lines = String::new();
    for (network, endpoint) in &places {
        let Some(network) = network else { continue };
        left.remove(&network.id);
        lines += &Network {
            id: network.id.clone(),
            name: network.name.clone(),
            internal: network.document.internal,
            links: links(&endpoint.settings),
        }
        .line();
        if network.name != DEFAULT {
            let known = of(&(&record).into(), &endpoint.settings);
            names.put(&network.id, id, &line(id, endpoint.addresses(), &known))?;
        }
    }
    failpoint("names-written")?;
    for network in left {
        names.put(&network, id, "")?;
    }
    // A file without networks says that the container was started.
    names.write(id, if lines.is_empty() { "\n" } else { &lines })?;
    failpoint("names-published")
}

/// The same for a container that is there already and has been started, if it was.
pub(crate) fn publish_again(engine: &Engine, id: &str) -> Result<()> {
    match engine.layout().names().join(id).exists() {
        true => publish(engine, id),
        false => Ok(()),
    }
}

/// That what is written has to follow what changes in this transaction. There is nothing to follow where a container was never started.
pub(crate) fn begin(
    engine: &Engine,
    transaction: &Transaction<'_>,
    id: &str,
) -> Result<Option<i64>> {
    match engine.layout().names().join(id).exists() {
        true => {
            Intent::begin(transaction, INTENT, id, engine.this_process(), clock::now()).map(Some)
        }
        false => Ok(None),
    }
}

/// Have it follow.
pub(crate) fn finish(engine: &Engine, id: &str, intent: Option<i64>) -> Result<()> {
    // A start at the same time, which there was no intent for, may have written the old name.
    publish_again(engine, id)?;
    match intent {
        // If that is lost, it is done once more.
        Some(intent) => engine.store().free(Durability::Crash, |t| Intent::finish(t, intent)),
        None => Ok(()),
    }
}

/// A container leaves a network. It is out of the record afterwards.
pub(super) fn leave(engine: &Engine, id: &str, network: &str) -> Result<()> {
    if !engine.layout().names().join(id).exists() {
        return Ok(());
    }
    let names = Names::lock(engine)?;
    names.put(network, id, "")?;
    let others = names.networks(id)?.into_iter().filter(|other| other.id != network);
    let lines: String = others.map(|other| other.line()).collect();
    names.write(id, if lines.is_empty() { "\n" } else { &lines })?;
    failpoint("names-left")
}

/// A container is removed.
pub(crate) fn forget(engine: &Engine, id: &str) -> Result<()> {
    if !engine.layout().names().join(id).exists() {
        return Ok(());
    }
    let names = Names::lock(engine)?;
    for network in names.networks(id)? {
        names.put(&network.id, id, "")?;
    }
    names.write(id, "")
}

/// A network is removed.
pub(super) fn forget_network(engine: &Engine, id: &str) -> Result<()> {
    if !engine.layout().names().join(id).exists() {
        return Ok(());
    }
    Names::lock(engine)?.write(id, "")
}

/// The directory, while nobody else changes anything in it.
struct Names {
    directory: PathBuf,
    lock: File,
}

impl Names {
    fn lock(engine: &Engine) -> Result<Names> {
        let directory = engine.layout().names();
        if !directory.exists() {
            sys::directory::make(engine.layout().run(), Mode::RWXU)?;
            sys::directory::make(&directory, Mode::RWXU)?;
        }
        let path = directory.join("lock");
        let failed = |error| Error::system(format!("lock {}", path.display()), error);
        let lock = File::options().create(true).append(true).open(&path).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Names { directory, lock })
    }

    fn read(&self, id: &str) -> Result<String> {
        let path = self.directory.join(id);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == Io::NotFound => Ok(String::new()),
            read => read.map_err(|error| Error::system(format!("read {}", path.display()), error)),
        }
    }

    /// The networks that a container was in.
    fn networks(&self, container: &str) -> Result<Vec<Network>> {
        Ok(Network::parse(&self.read(container)?).collect())
    }

    /// Replace a container's line in a network's file.
    fn put(&self, network: &str, container: &str, line: &str) -> Result<()> {
        let before = self.read(network)?;
        let others = before.split_inclusive('\n').filter(|line| !line.starts_with(container));
        let after = others.collect::<String>() + line;
        if after == before { Ok(()) } else { self.write(network, &after) }
    }

    /// Replace a file as a whole, or remove it where there is nothing to say.
    fn write(&self, id: &str, text: &str) -> Result<()> {
        let path = self.directory.join(id);
        let failed = |error| Error::system(format!("write {}", path.display()), error);
        if text.is_empty() {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != Io::NotFound => Err(failed(error)),
                _ => Ok(()),
            };
        }
        // Who holds the lock is the only one with that name.
        let new = self.directory.join("new");
        sys::file::create(&new, 0o600)?.write_all(text.as_bytes()).map_err(failed)?;
        fs::rename(&new, &path).map_err(failed)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        // Closing does so too, but only when no child that the host program has forked meanwhile has a copy.
        let _ = self.lock.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::each;
    use crate::api::EndpointSettings;

    #[test]
    fn names_are_docker_s_and_each_once() {
        let id = "0123456789abcdef".repeat(4);
        let settings =
            EndpointSettings { aliases: vec!["db".into(), "web".into()], ..Default::default() };
        assert_eq!(each("web", &id, "0123456789ab", &settings), ["web", "db", "0123456789ab"]);
        assert_eq!(each("web", &id, "host", &settings), ["web", "db", "0123456789ab", "host"]);
    }
}
