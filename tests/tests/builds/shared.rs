//! Caches outside of the engine.

use std::path::Path;

use barque::api::{BuildCacheStore, ImageBuild};
use barque_tests::registry::Registry;
use barque_tests::{Sandbox, invariants};

use crate::{build, built, context, request, said, told};

const STAGES: &str = "FROM testbox AS made
RUN [\"/testbox\", \"write\", \"/made\", \"in a stage\"]
FROM testbox
WORKDIR /srv
COPY --from=made /made /srv/
COPY one /srv/
RUN [\"/testbox\", \"write\", \"/srv/two\", \"2\"]
";

fn directory(path: &Path, mode: &str) -> Vec<BuildCacheStore> {
    let (kind, path) = ("local".to_owned(), path.to_string_lossy().into_owned());
    vec![BuildCacheStore { kind, path, mode: mode.to_owned(), ..BuildCacheStore::default() }]
}

fn repository(registry: &Registry, mode: &str) -> Vec<BuildCacheStore> {
    let reference = format!("{}/app:cache", registry.address());
    let (kind, mode) = ("registry".to_owned(), mode.to_owned());
    vec![BuildCacheStore { kind, reference, mode, ..BuildCacheStore::default() }]
}

/// How each step went, in no order.
fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.retain(|line| !line.starts_with("importing") && !line.starts_with("exporting cache"));
    lines.sort();
    lines
}

const CACHED: [&str; 7] = [
    "COPY: Cached",
    "COPY: Cached",
    "FROM: Done",
    "FROM: Done",
    "RUN: Cached",
    "RUN: Cached",
    "WORKDIR: Cached",
];

/// Another machine builds the same from what the first has left, and the same image comes of it.
fn is_taken_elsewhere(first: &str, from: Vec<BuildCacheStore>, expected: [&str; 7]) {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", STAGES), ("one", "1")]);
    let with = ImageBuild { cache_from: from.clone(), ..request(&context) };
    let (lines, id) = built(&engine, &with);
    assert_eq!(sorted(lines), expected);
    if expected == CACHED {
        assert_eq!(id, first, "what was made then is what is there now");
    }
    let read =
        sandbox.ok(&["run", "--rm", "--network", "none", "built", "read", "/srv/made", "/srv/two"]);
    assert!(read.contains("in a stage"), "{read}");
    invariants::hold(&sandbox, "a build from another's cache");
    // It is this engine's now; and what nobody has done is done here.
    assert_eq!(sorted(built(&engine, &request(&context)).0), CACHED);
    std::fs::write(context.join("one"), "another").expect("write");
    let (lines, _) = built(&engine, &with);
    assert!(lines.contains(&"COPY: Done".to_owned()), "{lines:?}");
    // Nor does a cache count where none is to.
    let (lines, _) = built(&engine, &ImageBuild { no_cache: true, ..with });
    assert!(!lines.iter().any(|line| line.ends_with("Cached")), "{lines:?}");
    invariants::hold(&sandbox, "more builds");
}

pub(crate) fn steps_go_into_a_directory_and_are_taken_from_there() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", STAGES), ("one", "1")]);
    let (all, least) = (sandbox.work().join("all"), sandbox.work().join("least"));
    let with = |cache_to| ImageBuild { cache_to, ..request(&context) };
    let (_, id) = built(&engine, &with(directory(&all, "max")));
    is_taken_elsewhere(&id, directory(&all, ""), CACHED);
    // Also of a build that took it all from its own cache. What the image has nothing of is not there.
    built(&engine, &with(directory(&least, "")));
    let mut some = CACHED;
    some[5] = "RUN: Done";
    is_taken_elsewhere(&id, directory(&least, ""), some);

    // A cache takes the place of the one that was there, with all that only that had.
    let count = |path: &Path| path.join("blobs/sha256").read_dir().expect("list").count();
    let before = count(&all);
    std::fs::write(context.join("one"), "11").expect("write");
    built(&engine, &with(directory(&all, "max")));
    assert_eq!(count(&all), before);
    assert!(count(&least) < before);
    invariants::hold(&sandbox, "builds that leave caches");
}

pub(crate) fn steps_go_to_a_registry_and_are_taken_from_there() {
    let registry = Registry::new();
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", STAGES), ("one", "1")]);
    let with = ImageBuild { cache_to: repository(&registry, "max"), ..request(&context) };
    let (_, id) = built(&engine, &with);
    assert!(!registry.asked("PUT", "/v2/app/manifests/cache").is_empty());
    is_taken_elsewhere(&id, repository(&registry, ""), CACHED);
    // It is no image.
    let name = format!("{}/app:cache", registry.address());
    let refused = sandbox.barque(&["pull", &name]);
    assert!(refused.stderr.contains("is no image to run"), "{}", refused.stderr);
    invariants::hold(&sandbox, "a build that leaves a cache at a registry");
}

pub(crate) fn a_cache_that_is_damaged_or_not_there_only_costs_time() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", STAGES), ("one", "1")]);
    let path = sandbox.work().join("cache");
    let with = ImageBuild { cache_to: directory(&path, "max"), ..request(&context) };
    built(&engine, &with);
    let blobs = || path.join("blobs/sha256").read_dir().expect("list").flatten();
    // One byte of each layer is another.
    for blob in blobs() {
        let mut bytes = std::fs::read(blob.path()).expect("read");
        if bytes[0] != b'{' {
            bytes[600] ^= 1;
            std::fs::write(blob.path(), bytes).expect("write");
        }
    }
    let empty = sandbox.work().join("empty");
    std::fs::create_dir(&empty).expect("make a directory");
    let images = sandbox.work().join("images");
    std::fs::create_dir(&images).expect("make a directory");
    barque_tests::image::small().write_layout(&images);
    let other = Sandbox::with_testbox();
    let there = other.engine();
    let from = |path: &Path| ImageBuild {
        cache_from: directory(path, ""),
        no_cache: false,
        ..request(&context)
    };
    let (lines, done) = build(&there, &from(&path));
    done.expect("it is built");
    let text = said(&lines);
    assert!(text.contains("was not used: "), "{text}");
    let steps = sorted(told(&lines));
    assert!(!steps.contains(&"RUN: Cached".to_owned()), "{steps:?}");
    for place in [&empty, &images, &sandbox.work().join("nowhere")] {
        let (lines, done) = build(&there, &from(place));
        done.expect("it is built");
        assert!(said(&lines).contains("was not used: "), "{}: {}", place.display(), said(&lines));
    }
    // Nor can its documents be what they like.
    for blob in blobs() {
        let bytes = std::fs::read(blob.path()).expect("read");
        if bytes[0] == b'{' {
            std::fs::write(blob.path(), &bytes[..bytes.len() - 1]).expect("write");
        }
    }
    let (lines, done) = build(&there, &from(&path));
    done.expect("it is built");
    assert!(said(&lines).contains("was not used: "), "{}", said(&lines));
    // One that cannot be written is an error: whoever asked for it wants it.
    let file = sandbox.work().join("file");
    std::fs::write(&file, "x").expect("write");
    let with = ImageBuild { cache_to: directory(&file, ""), ..request(&context) };
    let failed = build(&engine, &with).1.expect_err("it is a file");
    assert!(failed.message().contains("export the cache to"), "{failed}");
    invariants::hold(&other, "builds with caches that are none");
    invariants::hold(&sandbox, "a cache that could not be written");
}
