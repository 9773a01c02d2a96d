//! A container's lock file: who may change it, and whether its monitor lives.
//!
//! Two bytes of `<run>/locks/<id>` are locked ([`protocol::LOCK_OPERATION`], [`protocol::LOCK_MONITOR`]). The file lies in the
//! run directory, so that a reboot clears it, and goes with the container.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use barque_monitor::protocol::{LOCK_MONITOR, LOCK_OPERATION};
use rustix::fs::Mode;

use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::Backoff;
use crate::sys;
use crate::sys::lock::LockFile;

/// How long an operation waits for another on the same container.
const PATIENCE: Duration = Duration::from_secs(60);

/// The right to change a container: held from `new` to drop, by one thread of one process.
#[derive(Debug)]
pub(crate) struct OperationLock {
    file: LockFile,
    id: String,
    fresh: bool,
}

impl OperationLock {
    /// Take it, waiting for whoever has it.
    pub(crate) fn take(engine: &Engine, id: &str, verb: &str) -> Result<OperationLock> {
        let begin = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(50));
        loop {
            match OperationLock::attempt(engine, id, verb)? {
                Ok(lock) => return Ok(lock),
                Err(holder) if begin.elapsed() >= PATIENCE => return Err(busy(id, holder)),
                Err(_) => {}
            }
            // Waiters that began together part: each sleeps for a time of its own, a while longer every time.
            engine.canceller().sleep(backoff.pause().mul_f64(0.5 + random_fraction()))?;
        }
    }

    /// Take it for work on the container that is no try to start it.
    pub(crate) fn take_quietly(engine: &Engine, id: &str) -> Result<OperationLock> {
        OperationLock::take(engine, id, "")
    }

    /// Take it if nobody has it.
    pub(crate) fn try_take(engine: &Engine, id: &str, verb: &str) -> Result<Option<OperationLock>> {
        Ok(OperationLock::attempt(engine, id, verb)?.ok())
    }

    /// The lock, or the note of whoever has it.
    fn attempt(
        engine: &Engine,
        id: &str,
        verb: &str,
    ) -> Result<std::result::Result<OperationLock, Option<String>>> {
        let path = engine.layout().container_lock(id);
        loop {
            let file = match LockFile::make(&path) {
                Err(error) if error.errno() == Some(libc::ENOENT) => {
                    if let Some(parent) = path.parent() {
                        sys::directory::make(parent, Mode::RWXU)?;
                    }
                    LockFile::make(&path)?
                }
                file => file?,
            };
            if !file.try_lock(LOCK_OPERATION)? {
                return Ok(Err(file.read_note()));
            }
            // The container may have been removed, and its lock file with it, between our opening and locking it.
            if file.is_linked()? {
                let fresh = file.read_note().is_none();
                if !verb.is_empty() {
                    file.write_note(&format!("{verb} by process {}", std::process::id()));
                }
                return Ok(Ok(OperationLock { file, id: id.to_owned(), fresh }));
            }
        }
    }

    /// Whether nobody had taken it before in this boot: the container was never started, nor was that tried.
    ///
    /// Only who holds the lock can tell: the file may be there for a moment because a reconciler looks, who takes it away
    /// again.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Whether a monitor of this container lives.
    pub(crate) fn has_monitor(&self) -> Result<bool> {
        self.file.is_locked(LOCK_MONITOR)
    }

    /// Wait for the monitor to be gone. `false`: it has stayed for longer than that.
    pub(crate) fn wait_for_monitor(&self, engine: &Engine, patience: Duration) -> Result<bool> {
        let begin = Instant::now();
        let mut backoff = Backoff::new(Duration::from_micros(100), Duration::from_millis(20));
        while self.has_monitor()? {
            if begin.elapsed() >= patience {
                return Ok(false);
            }
            engine.canceller().sleep(backoff.pause())?;
        }
        Ok(true)
    }

    /// Take the monitor's lock, on an open file description of its own that can be handed to the monitor.
    pub(crate) fn take_for_monitor(&self, engine: &Engine) -> Result<OwnedFd> {
        let file = LockFile::make(&engine.layout().container_lock(&self.id))?;
        if !file.try_lock(LOCK_MONITOR)? {
            return Err(busy(&self.id, Some("its monitor".to_owned())));
        }
        Ok(file.into())
    }

    /// The container is gone: remove the lock file, which whoever waits for it notices.
    pub(crate) fn remove(self, engine: &Engine) -> Result<()> {
        let path = engine.layout().container_lock(&self.id);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::system(format!("remove {}", path.display()), error))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for OperationLock {
    fn drop(&mut self) {
        self.file.unlock(LOCK_OPERATION);
    }
}

/// What a container's lock file says, looked at without taking part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// It is there: somebody has tried to start the container in this boot.
    pub(crate) exists: bool,
    /// Somebody is changing the container; not said of one whose monitor lives.
    pub(crate) operation: bool,
    /// Its monitor lives.
    pub(crate) monitor: bool,
}

impl Look {
    /// Look at the container's lock file.
    pub(crate) fn at(engine: &Engine, id: &str) -> Result<Look> {
        Look::into(LockFile::open(&engine.layout().container_lock(id))?)
    }

    fn into(file: Option<LockFile>) -> Result<Look> {
        let Some(file) = file else { return Ok(Look::default()) };
        // All that matters of one that runs, and whoever looks at all looks at those that run.
        if file.is_locked(LOCK_MONITOR)? {
            return Ok(Look { exists: true, operation: false, monitor: true });
        }
        // In this order: who starts it has its monitor lock before they let the other go.
        Ok(Look {
            exists: file.read_note().is_some(),
            operation: file.is_locked(LOCK_OPERATION)?,
            monitor: file.is_locked(LOCK_MONITOR)?,
        })
    }
}

/// The lock files of all containers, for whoever looks at many.
pub(crate) struct Locks {
    /// `None`: nothing was started yet in this boot.
    directory: Option<OwnedFd>,
}

impl Locks {
    pub(crate) fn of(engine: &Engine) -> Result<Locks> {
        Ok(Locks { directory: sys::directory::base(&engine.layout().locks())? })
    }

    /// As [`Look::at`].
    pub(crate) fn look(&self, id: &str) -> Result<Look> {
        match &self.directory {
            Some(directory) => Look::into(LockFile::open_below(directory.as_fd(), id)?),
            None => Ok(Look::default()),
        }
    }
}

fn busy(id: &str, holder: Option<String>) -> Error {
    let holder = holder.unwrap_or_else(|| "another process".to_owned());
    Error::new(ErrorKind::Busy, format!("container {id} is busy: {holder}")).about("container", id)
}

fn random_fraction() -> f64 {
    let mut bytes = [0; 2];
    // Without randomness the waiters are only less well apart.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u16::from_ne_bytes(bytes)) / f64::from(u16::MAX)
}
