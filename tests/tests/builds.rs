//! Builds, where scenarios cannot show it: what is taken from the cache and what is done again, what goes on side by side, and what is
//! left of what was cut short.

use std::path::{Path, PathBuf};
use std::time::Duration;

use barque::api::{ImageBuild, Input, Progress};
use barque::{Canceller, Deadline, Engine, Error, Item, Next, Stream};
use barque_tests::sandbox::{collect, wait_until};
use barque_tests::{Sandbox, invariants, suite};

suite!(
    a_touched_file_is_the_same_file_and_one_byte_makes_another,
    an_argument_counts_from_its_first_use,
    without_the_cache_everything_is_done_again,
    what_a_failed_build_has_done_is_kept,
    independent_stages_go_on_side_by_side_and_a_cancelled_build_leaves_nothing,
    a_stage_that_fails_ends_the_others,
    output_that_nobody_reads_waits_and_none_is_lost,
    an_image_that_is_removed_while_a_build_stands_on_it_goes_afterwards,
    what_a_build_has_taken_from_the_cache_stays_until_its_end,
    two_builds_of_one_context_both_succeed,
    the_index_follows_builds_that_only_name_an_image_or_begin_with_nothing,
    a_layer_that_a_build_stands_on_is_not_repaired_under_it,
    the_layers_of_a_build_outlive_the_image_below_it,
    a_link_in_the_context_does_not_lead_out_of_it,
    a_cache_mount_survives_and_leaves_nothing_in_the_image,
    a_cache_mount_cannot_be_where_it_should_not,
);

fn context(sandbox: &Sandbox, files: &[(&str, &str)]) -> PathBuf {
    let path = sandbox.work().join("built");
    for (name, text) in files {
        let file = path.join(name);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("make a directory");
        std::fs::write(file, text).expect("write a file");
    }
    path
}

fn request(context: &Path) -> ImageBuild {
    let context = Input { path: context.to_string_lossy().into_owned(), fd: None };
    ImageBuild { context, tags: vec!["built".into()], ..ImageBuild::default() }
}

fn next(stream: &mut Stream) -> Result<Option<String>, Error> {
    match stream.next(Deadline::after(Duration::from_secs(60)))? {
        Next::Item(Item::Document(text)) => Ok(Some(text)),
        Next::Item(Item::Chunk(_)) => panic!("a build has no chunks"),
        Next::Done => Ok(None),
        Next::TimedOut => panic!("nothing came for a minute"),
    }
}

fn line(text: &str) -> Option<Progress> {
    serde_json::from_str(text).ok().filter(|line: &Progress| line.step.is_some())
}

/// What became of each instruction that makes files: `RUN: Cached`.
fn told(lines: &[Progress]) -> Vec<String> {
    let ended = |line: &&Progress| !matches!(line.status.as_str(), "Step" | "Log");
    let told = |line: &Progress| {
        let name = &line.step.as_ref()?.name;
        let instruction = name.split_once("] ")?.1.split(' ').next()?.to_owned();
        Some(format!("{instruction}: {}", line.status))
    };
    lines.iter().filter(ended).filter_map(told).collect()
}

/// Build to the end: the lines, and the image's id or the error.
fn build(engine: &Engine, request: &ImageBuild) -> (Vec<Progress>, Result<String, Error>) {
    let mut lines = Vec::new();
    let mut id = String::new();
    let mut stream = engine.images().build(request).expect("a build begins");
    loop {
        match next(&mut stream) {
            Ok(Some(text)) => match line(&text) {
                Some(line) => lines.push(line),
                None => {
                    let built: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                    id = built["Id"].as_str().expect("an id").to_owned();
                }
            },
            Ok(None) => return (lines, Ok(id)),
            Err(error) => return (lines, Err(error)),
        }
    }
}

fn built(engine: &Engine, request: &ImageBuild) -> (Vec<String>, String) {
    let (lines, id) = build(engine, request);
    (told(&lines), id.unwrap_or_else(|error| panic!("{error}: {lines:?}")))
}

const COPIES: &str = "FROM testbox
COPY one /one
RUN [\"/testbox\", \"write\", \"/made\", \"x\"]
COPY two /two
";

fn a_touched_file_is_the_same_file_and_one_byte_makes_another() {
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

fn an_argument_counts_from_its_first_use() {
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

fn without_the_cache_everything_is_done_again() {
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
}

fn what_a_failed_build_has_done_is_kept() {
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

/// Two stages of which neither ends, and one that needs both.
const ENDLESS: &str = "FROM testbox AS one
RUN [\"/testbox\", \"echo\", \"begun\", \",\", \"sleep\", \"forever\"]
FROM testbox AS two
RUN [\"/testbox\", \"echo\", \"begun\", \",\", \"sleep\", \"forever\", \"two\"]
FROM one
COPY --from=two /x /
";

fn independent_stages_go_on_side_by_side_and_a_cancelled_build_leaves_nothing() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let canceller = Canceller::new().expect("a canceller");
    let request = request(&context(&sandbox, &[("Dockerfile", ENDLESS)]));
    let mut stream =
        engine.with_canceller(&canceller).images().build(&request).expect("a build begins");
    let mut begun = 0;
    while begun < 2 {
        let text = next(&mut stream).expect("it goes on").expect("it goes on");
        let line = line(&text).expect("a line");
        begun += usize::from(line.step.is_some_and(|step| step.output.contains("begun")));
    }
    canceller.cancel();
    let error = loop {
        match next(&mut stream) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cancelled build has ended well"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), barque::ErrorKind::Cancelled);
    drop(stream);
    assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "", "steps are left");
    invariants::hold(&sandbox, "a build that was cancelled");
}

fn a_stage_that_fails_ends_the_others() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = ENDLESS.replace("\"forever\", \"two\"", "\"10ms\", \",\", \"exit\", \"3\"");
    let (lines, failed) = build(&engine, &request(&context(&sandbox, &[("Dockerfile", &text)])));
    assert_eq!(failed.expect_err("it fails").reason(), "build_step_failed");
    let mut told = told(&lines);
    told.sort();
    assert!(told.contains(&"RUN: Failed".to_owned()), "{told:?}");
    assert!(!told.contains(&"RUN: Done".to_owned()), "{told:?}");
    assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "", "steps are left");
    invariants::hold(&sandbox, "a build of which a stage failed");
}

fn output_that_nobody_reads_waits_and_none_is_lost() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = "FROM testbox\nRUN [\"/testbox\", \"lines\", \"300000\"]\n";
    let request = request(&context(&sandbox, &[("Dockerfile", text)]));
    let mut stream = engine.images().build(&request).expect("a build begins");
    // The step begins whether somebody reads or not, and does not end.
    wait_until("the step runs", Duration::from_secs(30), || {
        !sandbox.ok(&["ps", "--quiet"]).is_empty()
    });
    let mut output = String::new();
    while let Some(text) = next(&mut stream).expect("it goes on") {
        output += &line(&text).and_then(|line| line.step).map_or(String::new(), |step| step.output);
    }
    let lines: Vec<&str> = output.lines().filter(|line| line.starts_with("line ")).collect();
    assert_eq!(lines.len(), 300_000);
    assert_eq!(lines[299_999], "line 300000");
}

fn an_image_that_is_removed_while_a_build_stands_on_it_goes_afterwards() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = "FROM testbox\nRUN [\"/testbox\", \"echo\", \"begun\", \",\", \"lines\", \"300000\"]\n\
                RUN [\"/testbox\", \"echo\", \"next\"]\nCOPY Dockerfile /\n";
    let request = request(&context(&sandbox, &[("Dockerfile", text)]));
    let mut stream = engine.images().build(&request).expect("a build begins");
    let mut removed = false;
    while let Some(text) = next(&mut stream).expect("it goes on") {
        let output = line(&text).and_then(|line| line.step).map(|step| step.output);
        if !removed && output.is_some_and(|output| output.contains("begun")) {
            // It has more to say than waits for a reader, so it cannot end meanwhile.
            sandbox.ok(&["rmi", "--force", "testbox"]);
            removed = true;
        }
    }
    assert!(removed);
    assert_ne!(sandbox.barque(&["inspect", "--type", "image", "testbox"]).code, 0);
    sandbox.ok(&["run", "--rm", "--network", "none", "built", "read", "/Dockerfile"]);
    invariants::hold(&sandbox, "a build whose image was removed");
}

fn what_a_build_has_taken_from_the_cache_stays_until_its_end() {
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

fn two_builds_of_one_context_both_succeed() {
    let sandbox = Sandbox::with_testbox();
    let context = context(&sandbox, &[("Dockerfile", COPIES), ("one", "1"), ("two", "2")]);
    let context = context.to_string_lossy().into_owned();
    let start = |name: &str| {
        let mut command = sandbox.command(&["build", "--tag", name, &context]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().expect("start barque")
    };
    let builds: Vec<_> = ["a", "b", "c", "d"].map(start).into();
    for build in builds {
        let done = collect(build);
        assert_eq!(done.code, 0, "{}", done.stderr);
    }
    for name in ["a", "b", "c", "d"] {
        sandbox.ok(&["run", "--rm", "--network", "none", name, "read", "/one", "/two"]);
    }
    invariants::hold(&sandbox, "builds at once");
}

fn index(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.root().join("index.json")).expect("read the index")
}

fn the_index_follows_builds_that_only_name_an_image_or_begin_with_nothing() {
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

fn a_layer_that_a_build_stands_on_is_not_repaired_under_it() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = "FROM testbox\nRUN [\"/testbox\", \"write\", \"/a\", \"x\"]\n";
    let context = context(&sandbox, &[("Dockerfile", text)]);
    built(&engine, &request(&context));
    // The next one takes that layer from the cache. No image that a container stands on has it.
    let text = format!("{text}RUN [\"/testbox\", \"sleep\", \"forever\"]\n");
    std::fs::write(context.join("Dockerfile"), text).expect("write");
    let stream = engine.images().build(&request(&context)).expect("a build begins");
    wait_until("the step runs", Duration::from_secs(30), || {
        !sandbox.ok(&["ps", "--quiet"]).is_empty()
    });
    let layers = sandbox.root().join("layers");
    let layer = std::fs::read_dir(&layers).expect("read").flatten().map(|entry| entry.path());
    let layer = layer.filter(|path| path.join("a").exists()).collect::<Vec<_>>();
    let [layer] = &layer[..] else { panic!("{layer:?}") };
    std::fs::write(layer.join("more"), "damage").expect("damage the layer");
    let done = sandbox.barque(&["system", "check", "--repair"]);
    assert_eq!(done.code, 1, "{}", done.stdout);
    assert!(done.stdout.contains("a build runs on it"), "{}", done.stdout);
    drop(stream);
    let told = sandbox.ok(&["system", "check", "--repair", "--format", "{{json .Problems}}"]);
    assert!(told.contains("\"Repaired\":true"), "{told}");
    assert!(!layer.join("more").exists());
    invariants::hold(&sandbox, "a repair after a build");
}

fn the_layers_of_a_build_outlive_the_image_below_it() {
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

fn a_link_in_the_context_does_not_lead_out_of_it() {
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

fn a_cache_mount_survives_and_leaves_nothing_in_the_image() {
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
        let output: String =
            lines.iter().filter_map(|line| Some(line.step.as_ref()?.output.clone())).collect();
        assert_eq!(output.contains("for later"), seen, "{id}: {output}");
        assert_eq!(output.contains("\"mode\":\"1777\""), seen, "{id}: {output}");
    }
    invariants::hold(&sandbox, "builds with mounts");
}

fn a_cache_mount_cannot_be_where_it_should_not() {
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
        ("target=/c,from=testbox", "from of a cache mount is not supported yet"),
        ("target=/c,sharing=locked", "sharing=locked of a cache mount is not supported yet"),
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
