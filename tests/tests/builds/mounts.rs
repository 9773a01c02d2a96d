//! What steps see that is not in the image: `RUN --mount`.

use std::time::Duration;

use barque::Canceller;
use barque::api::ImageBuild;
use barque_tests::sandbox::wait_until;
use barque_tests::{Sandbox, invariants};

use crate::{build, built, context, next, request, said};

pub(crate) fn a_link_in_the_context_does_not_lead_out_of_it() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let secret = sandbox.work().join("secret");
    std::fs::write(&secret, "canary").expect("write");
    let inside = context(&sandbox, &[("Dockerfile", ""), ("d/x", "inside")]);
    std::os::unix::fs::symlink("../../secret", inside.join("d/up")).expect("link");
    std::os::unix::fs::symlink(&secret, inside.join("absolute")).expect("link");
    std::os::unix::fs::symlink("../..", inside.join("d/above")).expect("link");
    for source in ["d/up", "absolute", "d/above/secret", "../secret", "d/*/secret", "/../secret"] {
        let text = format!("FROM testbox\nCOPY {source} /stolen/\n");
        std::fs::write(inside.join("Dockerfile"), text).expect("write");
        let (_, done) = build(&engine, &request(&inside));
        match done {
            Err(error) => assert!(error.message().contains("not found"), "{source}: {error}"),
            // A pattern that stands for nothing.
            Ok(_) => {
                let run = ["run", "--rm", "--network", "none", "built", "list", "/stolen"];
                assert_eq!(sandbox.ok(&run), "", "{source}");
            }
        }
    }
    // A Dockerfile that is such a link is none either.
    std::fs::remove_file(inside.join("Dockerfile")).expect("remove");
    std::os::unix::fs::symlink(&secret, inside.join("Dockerfile")).expect("link");
    let (_, done) = build(&engine, &request(&inside));
    let error = done.expect_err("it is outside").message().to_owned();
    assert!(error.contains("no such file") && !error.contains("canary"), "{error}");
}

pub(crate) fn a_bind_mount_shows_what_is_there_and_leaves_nothing_in_the_image() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = "FROM testbox AS one\nRUN [\"/testbox\", \"write\", \"/made\", \"of a stage\"]\n\
                FROM testbox\nWORKDIR /srv\n\
                RUN --mount=type=bind,target=. --mount=from=one,source=made,target=/deep/file \
                --mount=from=testbox,source=/etc,target=/image,rw \
                [\"/testbox\", \"read\", \"/srv/d/f\", \"/srv/out\", \"/deep/file\", \"/image/group\", \",\", \
                \"write\", \"/image/new\", \"x\", \",\", \"stat\", \"/srv/d/f\"]\n";
    let files =
        [("Dockerfile", text), ("d/f", "of the context"), ("no", "x"), (".dockerignore", "no\n")];
    let context = context(&sandbox, &files);
    std::fs::write(sandbox.work().join("secret"), "canary").expect("write");
    std::os::unix::fs::symlink("../secret", context.join("out")).expect("link");
    let (lines, done) = build(&engine, &request(&context));
    done.expect("it is built");
    let output = said(&lines);
    for seen in ["of the context", "of a stage", "crew:", "\"uid\":0", "\"/srv/out\":{\"errno\":2}"]
    {
        assert!(output.contains(seen), "{seen}: {output}");
    }
    assert!(!output.contains("canary"), "{output}");
    let list =
        |path: &str| sandbox.ok(&["run", "--rm", "--network", "none", "built", "list", path]);
    assert_eq!(list("/srv"), "");
    let top = list("/");
    assert!(!top.contains("deep") && !top.contains("image"), "{top}");
    assert!(!list("/etc").contains("new"));

    let steps = ["FROM: Done", "RUN: Cached", "FROM: Done", "WORKDIR: Cached"];
    for (file, told) in [("no", "RUN: Cached"), ("d/f", "RUN: Done")] {
        std::fs::write(context.join(file), "changed").expect("write");
        let (mut lines, _) = built(&engine, &request(&context));
        assert_eq!(lines.pop().as_deref(), Some(told), "{file}");
        lines.sort();
        assert_eq!(lines.len(), steps.len(), "{lines:?}");
    }
    for (mount, why) in [
        ("target=/x,source=none", "\"/none\": not found"),
        ("target=/x,source=../secret", "not found"),
        ("target=/x,from=nobody/none:1", "nobody/none"),
        ("source=d", "a mount needs a target"),
    ] {
        let text = format!("FROM testbox\nRUN --mount={mount} [\"/testbox\", \"echo\"]\n");
        std::fs::write(context.join("Dockerfile"), text).expect("write");
        let error = build(&engine, &request(&context)).1.expect_err("there is no such thing");
        assert!(error.message().contains(why), "{mount}: {error}");
    }
    let text = "FROM testbox\nRUN --mount=target=/x [\"/testbox\", \"write\", \"/x/new\", \"x\"]\n";
    std::fs::write(context.join("Dockerfile"), text).expect("write");
    build(&engine, &request(&context)).1.expect_err("it is read-only");
    invariants::hold(&sandbox, "builds with bind mounts");
}

pub(crate) fn a_cache_mount_survives_and_leaves_nothing_in_the_image() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let mounts = "--mount=type=cache,target=/deep/er/cache,id=shared,mode=1777,uid=1000 \
                  --mount=type=tmpfs,target=/data/scratch";
    let run = |words: &str| format!("RUN {mounts} [\"/testbox\", {words}]\n");
    let text = "FROM testbox\n".to_owned()
        + &run("\"write\", \"/deep/er/cache/kept\", \"for later\"")
        + &run("\"write\", \"/data/scratch/gone\", \"x\"")
        + &run("\"write\", \"/deep/beside\", \"x\"");
    let context = context(&sandbox, &[("Dockerfile", &text)]);
    built(&engine, &request(&context));
    let report = sandbox.ok(&["run", "--rm", "--network", "none", "built", "list", "/deep"]);
    assert_eq!(report, "beside", "only what was written there");
    assert_eq!(sandbox.ok(&["run", "--rm", "--network", "none", "built", "list", "/data"]), "");
    // Another build with the same id sees what was left; with another it does not.
    for (id, seen) in [("shared", true), ("other", false)] {
        let text = format!(
            "FROM testbox\nRUN --mount=type=cache,target=/c,id={id},readonly [\"/testbox\", \"read\", \"/c/kept\", \",\", \"stat\", \"/c\"]\n"
        );
        std::fs::write(context.join("Dockerfile"), text).expect("write");
        let (lines, _) = build(&engine, &ImageBuild { no_cache: true, ..request(&context) });
        let output = said(&lines);
        assert_eq!(output.contains("for later"), seen, "{id}: {output}");
        assert_eq!(output.contains("\"mode\":\"1777\""), seen, "{id}: {output}");
    }
    invariants::hold(&sandbox, "builds with mounts");
}

pub(crate) fn a_cache_mount_cannot_be_where_it_should_not() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", "")]);
    let run = |options: &str| {
        let text =
            format!("FROM testbox\nRUN --mount=type=cache,{options} [\"/testbox\", \"echo\"]\n");
        std::fs::write(context.join("Dockerfile"), text).expect("write");
        build(&engine, &request(&context)).1
    };
    for (options, why) in [
        ("id=x", "a mount needs a target"),
        ("target=/proc/x", "nothing can be mounted at /proc/x"),
        ("target=/", "nothing can be mounted at /"),
        ("target=/a/../dev", "nothing can be mounted at /dev"),
        ("target=/c,source=/x", "source of a cache mount is a path in what from names"),
        (
            "target=/c,from=testbox,source=/testbox",
            "a cache begins with a directory, not with a file",
        ),
        ("target=/c,sharing=none", "invalid value for sharing: none"),
        ("target=/c,mode=rwx", "invalid value for mode: rwx"),
        ("target=/c,uid=-1", "invalid value for uid: -1"),
    ] {
        let error = run(options).expect_err(options);
        assert_eq!(error.message(), format!("Dockerfile:2: {why}"), "{options}");
    }
    // An id is a name (SEC-106): whatever stands in it, its directory is one of digits.
    for id in ["../../../../etc", "/etc", ".", "a/b", &"x".repeat(10_000)] {
        run(&format!("target=/c,id={id}")).expect(id);
    }
    let names = std::fs::read_dir(sandbox.root().join("cache-mounts")).expect("list").flatten();
    let mut count = 0;
    for name in names.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        assert!(name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        count += 1;
    }
    assert_eq!(count, 5);
}

pub(crate) fn caches_are_shared_locked_or_private() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let stage = |name: &str, sharing: &str| {
        format!(
            "FROM testbox AS {name}\nRUN --mount=type=cache,target=/c,sharing={sharing} --mount=type=cache,target=/again,id=/c \
             [\"/testbox\", \"write\", \"/c/{name}\", \"x\", \",\", \"echo\", \"in-{name}\", \",\", \"sleep\", \"0.2\", \",\", \
             \"echo\", \"out-{name}\"]\n"
        )
    };
    let both = "FROM testbox\nCOPY --from=one /testbox /1\nCOPY --from=two /testbox /2\n";
    let text = stage("one", "locked") + &stage("two", "locked") + both;
    let context = context(&sandbox, &[("Dockerfile", &text)]);
    let (lines, done) = build(&engine, &request(&context));
    done.expect("it is built");
    let said = said(&lines);
    let turns: Vec<&str> =
        said.lines().filter_map(|line| line.split_once('-').map(|(turn, _)| turn)).collect();
    assert_eq!(turns, ["in", "out", "in", "out"], "{said}");

    // While one has a private cache, another gets one of its own; afterwards it is there for the next.
    let private = |command: &str| {
        format!(
            "FROM testbox\nRUN --mount=type=cache,target=/p,sharing=private [\"/testbox\", {command}]\n"
        )
    };
    let write = private("\"write\", \"/p/first\", \"x\", \",\", \"sleep\", \"forever\"");
    std::fs::write(context.join("Dockerfile"), write).expect("write");
    let canceller = Canceller::new().expect("a canceller");
    let first = engine.with_canceller(&canceller);
    let mut stream = first.images().build(&request(&context)).expect("a build begins");
    wait_until("the step runs", Duration::from_secs(30), || {
        !sandbox.ok(&["ps", "--quiet"]).is_empty()
    });
    std::fs::write(context.join("Dockerfile"), private("\"list\", \"/p\"")).expect("write");
    let list = || {
        let (lines, done) = build(&engine, &ImageBuild { no_cache: true, ..request(&context) });
        done.expect("it is built");
        crate::said(&lines).contains("first")
    };
    assert!(!list());
    canceller.cancel();
    while next(&mut stream).is_ok_and(|line| line.is_some()) {}
    drop(stream);
    assert!(list());
    invariants::hold(&sandbox, "builds that share caches");
}

pub(crate) fn a_cache_begins_with_what_it_is_from() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let run = |command: &str| {
        format!(
            "RUN --mount=type=cache,target=/c,from=one,source=/seed [\"/testbox\", {command}]\n"
        )
    };
    let text = "FROM testbox AS one\nWORKDIR /seed\nCOPY Dockerfile file\nFROM testbox\n"
        .to_owned()
        + &run("\"read\", \"/c/file\", \",\", \"write\", \"/c/file\", \"later\"")
        + &run("\"read\", \"/c/file\", \",\", \"stat\", \"/seed\"");
    let context = context(&sandbox, &[("Dockerfile", &text)]);
    let (lines, done) = build(&engine, &request(&context));
    done.expect("it is built");
    let said = said(&lines);
    for seen in
        ["FROM testbox AS one", "{\"/c/file\":{\"text\":\"later\"}}", "{\"/seed\":{\"errno\":2}}"]
    {
        assert!(said.contains(seen), "{seen}: {said}");
    }
    invariants::hold(&sandbox, "builds with a cache that is from a stage");
}
