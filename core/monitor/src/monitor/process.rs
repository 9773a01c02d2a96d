//! Becoming a monitor: a process that has nothing of its caller's but the descriptors of the protocol.
//!
//! The library starts us with posix_spawn(3) from a host program of which we know nothing: what it has open, blocks,
//! ignores or has as its terminal must not reach a container (CVE-2024-21626 was a descriptor too many). We fork once, and the
//! parent ends at once: the library waits for that one child of its host program and no other, and we become a child of
//! init or of the nearest reaper.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::{Errno, FdFlags, fcntl_setfd};

use crate::protocol::fd;

/// The descriptors that the library has given us.
pub(super) struct Given {
    pub(super) launch: OwnedFd,
    pub(super) container_dir: BorrowedFd<'static>,
    pub(super) run_dir: BorrowedFd<'static>,
    pub(super) journal: OwnedFd,
}

/// Leave everything of the caller's behind. Returns in the new process only.
pub(super) fn detach() -> Result<Given, Errno> {
    forget_descriptors()?;
    // SAFETY: prctl with these takes numbers only. A process that others cannot trace or look into: what it has open is
    // the host's (CVE-2016-9962).
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    reset_signals();
    // One that leads a group already (POSIX_SPAWN_SETSID) needs no session; nothing else can fail here.
    let _ = rustix::process::setsid();
    rustix::process::chdir("/")?;
    rustix::process::umask(rustix::fs::Mode::from(0o022));
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        -1 => return Err(last_errno()),
        0 => {}
        // SAFETY: _exit runs nothing of ours: the child goes on with all that is open.
        _ => unsafe { libc::_exit(0) },
    }
    rustix::thread::set_name(c"barque-monitor")?;
    // SAFETY: these are open (else forget_descriptors fails), and nothing else owns them. The directories and the lock
    // stay open until the process ends.
    Ok(unsafe {
        Given {
            launch: OwnedFd::from_raw_fd(fd::LAUNCH),
            container_dir: BorrowedFd::borrow_raw(fd::CONTAINER_DIR),
            run_dir: BorrowedFd::borrow_raw(fd::RUN_DIR),
            journal: OwnedFd::from_raw_fd(fd::JOURNAL),
        }
    })
}

fn forget_descriptors() -> Result<(), Errno> {
    // SAFETY: nothing in this process owns a descriptor above the last of the protocol: it has only just begun.
    if unsafe { libc::close_range((fd::LAST + 1).cast_unsigned(), u32::MAX, 0) } != 0 {
        return Err(last_errno());
    }
    for fd in [fd::LAUNCH, fd::LOCK, fd::CONTAINER_DIR, fd::RUN_DIR, fd::JOURNAL] {
        // SAFETY: it is only borrowed for this call, and one that is not open is an error of it.
        fcntl_setfd(unsafe { BorrowedFd::borrow_raw(fd) }, FdFlags::CLOEXEC)?;
    }
    // Only a container with networks, or a user namespace, needs them.
    for fd in [fd::NETWORK, fd::PORTS, fd::NAMES, fd::NAMES_BY_TCP, fd::USER, fd::IDS] {
        // SAFETY: as above.
        let _ = fcntl_setfd(unsafe { BorrowedFd::borrow_raw(fd) }, FdFlags::CLOEXEC);
    }
    Ok(())
}

/// The sockets of a resolver, where the launch document says that the library has given them. To be called once.
pub(super) fn take_resolver() -> (OwnedFd, OwnedFd) {
    // SAFETY: nothing else in this process owns these numbers.
    unsafe { (OwnedFd::from_raw_fd(fd::NAMES), OwnedFd::from_raw_fd(fd::NAMES_BY_TCP)) }
}

/// The container's network namespace, which the library has made for each that has a resolver.
pub(super) fn network() -> BorrowedFd<'static> {
    // SAFETY: nothing closes it as long as this process lives.
    unsafe { BorrowedFd::borrow_raw(fd::NETWORK) }
}

/// Close what stands for a user namespace, where there is none. To be called once.
pub(super) fn forget_user_namespace() {
    for fd in [fd::USER, fd::IDS] {
        // SAFETY: nothing else in this process owns these numbers.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}

/// Give the published ports back, where the library has given any. To be called once.
pub(super) fn release_ports() {
    // SAFETY: nothing else in this process owns this number.
    drop(unsafe { OwnedFd::from_raw_fd(fd::PORTS) });
}

/// All signals at their defaults and none blocked: what is ignored or blocked would stay so in the container's process.
fn reset_signals() {
    // SAFETY: the structures are initialised by the calls that take them. Signals that cannot be changed are left alone.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}

/// Signals to the monitor itself, as a descriptor. SIGTERM asks the container to stop (a machine that shuts down);
/// `children`: SIGCHLD is among them. Others are ignored: hanging up and such are meant for programs of a terminal.
///
/// The container's process must exist already, since it would inherit all this.
pub(super) fn take_signals(children: bool) -> Result<OwnedFd, Errno> {
    // SAFETY: as above.
    let fd = unsafe {
        for signal in
            [libc::SIGPIPE, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2]
        {
            libc::signal(signal, libc::SIG_IGN);
        }
        let mut taken = std::mem::zeroed();
        libc::sigemptyset(&mut taken);
        libc::sigaddset(&mut taken, libc::SIGTERM);
        if children {
            libc::sigaddset(&mut taken, libc::SIGCHLD);
        }
        libc::sigprocmask(libc::SIG_SETMASK, &taken, std::ptr::null_mut());
        libc::signalfd(-1, &taken, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    // SAFETY: the call has made it for us.
    if fd < 0 { Err(last_errno()) } else { Ok(unsafe { OwnedFd::from_raw_fd(fd) }) }
}

/// The next signal of [`take_signals`].
pub(super) fn next_signal(signals: &OwnedFd) -> Option<i32> {
    let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(signals, &mut info) {
        Ok(n) if n == info.len() => {
            // ssi_signo is the first field.
            Some(i32::from_ne_bytes([info[0], info[1], info[2], info[3]]))
        }
        _ => None,
    }
}

/// Send a signal, also a real-time one, to the process that a pidfd names.
pub(super) fn send_signal(pidfd: &OwnedFd, signal: i32) -> Result<(), Errno> {
    let (none, fd) = (std::ptr::null::<libc::siginfo_t>(), pidfd.as_raw_fd());
    // SAFETY: the kernel checks the numbers; without further information it makes what kill(2) would.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, none, 0) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}

/// Reap children that have ended, except for those that are `ours`: their pidfds tell of that, and keep how they ended.
pub(super) fn reap_adopted(ours: impl Fn(i32) -> bool) {
    loop {
        // SAFETY: the kernel fills in the structure, or leaves it at zero when nobody has ended.
        let dead = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            match libc::waitid(libc::P_ALL, 0, &mut info, options) {
                0 => info.si_pid(),
                _ => 0,
            }
        };
        if dead == 0 || ours(dead) {
            return;
        }
        // SAFETY: waitpid with no status to fill in.
        unsafe { libc::waitpid(dead, std::ptr::null_mut(), libc::WNOHANG) };
    }
}

/// Processes that lose their parent become children of this one: those of a container that has no pid namespace of its own.
pub(super) fn adopt_orphans() {
    // SAFETY: takes numbers only. A kernel without it (before 3.4) is too old for all else too.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// Give back to the kernel what was needed for the start and is not for waiting: free memory, and our own code.
///
/// The code's pages stay in the page cache and come back when they are run; until then they count for nobody. That is only
/// right for segments that cannot be written: in the others a page may differ from the file.
pub(super) fn settle_down() {
    // SAFETY: malloc_trim may be called at any time.
    unsafe { libc::malloc_trim(0) };
    // SAFETY: the kernel has mapped our program headers, and says where and how many they are (getauxval(3)).
    let (page, headers) = unsafe {
        let first = libc::getauxval(libc::AT_PHDR) as *const libc::Elf64_Phdr;
        let count = libc::getauxval(libc::AT_PHNUM) as usize;
        let headers = if first.is_null() { &[] } else { std::slice::from_raw_parts(first, count) };
        (libc::getauxval(libc::AT_PAGESZ) as usize, headers)
    };
    // A program that can be loaded anywhere has a header that says where the headers should have been.
    let meant = headers.iter().find(|h| h.p_type == libc::PT_PHDR).map(|h| h.p_vaddr as usize);
    let moved = meant.map_or(0, |meant| (headers.as_ptr() as usize).wrapping_sub(meant));
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let start = moved.wrapping_add(header.p_vaddr as usize);
        let (from, to) = (start & !(page - 1), start + header.p_memsz as usize);
        // SAFETY: a segment of our own that nobody can have written to, so the file has all of it.
        unsafe { libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_DONTNEED) };
    }
}

/// End the process: the lock first and the connections last, so that whoever waits for the end of a connection finds the
/// lock free.
pub(super) fn leave() -> ! {
    unlock();
    exit()
}

/// The container has no monitor any more. To be called once.
pub(super) fn unlock() {
    // SAFETY: nothing else uses the lock's descriptor.
    unsafe { libc::close(fd::LOCK) };
}

pub(super) fn exit() -> ! {
    // SAFETY: nothing that has to be written is buffered, and the kernel is quicker at taking everything back than we are.
    unsafe { libc::_exit(0) }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
