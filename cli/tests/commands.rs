//! The command as scripts use it: output, exit codes, signals, pipes that break.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod engine;

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use engine::{Engine, done, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn help_and_mistakes_touch_no_engine() {
    let root = std::env::temp_dir().join(format!("barque-no-root-{}", std::process::id()));
    for words in [
        "",
        "--help",
        "--version",
        "run --help",
        "container",
        "help ps",
        "ps --bogus",
        "completion bash",
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barque"));
        let output = command.args(words.split_whitespace()).env("BARQUE_ROOT", &root).output();
        let done = done(output.unwrap());
        assert_eq!(done.code, Some(if words.contains("bogus") { 125 } else { 0 }), "{words}");
        assert!(!root.exists(), "barque {words} made an engine");
    }
}

#[test]
fn a_run_has_the_containers_output_and_exit_code() {
    let engine = Engine::new("run");
    for (words, code, out, err) in [
        ("run --rm hello echo one two", 0, "one two\n", ""),
        ("run --rm hello false", 1, "", ""),
        ("run --rm hello cat /nowhere", 1, "", "nowhere"),
        ("run --rm hello nosuchprogram", 127, "", "barque: Error: "),
        ("run --rm hello /etc", 126, "", "barque: Error: "),
        (
            // Nobody listens there.
            "run --rm 127.0.0.1:1/nothing",
            125,
            "",
            "Unable to find image '127.0.0.1:1/nothing:latest' locally",
        ),
        ("run --pull never nothing", 125, "", "barque: Error: No such image: nothing:latest"),
        ("run --rm --memory 1 hello", 125, "", "barque: Error: "),
        ("run -it --rm hello", 1, "", "barque: the input device is not a TTY"),
        ("create --name a/b hello", 125, "", "a/b"),
        ("start nobody", 1, "", "barque: Error: No such container: nobody"),
        ("inspect nobody", 1, "[]\n", "barque: Error: No such object: nobody"),
    ] {
        let done = engine.run(words);
        assert_eq!((done.code, done.out.as_str()), (Some(code), out), "{words}: {}", done.err);
        assert!(done.err.contains(err), "{words}: {}", done.err);
    }
    assert_eq!(engine.run("ps -aq").out, "", "a run with --rm left a container");
}

#[test]
fn input_goes_in_and_comes_out_byte_for_byte() {
    let engine = Engine::new("bytes");
    let mut child = engine.spawn("run --rm -i hello cat");
    let bytes: Vec<u8> =
        (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (mut stdin, sent) = (child.stdin.take().unwrap(), bytes.clone());
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let mut received = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut received).unwrap();
    writer.join().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(received == bytes, "{} of {} bytes came back", received.len(), bytes.len());
}

#[test]
fn a_container_is_shown_from_its_start_to_its_removal() {
    let engine = Engine::new("life");
    let cidfile = engine.file("id");
    let created = engine.run(&format!(
        "create --name web --cidfile {} -l tier=back hello sleep 100",
        cidfile.display()
    ));
    let id = created.out.trim();
    assert_eq!(std::fs::read_to_string(&cidfile).unwrap(), id);
    assert_eq!(engine.run("ps -q").out, "");
    assert_eq!(engine.run("start web").out, "web\n");
    assert_eq!(engine.run("start web").code, Some(0), "starting twice is no failure");
    let mut command = engine.command("ps --no-trunc --format");
    let listed =
        done(command.arg("{{.ID}}|{{.Names}}|{{.State}}|{{.Label \"tier\"}}").output().unwrap());
    assert_eq!(listed.out, format!("{id}|web|running|back\n"));
    assert!(engine.run("ps").out.starts_with("CONTAINER ID   IMAGE     COMMAND       CREATED"));
    assert_eq!(engine.run("rm web").code, Some(1), "a running container is not removed without -f");
    assert_eq!(engine.run("stop -t 0 web").out, "web\n");
    assert_eq!(engine.run("wait web").out, "137\n");
    let both = engine.run("rm nobody web");
    assert_eq!((both.code, both.out.as_str()), (Some(1), "web\n"), "{}", both.err);
    assert_eq!(engine.run("ps -aq").out, "");
}

#[test]
fn logs_keep_the_outputs_apart() {
    let engine = Engine::new("logs");
    assert_eq!(engine.run("run --name first hello echo to stdout").code, Some(0));
    assert_eq!(engine.run("run --name second hello cat /nowhere").code, Some(1));
    let (a, b) = (engine.run("logs first"), engine.run("logs second"));
    assert_eq!((a.out.as_str(), a.err.as_str()), ("to stdout\n", ""));
    assert!(b.out.is_empty() && b.err.contains("nowhere"), "{}", b.err);
    let stamped = engine.run("logs -t --tail 1 first").out;
    assert!(stamped.ends_with("Z to stdout\n") && stamped.starts_with("20"), "{stamped}");
}

#[test]
fn signals_are_passed_on_and_the_third_interrupt_ends_the_command() {
    let engine = Engine::new("signals");
    let mut child = engine.spawn("run --rm -i --init --name polite hello cat");
    exchange(&mut child);
    // Open to the end: `wait` closes what it finds, and without input `cat` ends by itself.
    let stdin = child.stdin.take();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    drop(stdin);

    // Process 1 of a container does not have the default actions of signals: this one does not mind.
    let mut child = engine.spawn("run -i --name stubborn hello cat");
    exchange(&mut child);
    let status = wait_for("the command to give up", || {
        // Two that come at once are one: signal(7).
        kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
        child.try_wait().unwrap()
    });
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "got 3 SIGTERM/SIGINTs, forcefully exiting\n");
    assert_eq!(status.code(), Some(1));
}

/// See that a container of `cat` is attached.
fn exchange(child: &mut std::process::Child) {
    child.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
}

#[test]
fn a_broken_standard_output_is_told_where_somebody_listens() {
    let engine = Engine::new("broken");
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for words in ["ps", "images", "--help", "run --rm hello echo x"] {
        let done = done(engine.command(words).stdout(full()).output().unwrap());
        assert_eq!(done.code, Some(1), "{words}: {}", done.err);
        assert_eq!(done.err, "barque: write to standard output: no space left on device\n");
    }
    for words in ["ps", "--help"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = done(engine.command(words).stdout(writer).output().unwrap());
        assert_eq!((done.code, done.err.as_str()), (Some(141), ""), "{words}");
    }
}

#[test]
fn attaching_late_gives_what_comes_from_then_on() {
    let engine = Engine::new("attach");
    assert_eq!(engine.run("run -d -i --name parrot hello cat").code, Some(0));
    engine.running("parrot");
    let mut child = engine.spawn("attach parrot");
    child.stdin.take().unwrap().write_all(b"again\n").unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!((out.as_str(), child.wait().unwrap().code()), ("again\n", Some(0)));
    wait_for("parrot to end", || engine.run("ps -q").out.is_empty().then_some(()));
    let stopped = engine.run("attach parrot");
    assert_eq!(stopped.code, Some(1));
    assert!(stopped.err.contains("You cannot attach to a stopped container"), "{}", stopped.err);
}

#[test]
fn two_thousand_containers_are_listed_at_once() {
    let engine = Engine::new("two-thousand");
    assert_eq!(engine.run("create --name first hello").code, Some(0));
    let opened = engine.open();
    for n in 0..2_000 {
        let request = barque::api::ContainerCreate {
            name: format!("c{n}"),
            image: "hello".into(),
            ..Default::default()
        };
        opened.containers().create(&request).unwrap();
    }
    let begin = std::time::Instant::now();
    let listed = engine.run("ps -a");
    assert!(begin.elapsed() < std::time::Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(listed.out.lines().count(), 2_002, "a head and each of them");
    for words in ["ps -aq --filter name=^c1999$", "inspect --format {{.Name}} c1999"] {
        let begin = std::time::Instant::now();
        assert_eq!(engine.run(words).out.lines().count(), 1, "{words}");
        assert!(begin.elapsed() < std::time::Duration::from_secs(1), "{words}");
    }
    // One by one with the rest of the test's engine, this would take its time.
    for n in 0..2_000 {
        let request = barque::api::ContainerRemove { id: format!("c{n}"), ..Default::default() };
        opened.containers().remove(&request).unwrap();
    }
}
