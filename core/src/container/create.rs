//! `create`: a row of the database, and those of its volumes and networks.

use rusqlite::Transaction;

use super::Containers;
use super::mount_point::Mounts;
use super::plan::{self, Plan};
use super::record::Record;
use super::settle::settle_if_free;
use super::{joined, launch, link, name};
use crate::Engine;
use crate::api::{ContainerCreate, ContainerCreated};
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::id;
use crate::image::Policy;
use crate::network;
use crate::store::{Durability, Owner};
use crate::sys;
use crate::volume::{self, Wanted};

impl Containers<'_> {
    /// Create a container. It is checked as if it were to be started; nothing but its record is made.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn create(&self, request: &ContainerCreate) -> Result<ContainerCreated> {
        let (record, plan) = create(self.engine, request, None)?;
        Ok(ContainerCreated { id: record.id, warnings: plan.warnings })
    }
}

/// Create a container that, while it was never started, goes with its owner.
pub(super) fn create(
    engine: &Engine,
    request: &ContainerCreate,
    owner: Option<Owner>,
) -> Result<(Record, Plan)> {
    let given = match request.name.as_str() {
        "" => None,
        given => Some(name::check(given)?),
    };
    if request.image.is_empty() {
        return Err(Error::invalid("no image was given").about("field", "Image"));
    }
    let mut request = request.clone();
    joined::identify(engine, &mut request.host_config)?;
    link::identify(engine, &mut request.host_config)?;
    plan::read_profiles(&mut request.host_config, engine.host())?;
    let networks = network::wanted(engine, &request)?;
    let policy = Policy::parse(&request.pull, Policy::Never)?;
    engine.images().ensure(&request.image, &request.platform, policy)?;
    let image = engine.images().resolve(&request.image)?;
    check_platform(&request.platform, &image)?;
    let (id, rest) = (id::random()?, id::random_bytes::<4>()?);
    let Mounts { points: mounts, volumes } =
        Mounts::of(&request, &image.config.config.to_document(), |other| {
            engine.containers().find(other).map(|other| other.mounts)
        })?;
    let plan = launch::plan(engine, &id, &request, &mounts, &image)?;
    let mut record = Record {
        id,
        name: String::new(),
        image_id: image.id,
        created: sys::clock::now(),
        auto_remove: request.host_config.auto_remove,
        removing: false,
        with_volumes: request.host_config.auto_remove,
        document: request,
        config: plan.config.clone(),
        mounts,
        owner,
    };
    // A container that goes with its run does not outlive a reboot: its record need not either.
    // A volume that it makes does, unless that goes with it.
    let leaves_volumes = volumes.iter().any(|volume| !volume.anonymous);
    let durability = match record.auto_remove && !leaves_volumes {
        true => Durability::Crash,
        false => Durability::Full,
    };
    failpoint("create-checked")?;
    let mut attempts = 0..100;
    let mut settled = false;
    let made = loop {
        record.name = match given {
            Some(name) => name.to_owned(),
            None => match attempts.next() {
                Some(attempt) => name::made_up(rest, attempt),
                None => record.id[..12].to_owned(),
            },
        };
        match engine
            .store()
            .write(durability, |transaction| insert(transaction, &record, &volumes, &networks))?
        {
            Inserted::Yes(made) => break made,
            Inserted::VolumeGoes(name) => {
                volume::finish(engine, &name)?;
                continue;
            }
            Inserted::NameTaken => {}
        }
        let Some(name) = given else { continue };
        let holder = engine.store().read(|connection| Record::id_of_name(connection, name))?;
        match holder {
            // Gone meanwhile.
            None => {}
            // It may be one that has ended and was to go with its end.
            Some(holder) if !settled => {
                settle_if_free(engine, &holder)?;
                settled = true;
            }
            Some(holder) => return Err(name::taken(name, &holder)),
        }
    };
    failpoint("create-committed")?;
    volume::created(engine, &made);
    events::container(engine, &record, "create", &[]);
    // Whoever looks finds them there; a start would make them too.
    volume::ensure(engine, &record.mounts, record.auto_remove)?;
    Ok((record, plan))
}

/// What became of writing a container's row.
enum Inserted {
    /// And these volumes with it.
    Yes(Vec<String>),
    NameTaken,
    /// The removal of a volume that it wants has begun and is to be finished first.
    VolumeGoes(String),
}

/// Write the container's row and those of its volumes, or nothing.
fn insert(
    transaction: &Transaction<'_>,
    record: &Record,
    volumes: &[Wanted],
    networks: &[network::Wanted],
) -> Result<Inserted> {
    if let Some(going) = volume::going(transaction, &record.mounts)? {
        return Ok(Inserted::VolumeGoes(going));
    }
    if record.insert(transaction)?.is_none() {
        return Ok(Inserted::NameTaken);
    }
    let made = volume::claim(transaction, &record.id, volumes, &record.mounts)?;
    network::claim(transaction, &record.id, networks)?;
    Ok(Inserted::Yes(made))
}

/// `os/architecture[/variant]`, as far as it was asked for.
fn check_platform(wanted: &str, image: &crate::image::ImageHandle) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let parts: Vec<&str> = wanted.split('/').collect();
    let (os, architecture, variant) = match parts.as_slice() {
        [os] => (*os, "", ""),
        [os, architecture] => (*os, *architecture, ""),
        [os, architecture, variant] => (*os, *architecture, *variant),
        _ => {
            return Err(Error::invalid(format!("\"{wanted}\": not os/architecture[/variant]"))
                .about("field", "Platform"));
        }
    };
    let config = &image.config;
    let same = |wanted: &str, has: &str| wanted.is_empty() || wanted == has;
    if same(os, &config.os)
        && same(architecture, &config.architecture)
        && same(variant, &config.variant)
    {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotFound,
        format!(
            "image with reference {} was found but does not match the specified platform: wanted {wanted}, actual: {}/{}",
            image.reference, config.os, config.architecture
        ),
    )
    .with_reason("platform_mismatch")
    .about("image", image.reference.as_str()))
}
