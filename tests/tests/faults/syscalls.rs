//! The black-box sample: the release program under strace, which kills the process that makes the n-th call of a kind, or lets
//! that call fail. It reaches places that nobody thought of putting a failpoint at, in the caller and in the monitor alike.

use std::time::Duration;

use barque_tests::programs;
use barque_tests::sandbox::finish;
use barque_tests::suite::Suite;

use super::operations::{OPERATIONS, Operation, is_clean};

/// Calls by which an operation goes from one state to another, and at which of them it is killed.
const KILLED: &[(&str, &[u32])] = &[
    ("renameat,renameat2,rename", &[1, 2]),
    ("fsync,fdatasync", &[1, 2]),
    ("mkdirat,mkdir", &[1, 4]),
    ("unlinkat,unlink,rmdir", &[1, 3]),
    ("pwrite64", &[1, 4]),
    ("clone,clone3,vfork", &[1, 2]),
    ("execve,execveat", &[1, 2]),
    ("move_mount", &[1, 3]),
    ("pivot_root", &[1]),
    ("sendto,sendmsg,write", &[1, 6]),
    ("setsid,setresuid,setgroups", &[1, 2]),
    ("seccomp,prctl", &[1, 4]),
];

/// Calls that fail once, and how.
const FAILED: &[(&str, &str, &[u32])] = &[
    ("fsync,fdatasync", "EIO", &[1, 2]),
    ("renameat,renameat2,rename", "EIO", &[1, 2]),
    ("pwrite64", "ENOSPC", &[1, 5]),
    ("mkdirat,mkdir", "ENOSPC", &[1, 3]),
    ("openat", "EMFILE", &[25, 60]),
    ("pipe2", "EMFILE", &[1, 2]),
    ("socketpair,socket", "EMFILE", &[1]),
    ("epoll_create1,eventfd2", "EMFILE", &[1, 2]),
    ("clone,clone3,vfork", "EAGAIN", &[1, 2]),
    ("fsopen,fsmount,open_tree", "ENOMEM", &[1, 3]),
    ("move_mount", "ENOSPC", &[1, 2]),
    ("pivot_root", "EINVAL", &[1]),
    ("unshare", "ENOSPC", &[1]),
    ("execve", "ETXTBSY", &[2]),
    ("ftruncate", "EIO", &[1]),
];

/// What netlink(7) may answer for a while, in the operations that talk to it (F24).
const UNANSWERED: &[(&str, &str, &[u32])] = &[
    ("sendto", "EBUSY", &[1, 3, 7, 9, 13, 20]),
    ("recvfrom", "ENOBUFS", &[1, 3, 8, 10, 14, 19, 28]),
];

/// These operations.
const NETWORKS: &[&str] =
    &["run in a network", "network create", "network connect", "network disconnect", "network rm"];

/// The operations that are struck.
const SAMPLE: &[&str] =
    &["load", "run", "rm --force", "cp into a container", "cp out of a container", "commit"];

pub(crate) fn add(suite: &mut Suite) {
    for operation in OPERATIONS.iter().filter(|operation| SAMPLE.contains(&operation.name)) {
        for (calls, whens) in KILLED {
            add_strikes(suite, operation, calls, "killed at", "signal=KILL".to_owned(), whens);
        }
        fail(suite, operation, FAILED);
    }
    for operation in OPERATIONS.iter().filter(|operation| NETWORKS.contains(&operation.name)) {
        fail(suite, operation, UNANSWERED);
    }
}

type Failures = &'static [(&'static str, &'static str, &'static [u32])];

fn fail(suite: &mut Suite, operation: &'static Operation, failures: Failures) {
    for (calls, error, whens) in failures {
        let (how, injection) = (format!("{error} from"), format!("error={error}"));
        add_strikes(suite, operation, calls, &how, injection, whens);
    }
}

fn add_strikes(
    suite: &mut Suite,
    operation: &'static Operation,
    calls: &'static str,
    how: &str,
    injection: String,
    whens: &'static [u32],
) {
    let first = calls.split(',').next().unwrap_or(calls);
    let name = format!("{}: {how} {first}", operation.name);
    suite.add_patient(name, Duration::from_secs(180), move || {
        for when in whens {
            strike(operation, calls, &format!("{injection}:when={when}"));
        }
    });
}

fn strike(operation: &Operation, calls: &str, injection: &str) {
    let sandbox = operation.sandbox();
    let trace = sandbox.work().join("trace");
    let inject = format!("inject={calls}:{injection}");
    let mut command =
        sandbox.command_of(&programs::tool("strace"), &["-f", "-qq", "-e", "signal=none", "-e"]);
    command
        .arg(format!("trace={calls}"))
        .arg("-e")
        .arg(&inject)
        .arg("-o")
        .arg(&trace)
        .arg(programs::barque())
        .args((operation.arguments)(&sandbox));
    let done = finish(command, b"");
    if !injection.starts_with("signal") {
        is_clean(&done, &inject);
    }
    operation.recovers(&sandbox, &inject);
}
