//! What goes on side by side, what is cut short, and what others do meanwhile.

use std::time::Duration;

use barque::Canceller;
use barque_tests::sandbox::{collect, wait_until};
use barque_tests::{Sandbox, invariants};

use crate::{COPIES, build, built, context, error_of, line, next, request, told};

/// Two stages of which neither ends, and one that needs both.
const ENDLESS: &str = "FROM testbox AS one
RUN [\"/testbox\", \"echo\", \"begun\", \",\", \"sleep\", \"forever\"]
FROM testbox AS two
RUN [\"/testbox\", \"echo\", \"begun\", \",\", \"sleep\", \"forever\", \"two\"]
FROM one
COPY --from=two /x /
";

pub(crate) fn independent_stages_go_on_side_by_side_and_a_cancelled_build_leaves_nothing() {
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
    let error = error_of(&mut stream);
    assert_eq!(error.kind(), barque::ErrorKind::Cancelled);
    drop(stream);
    assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "", "steps are left");
    invariants::hold(&sandbox, "a build that was cancelled");
}

pub(crate) fn a_stage_that_fails_ends_the_others() {
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

pub(crate) fn a_step_whose_monitor_is_killed_fails_and_leaves_nothing() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = "FROM testbox\nRUN [\"/testbox\", \"write\", \"/made\", \"x\"]\n\
                RUN [\"/testbox\", \"echo\", \"begun\", \",\", \"sleep\", \"forever\"]\n";
    let context = context(&sandbox, &[("Dockerfile", text)]);
    let mut stream = engine.images().build(&request(&context)).expect("a build begins");
    loop {
        let text = next(&mut stream).expect("it goes on").expect("it goes on");
        if line(&text).and_then(|line| line.step).is_some_and(|step| step.output.contains("begun"))
        {
            break;
        }
    }
    let id = sandbox.ok(&["ps", "--quiet", "--no-trunc"]);
    sandbox.kill_monitor(&id);
    let error = error_of(&mut stream);
    assert!(error.message().starts_with("Dockerfile:3: "), "{error}");
    drop(stream);
    assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "", "the step is left");
    invariants::hold(&sandbox, "a build whose monitor was killed");
    // What came before is kept.
    let text = text.replace("\"sleep\", \"forever\"", "\"exit\", \"0\"");
    std::fs::write(context.join("Dockerfile"), text).expect("write");
    assert_eq!(built(&engine, &request(&context)).0, ["FROM: Done", "RUN: Cached", "RUN: Done"]);
}

pub(crate) fn output_that_nobody_reads_waits_and_none_is_lost() {
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

pub(crate) fn an_image_that_is_removed_while_a_build_stands_on_it_goes_afterwards() {
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

pub(crate) fn two_builds_of_one_context_both_succeed() {
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

pub(crate) fn a_layer_that_a_build_stands_on_is_not_repaired_under_it() {
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
