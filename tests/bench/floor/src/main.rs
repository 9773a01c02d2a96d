//! `floor ROOT LOWER COMMAND…`: the least that starting a container can cost, as a program.
//!
//! It makes the namespaces, mounts an overlay of LOWER with a fresh upper directory below ROOT and a `/proc`, pivots, executes
//! the command, waits for it, removes the upper directory again and exits with the command's code. No cgroup, no seccomp, no
//! capability, no record, no log: whatever an engine takes beyond this is what it does for its user.

use std::ffi::CString;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(io::stderr(), "floor: {error}");
            ExitCode::from(125)
        }
    }
}

fn run() -> io::Result<u8> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, lower, command @ ..] = arguments.as_slice() else {
        return Err(io::Error::other("floor ROOT LOWER COMMAND…"));
    };
    let place = format!("{root}/floor-{}", std::process::id());
    for part in ["upper", "work", "merged"] {
        std::fs::create_dir_all(format!("{place}/{part}"))?;
    }
    let words: Vec<CString> =
        command.iter().map(|w| CString::new(w.as_str())).collect::<Result<_, _>>()?;
    let flags = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWCGROUP
        | libc::SIGCHLD;
    // SAFETY: this process has one thread, and the child gets no stack of its own: it is a fork with namespaces.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match child {
        -1 => return Err(io::Error::last_os_error()),
        0 => {
            let error = enter(&place, lower, &words);
            use std::io::Write;
            let _ = writeln!(io::stderr(), "floor: in the child: {error}");
            // SAFETY: ends the child.
            unsafe { libc::_exit(126) }
        }
        _ => {}
    }
    let mut status = 0;
    // SAFETY: waits for the child just made.
    unsafe { libc::waitpid(child as i32, &mut status, 0) };
    std::fs::remove_dir_all(&place)?;
    Ok(if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status) as u8
    } else {
        libc::WEXITSTATUS(status) as u8
    })
}

/// In the child: returns only when something failed.
fn enter(place: &str, lower: &str, words: &[CString]) -> io::Error {
    let steps = || -> io::Result<()> {
        mount("none", "/", "", libc::MS_REC | libc::MS_PRIVATE, "")?;
        let merged = format!("{place}/merged");
        let options = format!("lowerdir={lower},upperdir={place}/upper,workdir={place}/work");
        mount("overlay", &merged, "overlay", 0, &options)?;
        std::env::set_current_dir(&merged)?;
        if std::path::Path::new("proc").is_dir() {
            mount("proc", "proc", "proc", libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC, "")?;
        }
        // SAFETY: pivot_root(".", ".") and the unmount of the old root take static strings (man 2 pivot_root, NOTES).
        unsafe {
            let here = c".".as_ptr();
            if libc::syscall(libc::SYS_pivot_root, here, here) != 0
                || libc::umount2(here, libc::MNT_DETACH) != 0
            {
                return Err(io::Error::last_os_error());
            }
        }
        std::env::set_current_dir("/")
    };
    if let Err(error) = steps() {
        return error;
    }
    let mut pointers: Vec<*const libc::c_char> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    // SAFETY: the list ends with a null pointer and its strings live on; execv returns only when it failed.
    unsafe { libc::execv(pointers[0], pointers.as_ptr()) };
    io::Error::last_os_error()
}

fn mount(source: &str, target: &str, kind: &str, flags: u64, data: &str) -> io::Result<()> {
    let (source, target) = (CString::new(source)?, CString::new(target)?);
    let (kind, data) = (CString::new(kind)?, CString::new(data)?);
    // SAFETY: the strings live until the call returns.
    let failed = unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast())
            != 0
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}
