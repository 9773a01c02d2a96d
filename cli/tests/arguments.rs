//! Words that nobody meant: empty, endless, in no encoding, of control characters, too many. The command refuses them or takes
//! them for what they are; it does not die of them, and makes nothing.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod engine;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use engine::{Done, Engine, done};

/// With a word of any bytes after the others, and killed when it does not end.
fn with(engine: &Engine, words: &str, last: &OsString) -> Done {
    let like = engine.command(words);
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "30"]).arg(like.get_program()).args(like.get_args()).arg(last);
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    done(command.stdin(Stdio::null()).output().unwrap())
}

/// Not among them: those that ask a registry for what they are given, and those that go on until they are stopped.
const VERBS: &[&str] = &[
    "attach",
    "commit",
    "cp",
    "create",
    "diff",
    "exec",
    "export",
    "history",
    "import",
    "inspect",
    "kill",
    "load",
    "logs",
    "pause",
    "port",
    "ps",
    "images",
    "rename",
    "restart",
    "rm",
    "rmi",
    "run",
    "save",
    "start",
    "stop",
    "tag",
    "top",
    "unpause",
    "update",
    "wait",
    "info",
    "version",
    "build",
    "volume inspect",
    "volume create",
    "volume rm",
    "network inspect",
    "network create",
    "network rm",
    "image prune",
    "system df",
    "container",
    "nonsense",
];

#[test]
fn no_word_makes_a_command_panic_or_wait() {
    let engine = Engine::new("words");
    let long = "x".repeat(100 << 10);
    let odd = [
        "",
        " ",
        "-",
        "--",
        "---",
        "--=",
        "\u{1b}]0;x\u{7}",
        "a\nb",
        "\u{202e}x",
        "../../etc",
        "а",
        "+",
        "@",
        ":",
    ];
    let mut odd: Vec<OsString> =
        odd.into_iter().chain(["sha256:", &*long]).map(OsString::from).collect();
    odd.push(OsString::from_vec(vec![0xff, 0xfe]));
    odd.push(OsString::from_vec(b"--\xff".to_vec()));
    for verb in VERBS {
        // The first word of these two is an image.
        let first =
            if matches!(*verb, "run" | "create") { " --network none hello" } else { " kept" };
        engine.run("create --name kept hello");
        for word in &odd {
            for before in ["", first, " --format"] {
                let done = with(&engine, &format!("{verb}{before}"), word);
                let what = format!("{verb}{before} {:.40}: {done:?}", word.to_string_lossy());
                // No panic (101), no signal, no timeout.
                assert!(matches!(done.code, Some(0 | 1 | 125 | 126 | 127)), "{what}");
                assert!(
                    !done.err.contains("panicked") && !done.err.contains("bug in barque"),
                    "{what}"
                );
            }
        }
    }
    // An empty name is none; of the others there is no container.
    for name in engine.run("ps -a --format {{.Names}}").out.lines() {
        assert!(name == "kept" || name.contains('_'), "{name}");
    }
}

#[test]
fn names_that_look_like_others_are_refused() {
    let engine = Engine::new("names");
    for name in [
        "a\nb",
        "\u{1b}[31mx",
        "\u{202e}x",
        "we\u{200b}b",
        "w\u{435}b",
        "-web",
        ".web",
        "a b",
        "a/b",
        "é",
    ] {
        let named = engine.command("create").args(["--name", name, "hello"]).output();
        let done = done(named.unwrap());
        assert_eq!((done.code, done.out.as_str()), (Some(125), ""), "{name:?}");
        assert!(done.err.contains("Invalid container name"), "{name:?}: {}", done.err);
        // Whoever reads it sees which characters they are.
        assert!(
            !done.err.trim_end().contains(['\n', '\u{1b}', '\u{202e}', '\u{200b}']),
            "{:?}",
            done.err
        );
    }
}

#[test]
fn a_beginning_of_ids_is_enough_unless_it_is_of_several_or_a_name() {
    let engine = Engine::new("ids");
    let ids: Vec<String> =
        (0..17).map(|_| engine.run("create hello").out.trim().to_owned()).collect();
    // Of seventeen, two begin with the same of sixteen digits.
    let digit = |id: &String| id[..1].to_owned();
    let twice = ids.iter().map(digit).find(|d| ids.iter().filter(|id| digit(id) == *d).count() > 1);
    let twice = twice.unwrap();
    let several = engine.run(&format!("inspect {twice}"));
    assert_eq!(several.code, Some(1));
    assert!(several.err.contains(&twice) && several.err.contains("ultiple IDs"), "{}", several.err);
    assert_eq!(engine.run(&format!("rm {twice}")).code, Some(1));
    assert_eq!(engine.run("ps -aq").out.lines().count(), 17, "one of several was removed");
    let shown = |name: &str| engine.run(&format!("inspect --format {{{{.Id}}}} {name}")).out;
    assert_eq!(shown(&ids[0][..40]).trim(), ids[0]);
    // A name goes before the beginning of another's id, the whole id before all.
    let begins = &ids[0][..12];
    let named = engine.run(&format!("create --name {begins} hello"));
    assert_eq!(shown(begins), named.out);
    assert_eq!(shown(&ids[0]).trim(), ids[0]);
    assert_eq!(engine.run("inspect xyz").code, Some(1));
    assert_eq!(
        engine.run(&format!("inspect {}0", ids[0])).code,
        Some(1),
        "an id with more after it"
    );
}

#[test]
fn flags_are_read_as_docker_reads_them() {
    let engine = Engine::new("flags");
    for (words, code, err) in [
        ("ps --frmat x", 125, "unknown flag: --frmat\nDid you mean '--format'?"),
        ("-- ps", 125, "unknown flag: --"),
        ("- ps", 1, "unknown command: barque -"),
        ("run --memory= hello", 125, "invalid argument \"\" for \"-m, --memory\" flag"),
        ("run --memory", 125, "flag needs an argument: --memory"),
        ("run", 1, "requires at least 1 argument"),
        ("ps -a=maybe", 125, "invalid"),
        ("create --name one --name two hello", 0, ""),
        ("create --name= hello", 0, ""),
        ("inspect -- --format", 1, ""),
        ("ps --format {{range", 1, "template"),
        ("ps -a --format {{.Nope}}", 1, "Nope"),
        ("ps -a --format {{printf}}", 1, "printf"),
        ("ps -a --format {{template}}", 1, "template"),
    ] {
        let done = engine.run(words);
        assert_eq!(done.code, Some(code), "{words}: {}", done.err);
        assert!(done.err.contains(err), "{words}: {}", done.err);
    }
    assert!(engine.run("ps -a").out.contains("two"), "the last of two names is not the name");
}

#[test]
fn many_words_are_read_in_one_go() {
    let engine = Engine::new("many");
    let many = |flag: &str, count: u32, word: fn(u32) -> String| {
        let mut command = engine.command("create --name many --network none");
        (0..count).for_each(|n| _ = command.arg(flag).arg(word(n)));
        let begin = Instant::now();
        let done = done(command.args(["hello", "true"]).output().unwrap());
        assert_eq!(done.code, Some(0), "{flag}: {}", done.err);
        // A quadratic way of reading them takes minutes.
        assert!(begin.elapsed() < Duration::from_secs(10), "{flag}: {:?}", begin.elapsed());
        let shown = engine.run("inspect --format json many");
        assert_eq!(engine.run("rm many").code, Some(0));
        shown.out
    };
    let out = many("--env", 5_000, |n| format!("A{n}=x"));
    assert!(out.contains("\"A0=x\"") && out.contains("\"A4999=x\""));
    let out = many("--volume", 1_000, |n| format!("/tmp:/mnt/{n}"));
    assert!(out.contains("/mnt/999"));
    let out = many("--publish", 500, |n| format!("{}:{}", 10_000 + n, n + 1));
    assert!(out.contains("10499"));
    let out = many("--publish", 2, |n| format!("1-65535:1-65535/{}", ["tcp", "udp"][n as usize]));
    assert!(out.contains("65535/udp"));
    let out = many("--label", 10_000, |n| format!("l{n}=x"));
    assert!(out.contains("\"l9999\""));
}
