//! The suite's namespaces and its process 1.
//!
//! Pid: what is left is seen, and dies with process 1. Mount: `/proc` shows only that, and the temporary directories are
//! empty. Network: `--network host` means the suite's own, so that no test meets the machine's links or sockets.

use std::ffi::CString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// Which side of [`enter`] this is.
pub(super) enum Place {
    /// The suite ran inside and ended with this code.
    Outside(ExitCode),
    /// This is the process that runs the suite.
    Inside,
}

/// Go into new pid, mount, network and IPC namespaces, with a process 1 that does nothing but reap.
///
/// # Errors
/// Why that's not possible here: the suite is skipped for this reason.
pub(super) fn enter() -> Result<Place, String> {
    let told = |what: &str| format!("{what}: {}", io::Error::last_os_error());
    // SAFETY: main has started no thread yet, so forking is as in C; the children go on from here or end by _exit.
    unsafe {
        let own = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWNET;
        if libc::unshare(own) != 0 {
            return Err(format!("needs root ({})", told("unshare")));
        }
        match libc::fork() {
            -1 => Err(told("fork")),
            0 => {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                arrange().unwrap_or_else(|error| {
                    super::print(&format!("{error}\n"));
                    libc::_exit(125)
                });
                match libc::fork() {
                    -1 => libc::_exit(125),
                    0 => Ok(Place::Inside),
                    worker => libc::_exit(reap_until(worker)),
                }
            }
            child => {
                let mut status = 0;
                while libc::waitpid(child, &mut status, 0) < 0 {}
                Ok(Place::Outside(ExitCode::from(code(status) as u8)))
            }
        }
    }
}

fn arrange() -> Result<(), String> {
    mount("none", "/", "", libc::MS_REC | libc::MS_PRIVATE)?;
    mount("proc", "/proc", "proc", libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC)?;
    // Empty ones, so that what appears there was put there by a test, and not by a neighbour of this machine.
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    for place in ["/tmp", "/var/tmp", "/run/barque"] {
        if Path::new(place).is_dir() && !program.starts_with(place) {
            mount("tmpfs", place, "tmpfs", 0)?;
        }
    }
    raise_loopback()
}

/// Give this thread, and what it starts from now on, a network namespace of its own, so that no test meets another's networks.
///
/// # Panics
/// When there can be none.
pub fn own_network() {
    // SAFETY: it is about this thread only.
    let failed = unsafe { libc::unshare(libc::CLONE_NEWNET) != 0 };
    assert!(!failed, "make a network namespace: {}", io::Error::last_os_error());
    raise_loopback().expect("set loopback up");
}

/// The suite is its own host: loopback up, as everywhere.
fn raise_loopback() -> Result<(), String> {
    // SAFETY: the request is zeroed and named before use; the descriptor is closed again.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        let failed = libc::ioctl(socket, libc::SIOCSIFFLAGS, &request) != 0;
        let error = io::Error::last_os_error();
        libc::close(socket);
        if failed { Err(format!("set lo up: {error}")) } else { Ok(()) }
    }
}

fn mount(source: &str, target: &str, kind: &str, flags: u64) -> Result<(), String> {
    let text = |text: &str| CString::new(text).map_err(|e| e.to_string());
    let (source, path, kind) = (text(source)?, text(target)?, text(kind)?);
    // SAFETY: the strings live until the call returns; no data is passed.
    let failed = unsafe {
        libc::mount(source.as_ptr(), path.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) != 0
    };
    if failed { Err(format!("mount {target}: {}", io::Error::last_os_error())) } else { Ok(()) }
}

/// Process 1: reap whatever ends until the worker does; its exit code. What is left then dies with the namespace.
fn reap_until(worker: i32) -> i32 {
    loop {
        let mut status = 0;
        // SAFETY: waits for any child of this process.
        let ended = unsafe { libc::waitpid(-1, &mut status, 0) };
        if ended == worker {
            return code(status);
        }
        if ended < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ECHILD) {
            return 125;
        }
    }
}

fn code(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
}

/// Kill all processes of the namespace but process 1 and this one.
pub fn kill_everything_else() {
    // SAFETY: in this namespace all processes but its init and the caller are the tests' own.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}
