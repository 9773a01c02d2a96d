//! What builds keep for later, and how much of it.

use std::time::Duration;

use barque::Canceller;
use barque::api::{BuilderPrune, ImageBuild};
use barque_tests::sandbox::{finish, wait_until};
use barque_tests::{Sandbox, invariants};
use serde_json::Value;

use crate::{build, built, context, next, request, said};

/// What `system df` tells of the cache.
fn kept(sandbox: &Sandbox) -> Vec<Value> {
    let told = sandbox.engine().call("system.df", "{}").expect("it is told");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    told["BuildCache"].as_array().expect("a list").clone()
}

fn of_kind(sandbox: &Sandbox, kind: &str) -> Vec<Value> {
    kept(sandbox).into_iter().filter(|record| record["Type"] == kind).collect()
}

fn prune(sandbox: &Sandbox, words: &[&str]) -> String {
    sandbox.ok(&[&["builder", "prune", "--force"], words].concat())
}

pub(crate) fn a_clean_up_takes_cache_mounts_that_no_step_has() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let mounted = |id: &str, words: &str| {
        format!("FROM testbox\nRUN --mount=type=cache,target=/c,id={id} [\"/testbox\", {words}]\n")
    };
    let text = mounted("one", "\"write\", \"/c/kept\", \"0123456789\"");
    let context = context(&sandbox, &[("Dockerfile", &text)]);
    let again = ImageBuild { no_cache: true, ..request(&context) };
    built(&engine, &again);
    let mounts = of_kind(&sandbox, "exec.cachemount");
    let [mount] = &mounts[..] else { panic!("{mounts:?}") };
    assert_eq!(mount["Description"], "cached mount one");
    assert_eq!((&mount["Size"], &mount["UsageCount"]), (&10.into(), &0.into()));
    // Its size is not what it was the last time, but what it is now.
    let text = mounted("one", "\"write\", \"/c/more\", \"01234\"");
    std::fs::write(context.join("Dockerfile"), text).expect("write");
    built(&engine, &again);
    let mount = &of_kind(&sandbox, "exec.cachemount")[0];
    assert_eq!((&mount["Size"], &mount["UsageCount"]), (&15.into(), &1.into()));

    // Of another kind, used too lately, or used just now: it stays.
    prune(&sandbox, &["--all", "--filter", "type=regular"]);
    prune(&sandbox, &["--all", "--filter", "until=1h"]);
    prune(&sandbox, &["--all", "--filter", "description=mount two"]);
    let text = mounted("one", "\"echo\", \"begun\", \",\", \"sleep\", \"forever\"");
    std::fs::write(context.join("Dockerfile"), text).expect("write");
    let canceller = Canceller::new().expect("a canceller");
    let first = engine.with_canceller(&canceller);
    let mut stream = first.images().build(&request(&context)).expect("a build begins");
    wait_until("the step runs", Duration::from_secs(30), || {
        !sandbox.ok(&["ps", "--quiet"]).is_empty()
    });
    assert_eq!(of_kind(&sandbox, "exec.cachemount")[0]["InUse"], true);
    assert_eq!(prune(&sandbox, &["--all"]), "Total reclaimed space: 0B");
    canceller.cancel();
    while next(&mut stream).is_ok_and(|line| line.is_some()) {}
    drop(stream);

    let dry = prune(&sandbox, &["--dry-run", "--filter", "type=exec.cachemount"]);
    assert!(dry.ends_with("Total reclaimed space: 15B"), "{dry}");
    assert_eq!(prune(&sandbox, &["--filter", "type=exec.cachemount"]), dry);
    assert!(of_kind(&sandbox, "exec.cachemount").is_empty());
    let directory = sandbox.root().join("cache-mounts");
    assert_eq!(directory.read_dir().expect("list").count(), 0);
    std::fs::write(context.join("Dockerfile"), mounted("one", "\"list\", \"/c\"")).expect("write");
    let (lines, done) = build(&engine, &again);
    done.expect("it is built");
    assert!(!said(&lines).contains("kept"), "{}", said(&lines));
    // Nor does one stay that an earlier version of this engine has left, of which nothing is written down.
    let old = directory.join("0".repeat(64));
    std::fs::create_dir(&old).expect("make a directory");
    std::fs::write(old.join("file"), "x").expect("write");
    let pruned = engine.prune(&Default::default()).expect("a clean-up of all");
    assert!(pruned.caches_deleted.iter().any(|key| key.ends_with(&"0".repeat(64))), "{pruned:?}");
    assert_eq!(directory.read_dir().expect("list").count(), 0);
    invariants::hold(&sandbox, "cache mounts that were cleaned up");
}

/// The same with another file each time, of which no image keeps anything.
fn large(context: &std::path::Path, letter: char, bytes: usize) -> ImageBuild {
    std::fs::write(context.join("large"), letter.to_string().repeat(bytes)).expect("write");
    let output = barque::api::BuildOutput { kind: "cacheonly".into(), ..Default::default() };
    ImageBuild { outputs: vec![output], tags: Vec::new(), ..request(context) }
}

pub(crate) fn a_clean_up_leaves_as_much_as_it_is_told() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", "FROM testbox\nCOPY large /\n")]);
    for letter in ['a', 'b', 'c', 'd'] {
        let (_, done) = build(&engine, &large(&context, letter, 100_000));
        done.expect("it is built");
    }
    let sizes = || -> i64 { kept(&sandbox).iter().filter_map(|row| row["Size"].as_i64()).sum() };
    let all = sizes();
    assert!((800_000..820_000).contains(&all), "{all}");
    let prune =
        |request: BuilderPrune| engine.images().prune_builds(&request).expect("it is cleaned");
    let none = BuilderPrune { max_used_space: all, ..BuilderPrune::default() };
    assert_eq!(prune(none).space_reclaimed, 0);
    let some = BuilderPrune { max_used_space: 650_000, ..BuilderPrune::default() };
    assert_eq!(prune(some).caches_deleted.len(), 1);
    // What was used first goes first.
    let (lines, _) = build(&engine, &large(&context, 'b', 100_000));
    assert_eq!(crate::told(&lines), ["FROM: Done", "COPY: Cached"]);
    // There is never so much free, and some of it is reserved.
    let free = BuilderPrune {
        min_free_space: 1 << 60,
        reserved_space: 300_000,
        ..BuilderPrune::default()
    };
    assert_eq!(prune(free).caches_deleted.len(), 2);
    let (lines, _) = build(&engine, &large(&context, 'b', 100_000));
    assert_eq!(crate::told(&lines), ["FROM: Done", "COPY: Cached"]);
    invariants::hold(&sandbox, "a cache that was cleaned up in part");
}

pub(crate) fn builds_keep_to_the_space_that_they_may_take() {
    let sandbox = Sandbox::with_testbox();
    let context = context(&sandbox, &[("Dockerfile", "FROM testbox\nCOPY large /\n")]);
    let path = context.to_string_lossy().into_owned();
    let build = |letter: char, most: &str| {
        large(&context, letter, 100_000);
        let mut command = sandbox.command(&["build", "--output", "type=cacheonly", &path]);
        command.env("BARQUE_BUILD_CACHE", most);
        let done = finish(command, b"");
        assert_eq!(done.code, 0, "{}", done.stderr);
        kept(&sandbox).len()
    };
    let counts: Vec<usize> = "abcd".chars().map(|letter| build(letter, "500kb")).collect();
    assert_eq!(counts, [1, 2, 2, 2], "two and a half fit");
    // What has no room alone does not stay either, and what an image has is the image's.
    assert_eq!(build('e', "10kb"), 0);
    sandbox.ok(&["build", "--tag", "kept", &path]);
    assert_eq!(build('f', "10kb"), 1);
    sandbox.ok(&["run", "--rm", "--network", "none", "kept", "stat", "/large"]);
    invariants::hold(&sandbox, "a cache of a size that was given");
}
