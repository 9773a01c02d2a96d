//! Monitors that fail: at each of their steps, and by what they are given. Only builds with failpoints have these.

#[cfg(feature = "failpoints")]
mod steps {
    use std::time::Duration;

    use barque_monitor::cgroup::Cgroup;
    use barque_monitor::protocol::{Event, Launch};
    use barque_monitor::state::{Reason, Status};

    use crate::bench::{Bench, wait_until};
    use crate::wire::Frame;

    const BEFORE_START: [&str; 3] = ["launch-read", "cgroup-made", "created"];
    const RUNNING: [&str; 2] = ["started", "state-written"];
    const AFTER_EXIT: [&str; 5] =
        ["exit-seen", "exit-written", "told", "cgroup-removed", "dir-removed"];

    fn launch(bench: &Bench, failpoints: &str) -> Launch {
        let failpoints = Some(failpoints.to_owned());
        Launch { failpoints, ..bench.script("sleep 0.2; exit 37") }
    }

    /// Remove what a dead monitor has left, as reconciling does.
    fn clear(bench: &Bench) {
        if let Some(cgroup) = Cgroup::open(&bench.cgroup).unwrap() {
            cgroup.kill().unwrap();
            cgroup.remove(Duration::from_secs(5)).unwrap();
        }
        let _ = std::fs::remove_dir_all(bench.run_dir());
    }

    #[test]
    fn a_monitor_killed_at_any_step_never_leaves_a_wrong_end() {
        for point in BEFORE_START.iter().chain(&RUNNING).chain(&AFTER_EXIT) {
            let bench = Bench::new();
            let mut launch = launch(&bench, &format!("{point}=kill"));
            launch.auto_remove = *point == "dir-removed";
            let mut running = bench.start(&launch);
            let mut told = None;
            loop {
                match running.wire.receive() {
                    Frame::Event(Event::Exited { state, .. }) => told = Some(state.exit_code),
                    Frame::End => break,
                    _ => {}
                }
            }
            assert!(!bench.is_locked(), "{point}");
            wait_until("all have died", || {
                Cgroup::open(&bench.cgroup)
                    .unwrap()
                    .is_none_or(|c| c.processes().unwrap().is_empty())
            });
            assert!(told.is_none_or(|code| code == 37), "{point}: told {told:?}");
            if bench.has_state() {
                let state = bench.state();
                match state.status {
                    Status::Running => assert!(
                        !["exit-written", "told", "cgroup-removed"].contains(point),
                        "{point}"
                    ),
                    Status::Exited => {
                        assert_eq!((state.exit_code, state.reason), (37, Reason::Exited), "{point}")
                    }
                }
            }
            clear(&bench);
        }
    }

    #[test]
    fn a_monitor_that_panics_ends_its_container_and_says_so() {
        for point in ["state-written", "exit-seen"] {
            let bench = Bench::new();
            let mut running = bench.start(&launch(&bench, &format!("{point}=panic")));
            running.wire.closed();
            wait_until("the monitor has gone", || !bench.is_locked());
            let state = bench.state();
            assert_eq!(state.status, Status::Exited);
            assert_eq!((state.exit_code, state.reason), (125, Reason::MonitorDied), "{point}");
            assert!(state.error.contains(point), "{}", state.error);
            bench.assert_gone();
        }
    }

    #[test]
    fn an_error_at_any_step_before_the_start_is_told_and_leaves_nothing() {
        for point in BEFORE_START.iter().chain(&RUNNING) {
            let bench = Bench::new();
            let mut running = bench.start(&launch(&bench, &format!("{point}=error")));
            let Event::Failed { failure } = running.wire.event() else { panic!("{point}") };
            assert!(failure.message.contains(point), "{}", failure.message);
            bench.assert_gone();
            assert_eq!(bench.state().reason, Reason::StartFailed);
            running.wire.closed();
        }
    }
}
