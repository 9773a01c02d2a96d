//! What a build stands on, kept for as long as it goes on: the images that its stages begin with, one of no layers for those that begin
//! with nothing, and what it has taken from the cache.
//!
//! An image that somebody removes meanwhile is hidden, as it is for a container, and goes when the build has ended.

use std::sync::{Mutex, PoisonError};

use rusqlite::Transaction;

use super::built::{self, Cached, Image, Steps};
use super::config::{ImageConfig, RootFs};
use super::digest::Digest;
use super::index;
use super::load::{self, Which};
use super::manifest::Platform;
use super::pull::Policy;
use super::resolve::ImageHandle;
use crate::Engine;
use crate::error::Result;
use crate::store::lease::Lease;
use crate::store::{Durability, Intent};
use crate::sys::clock;

/// The operation of the intents that keep what builds stand on: `object` is an image, or the key of a record of the cache.
pub(crate) const INTENT: &str = "image.build";

/// A build that goes on. What it stands on is kept until its end, whoever removes it meanwhile.
#[derive(Debug)]
pub(crate) struct Build {
    id: String,
    kept: Mutex<Vec<(i64, String)>>,
}

impl Build {
    pub(crate) fn begin(engine: &Engine) -> Result<Build> {
        let owner = engine.this_process();
        Ok(Build { id: format!("{}-{}", owner.pid, clock::now()), kept: Mutex::default() })
    }

    /// What its containers are labelled with.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The image of this name, fetched when it is not here or is to be `fresh`.
    pub(crate) fn base(
        &self,
        engine: &Engine,
        name: &str,
        platform: &str,
        fresh: bool,
    ) -> Result<ImageHandle> {
        let mut policy = if fresh { Policy::Always } else { Policy::Missing };
        loop {
            engine.canceller().check()?;
            engine.images().ensure(name, platform, policy)?;
            let image = engine.images().resolve(name)?;
            if self.keep(engine, &image.id)? {
                return Ok(image);
            }
            // Somebody has removed it in between.
            policy = Policy::Missing;
        }
    }

    /// An image of an OCI layout. One that was not here nobody sees, and it goes with the build.
    pub(crate) fn of_layout(
        &self,
        engine: &Engine,
        path: &str,
        which: &Which,
    ) -> Result<ImageHandle> {
        loop {
            engine.canceller().check()?;
            let mut seen = false;
            let id = load::from_layout(engine, path, which, |id| {
                seen = engine.images().exists(id.as_str())?;
                Ok(())
            })?;
            if self.hold(engine, id.as_str(), seen)? {
                return engine.images().of_container(id.as_str());
            }
        }
    }

    /// Keep an image until the build ends, and let nobody see it unless it `was_there` before or has a name. `false`: it is gone.
    pub(crate) fn hold(&self, engine: &Engine, id: &str, was_there: bool) -> Result<bool> {
        let is_there = engine.store().write(Durability::Crash, |transaction| {
            if !was_there {
                transaction.execute(
                    "UPDATE images SET hidden = 1 WHERE id = ?1
                     AND NOT EXISTS (SELECT 1 FROM tags WHERE image_id = ?1)",
                    [id],
                )?;
            }
            let is_there: bool = transaction
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM images WHERE id = ?1)")?
                .query_row([id], |row| row.get(0))?;
            if is_there {
                self.intend(transaction, engine, id)?;
            }
            Ok(is_there)
        })?;
        // Otherwise the next reconciliation does it.
        let _ = index::bring_up_to_date(engine);
        Ok(is_there)
    }

    /// An image without layers, for containers of what begins with nothing. Nobody sees it.
    pub(crate) fn empty(&self, engine: &Engine) -> Result<String> {
        let platform = Platform::of_images();
        let config = ImageConfig {
            architecture: platform.architecture,
            os: platform.os,
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids: Vec::new() },
            ..ImageConfig::default()
        };
        let image = Image { names: Vec::new(), config, layers: Vec::new() };
        let id = Digest::of(&image.document()?).as_str().to_owned();
        loop {
            let is_there = engine.store().write(Durability::Crash, |transaction| {
                let is_there: bool = transaction
                    .prepare_cached("SELECT EXISTS (SELECT 1 FROM images WHERE id = ?1)")?
                    .query_row([&id], |row| row.get(0))?;
                if is_there {
                    transaction.execute(
                        "UPDATE images SET hidden = 1 WHERE id = ?1 AND NOT hidden",
                        [&id],
                    )?;
                    self.intend(transaction, engine, &id)?;
                }
                Ok(is_there)
            })?;
            if is_there {
                // That it is hidden now takes it out of there; otherwise the next reconciliation does.
                let _ = index::bring_up_to_date(engine);
                return Ok(id);
            }
            let lease = Lease::take(engine.layout())?;
            let image =
                Image { names: Vec::new(), config: image.config.clone(), layers: Vec::new() };
            built::publish(engine, &lease, &Steps::default(), Some(image))?;
        }
    }

    /// Keep an image; `false`: it is gone.
    fn keep(&self, engine: &Engine, image: &str) -> Result<bool> {
        engine.store().write(Durability::Crash, |transaction| {
            let is_there: bool = transaction
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM images WHERE id = ?1 AND hidden = 0)",
                )?
                .query_row([image], |row| row.get(0))?;
            if is_there {
                self.intend(transaction, engine, image)?;
            }
            Ok(is_there)
        })
    }

    /// What the cache has for a key, unless it has nothing. It is kept, too.
    pub(crate) fn cached(&self, engine: &Engine, key: &Digest) -> Result<Option<Cached>> {
        engine.store().write(Durability::Crash, |transaction| {
            let cached = built::look_up(engine, transaction, key)?;
            if cached.is_some() {
                self.intend(transaction, engine, key.as_str())?;
            }
            Ok(cached)
        })
    }

    fn intend(&self, transaction: &Transaction<'_>, engine: &Engine, object: &str) -> Result<()> {
        let owner = engine.this_process();
        let intent = Intent::begin(transaction, INTENT, object, owner, clock::now())?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((intent, object.to_owned()));
        Ok(())
    }

    /// It is over: what was removed meanwhile may go.
    pub(crate) fn end(&self, engine: &Engine) -> Result<()> {
        // Also of one that was cancelled.
        let engine = &engine.uncancelled()?;
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        if kept.is_empty() {
            return Ok(());
        }
        engine.store().free(Durability::Crash, |transaction| {
            kept.iter().try_for_each(|(intent, _)| Intent::finish(transaction, *intent))
        })?;
        // A key is no image, and there is nothing to release.
        kept.iter().try_for_each(|(_, object)| engine.images().release(object))
    }
}
