//! Dockerfiles and contexts that want more than they are given (SEC-102 to -104, -109 to -112; §1.6).

use std::path::{Path, PathBuf};

use barque_tests::image::{Image, Layer};
use barque_tests::sandbox::{Finished, finish};
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants};
use serde_json::json;

use super::victim::Victim;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("SEC-100 what a cache mount holds leads nowhere", cache_mounts);
    suite.add("SEC-101 places of mounts are taken away in the layer only", places_of_mounts);
    suite.add("SEC-102 a Dockerfile gets no privileges that nobody gave it", privileges);
    suite.add("SEC-103 a Dockerfile that makes no sense is refused, and soon", nonsense);
    suite.add("SEC-104 a history is no proof of what was done", poisoned_history);
    suite.add("SEC-105 what is mounted of a stage is inside it", mounts_of_stages);
    suite.add("SEC-107 a stage is mounted as it was when it was done", stages_that_change);
    suite.add("SEC-109 the caller's environment reaches no step", environment);
    suite.add("SEC-110 a frontend that a Dockerfile names is not fetched", frontend);
    suite.add("SEC-111 links in a context archive lead nowhere outside", context_links);
    suite.add("SEC-112 destinations and archives stay in the image", destinations);
}

const CANARY: &str = "canary-7f3a";

fn context(sandbox: &Sandbox, dockerfile: &str) -> PathBuf {
    let path = sandbox.work().join("hostile");
    std::fs::create_dir_all(&path).expect("make a directory");
    std::fs::write(path.join("Dockerfile"), dockerfile).expect("write a file");
    path
}

fn build(sandbox: &Sandbox, context: &Path, more: &[&str]) -> Finished {
    let context = context.to_string_lossy().into_owned();
    let words = [&["build", "--tag", "built"][..], more, &[&context]].concat();
    let mut command = sandbox.command(&words);
    command.env("CANARY", CANARY);
    finish(command, b"")
}

/// It is refused with these words, and no step has run.
fn is_refused(sandbox: &Sandbox, dockerfile: &str, why: &str) {
    let done = build(sandbox, &context(sandbox, dockerfile), &[]);
    assert_eq!(done.code, 1, "{dockerfile:.200}: {}", done.stderr);
    assert!(done.stderr.contains(why), "{dockerfile:.200}: {}", done.stderr);
    assert!(!done.stderr.contains("ran-anyway"), "{}", done.stderr);
}

/// Each link that could lead to the victim.
fn ways_to(victim: &Victim) -> [String; 2] {
    let place = victim.path();
    [place.clone(), format!("../../../../../../../../../..{place}")]
}

fn cache_mounts() {
    let sandbox = Sandbox::with_busybox();
    let victim = Victim::new(&sandbox);
    let mount = "--mount=type=cache,id=x";
    is_refused(
        &sandbox,
        &format!("FROM busybox\nRUN {mount},target=/c,source=sub echo ran-''anyway\n"),
        "source of a cache mount is a path in what from names",
    );
    for link in ways_to(&victim) {
        // One stage puts links into a cache, again and again, and another uses the same one below and beside them.
        let text = format!(
            "FROM busybox AS one\n\
             RUN {mount},target=/c for i in $(busybox seq 500); do busybox rm -rf /c/sub; busybox ln -s {link} /c/sub; done\n\
             FROM busybox AS two\n\
             RUN {mount},target=/c {mount}b,target=/c/sub ls /c/sub/ || true\n\
             RUN {mount},target=/d cat /d/sub/secret; echo x > /d/sub/secret; busybox rm -rf /d/sub/; true\n\
             RUN --mount=type=cache,id=y,from=one,source=../../..{link},target=/e cat /e/secret || true\n"
        );
        let done = build(&sandbox, &context(&sandbox, &text), &["--no-cache", "--network=none"]);
        assert!(!done.stderr.contains("canary"), "{link}: {}", done.stderr);
        victim.is_untouched(&link);
    }
    invariants::hold(&sandbox, "cache mounts with links");
}

fn places_of_mounts() {
    let sandbox = Sandbox::with_busybox();
    let victim = Victim::new(&sandbox);
    // What BuildKit took away: an empty file and an empty directory.
    let gone = sandbox.work().join("gone");
    std::fs::create_dir_all(gone.join("directory")).expect("make a directory");
    std::fs::write(gone.join("file"), "").expect("write a file");
    let to_gone = gone.to_string_lossy().into_owned();
    for link in ways_to(&victim)
        .into_iter()
        .chain([to_gone.clone(), format!("../../../../../../../../../..{to_gone}")])
    {
        for name in ["secret", "inner", "file", "directory"] {
            let text = format!(
                "FROM busybox\n\
                 RUN --mount=type=tmpfs,target=/x/{name} busybox mv /x /moved && busybox ln -s {link} /x\n\
                 RUN --mount=type=secret,id=s,target=/y/{name} busybox mv /y /moved && busybox ln -s {link} /y\n"
            );
            let context = context(&sandbox, &text);
            std::fs::write(context.join("value"), "x").expect("write a secret");
            let secret = format!("--secret=id=s,src={}", context.join("value").display());
            let done = build(&sandbox, &context, &["--network=none", &secret]);
            assert_eq!(done.code, 0, "{link}/{name}: {}", done.stderr);
            victim.is_untouched(&link);
            assert!(
                gone.join("file").is_file() && gone.join("directory").is_dir(),
                "{link}/{name}"
            );
        }
    }
    invariants::hold(&sandbox, "places of mounts that were replaced");
}

fn mounts_of_stages() {
    let sandbox = Sandbox::with_busybox();
    let victim = Victim::new(&sandbox);
    for link in ways_to(&victim).into_iter().chain(["/".to_owned(), "../../../../..".to_owned()]) {
        let stage =
            format!("FROM busybox AS one\nRUN busybox ln -s {link} /link && echo inside > /mark\n");
        for source in ["link", "/link", "link/secret", "../../link", "link/../secret"] {
            let text = format!(
                "{stage}FROM busybox\nRUN --mount=from=one,source={source},target=/m,rw \
                 ls /m; cat /m/secret /m; echo x > /m/secret; true\nCOPY --from=one {source} /taken/\n"
            );
            let done = build(&sandbox, &context(&sandbox, &text), &["--network=none"]);
            assert!(!done.stderr.contains("canary"), "{link}: {}", done.stderr);
            let failed = done.code != 0;
            assert_eq!(failed, done.stderr.contains("not found"), "{link}: {}", done.stderr);
            victim.is_untouched(&link);
        }
    }
    for (mount, why) in [
        ("bind,target=/m,bind-propagation=shared", "bind-propagation"),
        ("bind,target=/m,from=one,source=..,propagation=rshared", "propagation"),
        ("bind,target=../../etc,source=nothing", "not found"),
        ("bind,target=/proc", "nothing can be mounted at /proc"),
        ("bind,target=/m,from=nobody/nothing:1", "nobody/nothing"),
        ("devpts,target=/m", "devpts"),
    ] {
        let text = format!(
            "FROM busybox AS one\nFROM busybox\nRUN --mount=type={mount} echo ran-''anyway\n"
        );
        is_refused(&sandbox, &text, why);
    }
    invariants::hold(&sandbox, "mounts of stages");
}

fn stages_that_change() {
    let sandbox = Sandbox::with_busybox();
    let victim = Victim::new(&sandbox);
    let [link, _] = ways_to(&victim);
    let text = format!(
        "FROM busybox AS one\n\
         RUN busybox mkdir /d && echo begun > /d/secret && busybox ln -s d /at\n\
         RUN for i in $(busybox seq 300); do busybox ln -sfn {link} /at; busybox ln -sfn d /at; done; echo ended > /d/secret\n\
         FROM busybox\nRUN --mount=from=one,source=at,target=/m cat /m/secret > /seen\n\
         COPY --from=one at/secret /copied\nCMD cat /seen /copied\n"
    );
    let context = context(&sandbox, &text);
    for _ in 0..3 {
        let done = build(&sandbox, &context, &["--no-cache", "--network=none"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let seen = sandbox.ok(&["run", "--rm", "--network", "none", "built"]);
        assert_eq!(seen, "ended\nended");
        victim.is_untouched("a stage that changed");
    }
}

fn privileges() {
    let sandbox = Sandbox::with_testbox();
    let run = "[\"/testbox\", \"echo\", \"ran-anyway\"]";
    for (flags, why) in [
        ("--security=insecure", "is not allowed"),
        ("--security=anything", "is not allowed"),
        ("--network=host", "host network is not allowed"),
        ("--network=container:x", "invalid network mode"),
        ("--device=/dev/kmsg", "is not allowed"),
        ("--privileged", "unknown flag"),
    ] {
        is_refused(&sandbox, &format!("FROM testbox\nRUN {flags} {run}\n"), why);
    }
    // Who builds may give it.
    let text = format!("FROM testbox\nRUN --network=host {run}\n");
    let done = build(&sandbox, &context(&sandbox, &text), &["--network=host"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    // What a step may do is what a container may.
    let text = "FROM testbox\nRUN [\"/testbox\", \"report\"]\n";
    let done = build(&sandbox, &context(&sandbox, text), &[]);
    let report = done.stderr.lines().find_map(|line| line.split_once(" {").map(|(_, rest)| rest));
    let report: serde_json::Value =
        serde_json::from_str(&format!("{{{}", report.expect("a report"))).expect("JSON");
    let expected = sandbox.report(&[], &["report"]);
    for field in ["capabilities", "security", "paths"] {
        assert_eq!(report[field], expected[field], "{field}");
    }
}

fn nonsense() {
    let sandbox = Sandbox::with_testbox();
    let many = "FROM testbox\n".repeat(100_000);
    let deep = format!("FROM testbox\nENV A={}x{}\n", "${B:-".repeat(5000), "}".repeat(5000));
    for (dockerfile, why) in [
        ("", "file with no instructions"),
        ("ARG X=1\n", "no stages to build"),
        ("RUN x\nFROM testbox\n", "no build stage"),
        ("FROM testbox\nRUN <<EOF\nnever ended\n", "unterminated heredoc"),
        ("FROM testbox AS a\nCOPY --from=a /x /\n", "circular dependency"),
        ("FROM testbox\nCOPY --from=0 / \"unterminated\n", "unterminated quote"),
        ("FROM testbox\nENV A=${B\n", "missing '}'"),
        ("# escape=x\nFROM testbox\n", "invalid ESCAPE"),
        (&many, "more than 20000 instructions"),
        (&deep, "nested"),
    ] {
        is_refused(&sandbox, dockerfile, why);
    }
    // A name that its own value uses is read once.
    let text = "ARG A=$A$A\nFROM testbox\nARG A\nENV A=$A$A\n";
    let done = build(&sandbox, &context(&sandbox, text), &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

fn poisoned_history() {
    let sandbox = Sandbox::with_testbox();
    let run = "RUN [\"/testbox\", \"write\", \"/made\", \"honest\"]";
    let poison = Layer::new().file("made", 0o644, b"poison").finish();
    let archive = sandbox.work().join("poison.tar");
    Image::from_testbox("poison")
        .layer(poison)
        .history(json!([{"created_by": "first"}, {"created_by": run}]))
        .write_docker_archive(&archive);
    sandbox.ok(&["load", "--input", &archive.to_string_lossy()]);
    let context = context(&sandbox, &format!("FROM testbox\n{run}\n"));
    let done = build(&sandbox, &context, &[]);
    assert!(done.code == 0 && !done.stderr.contains("CACHED"), "{}", done.stderr);
    let read = ["run", "--rm", "--network", "none", "built", "read", "/made"];
    assert!(sandbox.ok(&read).contains("honest"));
    // What makes no files makes another image all the same.
    let id = || sandbox.ok(&["inspect", "--format", "{{.Id}}", "built"]);
    let first = id();
    for line in ["HEALTHCHECK CMD x", "ONBUILD RUN x", "LABEL a=b", "USER sailor"] {
        let text = format!("FROM testbox\n{run}\n{line}\n");
        std::fs::write(context.join("Dockerfile"), text).expect("write");
        assert_eq!(build(&sandbox, &context, &[]).code, 0);
        assert_ne!(id(), first, "{line}");
    }
    // The user is part of what a command does.
    let text = format!("FROM testbox\nUSER 0:0\n{run}\n");
    std::fs::write(context.join("Dockerfile"), text).expect("write");
    let done = build(&sandbox, &context, &[]);
    assert!(done.code == 0 && !done.stderr.contains("CACHED"), "{}", done.stderr);
}

fn environment() {
    let sandbox = Sandbox::with_testbox();
    let text = "FROM testbox\nARG CANARY\nENV A=$CANARY B=${CANARY:-none}\n\
                RUN [\"/testbox\", \"report\"]\nLABEL l=$CANARY\n";
    let done = build(&sandbox, &context(&sandbox, text), &[]);
    assert!(done.code == 0 && !done.stderr.contains(CANARY), "{}", done.stderr);
    assert!(!sandbox.inspect("built").to_string().contains(CANARY));
    // Said by name it is given.
    let done = build(&sandbox, &context(&sandbox, text), &["--build-arg", "CANARY"]);
    assert!(done.code == 0 && done.stderr.contains(CANARY), "{}", done.stderr);
}

fn frontend() {
    let sandbox = Sandbox::with_testbox();
    // Nobody listens there: asking would fail.
    let text = "# syntax=127.0.0.1:1/evil/frontend:1\nFROM testbox\nLABEL a=b\n";
    let done = build(&sandbox, &context(&sandbox, text), &[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

fn context_links() {
    let sandbox = Sandbox::with_testbox();
    let secret = sandbox.work().join("secret");
    std::fs::write(&secret, format!("FROM testbox\nLABEL {CANARY}=1\n")).expect("write");
    let outside = secret.to_string_lossy().into_owned();
    let up = format!("../../../../../../../../../..{outside}");
    let archive = sandbox.work().join("context.tar");
    let write = |layer: Layer| std::fs::write(&archive, layer.finish()).expect("write");
    for target in [&outside, &up] {
        write(Layer::new().symlink("Dockerfile", target));
        let done = build(&sandbox, &archive, &[]);
        assert_eq!(done.code, 1, "{}", done.stderr);
        assert!(done.stderr.contains("failed to read dockerfile"), "{}", done.stderr);

        let copies = b"FROM testbox\nCOPY link /stolen\n";
        write(Layer::new().file("Dockerfile", 0o644, copies).symlink("link", target));
        let done = build(&sandbox, &archive, &[]);
        assert!(done.code == 1 && done.stderr.contains("not found"), "{}", done.stderr);

        // The link itself, where it is in a directory that is copied, and a rule file that is one.
        let copies = b"FROM testbox\nCOPY . /all/\n";
        let layer = Layer::new().file("Dockerfile", 0o644, copies);
        write(layer.symlink(".dockerignore", target).symlink("link", target));
        let done = build(&sandbox, &archive, &[]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        let read = ["run", "--rm", "--network", "none", "built", "read", "/all/link"];
        assert!(!sandbox.ok(&read).contains(CANARY));
    }
    for names in [["d", "d/file"], ["../climbed", "x"], ["/absolute", "y"]] {
        let layer = Layer::new().symlink("d", "/").file(names[0], 0o644, b"x");
        write(layer.file(names[1], 0o644, b"x").file("Dockerfile", 0o644, b"FROM testbox\n"));
        // Whether it is taken does not matter, where it went does.
        build(&sandbox, &archive, &[]);
        assert!(!Path::new("/file").exists() && !Path::new("/absolute").exists());
    }
    invariants::hold(&sandbox, "contexts with links");
}

fn destinations() {
    let sandbox = Sandbox::with_testbox();
    let victim = Victim::new(&sandbox);
    let place = victim.path();
    let climb = format!("../../../../../../../../../..{place}");
    let layer = Layer::new().symlink("absolute", &place).symlink("climbing", &climb);
    let archive = sandbox.work().join("links.tar");
    Image::from_testbox("links").layer(layer.finish()).write_docker_archive(&archive);
    sandbox.ok(&["load", "--input", &archive.to_string_lossy()]);
    let inner = Layer::new().symlink("out", &place).file("out/secret", 0o644, b"taken").finish();
    for line in [
        "COPY file /absolute/",
        "COPY file /climbing/secret",
        "COPY --chmod=777 --chown=sailor file /absolute/secret",
        "COPY --parents ./../../file /absolute/",
        "COPY --link file ../../../absolute/",
        "ADD inner.tar /absolute/",
        "ADD inner.tar /",
        "WORKDIR /absolute/made",
    ] {
        let context = context(&sandbox, &format!("FROM links\n{line}\n"));
        std::fs::write(context.join("file"), "taken").expect("write");
        std::fs::write(context.join("inner.tar"), &inner).expect("write");
        let done = build(&sandbox, &context, &[]);
        assert!(done.code == 0 || done.code == 1, "{line}: {}", done.stderr);
        victim.is_untouched(line);
    }
    invariants::hold(&sandbox, "destinations outside");
}
