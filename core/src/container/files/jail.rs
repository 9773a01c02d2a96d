//! The file jail from the library's side: what it is to see, and what it says.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use barque_monitor::protocol::{Files, Job, Overlay, Report, UpperWork, View};
use rustix::fs::Mode;
use rustix::io::Errno;

use crate::Engine;
use crate::container::launch;
use crate::container::lock::OperationLock;
use crate::container::plan::User;
use crate::container::record::Record;
use crate::container::state::Standing;
use crate::container::{Containers, failure, joined};
use crate::error::{Error, ErrorKind, Result};
use crate::store::lease::Lease;
use crate::stream::{Canceller, Deadline};
use crate::sys::spawn::{Child, spawn};
use crate::sys::{directory, socket};

/// Longest report: a list of a directory with a few hundred thousand names.
const LONGEST_REPORT: usize = 256 << 20;

/// How long a monitor may take to say that its container has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a jail is connected to.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::container) struct Wiring<'a> {
    /// Its descriptor 0.
    pub(in crate::container) input: Option<BorrowedFd<'a>>,
    /// Its descriptor 1.
    pub(in crate::container) output: Option<BorrowedFd<'a>>,
    /// It ends with the thread that starts it, which therefore must wait for it.
    pub(in crate::container) tied: bool,
}

/// A file jail at work. Dropping it ends it.
pub(in crate::container) struct Jail {
    child: Option<Child>,
    reports: OwnedFd,
    unread: Vec<u8>,
    id: String,
    path: String,
    // Given back when the process is gone.
    held: Held,
}

/// What a jail needs of the store while it works.
#[derive(Default)]
struct Held {
    /// For its scratch directories.
    lease: Option<Lease>,
    lock: Option<OperationLock>,
    /// The container's user namespace, while it runs in one of its own.
    user: Option<OwnedFd>,
    /// The lock file was made for this, and nothing says that the container was started.
    unlink: Option<Engine>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let (Some(lock), Some(engine)) = (self.lock.take(), self.unlink.take()) {
            // What stays has no note in it, and says nothing.
            let _ = lock.remove(&engine);
        }
    }
}

impl Jail {
    /// Start a jail that does `job` to the files of the container `id`.
    pub(in crate::container) fn start(
        engine: &Engine,
        id: &str,
        job: Job,
        wiring: Wiring<'_>,
    ) -> Result<Jail> {
        let writes = matches!(job, Job::Extract { .. } | Job::Write { .. } | Job::Remove { .. });
        let patience = Deadline::after(PATIENCE);
        loop {
            let record = Containers::new(engine).find(id)?;
            let standing = Standing::of(engine, &record.id)?;
            if standing.is_over(record.auto_remove) || record.removing {
                return Err(Error::not_found("container", id));
            }
            if let Some(run) = standing.running() {
                let mapped = User::of(&record.document.host_config)? != User::Host;
                let user = match mapped {
                    true => joined::namespace(run, "user")?,
                    false => None,
                };
                let seen = joined::namespace(run, "mnt")?.filter(|_| mapped == user.is_some());
                let Some(namespace) = seen else {
                    // It has ended since; its monitor is about to say so.
                    if patience.remaining() == Some(Duration::ZERO) {
                        return Err(unseen(&record.id, run.pid));
                    }
                    engine.canceller().sleep(Duration::from_millis(1))?;
                    continue;
                };
                let view = View::Running { root_only: matches!(job, Job::Export), mapped };
                let mut held = Held::default();
                held.user = user;
                return Jail::spawn(engine, id, view, job, wiring, Some(&namespace), held);
            }
            let mut held = Held::default();
            if writes {
                let lock = OperationLock::take_quietly(engine, &record.id)?;
                // Between the look and the lock somebody may have started or removed it.
                let again =
                    engine.store().read(|connection| Record::find(connection, &record.id))?;
                if again.is_none() || Standing::of(engine, &record.id)?.lock.monitor {
                    if again.is_none() {
                        lock.remove(engine)?;
                    }
                    continue;
                }
                held.unlink = lock.is_fresh().then(|| engine.clone());
                held.lock = Some(lock);
            }
            let view = stopped(engine, &record, &job, writes, &mut held)?;
            return Jail::spawn(engine, id, view, job, wiring, None, held);
        }
    }

    /// Start a jail that packs the upper directory of a container as a layer; `freeze`: the cgroup to hold still meanwhile.
    pub(in crate::container) fn layer(
        engine: &Engine,
        record: &Record,
        upper: &OwnedFd,
        freeze: String,
        wiring: Wiring<'_>,
    ) -> Result<Jail> {
        let (job, held) = (Job::Layer { freeze }, Held::default());
        Jail::spawn(engine, &record.id, View::Directory, job, wiring, Some(upper), held)
    }

    /// Start a jail that compares the upper directory of a container with the layers below.
    pub(in crate::container) fn changes(
        engine: &Engine,
        record: &Record,
        upper: &OwnedFd,
    ) -> Result<Jail> {
        let image = engine.images().of_container(&record.image_id)?;
        let rootfs = Overlay { lower: launch::lower(engine, &image), upper: None };
        let view = View::Stopped { rootfs, mounts: Vec::new(), read_only: true };
        let wiring = Wiring { tied: true, ..Wiring::default() };
        let held = Held::default();
        Jail::spawn(engine, &record.id, view, Job::Changes, wiring, Some(upper), held)
    }

    /// Start a jail that works on a tree of a build.
    pub(super) fn on_tree(
        engine: &Engine,
        view: View,
        job: Job,
        wiring: Wiring<'_>,
        directory: Option<&OwnedFd>,
    ) -> Result<Jail> {
        Jail::spawn(engine, "", view, job, wiring, directory, Held::default())
    }

    fn spawn(
        engine: &Engine,
        called: &str,
        view: View,
        job: Job,
        wiring: Wiring<'_>,
        about: Option<&OwnedFd>,
        held: Held,
    ) -> Result<Jail> {
        let path = match &job {
            Job::Stat { path }
            | Job::Archive { path, .. }
            | Job::Extract { path, .. }
            | Job::Read { path, .. }
            | Job::Write { path, .. }
            | Job::List { path }
            | Job::Remove { path, .. } => path.clone(),
            Job::Export | Job::Layer { .. } | Job::Changes | Job::Gather(_) | Job::Place(_) => {
                String::new()
            }
        };
        if path.contains('\0') {
            return Err(Error::invalid("a path with a NUL in it").about("path", path));
        }
        let options = serde_json::to_vec(&Files { view, job, tied: wiring.tied })
            .ok()
            .and_then(|text| CString::new(text).ok())
            .ok_or_else(|| Error::internal("write the jail's options"))?;
        let (reports, theirs) = socket::pair()?;
        rustix::io::ioctl_fionbio(&reports, true)
            .map_err(|errno| Error::system("set up a socket", errno.into()))?;
        let mut descriptors: Vec<(BorrowedFd<'_>, RawFd)> = vec![(theirs.as_fd(), 4)];
        descriptors.extend(wiring.input.map(|fd| (fd, 0)));
        descriptors.extend(wiring.output.map(|fd| (fd, 1)));
        descriptors.extend(about.map(|fd| (fd.as_fd(), 3)));
        descriptors.extend(held.user.as_ref().map(|user| (user.as_fd(), 6)));
        descriptors.extend(held.lease.as_ref().map(|lease| (lease.lock(), 5)));
        let program = engine.monitor_program()?;
        let child = spawn(program.as_fd(), &[c"barque-monitor", c"files", &options], &descriptors)?;
        Ok(Jail {
            child: Some(child),
            reports,
            unread: Vec::new(),
            id: called.to_owned(),
            path,
            held,
        })
    }

    /// What it says next. What it says of a job that is not done is an error.
    pub(in crate::container) fn report(&mut self, canceller: &Canceller) -> Result<Report> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.unread) {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let report = serde_json::from_slice(&line)
                    .map_err(|error| Error::internal("read the jail's report").because(error))?;
                return match report {
                    Report::Missing => Err(self.missing()),
                    Report::Failed(failure) => Err(failure::error(&failure, &self.id)),
                    report => Ok(report),
                };
            }
            canceller.wait_readable(self.reports.as_fd(), Deadline::never())?;
            let mut buffer = vec![0; 64 << 10];
            match rustix::io::read(&self.reports, &mut buffer[..]) {
                Ok(0) | Err(Errno::CONNRESET) => return Err(self.lost()),
                Ok(read) if self.unread.len() + read <= LONGEST_REPORT => {
                    self.unread.extend_from_slice(&buffer[..read]);
                }
                Ok(_) => return Err(Error::internal("the jail says too much")),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(Error::system("read from the jail", errno.into())),
            }
        }
    }

    /// Tell it to go on.
    pub(in crate::container) fn go(&self) -> Result<()> {
        match rustix::net::send(&self.reports, &[1], rustix::net::SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            Err(errno) => Err(Error::system("write to the jail", errno.into())),
        }
    }

    /// Its last word, of which only that it is done matters.
    pub(in crate::container) fn finish(mut self, canceller: &Canceller) -> Result<()> {
        self.report(canceller).map(drop)
    }

    fn missing(&self) -> Error {
        let message = format!("Could not find the file {} in container {}", self.path, self.id);
        Error::new(ErrorKind::NotFound, message).about("path", &self.path)
    }

    fn lost(&mut self) -> Error {
        let ended = self.child.take().map(Child::wait);
        Error::internal(format!("the file jail gave no result ({ended:?})"))
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            child.kill();
            // Reaps it: what it held is its own no longer.
            drop(child);
        }
        self.held = Held::default();
    }
}

/// A process that runs and has no directory in `/proc`: there it is another number, or none.
fn unseen(id: &str, pid: i32) -> Error {
    let message = format!(
        "container {id} runs, and its process {pid} cannot be seen from here: its files are reached only from the pid namespace \
         that it was started in, with /proc mounted"
    );
    Error::new(ErrorKind::Conflict, message).with_reason("other_pid_namespace")
}

/// What a container that does not run would see.
fn stopped(
    engine: &Engine,
    record: &Record,
    job: &Job,
    writes: bool,
    held: &mut Held,
) -> Result<View> {
    let image = engine.images().of_container(&record.image_id)?;
    let plan = launch::plan(engine, &record.id, &record.document, &record.mounts, &image)?;
    let Some(mut rootfs) = plan.launch.rootfs else {
        return Err(Error::internal("a plan without a root"));
    };
    let mut mounts = plan.launch.spec.mounts;
    // What the container has while it runs is not there: file systems of its own, and files that its start writes.
    mounts.retain(|mount| {
        let bind = mount.options.iter().any(|option| matches!(option.as_str(), "bind" | "rbind"));
        let special = ["/dev", "/proc", "/sys"];
        let inside = special.iter().any(|place| Path::new(&mount.destination).starts_with(place));
        bind && !inside && Path::new(&mount.source).exists()
    });
    crate::container::init_layer::ensure(engine.layout())?;
    let directory = engine.layout().container(&record.id);
    if writes {
        launch::make_writable_layer(engine, record, &directory)?;
        if let Some(upper) = &mut rootfs.upper {
            // This is not its last mount, and what is copied must last.
            upper.volatile = false;
        }
    } else {
        // Nothing is written into the container, and any number may read at the same time: its layer is one of those below.
        if let Some(upper) = rootfs.upper.take().filter(|_| directory.join("upper").is_dir()) {
            rootfs.lower.insert(0, upper.upper);
        }
        if matches!(job, Job::Export) {
            mounts.clear();
        } else {
            // Places that mounts need and that are not there yet are made in a layer of their own.
            let lease = Lease::take(engine.layout())?;
            let path = |name: &str| lease.path().join(name);
            directory::make(&path("upper"), Mode::from(0o755))?;
            directory::make(&path("work"), Mode::RWXU)?;
            let text = |name: &str| path(name).to_string_lossy().into_owned();
            let (upper, work) = (text("upper"), text("work"));
            rootfs.upper = Some(UpperWork { upper, work, volatile: true });
            held.lease = Some(lease);
        }
    }
    let read_only = record.document.host_config.readonly_rootfs;
    Ok(View::Stopped { rootfs, mounts, read_only })
}
