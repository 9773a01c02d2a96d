//! The monitor killed while its container runs: whatever is asked then is answered with the truth, and nothing is left.

use std::time::{Duration, Instant};

use barque_tests::sandbox::wait_until;
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants};
use serde_json::Value;

pub(crate) fn add(suite: &mut Suite) {
    suite.add(
        "a container whose monitor was killed is not running and did not exit well",
        the_truth,
    );
    suite.add("wait returns when the monitor is killed under it", wait_returns);
    suite.add("logs and follow end when the monitor is killed", logs_end);
    suite.add("run says that the exit is not known", run_says_so);
    suite.add("stop, kill and rm work without a monitor", verbs_work);
    suite.add("a container starts again after its monitor was killed", starts_again);
    suite.add("the container's processes are killed with the monitor", processes_are_killed);
    suite.add("a stopped monitor holds up nobody for ever", a_stopped_monitor);
    suite.add("processes killed all at once, as by a reboot", all_at_once);
}

fn started(sandbox: &Sandbox, command: &[&str]) -> (String, i32) {
    let mut arguments = vec!["run", "--detach", "--network", "none", "testbox"];
    arguments.extend(command);
    let id = sandbox.ok(&arguments);
    let monitor = sandbox.monitor_of(&id);
    (id, monitor)
}

pub(crate) fn state_file(sandbox: &Sandbox, id: &str) -> std::path::PathBuf {
    sandbox.root().join("containers").join(id).join("state.json")
}

/// Send the signal. One that is killed is waited for: until it was given the processor once more it holds its locks.
pub(crate) fn kill(pid: i32, signal: i32) {
    // SAFETY: a process of this suite's pid namespace, by number.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "kill {pid}");
    if signal == libc::SIGKILL {
        wait_until("the killed process ends", Duration::from_secs(30), || {
            std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| {
                stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X']))
            })
        });
    }
}

fn is_told_as_dead(sandbox: &Sandbox, id: &str) {
    let state = &sandbox.inspect(id)["State"];
    assert_eq!(
        (&state["Running"], &state["Status"]),
        (&Value::from(false), &Value::from("exited")),
        "{state}"
    );
    assert_ne!(state["ExitCode"], 0, "{state}");
    assert_eq!(state["ExitReason"], "monitor-died", "{state}");
}

fn the_truth() {
    let sandbox = Sandbox::with_testbox();
    for _ in 0..5 {
        let (id, monitor) = started(&sandbox, &["sleep", "forever"]);
        kill(monitor, libc::SIGKILL);
        let begin = Instant::now();
        assert_eq!(sandbox.ok(&["ps", "--quiet"]), "");
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        is_told_as_dead(&sandbox, &id);
        invariants::hold(&sandbox, "a killed monitor");
    }
}

fn wait_returns() {
    let sandbox = Sandbox::with_testbox();
    let (id, monitor) = started(&sandbox, &["sleep", "forever"]);
    let waiter = super::monitor::spawn(&sandbox, &["wait", &id]);
    std::thread::sleep(Duration::from_millis(300));
    kill(monitor, libc::SIGKILL);
    let done = barque_tests::sandbox::collect(waiter);
    assert_ne!(done.stdout.trim(), "0", "{done:?}");
    assert!(!done.stdout.trim().is_empty() || done.code != 0, "{done:?}");
    is_told_as_dead(&sandbox, &id);
}

pub(crate) fn spawn(sandbox: &Sandbox, arguments: &[&str]) -> std::process::Child {
    use std::process::Stdio;
    let mut command = sandbox.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start barque")
}

fn logs_end() {
    let sandbox = Sandbox::with_testbox();
    let (id, monitor) = started(&sandbox, &["echo", "before", ",", "sleep", "forever"]);
    wait_until("the line is logged", Duration::from_secs(30), || {
        sandbox.ok(&["logs", &id]) == "before"
    });
    let follower = spawn(&sandbox, &["logs", "--follow", &id]);
    std::thread::sleep(Duration::from_millis(300));
    kill(monitor, libc::SIGKILL);
    assert_eq!(barque_tests::sandbox::collect(follower).stdout, "before\n");
    assert_eq!(sandbox.ok(&["logs", &id]), "before");
}

fn run_says_so() {
    let sandbox = Sandbox::with_testbox();
    let runner = spawn(
        &sandbox,
        &["run", "--name", "r", "--network", "none", "testbox", "sleep", "forever"],
    );
    wait_until("it runs", Duration::from_secs(30), || {
        sandbox.ok(&["ps", "--quiet", "--filter", "name=r"]).len() > 4
    });
    let id = sandbox.inspect("r")["Id"].as_str().expect("an id").to_owned();
    kill(sandbox.monitor_of(&id), libc::SIGKILL);
    let done = barque_tests::sandbox::collect(runner);
    assert_eq!(done.code, 125, "{done:?}");
    assert!(done.stderr.contains("monitor"), "{done:?}");
    is_told_as_dead(&sandbox, "r");
    invariants::hold(&sandbox, "a run whose monitor was killed");
}

fn verbs_work() {
    let sandbox = Sandbox::with_testbox();
    for verb in [&["stop", "--time", "1"][..], &["rm"], &["rm", "--force"], &["wait"]] {
        let (id, monitor) = started(&sandbox, &["sleep", "forever"]);
        kill(monitor, libc::SIGKILL);
        let begin = Instant::now();
        let mut arguments = verb.to_vec();
        arguments.push(&id);
        let done = sandbox.barque(&arguments);
        assert_eq!(done.code, 0, "{verb:?}: {}", done.stderr);
        assert!(begin.elapsed() < Duration::from_secs(4), "{verb:?} took {:?}", begin.elapsed());
        invariants::hold(&sandbox, verb[0]);
    }
    let (id, monitor) = started(&sandbox, &["sleep", "forever"]);
    kill(monitor, libc::SIGKILL);
    let done = sandbox.barque(&["kill", &id]);
    assert!(done.code != 0 && done.stderr.contains("is not running"), "{done:?}");
}

fn starts_again() {
    let sandbox = Sandbox::with_testbox();
    let (id, monitor) = started(&sandbox, &["sleep", "forever"]);
    kill(monitor, libc::SIGKILL);
    sandbox.ok(&["start", &id]);
    assert_eq!(sandbox.inspect(&id)["State"]["Running"], true);
    invariants::hold(&sandbox, "a start after a killed monitor");
    sandbox.ok(&["rm", "--force", &id]);
}

fn processes_are_killed() {
    let sandbox = Sandbox::with_testbox();
    let (id, monitor) = started(&sandbox, &["forks", "5", ",", "sleep", "forever"]);
    let pid = sandbox.pid(&id);
    kill(monitor, libc::SIGKILL);
    sandbox.ok(&["ps"]);
    let gone = || !std::path::Path::new(&format!("/proc/{pid}/root/testbox")).exists();
    wait_until("process 1 is gone", Duration::from_secs(30), gone);
    invariants::hold(&sandbox, "a killed monitor");
}

fn a_stopped_monitor() {
    let sandbox = Sandbox::with_testbox();
    let (id, monitor) = started(&sandbox, &["sleep", "forever"]);
    kill(monitor, libc::SIGSTOP);
    let begin = Instant::now();
    // Reading needs no monitor.
    assert_eq!(sandbox.ok(&["ps", "--quiet", "--no-trunc"]), id);
    sandbox.ok(&["inspect", &id]);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    kill(monitor, libc::SIGCONT);
    sandbox.ok(&["rm", "--force", &id]);
}

fn all_at_once() {
    let sandbox = Sandbox::with_testbox();
    let ids: Vec<String> = (0..4).map(|_| started(&sandbox, &["sleep", "forever"]).0).collect();
    for id in &ids {
        let pid = sandbox.pid(id) as i32;
        let monitor = sandbox.monitor_of(id);
        kill(monitor, libc::SIGKILL);
        // Process 1 dies with its monitor, or is killed here.
        // SAFETY: a process of this suite's pid namespace; it may be gone already.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
    // A reboot clears the run directory and gives another boot identity.
    std::fs::remove_dir_all(sandbox.run().join(sandbox.instance()))
        .expect("clear the run directory");
    for id in &ids {
        let path = state_file(&sandbox, id);
        let text = std::fs::read_to_string(&path).expect("read state.json");
        let mut state: Value = serde_json::from_str(&text).expect("JSON");
        state["boot_id"] = Value::from("00000000-0000-0000-0000-000000000000");
        std::fs::write(&path, state.to_string()).expect("write state.json");
    }
    assert_eq!(sandbox.ok(&["ps", "--quiet"]), "");
    for id in &ids {
        let state = &sandbox.inspect(id)["State"];
        assert_eq!(state["Running"], false, "{state}");
        assert_ne!(state["ExitCode"], 0, "{state}");
    }
    invariants::hold(&sandbox, "a reboot");
    sandbox.ok(&["start", &ids[0]]);
    invariants::hold(&sandbox, "a start after a reboot");
    for id in &ids {
        sandbox.ok(&["rm", "--force", id]);
    }
}
