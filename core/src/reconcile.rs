//! Making record, disk and kernel agree again after somebody was killed: what opening an engine begins with.
//!
//! It must cost next to nothing when there is nothing to do, with a thousand containers too. So it looks at what can be wrong,
//! not at all there is: rows that are marked as unfinished (an index holds just those), and the run directory, which has
//! entries only of containers that run, or whose monitor was killed. After a reboot, when that directory is new, everything
//! is looked at once. Any number of processes may do it at the same time: each container is settled under its lock, and one
//! that somebody is busy with is left to them.

use std::collections::BTreeSet;

use crate::Engine;
use crate::container::{self, Locks};
use crate::error::Result;
use crate::failpoint::failpoint;
use crate::id;
use crate::image::{index, publish};
use crate::store::{Durability, Intent, Owner, lease};
use crate::{network, sys, volume};

/// A row that may be unfinished.
struct Row {
    id: String,
    removing: bool,
    auto_remove: bool,
    owner: Option<Owner>,
}

/// Look, and settle what is not as it should be.
///
/// That one container cannot be settled (a full disk, a file system that has become read-only) must not keep the engine from
/// being opened: whoever uses that container is told.
pub(crate) fn run(engine: &Engine) -> Result<()> {
    let layout = engine.layout();
    let mut suspects = BTreeSet::new();
    // Names first and rows afterwards: a container that is made in between has its row before it has a name anywhere.
    let entries = sys::directory::names(layout.run())?;
    let locked = sys::directory::names(&layout.locks())?;
    let first_in_this_boot = is_first_in_this_boot(engine);
    let directories = match first_in_this_boot {
        true => sys::directory::names(&layout.containers())?,
        false => Vec::new(),
    };
    let running = ids(&entries);
    let locks = Locks::of(engine)?;
    let mut watched = BTreeSet::new();
    for id in &running {
        match locks.look(id)?.monitor {
            true => watched.insert(*id),
            false => suspects.insert((*id).to_owned()),
        };
    }
    // That a container runs is enough to know that it is one.
    let mut strangers = ids(&locked);
    strangers.retain(|id| !watched.contains(id));
    engine.store().read(|connection| keep_unknown(connection, &mut strangers))?;
    suspects.extend(strangers.into_iter().map(str::to_owned));
    for row in engine.store().read(unfinished)? {
        let abandoned = row.owner.as_ref().is_some_and(|owner| !owner.is_alive());
        // One that goes with its run has no entry in the run directory when that is over, and a lock that nobody holds.
        let is_over = row.auto_remove && !running.contains(row.id.as_str()) && {
            let look = locks.look(&row.id)?;
            look.exists && !look.monitor
        };
        if row.removing || abandoned || is_over {
            suspects.insert(row.id);
        }
    }
    if first_in_this_boot {
        suspects.extend(engine.store().read(known_ids)?);
        suspects.extend(ids(&directories).into_iter().map(str::to_owned));
    }
    // Each of these may fail for reasons of its own, and none is a reason not to open the engine.
    let _ = lease::sweep(layout);
    let _ = crate::image::sweep_ingest(layout);
    crate::build::sweep_secrets(layout, &entries);
    let unfinished = engine.store().read(Unfinished::look).unwrap_or(Unfinished::UNKNOWN);
    if unfinished.work {
        let _ = finish_work(engine);
    }
    let mut settled = true;
    for id in &suspects {
        settled &= container::settle_if_free(engine, id).is_ok();
    }
    // After the containers, which may take theirs with them.
    settled &= network::heal(engine).is_ok();
    settled &= !unfinished.networks || network::finish_removals(engine).is_ok();
    settled &= !unfinished.volumes || volume::finish_removals(engine).is_ok();
    settled &= !first_in_this_boot || volume::clear_orphans(engine).is_ok();
    if first_in_this_boot && settled {
        // One that cannot be written only means that the next one looks again.
        let _ = sys::file::replace(&layout.boot(), engine.boot_id().as_bytes(), 0o600);
    }
    Ok(())
}

/// What there may be in the record, besides containers, that somebody has left undone.
struct Unfinished {
    /// Any of what [`finish_work`] does.
    work: bool,
    /// Networks whose removal has begun.
    networks: bool,
    /// Volumes of which the same is true.
    volumes: bool,
}

impl Unfinished {
    /// Where that cannot be read, each is tried: it fails for itself.
    const UNKNOWN: Unfinished = Unfinished { work: true, networks: true, volumes: true };

    /// In one question, which every command asks and which nearly always has the same answer.
    fn look(connection: &rusqlite::Connection) -> rusqlite::Result<Unfinished> {
        connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM intents)
                        OR EXISTS (SELECT 1 FROM images WHERE hidden = 1)
                        OR EXISTS (SELECT 1 FROM meta WHERE key = 'index'),
                    EXISTS (SELECT 1 FROM networks WHERE removing),
                    EXISTS (SELECT 1 FROM volumes INDEXED BY volumes_removing WHERE removing)",
            )?
            .query_row([], |row| {
                Ok(Unfinished { work: row.get(0)?, networks: row.get(1)?, volumes: row.get(2)? })
            })
    }
}

/// What processes that died had begun: content to be published or removed, containers held still for a commit, networks to be left, names
/// that are written down elsewhere. And images that were only kept for containers, and the index that other programs read.
fn finish_work(engine: &Engine) -> Result<()> {
    let (mut intents, hidden, stale) = engine.store().read(|connection| {
        let hidden: Vec<String> = connection
            .prepare_cached("SELECT id FROM images WHERE hidden = 1")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok((Intent::all(connection)?, hidden, index::is_stale(connection)?))
    })?;
    intents.retain(|intent| !intent.owner.is_alive());
    if !intents.is_empty() {
        if intents.iter().any(|intent| intent.operation == publish::INTENT) {
            publish::clear(engine)?;
            failpoint("recover-content-cleared")?;
        }
        for intent in intents.iter().filter(|intent| intent.operation == container::HOLD) {
            container::thaw(engine, &intent.object)?;
        }
        let (leaving, others): (Vec<_>, Vec<_>) =
            intents.into_iter().partition(|intent| intent.operation == network::INTENT);
        for intent in &leaving {
            network::finish_leaving(engine, intent)?;
        }
        for intent in others.iter().filter(|i| i.operation == network::names::INTENT) {
            network::names::publish_again(engine, &intent.object)?;
        }
        engine.store().write(Durability::Full, |transaction| {
            others.iter().try_for_each(|intent| Intent::finish(transaction, intent.id))
        })?;
    }
    hidden.iter().try_for_each(|image| engine.images().release(image))?;
    // Whoever changed a name just now writes the index, too; two who do it do no harm.
    if stale { index::bring_up_to_date(engine) } else { Ok(()) }
}

/// Whether everything has to be looked at: the file that says in which boot that was done is from another one, or gone.
fn is_first_in_this_boot(engine: &Engine) -> bool {
    std::fs::read(engine.layout().boot()).map_or(true, |boot| boot != engine.boot_id().as_bytes())
}

/// Those that are ids of containers.
fn ids(names: &[String]) -> BTreeSet<&str> {
    names.iter().map(String::as_str).filter(|name| id::is_whole(name)).collect()
}

/// So many ids are looked up one by one rather than all that there are read: the index of all is small.
const FEW: usize = 4;

/// Leave only the ids that no container has.
fn keep_unknown(
    connection: &rusqlite::Connection,
    ids: &mut BTreeSet<&str>,
) -> rusqlite::Result<()> {
    if ids.len() > FEW {
        let known = known_ids(connection)?;
        ids.retain(|id| !known.contains(*id));
        return Ok(());
    }
    if ids.is_empty() {
        return Ok(());
    }
    let mut find = connection.prepare_cached("SELECT 1 FROM containers WHERE id = ?1")?;
    let mut known = Vec::new();
    for id in ids.iter() {
        if find.exists([id])? {
            known.push(*id);
        }
    }
    ids.retain(|id| !known.contains(id));
    Ok(())
}

fn known_ids(connection: &rusqlite::Connection) -> rusqlite::Result<BTreeSet<String>> {
    connection
        .prepare_cached("SELECT id FROM containers INDEXED BY containers_by_image")?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn unfinished(connection: &rusqlite::Connection) -> rusqlite::Result<Vec<Row>> {
    connection
        .prepare_cached(
            "SELECT id, removing, auto_remove, owner_pid, owner_start_time, owner_boot_id
             FROM containers INDEXED BY containers_unsettled
             WHERE removing OR auto_remove OR owner_pid IS NOT NULL",
        )?
        .query_map([], |row| {
            let owner = match row.get(3)? {
                Some(pid) => Some(Owner {
                    pid,
                    start_time: row.get::<_, i64>(4)? as u64,
                    boot_id: row.get(5)?,
                }),
                None => None,
            };
            Ok(Row { id: row.get(0)?, removing: row.get(1)?, auto_remove: row.get(2)?, owner })
        })?
        .collect()
}
