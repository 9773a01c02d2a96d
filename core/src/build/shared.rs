//! Caches outside of the engine: steps that are taken from there when the engine's own has none, and those that go there at the end.
//!
//! One that cannot be read is no reason for a build to fail: it only takes longer. One that cannot be written is.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::output;
use super::solver::Site;
use super::state::State;
use super::tell::Telling;
use crate::api::BuildCacheStore;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Digest;
use crate::image::cache_store::{Cache, Found, Mode, Place};
use crate::image::reference::Reference;
use crate::progress::Progress;

/// Caches that were asked for.
#[derive(Debug, Default)]
pub(super) struct Stores {
    pub(super) from: Vec<Place>,
    pub(super) to: Vec<(Place, Mode)>,
}

impl Stores {
    pub(super) fn read(from: &[BuildCacheStore], to: &[BuildCacheStore]) -> Result<Stores> {
        let field = |name: &'static str| move |error: Error| error.about("field", name);
        let one = |store: &BuildCacheStore| match store.mode.as_str() {
            "" => place(store),
            _ => Err(Error::invalid("a cache that is read from has no mode")),
        };
        let other = |store: &BuildCacheStore| {
            let mode = match store.mode.as_str() {
                "" | "min" => Mode::Min,
                "max" => Mode::Max,
                mode => {
                    return Err(Error::invalid(format!(
                        "unknown mode of a cache {mode:?}; use min or max"
                    )));
                }
            };
            Ok((place(store)?, mode))
        };
        Ok(Stores {
            from: from.iter().map(one).collect::<Result<_>>().map_err(field("CacheFrom"))?,
            to: to.iter().map(other).collect::<Result<_>>().map_err(field("CacheTo"))?,
        })
    }
}

fn place(store: &BuildCacheStore) -> Result<Place> {
    let BuildCacheStore { kind, reference, path, .. } = store;
    match (kind.as_str(), reference.as_str(), path.as_str()) {
        ("registry", reference, "") if !reference.is_empty() => {
            Ok(Place::Registry(Reference::parse(reference)?.or_latest()))
        }
        ("local", "", path) if !path.is_empty() => Ok(Place::Directory(output::absolute(path)?)),
        ("registry", ..) => {
            Err(Error::invalid("a cache of the type registry needs a Ref and nothing else"))
        }
        ("local", ..) => {
            Err(Error::invalid("a cache of the type local needs a Path and nothing else"))
        }
        ("inline" | "gha" | "s3" | "azblob", ..) => Err(Error::unsupported(format!(
            "a cache of the type {kind} is not supported; use registry or local"
        ))),
        _ => Err(Error::invalid(format!("unknown type of cache {kind:?}; use registry or local"))),
    }
}

/// Caches that are read from, and what was taken.
#[derive(Default)]
pub(super) struct Shared {
    caches: Vec<(String, Cache)>,
    /// By key: two stages may want the same step.
    taken: Mutex<BTreeMap<Digest, Found>>,
}

impl Site<'_> {
    /// Open the caches that are to be read from; what is wrong with them.
    pub(super) fn open_shared(&self) -> Result<(Shared, Vec<String>)> {
        let (mut shared, mut warnings) = (Shared::default(), Vec::new());
        for place in &self.request.stores.from {
            let name = format!("importing cache from {place}");
            let telling = self.teller.begin(name, String::new())?;
            match Cache::open(self.engine, place) {
                Ok(cache) => shared.caches.push((place.to_string(), cache)),
                Err(error) => {
                    self.engine.canceller().check()?;
                    let warning = format!("the cache of {place} was not used: {error}");
                    telling.line(&warning)?;
                    warnings.push(warning);
                }
            }
            telling.done()?;
        }
        Ok((shared, warnings))
    }

    /// What these caches have for a key.
    pub(super) fn shared_step(
        &self,
        telling: &Telling<'_>,
        key: &Digest,
        below: Option<&Digest>,
    ) -> Result<Option<Found>> {
        let Some(shared) = self.shared.get().filter(|shared| !shared.caches.is_empty()) else {
            return Ok(None);
        };
        let mut taken = shared.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = taken.get(key) {
            return Ok(Some(found.clone()));
        }
        for (name, cache) in &shared.caches {
            let label = format!("shared-{}", self.number());
            match cache.take(self.engine, self.lease, &label, key, below) {
                Ok(None) => {}
                Ok(Some(found)) => {
                    taken.insert(key.clone(), found.clone());
                    return Ok(Some(found));
                }
                // A full disk does not get better by doing it here.
                Err(error) if matches!(error.errno(), Some(libc::ENOSPC | libc::EDQUOT)) => {
                    return Err(error);
                }
                Err(error) => {
                    self.engine.canceller().check()?;
                    telling.line(&format!("the cache of {name} was not used: {error}"))?;
                }
            }
        }
        Ok(None)
    }

    /// Let what was done go where it is wanted.
    pub(super) fn export_shared(&self, state: &State) -> Result<()> {
        let steps = self.steps();
        let mut keys: Vec<Digest> = steps.done.iter().map(|record| record.key.clone()).collect();
        keys.extend(steps.taken);
        let mut chains: Vec<Digest> = Vec::new();
        for diff_id in &state.config.rootfs.diff_ids {
            chains.push(crate::image::digest::chain_id(chains.last(), diff_id));
        }
        for (place, mode) in &self.request.stores.to {
            let name = format!("exporting cache to {place}");
            let telling = self.teller.begin(name, String::new())?;
            let quiet = Progress::none();
            let images = self.engine.images();
            let digest =
                images.export_cache(place, *mode, &keys, &chains, &quiet).map_err(|error| {
                    match error.kind() {
                        ErrorKind::Cancelled => error,
                        _ => error.within(format!("export the cache to {place}")),
                    }
                })?;
            telling.line(&format!("writing cache manifest {digest} done"))?;
            telling.done()?;
        }
        Ok(())
    }
}
