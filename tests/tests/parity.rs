//! The operations table against every face: each row has its C function, Python method, Node method, command, and its row in
//! `docs/operations.md`; and no face has one that is in no table. Read from the sources that users get: `barque.h`, the
//! package's Python, TypeScript declarations, `barque --help`.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use barque::api::operations::{Kind, OPERATIONS};
use barque_tests::suite;
use barque_tests::{faces, programs};

suite!(
    every_operation_has_its_c_function,
    every_c_function_of_a_noun_is_an_operation,
    every_operation_has_its_python_method,
    every_operation_has_its_node_method,
    every_operation_has_its_command,
    every_operation_has_its_row_in_the_manual,
    every_error_kind_has_its_constant_class_and_row,
    all_packages_have_one_version,
    every_scenario_face_is_a_face,
);

fn read(path: &str) -> String {
    let path = programs::workspace().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `container.remove` is `barque_container_remove`. A run has two functions: to its end at once, and as a stream.
fn every_operation_has_its_c_function() {
    let header = read("ffi-c/include/barque.h");
    let symbols = read("ffi-c/abi/symbols.txt");
    for operation in OPERATIONS {
        let name = format!("barque_{}", operation.name.replace('.', "_"));
        assert!(header.contains(&format!("{name}(")), "barque.h has no {name}");
        assert!(symbols.contains(&name), "symbols.txt has no {name}");
    }
    assert!(header.contains("barque_container_run_stream("));
}

fn every_c_function_of_a_noun_is_an_operation() {
    let symbols = read("ffi-c/abi/symbols.txt");
    let nouns: BTreeSet<&str> =
        OPERATIONS.iter().filter_map(|o| o.name.split('.').next()).collect();
    // Other forms of an operation.
    const FORMS: &[&str] = &["container.run_stream", "image.load_fd"];
    for symbol in symbols.split_whitespace().filter_map(|word| word.strip_prefix("barque_")) {
        let Some((noun, verb)) = symbol.split_once('_') else { continue };
        if nouns.contains(noun) {
            let name = format!("{noun}.{verb}");
            let known = OPERATIONS.iter().any(|o| o.name == name) || FORMS.contains(&name.as_str());
            assert!(known, "barque_{symbol} is no operation");
        }
    }
}

fn every_operation_has_its_python_method() {
    let source = read("bindings-python/python/barque/api.py");
    for operation in OPERATIONS {
        let name = operation.name.replace('.', "_");
        assert!(source.contains(&format!("def {name}(")), "barque.api has no {name}");
    }
    for line in source.lines() {
        let Some(rest) = line.strip_prefix("    def ") else { continue };
        let name = rest.split('(').next().unwrap_or_default();
        let operation = name.replacen('_', ".", 1);
        let nouns = [
            "archive_",
            "container_",
            "exec_",
            "file_",
            "image_",
            "network_",
            "registry_",
            "system_",
            "volume_",
        ];
        if nouns.iter().any(|noun| name.starts_with(noun)) {
            assert!(
                OPERATIONS.iter().any(|o| o.name == operation),
                "barque.api.{name} is no operation"
            );
        }
    }
}

/// The Node package has dockerode's shape over a native layer by name: its own table of operations is asked.
fn every_operation_has_its_node_method() {
    let package = programs::node_package();
    let script = "import(process.argv[1]).then(async (m) => { \
        const names = m.operations(); \
        for (const n of names) console.log(n.name, n.kind, typeof m.Api.prototype[n.name.replace(/\\.(.)/, (_, c) => c.toUpperCase())]); })";
    let entry = package.join("dist/esm.mjs");
    let done = Command::new(programs::tool("node"))
        .args(["--input-type=module", "-e", script])
        .arg(&entry)
        .output()
        .expect("run node");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    for operation in OPERATIONS {
        let kind = match operation.kind {
            Kind::Unary(_) => "unary",
            Kind::Stream(_) => "stream",
        };
        let line = format!("{} {kind} function", operation.name);
        assert!(text.lines().any(|seen| seen == line), "node has no {line}:\n{text}");
    }
}

/// What a person types for each operation.
const COMMANDS: &[(&str, &[&str])] = &[
    ("archive.get", &["cp"]),
    ("archive.put", &["cp"]),
    ("container.attach", &["attach"]),
    ("container.commit", &["commit"]),
    ("container.connect", &["container", "connect"]),
    ("container.create", &["create"]),
    ("container.diff", &["diff"]),
    ("container.export", &["export"]),
    ("container.inspect", &["inspect"]),
    ("container.kill", &["kill"]),
    ("container.list", &["ps"]),
    ("container.logs", &["logs"]),
    ("container.pause", &["pause"]),
    ("builder.prune", &["builder", "prune"]),
    ("container.prune", &["container", "prune"]),
    ("container.remove", &["rm"]),
    ("container.rename", &["rename"]),
    // Resizing is what an attached terminal does by itself, as with docker.
    ("container.resize", &["attach"]),
    ("container.restart", &["restart"]),
    ("container.run", &["run"]),
    ("container.start", &["start"]),
    ("container.stats", &["stats"]),
    ("container.stop", &["stop"]),
    ("container.top", &["top"]),
    ("container.unpause", &["unpause"]),
    ("container.update", &["update"]),
    ("container.wait", &["wait"]),
    ("exec.create", &["exec"]),
    // What a command shows of an exec is its output and its exit status; what ends it is Ctrl-C.
    ("exec.inspect", &["exec"]),
    ("exec.kill", &["exec"]),
    ("exec.resize", &["exec"]),
    ("exec.start", &["exec"]),
    ("file.copy", &["cp"]),
    // What programs do with single files, people do with cp.
    ("file.list", &["cp"]),
    ("file.read", &["cp"]),
    ("file.remove", &["cp"]),
    ("file.stat", &["cp"]),
    ("file.write", &["cp"]),
    ("image.build", &["build"]),
    ("image.history", &["history"]),
    ("image.import", &["import"]),
    ("image.inspect", &["inspect"]),
    ("image.list", &["images"]),
    ("image.load", &["load"]),
    ("image.prune", &["image", "prune"]),
    ("image.pull", &["pull"]),
    ("image.push", &["push"]),
    ("image.remove", &["rmi"]),
    ("image.save", &["save"]),
    ("image.search", &["search"]),
    ("image.tag", &["tag"]),
    ("network.connect", &["network", "connect"]),
    ("network.create", &["network", "create"]),
    ("network.disconnect", &["network", "disconnect"]),
    ("network.inspect", &["network", "inspect"]),
    ("network.list", &["network", "ls"]),
    ("network.prune", &["network", "prune"]),
    ("network.remove", &["network", "rm"]),
    ("registry.delete", &["registry", "delete"]),
    ("registry.login", &["login"]),
    ("registry.logout", &["logout"]),
    ("registry.referrers", &["registry", "referrers"]),
    ("system.check", &["system", "check"]),
    ("system.df", &["system", "df"]),
    ("system.events", &["events"]),
    ("system.info", &["info"]),
    ("system.prune", &["system", "prune"]),
    ("system.version", &["version"]),
    ("volume.create", &["volume", "create"]),
    ("volume.inspect", &["volume", "inspect"]),
    ("volume.list", &["volume", "ls"]),
    ("volume.prune", &["volume", "prune"]),
    ("volume.remove", &["volume", "rm"]),
];

fn every_operation_has_its_command() {
    for operation in OPERATIONS {
        let (_, words) = COMMANDS
            .iter()
            .find(|(name, _)| *name == operation.name)
            .unwrap_or_else(|| panic!("no command is known for {}", operation.name));
        let done = Command::new(programs::barque())
            .args(*words)
            .arg("--help")
            .output()
            .expect("run barque");
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && text.contains("Usage"), "barque {words:?} --help: {text}");
        // docker's long forms, `docker container rm`, `docker image ls`.
        let (noun, verb) = operation.name.split_once('.').expect("noun.verb");
        let long = match (noun, verb) {
            // Docker has a search of images at its top only.
            ("system" | "registry", _) | ("image", "search") => continue,
            ("exec", _) => ["container", "exec"],
            ("archive" | "file", _) => ["container", "cp"],
            ("container" | "image" | "volume", "list") => [noun, "ls"],
            (_, "remove") => [noun, "rm"],
            (_, "resize") => continue,
            _ => [noun, verb],
        };
        let done =
            Command::new(programs::barque()).args(long).arg("--help").output().expect("run barque");
        assert!(
            done.status.success(),
            "barque {long:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

fn every_operation_has_its_row_in_the_manual() {
    let page = read("docs/operations.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for operation in OPERATIONS {
        let start = format!("| `{}` |", operation.name);
        assert!(
            rows.iter().any(|row| row.starts_with(&start)),
            "docs/operations.md has no row {start}"
        );
    }
    assert_eq!(rows.len(), OPERATIONS.len(), "docs/operations.md has rows of no operation");
}

fn every_error_kind_has_its_constant_class_and_row() {
    let header = read("ffi-c/include/barque.h");
    let page = read("docs/errors.md");
    for kind in barque::ErrorKind::ALL {
        let constant = format!("BARQUE_ERR_{}", kind.name().to_uppercase());
        let code = kind.code();
        let defined = header.lines().any(|line| {
            line.contains(&constant)
                && line
                    .split_whitespace()
                    .any(|word| word.trim_matches(['(', ')', ',', ';']) == code.to_string())
        });
        assert!(defined, "barque.h does not define {constant} as {code}");
        assert!(page.contains(kind.name()), "docs/errors.md has no {}", kind.name());
    }
}

fn all_packages_have_one_version() {
    let version = barque::VERSION;
    for (path, text) in [
        ("bindings-node/package.json", format!("\"version\": \"{version}\"")),
        ("ffi-c/include/barque.h", format!("#define BARQUE_VERSION \"{version}\"")),
    ] {
        assert!(read(path).contains(&text), "{path} does not say {text}");
    }
    let python = read("bindings-python/pyproject.toml");
    assert!(
        python.contains("dynamic") && python.contains("version")
            || python.contains(&format!("version = \"{version}\"")),
        "pyproject.toml has another version"
    );
}

fn every_scenario_face_is_a_face() {
    let scenarios = barque_tests::scenario::all(&programs::workspace().join("tests/conformance"));
    for (file, scenario) in scenarios {
        for face in scenario.faces.iter().flatten() {
            assert!(
                faces::ALL.contains(&face.as_str()),
                "{file}/{}: no face {face}",
                scenario.name
            );
        }
    }
}
