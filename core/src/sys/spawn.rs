//! Starting the programs that the library carries: the only way in which barque makes a process.
//!
//! A library in a host with threads must not fork and go on, so it is `posix_spawn(3)`: clone and exec in one step. The
//! new process gets nothing of its host: exactly the descriptors it is meant to have, default signal dispositions, an
//! empty signal mask and environment, a session of its own. What the host left open without close-on-exec comes through
//! above these, and the program closes it first of all (`close_range`).

use std::ffi::CStr;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::io::fcntl_dupfd_cloexec;

use crate::error::{Error, Result};

/// A process that was spawned. It is reaped when this is dropped, which waits for its end.
#[derive(Debug)]
pub(crate) struct Child {
    pid: libc::pid_t,
    reaped: bool,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It exited with this code.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
    /// Someone else reaped it: the host ignores SIGCHLD, or waits for any child.
    Unknown,
}

/// Run the file `program` with `descriptors`, each at the number beside it. Standard streams that are not among them are
/// `/dev/null`.
pub(crate) fn spawn(
    program: BorrowedFd<'_>,
    arguments: &[&CStr],
    descriptors: &[(BorrowedFd<'_>, RawFd)],
) -> Result<Child> {
    let failed =
        |errno: i32| Error::system("start the monitor", std::io::Error::from_raw_os_error(errno));
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|error| Error::system("open /dev/null", error))?;
    let null = OwnedFd::from(null);

    let mut wanted: Vec<(BorrowedFd<'_>, RawFd)> = descriptors.to_vec();
    for stream in 0..=2 {
        if !wanted.iter().any(|(_, target)| *target == stream) {
            wanted.push((std::os::fd::AsFd::as_fd(&null), stream));
        }
    }
    let last = wanted.iter().map(|(_, target)| *target).max().unwrap_or(2);
    // A descriptor that lies on another's place (the host closed its standard streams, say) would be overwritten before
    // its turn: all are moved out of the way first.
    let mut moved = Vec::new();
    let mut above = |fd: BorrowedFd<'_>| -> Result<RawFd> {
        if fd.as_raw_fd() > last {
            return Ok(fd.as_raw_fd());
        }
        let copy =
            fcntl_dupfd_cloexec(fd, last + 1).map_err(|errno| failed(errno.raw_os_error()))?;
        let number = copy.as_raw_fd();
        moved.push(copy);
        Ok(number)
    };
    let path = format!("/proc/self/fd/{}\0", above(program)?);

    let mut actions = Actions::new().map_err(failed)?;
    for (fd, target) in wanted {
        actions.dup2(above(fd)?, target).map_err(failed)?;
    }
    let attributes = Attributes::new().map_err(failed)?;

    let mut arguments: Vec<*mut libc::c_char> =
        arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
    arguments.push(std::ptr::null_mut());
    let environment = [std::ptr::null_mut::<libc::c_char>()];
    let patience = Instant::now() + BUSY;
    loop {
        let mut pid = 0;
        // SAFETY: the path ends with a NUL, both arrays with a null pointer, and everything pointed to outlives the call.
        let errno = unsafe {
            libc::posix_spawn(
                &mut pid,
                path.as_ptr().cast(),
                &actions.0,
                &attributes.0,
                arguments.as_ptr(),
                environment.as_ptr(),
            )
        };
        match errno {
            0 => return Ok(Child { pid, reaped: false }),
            libc::ETXTBSY if Instant::now() < patience => std::thread::sleep(BUSY / 1000),
            libc::EACCES if is_noexec(program) => {
                let errno = std::io::Error::from_raw_os_error(errno);
                let what = "start the monitor from the engine's root, which is mounted noexec and must be exec";
                return Err(Error::system(what, errno));
            }
            errno => return Err(failed(errno)),
        }
    }
}

/// Whether this is on a file system of which nothing may be executed, as a container's tmpfs is.
fn is_noexec(program: BorrowedFd<'_>) -> bool {
    use rustix::fs::{StatVfsMountFlags, fstatvfs};
    fstatvfs(program).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// How long a program may be open for writing. The library writes its program and executes it at once; when another thread
/// forks in between, its child has the writing descriptor until it executes something itself, and execve(2) fails with
/// ETXTBSY meanwhile. There is no other cure than to try again (Go's and CPython's runtimes know the same race).
const BUSY: Duration = Duration::from_secs(2);

impl Child {
    /// Its pid, valid until it is reaped.
    #[cfg(test)]
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Kill it. It is still to be reaped.
    pub(crate) fn kill(&self) {
        // SAFETY: takes numbers. The pid is ours: it is not reaped yet.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
    }

    /// Wait for its end, for this process only: the host's other children are its own.
    pub(crate) fn wait(mut self) -> Ended {
        self.reap()
    }

    fn reap(&mut self) -> Ended {
        self.reaped = true;
        let mut status = 0;
        loop {
            // SAFETY: the pointer is to an int that outlives the call.
            if unsafe { libc::waitpid(self.pid, &mut status, 0) } == self.pid {
                break;
            }
            if std::io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
                return Ended::Unknown;
            }
        }
        if libc::WIFSIGNALED(status) {
            Ended::Killed(libc::WTERMSIG(status))
        } else {
            Ended::Exited(libc::WEXITSTATUS(status))
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            self.reap();
        }
    }
}

struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> std::result::Result<Actions, i32> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the call initialises what it is given, or says that it did not.
        match unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) } {
            // SAFETY: initialised by the call above.
            0 => Ok(Actions(unsafe { actions.assume_init() })),
            errno => Err(errno),
        }
    }

    fn dup2(&mut self, from: RawFd, to: RawFd) -> std::result::Result<(), i32> {
        // SAFETY: initialised in `new`; the call takes numbers.
        match unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, from, to) } {
            0 => Ok(()),
            errno => Err(errno),
        }
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, and not used any more.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> std::result::Result<Attributes, i32> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the call initialises what it is given, or says that it did not.
        let mut attributes = match unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) } {
            // SAFETY: initialised by the call above.
            0 => Attributes(unsafe { attributes.assume_init() }),
            errno => return Err(errno),
        };
        // CPython ignores SIGPIPE and a host may block anything: none of it may reach a container.
        let flags = libc::POSIX_SPAWN_SETSIGDEF
            | libc::POSIX_SPAWN_SETSIGMASK
            | libc::c_int::from(libc::POSIX_SPAWN_SETSID);
        // sigfillset(3) leaves out 32 and 33, which glibc keeps for itself and would have the child ignore.
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let mut none = MaybeUninit::uninit();
        // SAFETY: a signal set is an array of integers, for which all ones is a value. Both sets are initialised before
        // they are passed on, and the attributes were above.
        let results = unsafe {
            all.as_mut_ptr().write_bytes(0xff, 1);
            libc::sigemptyset(none.as_mut_ptr());
            [
                libc::posix_spawnattr_setsigdefault(&mut attributes.0, all.as_ptr()),
                libc::posix_spawnattr_setsigmask(&mut attributes.0, none.as_ptr()),
                libc::posix_spawnattr_setflags(&mut attributes.0, flags as libc::c_short),
            ]
        };
        match results.into_iter().find(|errno| *errno != 0) {
            None => Ok(attributes),
            Some(errno) => Err(errno),
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, and not used any more.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::{AsFd, AsRawFd, OwnedFd};

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::{Ended, spawn};

    fn program(path: &str) -> OwnedFd {
        rustix::fs::open(
            path,
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .unwrap()
    }

    #[test]
    fn a_child_gets_its_descriptors_at_their_numbers_whatever_theirs_were() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (other_reader, other_writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        // The numbers asked for are those that the descriptors have, crosswise.
        let (a, b) = (writer.as_raw_fd(), other_writer.as_raw_fd());
        let script = std::ffi::CString::new(format!(
            "echo first >/proc/self/fd/{a}; echo second >/proc/self/fd/{b}; env >>/proc/self/fd/{b}"
        ))
        .unwrap();
        let child = spawn(
            program("/bin/sh").as_fd(),
            &[c"sh", c"-c", &script],
            &[(other_writer.as_fd(), a), (writer.as_fd(), b)],
        )
        .unwrap();
        drop((writer, other_writer));
        assert_eq!(child.wait(), Ended::Exited(0));
        let (mut second, mut first) = (String::new(), String::new());
        File::from(reader).read_to_string(&mut second).unwrap();
        File::from(other_reader).read_to_string(&mut first).unwrap();
        assert_eq!(first, "first\n");
        // The shell itself sets PWD and its like; nothing of this process's environment is there.
        assert!(second.starts_with("second\n"), "{second}");
        assert!(!second.contains("CARGO"), "{second}");
    }

    #[test]
    fn a_child_begins_with_default_signals_and_a_session_of_its_own() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        // SAFETY: SIGUSR2 is used by nothing in this test program.
        unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
        let child = spawn(
            program("/bin/cat").as_fd(),
            &[c"cat", c"/proc/self/status", c"/proc/self/stat"],
            &[(writer.as_fd(), 1)],
        )
        .unwrap();
        let pid = child.pid();
        drop(writer);
        assert_eq!(child.wait(), Ended::Exited(0));
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGUSR2, libc::SIG_DFL) };
        let mut text = String::new();
        File::from(reader).read_to_string(&mut text).unwrap();
        for mask in ["SigBlk", "SigIgn", "SigCgt"] {
            assert!(text.contains(&format!("{mask}:\t0000000000000000")), "{text}");
        }
        assert!(text.contains(&format!(" {pid} {pid} 0 ")), "group and session: {text}");
    }

    #[test]
    fn a_program_that_is_none_is_an_error_and_not_a_dead_child() {
        let error = spawn(program("/etc/passwd").as_fd(), &[c"x"], &[]).unwrap_err();
        assert_eq!(error.errno(), Some(libc::EACCES));
    }

    #[test]
    fn a_program_that_is_still_open_for_writing_is_waited_for() {
        let path = std::env::temp_dir().join(format!("barque-busy-{}", std::process::id()));
        std::fs::copy("/bin/true", &path).unwrap();
        let writer = File::options().append(true).open(&path).unwrap();
        let closing = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            drop(writer);
        });
        let child = spawn(program(path.to_str().unwrap()).as_fd(), &[c"true"], &[]).unwrap();
        assert_eq!(child.wait(), Ended::Exited(0));
        closing.join().unwrap();
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_child_that_was_killed_says_so() {
        let child = spawn(program("/bin/sleep").as_fd(), &[c"sleep", c"100"], &[]).unwrap();
        child.kill();
        assert_eq!(child.wait(), Ended::Killed(libc::SIGKILL));
    }
}
