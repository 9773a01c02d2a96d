//! What is taken from the cache and what is done again, and how long it is there.

use std::time::Duration;

use barque::api::ImageBuild;
use barque_tests::{Sandbox, invariants};

use crate::{COPIES, build, built, context, line, next, request, said, told};

pub(crate) fn a_touched_file_is_the_same_file_and_one_byte_makes_another() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", COPIES), ("one", "1"), ("two", "2")]);
    let request = request(&context);
    let (first, id) = built(&engine, &request);
    assert_eq!(first, ["FROM: Done", "COPY: Done", "RUN: Done", "COPY: Done"]);
    let cached = ["FROM: Done", "COPY: Cached", "RUN: Cached", "COPY: Cached"];
    assert_eq!(built(&engine, &request), (cached.map(String::from).to_vec(), id.clone()));
    let past = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let touched = std::fs::File::options().write(true).open(context.join("one")).expect("open");
    touched.set_modified(past).expect("touch");
    assert_eq!(built(&engine, &request).1, id, "a file that was touched");
    std::fs::write(context.join("two"), "3").expect("write");
    let (lines, other) = built(&engine, &request);
    assert_eq!(lines, ["FROM: Done", "COPY: Cached", "RUN: Cached", "COPY: Done"]);
    assert_ne!(other, id);
    // What follows a change is done again.
    std::fs::write(context.join("one"), "4").expect("write");
    assert_eq!(built(&engine, &request).0, first);
    invariants::hold(&sandbox, "builds");
}

pub(crate) fn an_argument_counts_from_its_first_use() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = "FROM testbox\nRUN [\"/testbox\", \"write\", \"/a\", \"x\"]\nARG A=1\nENV B=$A\n\
                RUN [\"/testbox\", \"write\", \"/b\", \"x\"]\n";
    let request = request(&context(&sandbox, &[("Dockerfile", text)]));
    built(&engine, &request);
    let arguments = [("A".to_owned(), "2".to_owned())].into();
    let request = ImageBuild { build_args: arguments, ..request };
    assert_eq!(built(&engine, &request).0, ["FROM: Done", "RUN: Cached", "RUN: Done"]);
}

pub(crate) fn without_the_cache_everything_is_done_again() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", COPIES), ("one", "1"), ("two", "2")]);
    let request = request(&context);
    let (first, _) = built(&engine, &request);
    let again = ImageBuild { no_cache: true, ..request.clone() };
    let (lines, id) = built(&engine, &again);
    assert_eq!(lines, first);
    // And what it has made is what the next one takes.
    assert_eq!(built(&engine, &request).1, id);
    invariants::hold(&sandbox, "builds without a cache");
    // What was there before of a stage that no image has waits for a clean-up.
    let stages = "FROM testbox AS one\nRUN [\"/testbox\", \"write\", \"/a\", \"x\"]\n\
                  FROM testbox\nCOPY --from=one /a /\n";
    std::fs::write(context.join("Dockerfile"), stages).expect("write");
    for _ in 0..3 {
        built(&engine, &again);
    }
    invariants::hold(&sandbox, "stages without a cache");
    sandbox.ok(&["image", "prune", "--force"]);
    sandbox.ok(&["builder", "prune", "--force"]);
    let told = engine.call("system.df", "{}").expect("it is told");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["BuildCache"].as_array().map(Vec::len), Some(1), "{told}");
    invariants::hold(&sandbox, "stages without a cache, cleaned up");
}

pub(crate) fn what_a_failed_build_has_done_is_kept() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = "FROM testbox\nRUN [\"/testbox\", \"write\", \"/a\", \"x\"]\nCOPY late /\n";
    let context = context(&sandbox, &[("Dockerfile", text)]);
    let (lines, failed) = build(&engine, &request(&context));
    assert_eq!(told(&lines), ["FROM: Done", "RUN: Done", "COPY: Failed"]);
    let error = failed.expect_err("there is no such file");
    assert_eq!(error.message(), "Dockerfile:3: \"/late\": not found");
    let place = lines.last().and_then(|line| line.step.as_ref()).expect("a step");
    assert!(place.output.contains("   3 | >>> COPY late /"), "{}", place.output);
    invariants::hold(&sandbox, "a build that failed");
    std::fs::write(context.join("late"), "now").expect("write");
    let (lines, _) = built(&engine, &request(&context));
    assert_eq!(lines, ["FROM: Done", "RUN: Cached", "COPY: Done"]);
}

pub(crate) fn what_a_step_left_that_failed_can_be_looked_into() {
    let sandbox = Sandbox::with_testbox();
    let text = "FROM testbox\nENV SAYS=all\nRUN [\"/testbox\", \"write\", \"/before\", \"x\"]\n\
                RUN --mount=type=cache,target=/cached \\\n  \
                [\"/testbox\", \"write\", \"/left\", \"half\", \",\", \"write\", \"/cached/y\", \"y\", \",\", \"exit\", \"7\"]\n";
    let context = context(&sandbox, &[("Dockerfile", text)]);
    let path = context.to_string_lossy().into_owned();
    let words = ["build", "--network", "none", "--keep-failed", "--tag", "named", &path];
    let done = sandbox.barque(&words);
    assert_eq!(done.code, 1, "{}", done.stderr);
    let (_, id) =
        done.stderr.rsplit_once("exit code: 7; its files are in the image ").expect("an id");
    let read = ["run", "--rm", "--network", "none", id.trim(), "read", "/before", "/left"];
    let read = sandbox.ok(&[&read[..], &["/cached/y", ",", "report", "env"]].concat());
    assert!(read.contains("half") && read.contains("SAYS=all"), "{read}");
    assert!(!read.contains("\"y\""), "{read}");
    assert_ne!(sandbox.barque(&["inspect", "named"]).code, 0, "it has no name");
    let rows = sandbox.ok(&["history", "--quiet", id.trim()]);
    assert!(rows.lines().count() >= 3, "{rows}");
    invariants::hold(&sandbox, "a step that failed was kept");
    // Nobody asked for it this time, and what comes before is in the cache.
    sandbox.ok(&["image", "prune", "--force"]);
    let done = sandbox.barque(&["build", "--network", "none", &path]);
    assert!(done.stderr.trim_end().ends_with("exit code: 7"), "{}", done.stderr);
    assert!(done.stderr.contains("CACHED"), "{}", done.stderr);
    assert_eq!(sandbox.ok(&["images", "--quiet", "--filter", "dangling=true"]), "");
    invariants::hold(&sandbox, "a step that failed was thrown away");
}

pub(crate) fn what_a_build_has_taken_from_the_cache_stays_until_its_end() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let first = "FROM testbox\nRUN [\"/testbox\", \"write\", \"/kept\", \"text\"]\n";
    built(&engine, &request(&context(&sandbox, &[("Dockerfile", first)])));
    sandbox.ok(&["rmi", "built"]);
    let rest = "RUN [\"/testbox\", \"echo\", \"begun\", \",\", \"lines\", \"300000\"]\n\
                RUN [\"/testbox\", \"read\", \"/kept\"]\n";
    let request = request(&context(&sandbox, &[("Dockerfile", &format!("{first}{rest}"))]));
    let mut stream = engine.images().build(&request).expect("a build begins");
    let prune = || sandbox.ok(&["builder", "prune", "--all", "--force"]);
    let mut pruned = None;
    while let Some(text) = next(&mut stream).expect("it goes on") {
        let output = line(&text).and_then(|line| line.step).map(|step| step.output);
        if pruned.is_none() && output.is_some_and(|output| output.contains("begun")) {
            // It has more to say than waits for a reader, so it cannot end meanwhile.
            pruned = Some(prune());
        }
    }
    assert_eq!(pruned.as_deref(), Some("Total reclaimed space: 0B"));
    let read = sandbox.ok(&["run", "--rm", "--network", "none", "built", "read", "/kept"]);
    assert!(read.contains("text"), "{read}");
    invariants::hold(&sandbox, "a clean-up during a build");
    drop(stream);
    assert!(prune().starts_with("Deleted build cache objects:\nsha256:"));
    invariants::hold(&sandbox, "a clean-up after a build");
}

fn index(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.root().join("index.json")).expect("read the index")
}

pub(crate) fn the_index_follows_builds_that_only_name_an_image_or_begin_with_nothing() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", COPIES), ("one", "1"), ("two", "2")]);
    let first = request(&context);
    built(&engine, &first);
    assert!(index(&sandbox).contains("library/built:latest"));
    let again = ImageBuild { tags: vec!["other".into()], ..first };
    assert!(!built(&engine, &again).0.contains(&"COPY: Done".to_owned()));
    assert!(index(&sandbox).contains("library/other:latest"));
    let text = "FROM scratch\nCOPY --from=testbox /testbox /\nRUN [\"/testbox\", \"write\", \"/a\", \"x\"]\n";
    std::fs::write(context.join("Dockerfile"), text).expect("write");
    for name in ["bare", "bare-again"] {
        built(&engine, &ImageBuild { tags: vec![name.into()], ..request(&context) });
        assert!(index(&sandbox).contains(&format!("library/{name}:latest")));
    }
    invariants::hold(&sandbox, "builds that only name");
}

pub(crate) fn the_layers_of_a_build_outlive_the_image_below_it() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", COPIES), ("one", "1"), ("two", "2")]);
    built(&engine, &request(&context));
    sandbox.ok(&["rmi", "testbox"]);
    sandbox.ok(&["image", "prune", "--all", "--force"]);
    invariants::hold(&sandbox, "images removed that a cache stands on");
    // The cache has what the images had, and a build on the image that comes back takes it.
    sandbox.load_testbox();
    let (lines, _) = built(&engine, &request(&context));
    assert_eq!(lines, ["FROM: Done", "COPY: Cached", "RUN: Cached", "COPY: Cached"]);
    sandbox.ok(&["run", "--rm", "--network", "none", "built", "read", "/one"]);
    invariants::hold(&sandbox, "a build from what was kept");
}

pub(crate) fn what_is_ignored_is_not_copied_with_all_the_rest() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let files = [
        (".dockerignore", "no\n**/*.log\n"),
        ("no", "x"),
        ("yes", "x"),
        ("d/a.log", "x"),
        ("d/b", "x"),
    ];
    let context = context(&sandbox, &files);
    for source in [".", "./", "/"] {
        let text = format!("FROM testbox\nCOPY {source} /all\n");
        std::fs::write(context.join("Dockerfile"), text).expect("write");
        built(&engine, &request(&context));
        let list =
            |path: &str| sandbox.ok(&["run", "--rm", "--network", "none", "built", "list", path]);
        assert_eq!(list("/all"), ".dockerignore\nDockerfile\nd\nyes", "COPY {source}");
        assert_eq!(list("/all/d"), "b", "COPY {source}");
    }
}

pub(crate) fn a_here_document_is_a_program() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = "FROM testbox\nRUN <<EOF\n#!/testbox read\nof a script\nEOF\n";
    let context = context(&sandbox, &[("Dockerfile", text)]);
    let (lines, done) = build(&engine, &request(&context));
    done.expect("it is built");
    assert!(said(&lines).contains("#!/testbox read\\nof a script"), "{}", said(&lines));
    assert_eq!(built(&engine, &request(&context)).0, ["FROM: Done", "RUN: Cached"]);
    // What is in it is the command.
    std::fs::write(context.join("Dockerfile"), text.replace("of a", "of another")).expect("write");
    assert_eq!(built(&engine, &request(&context)).0, ["FROM: Done", "RUN: Done"]);
}
