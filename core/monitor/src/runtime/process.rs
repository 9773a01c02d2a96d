//! A process of a container on its way to the command: from what the specification says to execve(2).
//!
//! It knows nothing of how the container was made, so that it serves for the first process and for further ones alike. All
//! that can be prepared is, while it is still easy: afterwards there is no memory to spare (RLIMIT_AS), no
//! privilege and few system calls.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Access, AtFlags, CWD, FileType, Gid, Mode, Uid, accessat, fchown, stat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Signal, ioctl_tiocsctty, setsid, umask};
use rustix::thread::{
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use crate::oci;
use crate::protocol::{Failure, FailureClass};
use crate::seccomp::Filter;
use crate::sys::clone::fork;
use crate::sys::exec::{Strings, close_on_exec_above_stdio, execve, exit, reset_signals};
use crate::sys::signal::SignalSet;

use super::capabilities::{self, Capabilities};
use super::channel::ProcessEnd;
use super::failure::{Doing, c_string, classed, invalid, system};
use super::reaper;
use super::rlimits::Limits;
use super::user_namespace::UserNamespace;
use super::users::Identity;

/// Everything that is needed from here on.
pub(crate) struct Process {
    arguments: Strings,
    environment: Strings,
    /// Files to try, in this order.
    candidates: Vec<CString>,
    /// The command is a path, not a name to look for.
    is_path: bool,
    identity: Identity,
    /// To be joined, where it is not the host's.
    user_namespace: Option<UserNamespace>,
    umask: Mode,
    capabilities: Capabilities,
    limits: Limits,
    filter: Option<Filter>,
    no_new_privileges: bool,
    terminal: bool,
    stage: Stage,
}

/// What it has given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing yet.
    Privileged,
    /// User, groups, limits and the bounding set are the command's.
    Unprivileged,
    /// So is all else.
    Confined,
}

impl Process {
    /// Prepare it. In a process that has the privileges to give.
    pub(crate) fn prepare(
        document: &oci::Process,
        identity: Identity,
        limits: Limits,
        filter: Option<&Filter>,
        user_namespace: Option<UserNamespace>,
    ) -> Result<Process, Failure> {
        let Some(command) = document.args.first().filter(|command| !command.is_empty()) else {
            return Err(invalid("no command specified"));
        };
        let mut environment = Vec::with_capacity(document.env.len() + 1);
        for variable in &document.env {
            if variable.find('=').is_none_or(|at| at == 0) {
                return Err(invalid(format!(
                    "environment variable {variable:?} is not NAME=value"
                )));
            }
            environment.push(c_string("an environment variable", variable)?);
        }
        if let Some(home) = &identity.home {
            environment.push(c_string("the home directory", &format!("HOME={home}"))?);
        }
        let arguments =
            document.args.iter().map(|a| c_string("an argument", a)).collect::<Result<_, _>>()?;
        Ok(Process {
            arguments: Strings::new(arguments),
            environment: Strings::new(environment),
            candidates: candidates(command, &document.env)?,
            is_path: command.contains('/'),
            identity,
            user_namespace,
            umask: Mode::from_raw_mode(document.user.umask.unwrap_or(0o022) & 0o777),
            capabilities: Capabilities::new(document.capabilities.as_ref())?,
            limits,
            filter: filter.cloned(),
            no_new_privileges: document.no_new_privileges,
            terminal: document.terminal,
            stage: Stage::Privileged,
        })
    }

    /// Let the user open `/dev/stdin` and so on again, which are pipes of root's (runc's and Docker's
    /// behaviour; moby#31243).
    pub(crate) fn own(&self, streams: &[impl AsFd]) -> Result<(), Failure> {
        let uid = match &self.user_namespace {
            Some(namespace) => namespace.uid(self.identity.uid)?,
            None => self.identity.uid,
        };
        if uid != 0 {
            for stream in streams {
                fchown(stream, Some(Uid::from_raw(uid)), None)
                    .doing(|| "give the standard streams to the user")?;
            }
        }
        Ok(())
    }

    /// Become the command; with `init`, its child becomes it. Returns only with what went wrong.
    pub(crate) fn run(
        &mut self,
        streams: [OwnedFd; 3],
        channel: &ProcessEnd,
        init: bool,
    ) -> Failure {
        match self.try_run(streams, channel, init) {
            Ok(never) => match never {},
            Err(failure) => failure,
        }
    }

    /// Go on, with the command's privileges and no more, as another process in the pid namespace that was joined, once the
    /// monitor has been told and has reaped this one, which ends.
    ///
    /// Before, no process of that namespace could see this one. From then on those with CAP_SYS_PTRACE can take it over,
    /// so it must have nothing left that is not the command's (CVE-2016-9962).
    pub(crate) fn move_into_pid_namespace(&mut self, channel: &ProcessEnd) -> Result<(), Failure> {
        let doing = || "join the pid namespace";
        self.give_up_privileges(channel)?;
        self.confine()?;
        match fork(true).doing(doing)? {
            Some(_) => exit(0),
            None => {
                channel.moved().doing(doing)?;
                match channel.wait() {
                    true => tie_to_monitor(channel),
                    false => Err(invalid("the process was not started")),
                }
            }
        }
    }

    fn try_run(
        &mut self,
        streams: [OwnedFd; 3],
        channel: &ProcessEnd,
        init: bool,
    ) -> Result<std::convert::Infallible, Failure> {
        self.give_up_privileges(channel)?;
        if init {
            self.split()?;
        }
        self.take_streams(streams)?;
        reset_signals();
        close_on_exec_above_stdio().doing(|| "mark the descriptors close-on-exec")?;
        self.confine()?;
        Err(self.execute())
    }

    /// Everything but what [`Process::confine`] takes.
    fn give_up_privileges(&mut self, channel: &ProcessEnd) -> Result<(), Failure> {
        if self.stage == Stage::Privileged {
            self.limits.set()?;
            if let Some(namespace) = &self.user_namespace {
                namespace.enter()?;
            }
            self.capabilities.limit()?;
            self.change_user()?;
            tie_to_monitor(channel)?;
            umask(self.umask);
            self.stage = Stage::Unprivileged;
        }
        Ok(())
    }

    /// Go on in a child, and be a reaper for it.
    fn split(&mut self) -> Result<(), Failure> {
        let signals = SignalSet::all_but_faults();
        signals.block().doing(|| "block the signals")?;
        match fork(false).doing(|| "start the command's process")? {
            None => die_with_parent(),
            Some(command) => {
                self.confine()?;
                // SAFETY: it does not return, so no owner of a descriptor gets to use or close it.
                unsafe { reaper::reap(command, &signals) }
            }
        }
    }

    /// Standard streams, in a session of their own; a terminal becomes its controlling one.
    fn take_streams(&self, streams: [OwnedFd; 3]) -> Result<(), Failure> {
        let doing = || "set the standard streams";
        setsid().doing(|| "start a session")?;
        // A stream may be at a number that another is to get.
        let mut moved = Vec::with_capacity(3);
        for stream in streams {
            moved.push(match stream.as_raw_fd() {
                0..=2 => fcntl_dupfd_cloexec(&stream, 3).doing(doing)?,
                _ => stream,
            });
        }
        let [stdin, stdout, stderr] = moved.as_slice() else { return Err(invalid(doing())) };
        rustix::stdio::dup2_stdin(stdin)
            .and_then(|()| rustix::stdio::dup2_stdout(stdout))
            .and_then(|()| rustix::stdio::dup2_stderr(stderr))
            .doing(doing)?;
        if self.terminal {
            ioctl_tiocsctty(rustix::stdio::stdin())
                .doing(|| "make the terminal the controlling one")?;
        }
        Ok(())
    }

    fn change_user(&self) -> Result<(), Failure> {
        let Identity { uid, gid, groups, .. } = &self.identity;
        let groups: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        set_thread_groups(&groups).doing(|| "set the groups")?;
        let gid = Gid::from_raw(*gid);
        set_thread_res_gid(gid, gid, gid).doing(|| format!("change to group {gid}"))?;
        if *uid != 0 {
            // Capabilities are wanted for a moment more; executing the command ends this.
            set_keep_capabilities(true).doing(|| "keep the capabilities")?;
        }
        let id = Uid::from_raw(*uid);
        set_thread_res_uid(id, id, id).doing(|| format!("change to user {uid}"))?;
        if *uid != 0 {
            capabilities::raise()?;
        }
        Ok(())
    }

    /// Give up what is left. The system call filter comes as late as it can, so that it need not allow what is done here:
    /// without no_new_privs it takes CAP_SYS_ADMIN, and so comes one call before the end.
    fn confine(&mut self) -> Result<(), Failure> {
        if self.stage == Stage::Confined {
            return Ok(());
        }
        self.stage = Stage::Confined;
        if self.no_new_privileges {
            set_no_new_privs(true).doing(|| "set no_new_privs")?;
            self.capabilities.set()?;
            self.filter()
        } else {
            self.filter()?;
            self.capabilities.set()
        }
    }

    fn filter(&self) -> Result<(), Failure> {
        self.filter.as_ref().map_or(Ok(()), Filter::install).map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::INVAL);
            system("install the seccomp filter", errno)
        })
    }

    fn execute(&self) -> Failure {
        let name = self.arguments.strings().first().map(|name| name.to_string_lossy());
        let name = name.as_deref().unwrap_or_default();
        for path in &self.candidates {
            let error = execve(path, &self.arguments, &self.environment);
            match (error, self.is_path) {
                (Errno::NOENT, _)
                    if accessat(CWD, path, Access::EXEC_OK, AtFlags::empty()).is_ok() =>
                {
                    let class = FailureClass::CommandNotFound;
                    let path = path.to_string_lossy();
                    let step =
                        format!("exec: {path:?}: the interpreter or loader it names is missing");
                    return classed(class, step, error);
                }
                (Errno::NOENT | Errno::NOTDIR, true) => {
                    let step = format!("exec: {name:?}: stat {name}");
                    return classed(FailureClass::CommandNotFound, step, error);
                }
                (Errno::ACCESS, true) if stat(path).is_ok_and(|found| is_directory(&found)) => {
                    let step = format!("exec: {name:?}: is a directory");
                    return classed(FailureClass::CommandNotExecutable, step, error);
                }
                // A name that is found but cannot be executed is not found, to Docker.
                (Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP, false) => {}
                _ => {
                    let step = format!("exec: {name:?}");
                    return classed(FailureClass::CommandNotExecutable, step, error);
                }
            }
        }
        Failure {
            class: FailureClass::CommandNotFound,
            message: format!("exec: {name:?}: executable file not found in $PATH"),
            errno: Some(libc::ENOENT),
        }
    }
}

/// End when the process that this was made by ends, however that comes. Changing the user undoes it.
pub(crate) fn die_with_parent() -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing(|| "tie the process to its parent")
}

/// The same, for a process that the monitor is the parent of, and which may have missed its end.
fn tie_to_monitor(channel: &ProcessEnd) -> Result<(), Failure> {
    die_with_parent()?;
    channel.monitor_lives().then_some(()).ok_or_else(|| invalid("the monitor is gone"))
}

/// The files that a command may be: itself if it is a path, or those of its name in the directories of PATH. A relative
/// directory is skipped: it would be searched in the working directory, which the image's user may write to.
fn candidates(command: &str, environment: &[String]) -> Result<Vec<CString>, Failure> {
    if command.contains('/') {
        return Ok(vec![c_string("the command", command)?]);
    }
    environment
        .iter()
        .find_map(|variable| variable.strip_prefix("PATH="))
        .unwrap_or_default()
        .split(':')
        .filter(|directory| directory.starts_with('/'))
        .map(|directory| c_string("the command", &format!("{directory}/{command}")))
        .collect()
}

fn is_directory(found: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::Directory
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(values: &[&str]) -> Vec<String> {
        values.iter().map(|v| (*v).to_owned()).collect()
    }

    fn prepare(args: &[&str], env: &[&str]) -> Result<Process, Failure> {
        let document =
            oci::Process { args: strings(args), env: strings(env), ..Default::default() };
        Process::prepare(&document, Identity::default(), Limits::new(&[])?, None, None)
    }

    #[test]
    fn a_path_is_itself_and_a_name_is_looked_for() {
        let env = strings(&["A=B", "PATH=/bin:relative::/usr/bin", "PATH=/evil"]);
        let found = candidates("sh", &env).unwrap();
        assert_eq!(found, [c"/bin/sh".to_owned(), c"/usr/bin/sh".to_owned()]);
        assert_eq!(candidates("./sh", &env).unwrap(), [c"./sh".to_owned()]);
        assert!(candidates("sh", &[]).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_a_command_or_a_variable_is_refused() {
        assert!(prepare(&["sh"], &["A=B", "C="]).is_ok());
        for (args, env) in [
            (&[][..], &[][..]),
            (&[""], &[]),
            (&["a\0b"], &[]),
            (&["sh"], &["SECRET"]),
            (&["sh"], &["=x"]),
            (&["sh"], &[""]),
            (&["sh"], &["A=\0"]),
        ] {
            assert!(prepare(args, env).is_err(), "{args:?} {env:?}");
        }
    }
}
