//! Build checks.

use barque_tests::{Sandbox, invariants};

use crate::{build, context, request};

pub(crate) fn a_check_that_is_to_be_an_error_is_one_before_anything_is_built() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text =
        "# check=skip=JSONArgsRecommended;error=true\nARG BASE\nFROM ${BASE:-testbox}\nCMD a\n";
    let context = context(&sandbox, &[("Dockerfile", text), ("a", "1"), (".dockerignore", "a\n")]);
    build(&engine, &request(&context)).1.expect("what is skipped is no error");
    for (line, rule) in [
        ("ENV A=$UNKNOWN", "UndefinedVar"),
        ("EXPOSE 80:80", "ExposeInvalidFormat"),
        ("FROM $BASE", "InvalidDefaultArgInFrom"),
    ] {
        std::fs::write(context.join("Dockerfile"), format!("{text}{line}\n")).expect("write");
        let mut request = request(&context);
        request.build_args.insert("BASE".into(), "testbox".into());
        let (lines, failed) = build(&engine, &request);
        let failed = failed.expect_err(line);
        assert_eq!(failed.reason(), "dockerfile_lint", "{failed}");
        assert!(failed.message().contains(rule), "{failed}");
        assert!(lines.is_empty(), "{lines:?}");
    }
    // The environment of an image that the store has counts, and so does what stages below have set.
    let text = "# check=error=true\nFROM testbox AS one\nENV SET=1\nARG GIVEN\nFROM one\nWORKDIR /$SET$GIVEN$PATH\n";
    std::fs::write(context.join("Dockerfile"), text).expect("write");
    build(&engine, &request(&context)).1.expect("all of it is set");
    invariants::hold(&sandbox, "build checks");
}

pub(crate) fn the_command_shows_checks_as_docker_does() {
    let sandbox = Sandbox::with_testbox();
    let context = context(&sandbox, &[("Dockerfile", "FROM testbox\nCMD a\n")]);
    let path = context.to_string_lossy().into_owned();
    let done = sandbox.barque(&["build", "--check", &path]);
    let expected = "Check complete, 1 warning has been found!\n\nWARNING: JSONArgsRecommended\n\
                    JSON arguments recommended for CMD to prevent unintended behavior related to OS signals\n\
                    Dockerfile:2\n--------------------\n   1 |     FROM testbox\n   2 | >>> CMD a\n--------------------\n";
    assert_eq!((done.code, done.stdout.as_str()), (1, expected), "{}", done.stderr);
    std::fs::write(context.join("Dockerfile"), "FROM testbox\n").expect("write");
    assert_eq!(sandbox.ok(&["build", "--check", &path]), "Check complete, no warnings found.");
    invariants::hold(&sandbox, "checks alone");
}

pub(crate) fn a_dockerfile_of_ten_thousand_lines_is_built_or_refused_at_once() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let lines = |line: &dyn Fn(usize) -> String, count: usize| -> String {
        (0..count).map(|n| line(n) + "\n").collect()
    };
    let begin = std::time::Instant::now();
    let labels = lines(&|n| format!("LABEL l{n}=v{n}"), 10_000);
    let context = context(&sandbox, &[("Dockerfile", &format!("FROM testbox\n{labels}"))]);
    build(&engine, &request(&context)).1.expect("labels are built");
    let told = sandbox.ok(&["inspect", "--format", "{{json .Config.Labels}}", "built"]);
    assert!(told.contains("\"l9999\":\"v9999\""));
    let of = |text: &str| {
        std::fs::write(context.join("Dockerfile"), text).expect("write");
        build(&engine, &request(&context)).1
    };
    // A stage after the other, of which the last needs none; a comment; one line that goes on; a here-document.
    let stages = lines(&|n| format!("FROM scratch AS s{n}"), 9_999);
    of(&format!("{stages}FROM testbox\nENV A=b\n")).expect("stages are built");
    let comments = lines(&|n| format!("# {n}"), 10_000);
    of(&format!("{comments}FROM testbox\n{comments}")).expect("comments are read");
    let pairs = lines(&|n| format!(" A{n}=b \\"), 2_000);
    of(&format!("FROM testbox\nENV {pairs}\n Z=z\n")).expect("a long line is read");
    let text = lines(&|n| format!("line {n}"), 10_000);
    of(&format!("FROM testbox\nCOPY <<EOF /text\n{text}EOF\n")).expect("a long document is read");
    for (text, why) in [
        (lines(&|_| "FROM scratch".to_owned(), 20_001), "more than 20000 instructions"),
        (format!("FROM testbox\nRUN <<EOF\n{text}"), "unterminated heredoc"),
        ("x".repeat(5 << 20), "too large"),
        (
            format!("FROM testbox\nENV A={}b{}\n", "${A:-".repeat(10_000), "}".repeat(10_000)),
            "nested",
        ),
    ] {
        let failed = of(&text).expect_err(why);
        assert!(failed.message().contains(why), "{why}: {failed}");
        assert!(failed.message().len() < 1000, "{}", failed.message().len());
    }
    assert!(begin.elapsed() < std::time::Duration::from_secs(60), "{:?}", begin.elapsed());
    invariants::hold(&sandbox, "long Dockerfiles");
}

pub(crate) fn what_leads_in_a_circle_is_an_error() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", "")]);
    for text in [
        "FROM testbox AS a\nCOPY --from=a /x /\n",
        "FROM testbox AS a\nRUN --mount=type=bind,from=a,target=/x [\"/testbox\"]\n",
        "FROM testbox AS a\nONBUILD COPY --from=b /x /\nFROM a AS b\n",
        // What comes later is no stage yet: an image of that name, which nobody has.
        "FROM localhost:1/b AS a\nFROM a AS b\n",
        "FROM testbox AS localhost\nCOPY --from=1 /x /\nFROM localhost\n",
        "ARG A=$B\nARG B=$A\nFROM $A\n",
    ] {
        std::fs::write(context.join("Dockerfile"), text).expect("write");
        let failed = build(&engine, &request(&context)).1.expect_err(text);
        assert!(!failed.message().contains("internal"), "{text}: {failed}");
    }
    invariants::hold(&sandbox, "circles");
}
