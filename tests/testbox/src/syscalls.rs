//! `syscalls`: the kernel's answer to each call that a default container must not reach (SEC-029), as JSON.
//!
//! Each is made with arguments that do nothing where it is allowed: what counts is whether the answer is the filter's
//! `EPERM`/`ENOSYS` or the kernel's own opinion of the arguments. Every call is made in a child, so that one that kills or
//! changes the process does not spoil the rest.

use serde_json::json;

use crate::{errno, say};

/// A name and a call.
type Call = (&'static str, fn() -> i64);

macro_rules! call {
    ($name:literal, $number:expr $(, $argument:expr)*) => {
        // SAFETY: raw calls with arguments that the kernel refuses or ignores (null pointers, descriptor -1).
        ($name, || unsafe { libc::syscall($number $(, $argument)*) })
    };
}

const NULL: usize = 0;

const CALLS: &[Call] = &[
    call!("socket_alg", libc::SYS_socket, libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
    call!("socket_vsock", libc::SYS_socket, libc::AF_VSOCK, libc::SOCK_STREAM, 0),
    call!("socket_inet", libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0),
    call!("socket_unix", libc::SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0),
    call!("keyctl", libc::SYS_keyctl, 0, -3, 0),
    call!("add_key", libc::SYS_add_key, NULL, NULL, NULL, 0, 0),
    call!("request_key", libc::SYS_request_key, NULL, NULL, NULL, 0),
    call!("bpf", libc::SYS_bpf, 0, NULL, 0),
    call!("perf_event_open", libc::SYS_perf_event_open, NULL, 0, -1, -1, 0),
    call!("userfaultfd", libc::SYS_userfaultfd, 0),
    call!("io_uring_setup", libc::SYS_io_uring_setup, 1, NULL),
    call!("io_uring_enter", libc::SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0),
    call!("io_uring_register", libc::SYS_io_uring_register, -1, 0, NULL, 0),
    call!("unshare_user", libc::SYS_unshare, libc::CLONE_NEWUSER),
    call!("unshare_mount", libc::SYS_unshare, libc::CLONE_NEWNS),
    call!(
        "clone_user",
        libc::SYS_clone,
        libc::CLONE_NEWUSER | libc::SIGCHLD,
        NULL,
        NULL,
        NULL,
        NULL
    ),
    call!("clone3", libc::SYS_clone3, NULL, 0),
    call!("setns", libc::SYS_setns, -1, 0),
    call!("mount", libc::SYS_mount, NULL, NULL, NULL, 0, NULL),
    call!("umount2", libc::SYS_umount2, NULL, 0),
    call!("pivot_root", libc::SYS_pivot_root, NULL, NULL),
    call!("open_by_handle_at", libc::SYS_open_by_handle_at, -1, NULL, 0),
    call!("name_to_handle_at", libc::SYS_name_to_handle_at, -1, NULL, NULL, NULL, 0),
    call!("fsopen", libc::SYS_fsopen, NULL, 0),
    call!("fsconfig", libc::SYS_fsconfig, -1, 0, NULL, NULL, 0),
    call!("fsmount", libc::SYS_fsmount, -1, 0, 0),
    call!("fspick", libc::SYS_fspick, -1, NULL, 0),
    call!("open_tree", libc::SYS_open_tree, -1, NULL, 0),
    call!("move_mount", libc::SYS_move_mount, -1, NULL, -1, NULL, 0),
    call!("mount_setattr", libc::SYS_mount_setattr, -1, NULL, 0, NULL, 0),
    call!("kexec_load", libc::SYS_kexec_load, 0, 0, NULL, 0),
    call!("kexec_file_load", libc::SYS_kexec_file_load, -1, -1, 0, NULL, 0),
    call!("init_module", libc::SYS_init_module, NULL, 0, NULL),
    call!("finit_module", libc::SYS_finit_module, -1, NULL, 0),
    call!("delete_module", libc::SYS_delete_module, NULL, 0),
    call!("acct", libc::SYS_acct, NULL),
    call!("swapon", libc::SYS_swapon, NULL, 0),
    call!("swapoff", libc::SYS_swapoff, NULL),
    call!("reboot", libc::SYS_reboot, 0, 0, 0, NULL),
    call!("settimeofday", libc::SYS_settimeofday, NULL, NULL),
    call!("clock_settime", libc::SYS_clock_settime, 0, NULL),
    call!("adjtimex_set", libc::SYS_clock_adjtime, 0, NULL),
    call!("sethostname", libc::SYS_sethostname, NULL, 0),
    call!("ptrace_self", libc::SYS_ptrace, 16, -1, NULL, NULL),
    call!("process_vm_readv", libc::SYS_process_vm_readv, -1, NULL, 0, NULL, 0, 0),
    call!("kcmp", libc::SYS_kcmp, -1, -1, 0, 0, 0),
    call!("lookup_dcookie", 212, 0, NULL, 0),
    call!("quotactl", libc::SYS_quotactl, 0, NULL, 0, NULL),
    call!("syslog", libc::SYS_syslog, 3, NULL, 0),
    call!("vhangup", libc::SYS_vhangup),
    call!("chroot", libc::SYS_chroot, NULL),
    call!("fanotify_init", libc::SYS_fanotify_init, 0, 0),
    call!("move_pages", libc::SYS_move_pages, -1, 0, NULL, NULL, NULL, 0),
    call!("set_mempolicy", libc::SYS_set_mempolicy, 0, NULL, 0),
    call!("getpid", libc::SYS_getpid),
    #[cfg(target_arch = "x86_64")]
    call!("iopl", libc::SYS_iopl, 3),
    #[cfg(target_arch = "x86_64")]
    call!("ioperm", libc::SYS_ioperm, 0x80, 1, 1),
    #[cfg(target_arch = "x86_64")]
    call!("modify_ldt", libc::SYS_modify_ldt, 0, NULL, 0),
    #[cfg(target_arch = "x86_64")]
    call!("uselib", libc::SYS_uselib, NULL),
    // The x32 numbering of getpid and of ptrace: the same calls through another door.
    #[cfg(target_arch = "x86_64")]
    call!("x32_getpid", 0x4000_0000 + 39),
    #[cfg(target_arch = "x86_64")]
    call!("x32_ptrace", 0x4000_0000 + 521, 16, -1, NULL, NULL),
    #[cfg(target_arch = "x86_64")]
    ("int80_getpid", || int80(20)),
    #[cfg(target_arch = "x86_64")]
    ("int80_mount", || int80(21)),
];

/// A call by the 32-bit door, which a filter that looks at 64-bit numbers only does not guard.
#[cfg(target_arch = "x86_64")]
fn int80(number: i64) -> i64 {
    let result: i64;
    // SAFETY: the call's arguments are zero; rbx is saved around it since the compiler keeps it for itself.
    unsafe {
        std::arch::asm!(
            "push rbx", "xor ebx, ebx", "int 0x80", "pop rbx",
            inlateout("rax") number => result,
            in("rcx") 0, in("rdx") 0, in("rsi") 0, in("rdi") 0,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
    }
    let result = i64::from(result as i32);
    if result < 0 && result > -4096 {
        // SAFETY: sets this thread's error number.
        unsafe { *libc::__errno_location() = -(result as i32) };
        return -1;
    }
    result
}

pub(crate) fn table(_arguments: &[String]) -> Result<u8, String> {
    let mut answers = serde_json::Map::new();
    for (name, call) in CALLS {
        answers.insert((*name).to_owned(), in_child(*call)?);
    }
    say(&serde_json::Value::from(answers).to_string())?;
    Ok(0)
}

/// Make the call in a child: its error number (0: it worked), or the signal that killed it.
fn in_child(call: fn() -> i64) -> Result<serde_json::Value, String> {
    // SAFETY: this process has one thread; the child makes one call and exits.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let failed = call() < 0;
            libc::_exit(if failed { errno() } else { 0 });
        }
        let mut status = 0;
        if child < 0 || libc::waitpid(child, &mut status, libc::__WALL) < 0 {
            return Err(format!("fork: {}", errno()));
        }
        if libc::WIFSIGNALED(status) {
            return Ok(json!({"signal": libc::WTERMSIG(status)}));
        }
        Ok(json!(libc::WEXITSTATUS(status)))
    }
}
