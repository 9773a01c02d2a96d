//! What is found after somebody was killed.

use std::os::fd::AsFd;

use super::*;
use crate::container::lock::OperationLock;
use crate::container::state::Standing;
use crate::container::{Record, launch};
use crate::store::Owner;

fn monitor_pid(bench: &Bench, id: &str) -> i32 {
    Standing::of(&bench.engine, id).unwrap().run.unwrap().monitor_pid
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}");
}

#[test]
fn a_container_whose_monitor_was_killed_is_never_running_and_its_code_is_unknown() {
    let bench = Bench::new();
    let id = bench.create("web", &["sleep", "1000"]);
    bench.start("web").unwrap();
    let mut wait = bench
        .engine
        .containers()
        .wait(&ContainerWait { id: "web".into(), ..Default::default() })
        .unwrap();
    kill(monitor_pid(&bench, &id));
    let exit = read(&mut wait).1.unwrap();
    assert_eq!((exit.status_code, exit.reason.as_str()), (125, "monitor-died"));
    assert!(exit.error.unwrap().message.contains("not known"));
    let inspect = bench.engine.containers().inspect("web").unwrap();
    assert_eq!((inspect.state.status.as_str(), inspect.state.exit_code), ("exited", 125));
    drop(bench.again());
    assert_eq!(bench.cgroups(), [""; 0], "cleared away by the next to open");
    assert_eq!(bench.events(&["exitCode"]), ["create", "start", "die 125"]);
    bench.start("web").unwrap();
}

#[test]
fn an_engine_is_opened_although_what_is_unfinished_cannot_be_read() {
    let bench = Bench::new();
    bench.create("web", &["true"]);
    bench
        .engine
        .store()
        .write(Durability::Full, |t| Ok(t.execute_batch("DROP INDEX volumes_removing")?))
        .unwrap();
    let again = bench.again();
    assert_eq!(again.containers().inspect("web").unwrap().name, "/web");
}

#[test]
fn opening_settles_what_a_killed_monitor_left() {
    let bench = Bench::new();
    let kept = bench.create("kept", &["sleep", "1000"]);
    bench.start("kept").unwrap();
    let mut request = run(&["sleep", "1000"]);
    request.create.name = "going".into();
    let stream = bench.engine.containers().run(&request).unwrap();
    let going = bench.engine.containers().inspect("going").unwrap().id;
    for id in [&kept, &going] {
        kill(monitor_pid(&bench, id));
    }
    drop(stream);
    until("the monitors end", || {
        [&kept, &going].iter().all(|id| !Standing::of(&bench.engine, id).unwrap().lock.monitor)
    });
    drop(bench.again());
    assert_eq!(bench.names(true), ["/kept"]);
    assert_eq!(bench.cgroups(), [""; 0]);
    let state = bench.engine.containers().inspect("kept").unwrap().state;
    assert_eq!((state.status.as_str(), state.exit_reason.as_str()), ("exited", "monitor-died"));
    let run = bench.engine.layout().container_run(&kept);
    assert!(!run.exists());
}

#[test]
fn what_a_dead_run_created_and_never_started_goes() {
    let bench = Bench::new();
    let dead = Owner { start_time: 1, ..bench.engine.this_process().clone() };
    let (record, _) =
        crate::container::create::create(&bench.engine, &create("one", &["true"]), Some(dead))
            .unwrap();
    let alive = bench.engine.this_process().clone();
    crate::container::create::create(&bench.engine, &create("two", &["true"]), Some(alive))
        .unwrap();
    assert_eq!(bench.names(true).len(), 2);
    // And one that was killed in the middle of starting it.
    let lock = OperationLock::take(&bench.engine, &record.id, "start").unwrap();
    let directory = bench.engine.layout().container(&record.id);
    std::fs::create_dir_all(directory.join("upper")).unwrap();
    drop(bench.again());
    assert_eq!(bench.names(true).len(), 2, "somebody is busy with it");
    drop(lock);
    drop(bench.again());
    assert_eq!(bench.names(true), ["/two"]);
    assert!(!directory.exists());
}

#[test]
fn locks_that_nobody_has_any_more_go_while_others_run() {
    let bench = Bench::new();
    let layout = bench.engine.layout();
    let runs = bench.create("runs", &["sleep", "1000"]);
    bench.start("runs").unwrap();
    let ended = bench.create("ended", &["true"]);
    bench.start("ended").unwrap();
    bench.wait("ended");
    // As few as are looked up, and as many as are looked for.
    for count in [1, 40] {
        let strangers: Vec<String> = (0..count).map(|n| format!("{n:064x}")).collect();
        for id in &strangers {
            std::fs::write(layout.container_lock(id), "start by process 1").unwrap();
        }
        drop(bench.again());
        let left: Vec<_> =
            strangers.iter().filter(|id| layout.container_lock(id).exists()).collect();
        assert_eq!(left, [""; 0]);
        for id in [&runs, &ended] {
            assert!(layout.container_lock(id).exists());
        }
        assert_eq!(bench.names(false), ["/runs"]);
        assert_eq!(bench.names(true), ["/ended", "/runs"]);
    }
    // One that was killed is not running because others are.
    kill(monitor_pid(&bench, &runs));
    until("the monitor ends", || !Standing::of(&bench.engine, &runs).unwrap().lock.monitor);
    assert_eq!(bench.names(false), [""; 0]);
    drop(bench.again());
    assert!(!layout.container_run(&runs).exists());
}

#[test]
fn a_removal_that_was_cut_short_is_finished() {
    let bench = Bench::new();
    let id = bench.create("web", &["true"]);
    bench.start("web").unwrap();
    bench.wait("web");
    let mark = |t: &rusqlite::Transaction<'_>| Record::mark_removing(t, &id, false);
    assert!(bench.engine.store().write(Durability::Full, mark).unwrap());
    assert!(bench.start("web").is_err());
    drop(bench.again());
    assert_eq!(bench.names(true), [""; 0]);
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[test]
fn after_a_reboot_nothing_runs_and_what_went_with_its_run_is_gone() {
    let bench = Bench::new();
    let kept = bench.create("kept", &["sleep", "1000"]);
    bench.start("kept").unwrap();
    let mut request = run(&["sleep", "1000"]);
    request.create.name = "going".into();
    drop(bench.engine.containers().run(&request).unwrap());
    let going = bench.engine.containers().inspect("going").unwrap().id;
    for id in [&kept, &going] {
        kill(monitor_pid(&bench, id));
    }
    until("the monitors end", || {
        [&kept, &going].iter().all(|id| !Standing::of(&bench.engine, id).unwrap().lock.monitor)
    });
    // What a reboot clears.
    std::fs::remove_dir_all(bench.engine.layout().run()).unwrap();
    drop(bench.again());
    assert_eq!(bench.names(true), ["/kept"]);
    assert_eq!(bench.engine.containers().inspect("kept").unwrap().state.exit_code, 125);
    assert!(!bench.engine.layout().container(&going).exists());
    bench.start("kept").unwrap();
}

#[test]
fn files_whose_record_was_lost_are_kept_unless_they_went_with_their_run() {
    let bench = Bench::new();
    let layout = bench.engine.layout();
    let (lost, garbage) = ("a".repeat(64), "b".repeat(64));
    std::fs::create_dir_all(layout.container(&lost).join("upper")).unwrap();
    std::fs::write(layout.container(&lost).join("upper/precious"), "x").unwrap();
    std::fs::create_dir_all(layout.container(&garbage).join("upper")).unwrap();
    rustix::fs::chmod(layout.container(&garbage), rustix::fs::Mode::from(0o1700)).unwrap();
    std::fs::remove_file(layout.boot()).unwrap();
    drop(bench.again());
    assert!(layout.root().join("lost+found").join(&lost).join("upper/precious").exists());
    assert!(!layout.container(&garbage).exists());
    assert!(!layout.container(&lost).exists());
}

#[test]
fn a_monitor_that_does_not_answer_is_done_without() {
    let bench = Bench::new();
    let id = bench.create("web", &["sleep", "1000"]);
    bench.start("web").unwrap();
    let pid = rustix::process::Pid::from_raw(monitor_pid(&bench, &id)).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    bench.remove("web", true).unwrap();
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[test]
fn a_start_that_cannot_be_leaves_what_was_before() {
    let bench = Bench::new();
    let id = bench.create("web", &["true"]);
    // The control socket cannot be made: a file is where its directory should be.
    std::fs::create_dir_all(bench.engine.layout().run()).unwrap();
    std::fs::write(bench.engine.layout().container_run(&id), "").unwrap();
    assert!(bench.start("web").is_ok(), "what is in the way is cleared away");
    bench.wait("web");
}

#[test]
fn directories_say_whether_they_go_with_their_run() {
    let bench = Bench::new();
    let mut request = run(&["sleep", "1000"]);
    request.create.name = "going".into();
    let stream = bench.engine.containers().run(&request).unwrap();
    let id = bench.engine.containers().inspect("going").unwrap().id;
    let metadata = bench.engine.layout().container(&id).metadata().unwrap();
    assert!(launch::goes_with_its_run(&metadata));
    drop(stream);
    let containers = crate::sys::directory::open(&bench.engine.layout().containers()).unwrap();
    assert!(rustix::fs::statat(containers.as_fd(), &id, rustix::fs::AtFlags::empty()).is_ok());
}
