//! Filters in the kernel. Each is installed for a thread of its own, which ends with the test; what kills a process is
//! tried in another one, this test program started again.

use std::io;
use std::process::{Command, ExitStatus};

use super::{allow, condition};
use crate::seccomp::{Action, Filter, Operator, Rule, Seccomp};

/// Allow everything but what `rules` say.
fn except(rules: Vec<Rule>) -> Seccomp {
    Seccomp { default_action: Action::Allow, syscalls: rules, ..Seccomp::default() }
}

fn deny(name: &str, errno: u32) -> Rule {
    Rule { action: Action::Errno, errno_ret: Some(errno), ..allow(&[name]) }
}

/// Run something in a thread with a filter.
fn filtered<T: Send + 'static>(document: Seccomp, run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        // SAFETY: changes a flag of this thread.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
        Filter::compile(&document).unwrap().install().unwrap();
        run()
    });
    thread.join().unwrap()
}

/// Make a system call that has no effect on memory.
fn call(number: libc::c_long, args: [libc::c_long; 3]) -> Result<libc::c_long, i32> {
    // SAFETY: the tests call only personality, getppid and socket, with numbers.
    match unsafe { libc::syscall(number, args[0], args[1], args[2]) } {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap()),
        value => Ok(value),
    }
}

#[test]
fn the_kernel_takes_the_filter_and_answers_by_it() {
    let mut personality = deny("personality", 95);
    personality.args = vec![condition(0, Operator::Ne, 0xffff_ffff)];
    let document = except(vec![personality, deny("getppid", 11)]);
    let (asked, set, parent) = filtered(document, || {
        let asked = call(libc::SYS_personality, [0xffff_ffff, 0, 0]);
        let set = call(libc::SYS_personality, [8, 0, 0]);
        (asked, set, call(libc::SYS_getppid, [0; 3]))
    });
    assert!(asked.is_ok());
    assert_eq!(set, Err(95));
    assert_eq!(parent, Err(11));
    assert!(call(libc::SYS_getppid, [0; 3]).is_ok(), "other threads are free of it");
}

#[test]
fn without_privilege_a_filter_is_refused() {
    // SAFETY: asks for the effective user id.
    if unsafe { libc::geteuid() } == 0 {
        return;
    }
    let filter = Filter::compile(&except(Vec::new())).unwrap();
    let refused = std::thread::spawn(move || filter.install()).join().unwrap();
    assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EACCES));
}

#[test]
fn flags_are_passed_on() {
    let mut document = except(vec![deny("getppid", 11)]);
    document.flags = Some(vec![
        "SECCOMP_FILTER_FLAG_LOG".to_owned(),
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW".to_owned(),
    ]);
    assert_eq!(filtered(document, || call(libc::SYS_getppid, [0; 3])), Err(11));
}

/// Start this test program again for one test, with `BARQUE_TEST_FILTERED` set.
fn again(test: &str) -> ExitStatus {
    let exact = format!("seccomp::tests::kernel::{test}");
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &exact, "--nocapture", "--test-threads=1"])
        .env("BARQUE_TEST_FILTERED", "1")
        .output()
        .unwrap()
        .status
}

fn is_again() -> bool {
    std::env::var_os("BARQUE_TEST_FILTERED").is_some()
}

#[cfg(target_arch = "x86_64")]
fn getpid_by_int_80() -> i64 {
    let result: i64;
    // SAFETY: the 32-bit call 20, getpid, takes nothing and only changes rax (and r8 to r11 on some kernels).
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("rax") 20_i64 => result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_32_bit_call_is_filtered_by_its_own_numbers() {
    let mut document = except(vec![deny("getpid", 11)]);
    document.architectures = vec!["SCMP_ARCH_X86".to_owned()];
    let answer = filtered(document, getpid_by_int_80);
    // ENOSYS where the kernel has no 32-bit calls.
    assert!(answer == -11 || answer == -38, "{answer}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_32_bit_call_kills_where_32_bits_are_not_listed() {
    use std::os::unix::process::ExitStatusExt;
    if is_again() {
        filtered(except(Vec::new()), getpid_by_int_80);
        return;
    }
    let status = again("a_32_bit_call_kills_where_32_bits_are_not_listed");
    assert_eq!(status.signal(), Some(libc::SIGSYS));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn an_x32_call_kills_where_x32_is_not_listed() {
    use std::os::unix::process::ExitStatusExt;
    if is_again() {
        filtered(except(Vec::new()), || call(0x4000_0000 | libc::SYS_getppid, [0; 3])).ok();
        return;
    }
    let status = again("an_x32_call_kills_where_x32_is_not_listed");
    assert_eq!(status.signal(), Some(libc::SIGSYS));
}
