//! The command where things are not as in a shell: without standard descriptors, variables, a directory or rights.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod engine;

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use engine::{Done, Engine, done};

/// The command as the last words of a shell's line: `$0`.
fn shell(engine: &Engine, line: &str) -> Done {
    let like = engine.command("");
    let mut command = Command::new("sh");
    command.arg("-c").arg(line).arg(like.get_program());
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    done(command.output().unwrap())
}

#[test]
fn standard_descriptors_may_be_missing_or_anything() {
    let engine = Engine::new("descriptors");
    for (line, code, out) in [
        ("$0 run --rm -i --network none hello cat <&-", 0, ""),
        ("$0 run --rm -i --network none hello cat </", 0, ""),
        ("$0 run --rm -i --network none hello cat </dev/null", 0, ""),
        ("$0 run --rm --network none hello cat /nowhere 2>&-", 1, ""),
        ("$0 run --rm --network none hello echo out 2>&-", 0, "out\n"),
        ("$0 run --rm --network none hello echo out >&-", 0, ""),
        ("$0 ps -q <&- 2>&-", 0, ""),
        ("$0 ps -q <&- >&- 2>&-", 0, ""),
        ("$0 ps --bogus 2>&-", 125, ""),
        ("$0 inspect nobody 2>/dev/full", 1, "[]\n"),
    ] {
        let done = shell(&engine, line);
        assert_eq!((done.code, done.out.as_str()), (Some(code), out), "{line}: {}", done.err);
        assert!(!done.err.contains("panicked"), "{line}: {}", done.err);
    }
    assert_eq!(engine.run("ps -aq").out, "");
    // What the engine opened first was not taken for a standard descriptor.
    assert_eq!(engine.run("images -q").code, Some(0));
}

#[test]
fn variables_may_be_missing_or_nonsense() {
    let engine = Engine::new("variables");
    let run = "run --rm --network none hello echo x";
    for set in [
        "HOME=",
        "HOME=relative PATH= USER=",
        "TMPDIR=/nowhere",
        "COLUMNS=0 LINES=-1",
        "COLUMNS=1000000000 TERM=dumb",
        "TERM=unknown NO_COLOR=1",
        "LANG=xx LC_ALL=garbage LANGUAGE=:::",
        "HTTP_PROXY=::: HTTPS_PROXY=%% NO_PROXY=,",
        "XDG_CONFIG_HOME=relative XDG_RUNTIME_DIR=/proc",
        "DOCKER_CONFIG=/proc/nowhere DOCKER_HOST=tcp://nobody:1",
        "RUST_BACKTRACE=full RUST_LOG=trace",
    ] {
        let mut command = engine.command(run);
        for pair in set.split_whitespace() {
            let (name, value) = pair.split_once('=').unwrap();
            command.env(name, value);
        }
        let done = done(command.output().unwrap());
        assert_eq!(
            (done.code, done.out.as_str(), done.err.as_str()),
            (Some(0), "x\n", ""),
            "{set}"
        );
    }
    let bare = shell(
        &engine,
        &format!("exec env -i BARQUE_ROOT=$BARQUE_ROOT BARQUE_RUN=$BARQUE_RUN $0 {run}"),
    );
    assert_eq!((bare.code, bare.out.as_str()), (Some(0), "x\n"), "{}", bare.err);
    let place = engine.file("gone").display().to_string();
    let gone = shell(&engine, &format!("mkdir {place}; cd {place}; rmdir {place}; exec $0 {run}"));
    assert_eq!((gone.code, gone.out.as_str()), (Some(0), "x\n"), "{}", gone.err);
}

#[test]
fn a_right_that_is_missing_is_named() {
    let engine = Engine::new("rights");
    assert_eq!(engine.run("run --rm --network none hello true").code, Some(0));
    let without = |rights: &str, words: &str| {
        let like = engine.command(words);
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--bounding-set={rights}"))
            .arg(like.get_program())
            .args(like.get_args());
        for (name, value) in like.get_envs() {
            command.env(name, value.unwrap());
        }
        done(command.output().unwrap())
    };
    // Those that are not needed are not missed, and those that are, are named.
    let all = Command::new("setpriv").arg("--list-caps").output().unwrap();
    let mut named = Vec::new();
    for right in done(all).out.lines() {
        let done = without(&format!("-{right}"), "run --rm --network none hello true");
        if done.code != Some(0) {
            assert_eq!(done.code, Some(125), "{right}: {}", done.err);
            let name = format!("(this process lacks CAP_{})", right.to_uppercase());
            assert!(done.err.contains(&name), "{right}: {}", done.err);
            named.push(right.to_owned());
        }
        assert_eq!(engine.run("ps -aq").out, "", "without {right} something was left");
    }
    for right in ["sys_admin", "setuid", "setgid", "net_admin"] {
        // Who is root in the container needs no other user.
        assert!(right == "setuid" || named.iter().any(|name| name == right), "{right}: {named:?}");
    }
    let none = without("-all", "run --rm --network none hello true");
    assert_eq!(none.code, Some(125));
    assert!(none.err.contains("(barque needs root)"), "{}", none.err);
}

#[test]
fn a_configuration_of_docker_that_is_none_is_named() {
    let engine = Engine::new("configuration");
    let directory = engine.file("docker");
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("config.json");
    let path = file.display().to_string();
    let logout = || {
        let mut command = engine.command("logout 127.0.0.1:1");
        let begin = Instant::now();
        let done = done(command.env("DOCKER_CONFIG", &directory).output().unwrap());
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
        done
    };
    // None, an empty one, and those of other types than docker's: nothing is known then.
    assert_eq!(logout().code, Some(0));
    for text in [
        "",
        "{\"auths\": []}",
        "{\"auths\": {\"127.0.0.1:1\": 5}}",
        "{\"credsStore\": 5}",
        "{\"credHelpers\": \"x\"}",
    ] {
        std::fs::write(&file, text).unwrap();
        let done = logout();
        assert_eq!(done.code, Some(0), "{text}: {}", done.err);
    }
    let is_named = |what: &str, words: &str| {
        let done = logout();
        assert_eq!(done.code, Some(1), "{what}: {}", done.err);
        assert!(done.err.contains(&path) && done.err.contains(words), "{what}: {}", done.err);
        assert!(!done.err.contains("canary"), "{what}: {}", done.err);
    };
    for text in ["{", "[]", "\"canary\"", "{\"auths\": {\"canary\": {}}", "\0\0", "{} {}", "canary"]
    {
        std::fs::write(&file, text).unwrap();
        is_named(text, "not a configuration of docker: line 1 column");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    File::create(&file).unwrap().set_len(1 << 30).unwrap();
    is_named("a gigabyte", "not a configuration of docker");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("config.json", &file).unwrap();
    is_named("a circle of links", "too many levels of symbolic links");
    std::fs::remove_file(&file).unwrap();
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    is_named("a FIFO", "not a file");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    is_named("a directory", "not a file");
}

#[test]
fn the_engine_may_be_behind_a_link_and_is_nobody_elses_directory() {
    let engine = Engine::new("places");
    assert_eq!(engine.run("create --name kept hello").code, Some(0));
    let like = engine.command("");
    let root = like.get_envs().find(|(name, _)| *name == "BARQUE_ROOT").unwrap().1.unwrap();
    let link = engine.file("link");
    std::os::unix::fs::symlink(root, &link).unwrap();
    let there = done(
        engine.command("ps -a --format {{.Names}}").env("BARQUE_ROOT", &link).output().unwrap(),
    );
    assert_eq!((there.out.as_str(), there.err.as_str()), ("kept\n", ""));
    let circle = engine.file("circle");
    std::os::unix::fs::symlink("circle", &circle).unwrap();
    let file = engine.file("file");
    File::create(&file).unwrap().write_all(b"mine").unwrap();
    for place in [&circle, &file] {
        let done = done(engine.command("ps").env("BARQUE_ROOT", place).output().unwrap());
        assert_eq!(done.code, Some(1));
        assert!(done.err.contains(&place.display().to_string()), "{}", done.err);
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
}

#[test]
fn one_command_twice_at_once_does_its_work_once() {
    let engine = Engine::new("twice");
    let start = |words: &str| {
        let mut command = engine.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for round in 0..5 {
        let words = format!("create --name c{round} hello");
        let both =
            [start(&words), start(&words)].map(|child| done(child.wait_with_output().unwrap()));
        let codes = both.iter().map(|done| done.code).collect::<Vec<_>>();
        assert!(codes.contains(&Some(0)) && codes.contains(&Some(125)), "{codes:?}");
        assert!(both.iter().any(|done| done.err.contains("already in use")), "{}", both[0].err);
    }
    assert_eq!(engine.run("ps -aq").out.lines().count(), 5);
}
