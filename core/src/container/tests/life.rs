//! A container's life, in good order.

use std::time::{Duration, Instant};

use super::*;
use crate::ErrorKind;

#[test]
fn a_run_gives_both_outputs_and_the_exit_code_and_leaves_nothing() {
    let bench = Bench::new();
    let request = run(&["sh", "-c", "echo out; echo err >&2; exit 37"]);
    let (chunks, exit) = read(&mut bench.engine.containers().run(&request).unwrap());
    assert_eq!(split(&chunks), ("out\n".into(), "err\n".into()));
    let exit = exit.unwrap();
    assert_eq!((exit.status_code, exit.reason.as_str()), (37, "exited"));
    assert_eq!(bench.names(true), [""; 0]);
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[test]
fn a_container_is_created_started_awaited_and_removed() {
    let bench = Bench::new();
    let id = bench.create("web", &["sh", "-c", "echo hello; exit 3"]);
    let inspect = bench.engine.containers().inspect("web").unwrap();
    assert_eq!((inspect.id.as_str(), inspect.state.status.as_str()), (id.as_str(), "created"));
    assert_eq!(bench.leftovers(), [""; 0], "a row, and nothing else");
    bench.start("web").unwrap();
    let exit = bench.wait(&id[..8]);
    assert_eq!(
        (exit.id.as_str(), exit.status_code, exit.reason.as_str()),
        (id.as_str(), 3, "exited")
    );
    let inspect = bench.engine.containers().inspect("/web").unwrap();
    assert_eq!((inspect.state.status.as_str(), inspect.state.exit_code), ("exited", 3));
    assert_eq!(bench.names(false), [""; 0]);
    assert_eq!(bench.names(true), ["/web"]);
    let request = ContainerLogs { id: "web".into(), ..Default::default() };
    assert_eq!(bench.logs(&request), ("hello\n".into(), String::new()));
    bench.start("web").unwrap();
    assert_eq!(bench.wait("web").status_code, 3);
    assert_eq!(bench.logs(&request).0, "hello\nhello\n");
    bench.remove("web", false).unwrap();
    assert_eq!(bench.remove("web", false).unwrap_err().message(), "No such container: web");
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[test]
fn stop_sends_the_signal_and_kills_after_the_timeout() {
    let bench = Bench::new();
    bench.create("polite", &["sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.01; done"]);
    bench.create("deaf", &["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]);
    for name in ["polite", "deaf"] {
        bench.start(name).unwrap();
    }
    std::thread::sleep(Duration::from_millis(100));
    let stop = |id: &str, timeout| {
        let request = ContainerStop { id: id.into(), timeout: Some(timeout), ..Default::default() };
        bench.engine.containers().stop(&request)
    };
    stop("polite", 10).unwrap();
    let state = bench.engine.containers().inspect("polite").unwrap().state;
    assert_eq!((state.exit_code, state.exit_reason.as_str()), (5, "stopped"));
    let begin = Instant::now();
    stop("deaf", 1).unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
    let state = bench.engine.containers().inspect("deaf").unwrap().state;
    assert_eq!((state.exit_code, state.exit_reason.as_str()), (137, "stop-timeout"));
    assert_eq!(stop("deaf", 1).unwrap_err().kind(), ErrorKind::NotModified);
}

#[test]
fn what_runs_is_not_removed_without_force_nor_started_again() {
    let bench = Bench::new();
    bench.create("web", &["sleep", "1000"]);
    bench.start("web").unwrap();
    assert_eq!(bench.start("web").unwrap_err().kind(), ErrorKind::NotModified);
    let error = bench.remove("web", false).unwrap_err();
    assert_eq!(
        error.message(),
        "cannot remove container \"/web\": container is running: stop the container before removing or force remove"
    );
    let row = &bench.engine.containers().list(&ContainerList::default()).unwrap()[0];
    assert_eq!((row.state.as_str(), row.status.as_str()), ("running", "Up Less than a second"));
    bench.remove("web", true).unwrap();
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[test]
fn a_command_that_is_not_there_leaves_a_created_container_with_dockers_code() {
    let bench = Bench::new();
    bench.create("no", &["nonsense"]);
    let error = bench.start("no").unwrap_err();
    assert_eq!(error.reason(), "command_not_found");
    assert!(
        error.message().contains("exec: \"nonsense\": executable file not found in $PATH"),
        "{error}"
    );
    let state = bench.engine.containers().inspect("no").unwrap().state;
    assert_eq!((state.status.as_str(), state.exit_code), ("created", 127));
    assert!(state.error.contains("nonsense"));
    assert_eq!(bench.cgroups(), [""; 0]);
    let error = bench.engine.containers().run(&run(&["/etc/passwd"])).unwrap_err();
    assert_eq!(error.reason(), "command_not_executable");
    assert_eq!(bench.names(true), ["/no"]);
}

#[test]
fn kill_sends_any_signal_and_waits_for_the_last() {
    let bench = Bench::new();
    bench.create("web", &["sh", "-c", "trap 'echo usr1' USR1; while :; do sleep 0.01; done"]);
    bench.start("web").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let kill = |signal: &str| {
        let request = ContainerKill { id: "web".into(), signal: signal.into() };
        bench.engine.containers().kill(&request)
    };
    kill("SIGUSR1").unwrap();
    assert_eq!(kill("NONSENSE").unwrap_err().kind(), ErrorKind::InvalidArgument);
    std::thread::sleep(Duration::from_millis(100));
    kill("").unwrap();
    let state = bench.engine.containers().inspect("web").unwrap().state;
    assert_eq!((state.exit_code, state.exit_reason.as_str()), (137, "killed"));
    let error = kill("").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().ends_with("is not running"), "{error}");
    let request = ContainerLogs { id: "web".into(), ..Default::default() };
    assert_eq!(bench.logs(&request).0, "usr1\n");
}

#[test]
fn a_run_takes_input_and_gives_it_back() {
    let bench = Bench::new();
    let mut request = run(&["cat"]);
    request.create.open_stdin = true;
    request.create.stdin_once = true;
    let mut stream = bench.engine.containers().run(&request).unwrap();
    let input: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let (mut sent, mut output) = (0, Vec::new());
    let exit = loop {
        if sent < input.len() {
            sent += stream.write(&input[sent..]).unwrap();
            if sent == input.len() {
                stream.write(&[]).unwrap();
            }
        }
        let deadline = match sent < input.len() {
            true => Duration::from_millis(1),
            false => Duration::from_secs(10),
        };
        match stream.next(Deadline::after(deadline)).unwrap() {
            Next::Item(Item::Chunk(chunk)) => output.extend(chunk.data),
            Next::Item(Item::Document(text)) => {
                break serde_json::from_str::<ContainerExit>(&text).unwrap();
            }
            Next::TimedOut => assert!(sent < input.len()),
            Next::Done => unreachable!(),
        }
    };
    assert_eq!(exit.status_code, 0);
    assert!(output == input, "{} of {} bytes came back", output.len(), input.len());
    assert!(matches!(stream.next(Deadline::never()).unwrap(), Next::Done));
}

#[test]
fn a_run_that_takes_too_long_is_killed_with_the_reason() {
    let bench = Bench::new();
    let request = ContainerRun { timeout_ms: 200, ..run(&["sleep", "1000"]) };
    let (_, exit) = read(&mut bench.engine.containers().run(&request).unwrap());
    let exit = exit.unwrap();
    assert_eq!((exit.status_code, exit.reason.as_str()), (137, "timeout"));
}

#[test]
fn a_tied_run_ends_with_its_stream_and_another_goes_on() {
    let bench = Bench::new();
    let mut request = run(&["sleep", "1000"]);
    request.create.host_config.auto_remove = false;
    request.create.name = "free".into();
    drop(bench.engine.containers().run(&request).unwrap());
    request.create.name = "tied".into();
    request.tied = true;
    drop(bench.engine.containers().run(&request).unwrap());
    let exit = bench.wait("tied");
    assert_eq!((exit.status_code, exit.reason.as_str()), (137, "owner-gone"));
    assert_eq!(bench.names(false), ["/free"]);
}

#[test]
fn attaching_gives_the_output_from_now_on_and_the_end() {
    let bench = Bench::new();
    let mut request = create("web", &["sh", "-c", "read line; echo got $line; exit 4"]);
    request.open_stdin = true;
    bench.engine.containers().create(&request).unwrap();
    bench.start("web").unwrap();
    let request = ContainerAttach { id: "web".into(), stdin: true, ..Default::default() };
    let mut stream = bench.engine.containers().attach(&request).unwrap();
    assert_eq!(stream.write(b"it\n").unwrap(), 3);
    let (chunks, exit) = read(&mut stream);
    assert_eq!(split(&chunks).0, "got it\n");
    assert_eq!(exit.unwrap().status_code, 4);
    let error = bench.engine.containers().attach(&request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[test]
fn following_a_log_sees_every_line_and_then_ends() {
    let bench = Bench::new();
    bench.create("web", &["sh", "-c", "for i in $(seq 2000); do echo $i; done"]);
    bench.start("web").unwrap();
    let request = ContainerLogs { id: "web".into(), follow: true, ..Default::default() };
    let expected: String = (1..=2000).map(|n| format!("{n}\n")).collect();
    assert_eq!(bench.logs(&request).0, expected);
    assert_eq!(bench.logs(&request).0, expected, "after the end");
    let request = ContainerLogs { id: "web".into(), tail: "2".into(), ..Default::default() };
    assert_eq!(bench.logs(&request).0, "1999\n2000\n");
}

#[test]
fn waiting_for_the_next_exit_begins_before_the_start() {
    let bench = Bench::new();
    bench.create("web", &["sh", "-c", "exit 9"]);
    let wait = |condition: &str| {
        let request = ContainerWait { id: "web".into(), condition: condition.into() };
        bench.engine.containers().wait(&request).unwrap()
    };
    assert_eq!(read(&mut wait("not-running")).1.unwrap().status_code, 0);
    let (mut next, mut removed) = (wait("next-exit"), wait("removed"));
    let short = Deadline::after(Duration::from_millis(50));
    assert_eq!(next.next(short).unwrap(), Next::TimedOut);
    bench.start("web").unwrap();
    assert_eq!(read(&mut next).1.unwrap().status_code, 9);
    let short = Deadline::after(Duration::from_millis(50));
    assert_eq!(removed.next(short).unwrap(), Next::TimedOut);
    bench.remove("web", false).unwrap();
    assert_eq!(read(&mut removed).1.unwrap().id.len(), 64);
}

#[test]
fn a_name_is_taken_once_and_free_again_after_the_container_is_gone() {
    let bench = Bench::new();
    let id = bench.create("web", &["true"]);
    let error = bench.engine.containers().create(&create("web", &["true"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(
        error.message(),
        format!(
            "Conflict. The container name \"/web\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
        )
    );
    bench.remove("web", false).unwrap();
    bench.create("web", &["true"]);
}

#[test]
fn ids_are_found_by_their_beginning_unless_two_have_it() {
    let bench = Bench::new();
    let ids: Vec<String> = (0..40).map(|_| bench.create("", &["true"])).collect();
    for id in &ids {
        assert_eq!(&bench.engine.containers().inspect(&id[..20]).unwrap().id, id);
    }
    let twice = (0..16)
        .map(|digit| format!("{digit:x}"))
        .find(|digit| ids.iter().filter(|id| id.starts_with(digit.as_str())).count() > 1)
        .unwrap();
    let error = bench.engine.containers().inspect(&twice).unwrap_err();
    assert_eq!(error.reason(), "ambiguous_id");
    // A name counts before a beginning.
    let named = bench.create(&format!("{twice}{twice}"), &["true"]);
    assert_eq!(bench.engine.containers().inspect(&format!("{twice}{twice}")).unwrap().id, named);
}

#[test]
fn lists_are_filtered_as_dockers_are() {
    let bench = Bench::new();
    let mut labelled = create("labelled", &["sleep", "1000"]);
    labelled.labels = [("tier".to_owned(), "web".to_owned())].into();
    bench.engine.containers().create(&labelled).unwrap();
    let exited = bench.create("exited", &["sh", "-c", "exit 2"]);
    bench.create("created", &["true"]);
    bench.start("labelled").unwrap();
    bench.start("exited").unwrap();
    bench.wait("exited");
    let names = |filters: &[(&str, &str)]| {
        let mut request = ContainerList::default();
        for (name, value) in filters {
            request.filters.entry((*name).into()).or_default().push((*value).into());
        }
        let rows = bench.engine.containers().list(&request).unwrap();
        rows.into_iter().map(|row| row.names[0][1..].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["labelled"]);
    assert_eq!(names(&[("status", "exited"), ("status", "created")]), ["created", "exited"]);
    assert_eq!(names(&[("exited", "2")]), ["exited"]);
    assert_eq!(names(&[("exited", "0")]), [""; 0]);
    assert_eq!(names(&[("label", "tier")]), ["labelled"]);
    assert_eq!(names(&[("label", "tier=db")]), [""; 0]);
    assert_eq!(names(&[("since", "labelled")]), ["created", "exited"]);
    assert_eq!(names(&[("before", "created")]), ["exited", "labelled"]);
    assert_eq!(names(&[("ancestor", "box"), ("status", "created")]), ["created"]);
    assert_eq!(names(&[("ancestor", "other")]), [""; 0]);
    assert_eq!(names(&[("id", &exited[..10]), ("status", "exited")]), ["exited"]);
    let mut request = ContainerList::default();
    request.filters.insert("colour".into(), vec!["red".into()]);
    let error = bench.engine.containers().list(&request).unwrap_err();
    assert_eq!(error.message(), "invalid filter 'colour'");
    let request = ContainerList { limit: 2, ..Default::default() };
    assert_eq!(bench.engine.containers().list(&request).unwrap().len(), 2);
}

#[test]
fn an_existing_container_is_run_from_its_first_byte() {
    let bench = Bench::new();
    let id = bench.create("web", &["echo", "hello"]);
    let request = ContainerRun { id: id.clone(), ..Default::default() };
    let (chunks, exit) = read(&mut bench.engine.containers().run(&request).unwrap());
    assert_eq!(split(&chunks).0, "hello\n");
    assert_eq!(exit.unwrap().status_code, 0);
    assert_eq!(bench.names(true), ["/web"]);
}

#[test]
fn a_cancelled_wait_fails_at_once() {
    let bench = Bench::new();
    bench.create("web", &["sleep", "1000"]);
    bench.start("web").unwrap();
    let canceller = crate::Canceller::new().unwrap();
    let engine = bench.engine.with_canceller(&canceller);
    let mut wait = engine
        .containers()
        .wait(&ContainerWait { id: "web".into(), ..Default::default() })
        .unwrap();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            canceller.cancel();
        });
        assert_eq!(wait.next(Deadline::never()).unwrap_err().kind(), ErrorKind::Cancelled);
    });
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(bench.names(false), ["/web"], "the container goes on");
}

#[test]
fn an_exec_is_started_over_any_connection_and_gone_with_the_run_it_was_created_in() {
    let bench = Bench::new();
    let id = bench.create("web", &["sleep", "1000"]);
    bench.start("web").unwrap();
    bench.create("db", &["sleep", "1000"]);
    bench.start("db").unwrap();
    let exec = |container: &str| {
        let cmd = Some(vec!["true".to_owned()]);
        let request = ExecCreate { container: container.to_owned(), cmd, ..Default::default() };
        bench.engine.execs().create(&request).unwrap().id
    };
    let start = |engine: &Engine, id: &str| {
        let request = ExecStart { id: id.to_owned(), ..Default::default() };
        engine.execs().start(&request).and_then(|mut stream| stream.next(Deadline::never()))
    };
    let (first, second, other) = (exec("web"), exec("web"), exec("db"));
    let last = (exec("web"), exec("db"));
    for (engine, exec) in [
        (&bench.engine, &last.0),
        (&bench.engine, &last.1),
        (&bench.again(), &second),
        (&bench.engine, &other),
        (&bench.engine, &first),
    ] {
        let Next::Item(Item::Document(end)) = start(engine, exec).unwrap() else { panic!() };
        assert!(end.contains("\"ExitCode\":0"), "{end}");
    }
    let left = exec("web");
    let kill = ContainerKill { id: id.clone(), ..Default::default() };
    bench.engine.containers().kill(&kill).unwrap();
    bench.start("web").unwrap();
    let error = start(&bench.engine, &left).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    bench.remove("web", true).unwrap();
    bench.remove("db", true).unwrap();
}
