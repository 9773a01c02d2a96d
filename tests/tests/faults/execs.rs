//! Processes on their way into a container that runs, killed at each step: whoever asked is told in time, and the container
//! and the next exec know nothing of it. They are the monitor's children, so it is the monitor that strace watches.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use barque_tests::sandbox::wait_until;
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants, programs};

/// Calls that the monitor itself does not make, in the order in which the process makes them.
const STEPS: [&str; 9] = [
    "close_range",
    "keyctl",
    "setns",
    "setgroups",
    "seccomp",
    "capset",
    "clone",
    "setsid",
    "execve",
];

/// A caller that was forgotten waits for a minute.
const PROMPT: Duration = Duration::from_secs(15);

pub(crate) fn add(suite: &mut Suite) {
    for step in STEPS {
        suite.add(format!("an exec that is killed at {step} is told"), move || killed_at(step));
    }
}

/// strace on a process and what it makes from now on.
struct Watched(Child);

impl Watched {
    fn by_strace(sandbox: &Sandbox, pid: i32, injection: &str) -> Watched {
        let mut command = Command::new(programs::tool("strace"));
        command
            .args(["-f", "-qq", "-e", "signal=none", "-e", &format!("inject={injection}"), "-p"])
            .arg(pid.to_string())
            .arg("-o")
            .arg(sandbox.work().join("trace"))
            .stdin(Stdio::null());
        let watched = Watched(command.spawn().expect("start strace"));
        wait_until("strace has it", Duration::from_secs(30), || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.lines().any(|line| {
                line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() != "0")
            })
        });
        watched
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // SAFETY: a child that was not waited for. It lets go of what it watches at this signal.
        unsafe { libc::kill(self.0.id() as i32, libc::SIGTERM) };
        let _ = self.0.wait();
    }
}

fn standing(sandbox: &Sandbox) -> i32 {
    let words = ["run", "--detach", "--name", "c", "--network", "none", "testbox"];
    let id = sandbox.ok(&[&words[..], &["sleep", "forever"]].concat());
    sandbox.monitor_of(&id)
}

const EXEC: [&str; 5] = ["exec", "c", "/testbox", "exit", "7"];

fn killed_at(step: &str) {
    let sandbox = Sandbox::with_testbox();
    let monitor = standing(&sandbox);
    let watched = Watched::by_strace(&sandbox, monitor, &format!("{step}:signal=KILL:when=1"));
    let begin = Instant::now();
    let done = sandbox.barque(&EXEC);
    assert!(begin.elapsed() < PROMPT, "{:?}: {done:?}", begin.elapsed());
    let told = done.code == 137 || done.stderr.contains("was killed while it was set up");
    assert!(told, "{done:?}");
    drop(watched);
    assert_eq!(sandbox.barque(&EXEC).code, 7);
    assert_eq!(sandbox.ok(&["ps", "--quiet"]).lines().count(), 1);
    sandbox.ok(&["rm", "--force", "c"]);
    invariants::hold(&sandbox, step);
}
