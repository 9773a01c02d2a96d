//! What steps are given, and what instructions leave in the image.

use barque::api::{ImageBuild, Ulimit};
use barque_tests::{Sandbox, invariants};
use serde_json::{Value, json};

use crate::{build, built, context, request, said};

pub(crate) fn a_step_has_the_limits_that_the_build_was_given() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = "FROM testbox\n\
                RUN [\"/testbox\", \"forks\", \"100\", \",\", \"open-files\", \"100\", \",\", \
                \"fill\", \"/dev/shm/f\", \"16\", \",\", \"read\", \"/etc/hosts\"]\n";
    let context = context(&sandbox, &[("Dockerfile", text)]);
    let open = Ulimit { name: "nofile".into(), soft: 40, hard: 50 };
    let limited = ImageBuild {
        pids_limit: Some(12),
        shm_size: 4 << 20,
        ulimits: vec![open],
        extra_hosts: vec!["db:10.9.8.7".into()],
        ..request(&context)
    };
    let (lines, done) = build(&engine, &limited);
    done.expect("it is built");
    let output = said(&lines);
    for seen in ["\"forked\":11}", "\"opened\":37}", "\"written\":4194304}", "10.9.8.7\\tdb"] {
        assert!(output.contains(seen), "{seen} is not in {output}");
    }
    // Another limit is no other step, another name is.
    let other = ImageBuild { pids_limit: Some(40), ..limited.clone() };
    assert_eq!(built(&engine, &other).0, ["FROM: Done", "RUN: Cached"]);
    let other = ImageBuild { extra_hosts: Vec::new(), ..limited };
    assert_eq!(built(&engine, &other).0, ["FROM: Done", "RUN: Done"]);
    invariants::hold(&sandbox, "steps with limits");
}

/// The rows of an image's history, newest first.
fn history(sandbox: &Sandbox, image: &str) -> Vec<Value> {
    let text =
        sandbox.ok(&["history", "--no-trunc", "--human=false", "--format", "{{json .}}", image]);
    text.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect()
}

pub(crate) fn each_instruction_has_a_row_of_its_own_in_the_history() {
    let sandbox = Sandbox::with_testbox();
    let instructions = [
        "ARG A=1",
        "ENV B=2",
        "LABEL c=3",
        "WORKDIR /work",
        "COPY file /copied",
        "ADD file /added",
        "RUN [\"/testbox\", \"write\", \"/made\", \"12345\"]",
        "EXPOSE 80",
        "VOLUME /data",
        "USER sailor",
        "STOPSIGNAL SIGINT",
        "SHELL [\"/testbox\"]",
        "HEALTHCHECK NONE",
        "ONBUILD RUN x",
        "MAINTAINER somebody",
        "ENTRYPOINT [\"/testbox\"]",
        "CMD [\"report\"]",
    ];
    let text = format!("FROM testbox\n{}\n", instructions.join("\n"));
    let context = context(&sandbox, &[("Dockerfile", &text), ("file", "123")]);
    built(&sandbox.engine(), &request(&context));
    let rows = history(&sandbox, "built");
    let of_base = history(&sandbox, "testbox");
    assert_eq!(rows.len(), of_base.len() + instructions.len(), "{rows:?}");
    for (row, instruction) in rows.iter().zip(instructions.iter().rev()) {
        let shown = row["CreatedBy"].as_str().unwrap_or_default();
        assert!(shown.contains(instruction), "{shown:?} is not {instruction:?}");
        let makes_files =
            ["WORKDIR", "COPY", "ADD", "RUN"].iter().any(|one| instruction.starts_with(one));
        let size = row["Size"].as_str().unwrap_or_default();
        let expected = match instruction.split_once(' ') {
            Some(("COPY" | "ADD", _)) => "3",
            Some(("RUN", _)) => "5",
            _ => "0",
        };
        assert_eq!(size, expected, "{instruction}, which makes files: {makes_files}");
    }
    // The base image's layers are the same, and each instruction that makes files has one.
    let layers = |image: &str| {
        sandbox.inspect(image)["RootFS"]["Layers"].as_array().expect("layers").clone()
    };
    let (all, below) = (layers("built"), layers("testbox"));
    assert_eq!(all[..below.len()], below[..]);
    assert_eq!(all.len(), below.len() + 4);
    let sum: u64 = rows.iter().filter_map(|row| row["Size"].as_str()?.parse::<u64>().ok()).sum();
    assert_eq!(json!(sum), sandbox.inspect("built")["Size"]);
}

pub(crate) fn command_and_entry_point_go_together_as_the_reference_says() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let (exec_entry, shell_entry) =
        ("ENTRYPOINT [\"/exec_entry\", \"p1\"]", "ENTRYPOINT exec_entry p1");
    let (exec_cmd, shell_cmd) = ("CMD [\"exec_cmd\", \"p2\"]", "CMD exec_cmd p2");
    // The table "Understand how CMD and ENTRYPOINT interact" of the Dockerfile reference.
    let table: [(&str, &str, &[&str]); 9] = [
        ("", "", &[]),
        ("", exec_cmd, &["exec_cmd", "p2"]),
        ("", shell_cmd, &["/bin/sh", "-c", "exec_cmd p2"]),
        (shell_entry, "", &["/bin/sh", "-c", "exec_entry p1"]),
        (shell_entry, exec_cmd, &["/bin/sh", "-c", "exec_entry p1", "exec_cmd", "p2"]),
        (
            shell_entry,
            shell_cmd,
            &["/bin/sh", "-c", "exec_entry p1", "/bin/sh", "-c", "exec_cmd p2"],
        ),
        (exec_entry, "", &["/exec_entry", "p1"]),
        (exec_entry, exec_cmd, &["/exec_entry", "p1", "exec_cmd", "p2"]),
        (exec_entry, shell_cmd, &["/exec_entry", "p1", "/bin/sh", "-c", "exec_cmd p2"]),
    ];
    for (entry, cmd, words) in table {
        let text = format!("FROM scratch\nCOPY Dockerfile /\n{entry}\n{cmd}\n");
        let context = context(&sandbox, &[("Dockerfile", &text)]);
        built(&engine, &request(&context));
        let made = sandbox.barque(&["create", "--name", "c", "--network", "none", "built"]);
        if words.is_empty() {
            assert!(made.stderr.contains("no command specified"), "{made:?}");
            continue;
        }
        let runs = || {
            let seen = sandbox.inspect("c");
            sandbox.ok(&["rm", "c"]);
            let args = seen["Args"].as_array().cloned().unwrap_or_default();
            std::iter::once(seen["Path"].clone()).chain(args).collect::<Vec<_>>()
        };
        assert_eq!(made.code, 0, "{}", made.stderr);
        assert_eq!(runs(), words, "{entry} {cmd}");
        // What follows the image's name replaces the command, and nothing of the entry point, which has a flag of its own.
        sandbox.ok(&["create", "--name", "c", "--network", "none", "built", "other", "x"]);
        let entered = match entry {
            "" => &[][..],
            _ if entry == shell_entry => &words[..3],
            _ => &words[..2],
        };
        assert_eq!(runs(), [entered, &["other", "x"]].concat(), "{entry} {cmd}");
        let own = ["--entrypoint", "/own", "--network", "none", "built", "x"];
        sandbox.ok(&[&["create", "--name", "c"], &own[..]].concat());
        assert_eq!(runs(), ["/own", "x"], "{entry} {cmd}");
    }
    // The last of each counts, and an entry point forgets the command of what is below.
    let text = "FROM scratch AS below\nCOPY Dockerfile /\nCMD [\"first\"]\nCMD [\"second\"]\n\
                FROM below\nENTRYPOINT [\"/one\"]\nENTRYPOINT [\"/two\"]\n";
    let context = context(&sandbox, &[("Dockerfile", text)]);
    built(&engine, &request(&context));
    let config = &sandbox.inspect("built")["Config"];
    assert_eq!((&config["Entrypoint"], &config["Cmd"]), (&json!(["/two"]), &Value::Null));
}

pub(crate) fn a_dockerfile_elsewhere_has_rules_of_its_own() {
    let sandbox = Sandbox::with_testbox();
    let text = "FROM testbox\nCOPY . /all/\n";
    let files = [
        (".dockerignore", "one\n"),
        ("sub/file", text),
        ("sub/file.dockerignore", "# its own\ntwo\nlogs/*\n!logs/kept\n"),
        ("one", "1"),
        ("two", "2"),
        ("logs/gone", "x"),
        ("logs/kept", "y"),
    ];
    let context = context(&sandbox, &files);
    let path = context.to_string_lossy().into_owned();
    let file = context.join("sub/file").to_string_lossy().into_owned();
    let id = sandbox.work().join("id");
    let words = ["build", "--file", &file, "--iidfile", &id.to_string_lossy(), "--tag", "x", &path];
    sandbox.ok(&words);
    let list = |at: &str| sandbox.ok(&["run", "--rm", "--network", "none", "x", "list", at]);
    assert_eq!(list("/all"), ".dockerignore\nlogs\none\nsub");
    assert_eq!(list("/all/logs"), "kept");
    let written = std::fs::read_to_string(id).expect("an id");
    assert_eq!(json!(written), sandbox.inspect("x")["Id"]);
    // From outside of the context, and from standard input, it has the context's rules.
    let outside = sandbox.work().join("elsewhere");
    std::fs::write(&outside, text).expect("write a Dockerfile");
    let input = |file: &str| {
        let command = sandbox.command(&["build", "--file", file, "--tag", "x", &path]);
        let done = barque_tests::sandbox::finish(command, text.as_bytes());
        assert_eq!(done.code, 0, "{file}: {}", done.stderr);
        list("/all")
    };
    for file in [&outside.to_string_lossy(), "-"] {
        assert_eq!(input(file), ".dockerignore\nlogs\nsub\ntwo", "{file}");
    }
}
