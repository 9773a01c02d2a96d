//! Image configurations that lie (SEC-001, -003, -016, -036, -047, -048, -050, -056, P8).

use barque_tests::image::{Image, Layer};
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants, programs, sandbox};
use serde_json::{Value, json};

use super::victim::{Victim, is_clean, run};

pub(crate) fn add(suite: &mut Suite) {
    suite
        .add("SEC-001 no program of the host can be opened for writing", no_program_can_be_written);
    suite.add(
        "SEC-001 an entry point of /proc/self/exe is the container's",
        self_exe_is_the_containers,
    );
    suite.add("SEC-003 a working directory in /proc/self/fd leads nowhere", workdir_in_fd);
    suite.add("SEC-003 descriptors of the caller do not reach the container", callers_descriptors);
    suite.add("SEC-016 seventy thousand variables and one of a megabyte", many_variables);
    suite.add(
        "SEC-036 variables of the image reach no program of the host",
        image_variables_reach_nothing,
    );
    suite.add("SEC-037 variables of the caller reach no container", callers_variables);
    suite.add("SEC-047 an entry without a value takes nothing from the caller", env_without_value);
    suite.add("SEC-048 volumes of the image reach no place of the host", volumes_of_the_image);
    suite.add("SEC-050 only the names that load prints are given", only_printed_names);
    suite.add("SEC-056 configurations with holes are refused or work", configurations_with_holes);
    suite.add("SEC-049 labels of the image decide nothing", labels_decide_nothing);
}

pub(crate) fn sums() -> Vec<(std::path::PathBuf, String)> {
    let built = programs::build_directory();
    ["barque", "libbarque.so"]
        .into_iter()
        .map(|name| built.join(name))
        .filter(|path| path.exists())
        .map(|path| {
            let sum = barque_tests::image::digest(&std::fs::read(&path).expect("read a program"));
            (path, sum)
        })
        .collect()
}

fn no_program_can_be_written() {
    let sandbox = Sandbox::with_testbox();
    let before = sums();
    // Host pid namespace where the engine has it; the container's own otherwise. With all capabilities that Docker adds by
    // flags, since root in the container is root on the file.
    for options in [
        &[][..],
        &["--pid", "host"],
        &["--cap-add", "ALL"],
        &["--security-opt", "seccomp=unconfined"],
    ] {
        let mut arguments = vec!["run", "--rm", "--network", "none"];
        arguments.extend(options);
        arguments.extend(["testbox", "open-exes", "400"]);
        let done = sandbox.barque(&arguments);
        if done.code != 0 && options.contains(&"--pid") {
            is_clean(&done);
            continue;
        }
        let seen: Value =
            serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {done:?}"));
        let opened: Vec<&str> =
            seen["opened"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let barques: Vec<&&str> = opened
            .iter()
            .filter(|path| path.contains("monitor") || path.contains("barque"))
            .collect();
        assert!(barques.is_empty(), "{options:?} opened {barques:?}");
        if options.is_empty() {
            assert!(opened.is_empty(), "{opened:?}");
        }
    }
    assert_eq!(sums(), before);
    let carried = sandbox.root().join("libexec");
    for entry in std::fs::read_dir(&carried).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let sum =
            barque_tests::image::digest(&std::fs::read(entry.path()).expect("read the monitor"));
        assert!(
            name.contains(&sum["sha256:".len()..][..12]) || !name.contains("monitor"),
            "libexec/{name} is not what its name says: {sum}"
        );
    }
}

fn self_exe_is_the_containers() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let image = Image::from_testbox("hostile")
        .config(json!({"Entrypoint": ["/proc/self/exe"], "Cmd": ["self-exe"]}));
    let done = run(&sandbox, &victim, &image, &[], &[]);
    // What /proc/self/exe is at that moment is barque's own program, from a mount that nobody can write: running it again
    // gives an error or its usage, never a way to it.
    assert!(!done.stdout.contains("/testbox"), "{done:?}");
}

fn workdir_in_fd() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let layer = Layer::new().symlink("fd7", "/proc/self/fd/7").symlink("one", "/proc/1/cwd");
    let plain = Image::from_testbox("hostile").layer(layer.finish());
    let mut places: Vec<String> = (0..24).map(|n| format!("/proc/self/fd/{n}")).collect();
    places.extend(
        ["/proc/thread-self/fd/7", "/proc/1/cwd", "/fd7", "/one", "/proc/self/fd/7/../../.."]
            .map(String::from),
    );
    for place in places {
        let image = plain.clone().config(json!({"WorkingDir": place}));
        let done = run(&sandbox, &victim, &image, &[], &["report", "cwd", "fds"]);
        inside(&place, &done);
    }
    for n in [3, 4, 5, 6, 7, 8, 9] {
        let place = format!("/proc/self/fd/{n}");
        let done =
            run(&sandbox, &victim, &plain, &["--workdir", &place], &["report", "cwd", "fds"]);
        inside(&place, &done);
    }
}

/// A working directory inside the root, and no descriptor but the three.
#[track_caller]
pub(crate) fn inside(place: &str, done: &sandbox::Finished) {
    if done.code != 0 {
        return;
    }
    let seen: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let cwd = seen["cwd"].as_str().unwrap_or_default();
    assert!(!cwd.contains("unreachable") && cwd.starts_with('/'), "{place}: {seen}");
    let fds: Vec<i64> =
        seen["fds"].as_array().into_iter().flatten().filter_map(|fd| fd["fd"].as_i64()).collect();
    assert_eq!(fds, [0, 1, 2], "{place}");
}

fn callers_descriptors() {
    let sandbox = Sandbox::with_testbox();
    let mut command = sandbox.command_of(std::path::Path::new("bash"), &["-c"]);
    let barque = programs::barque();
    // A hundred descriptors on / without close-on-exec.
    command
        .arg("for n in $(seq 10 109); do eval \"exec $n</\"; done; exec \"$@\"")
        .arg("bash")
        .arg(&barque)
        .args([
            "run",
            "--rm",
            "--network",
            "none",
            "--workdir",
            "/proc/self/fd/50",
            "testbox",
            "report",
            "cwd",
            "fds",
        ]);
    let done = sandbox::finish(command, b"");
    is_clean(&done);
    inside("a hundred descriptors", &done);
    let mut command = sandbox.command_of(std::path::Path::new("bash"), &["-c"]);
    command
        .arg("for n in $(seq 10 109); do eval \"exec $n</\"; done; exec \"$@\"")
        .arg("bash")
        .arg(&barque)
        .args(["run", "--detach", "--network", "none", "testbox", "sleep", "forever"]);
    let done = sandbox::finish(command, b"");
    assert_eq!(done.code, 0, "{}", done.stderr);
    let id = done.stdout.trim();
    // The monitor holds none of them either.
    let pid = sandbox.pid(id);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("read a status");
    let parent =
        status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("a parent").trim();
    for entry in
        std::fs::read_dir(format!("/proc/{parent}/fd")).expect("list descriptors").flatten()
    {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        assert_ne!(target, std::path::Path::new("/"), "the monitor has a descriptor of its caller");
    }
    sandbox.ok(&["rm", "--force", id]);
}

fn many_variables() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let many: Vec<String> = (0..70_000).map(|n| format!("V{n}={n}")).collect();
    let image = Image::from_testbox("hostile").config(json!({"Env": many}));
    let done = run(&sandbox, &victim, &image, &[], &["report", "env"]);
    if done.code == 0 {
        let seen: Value = serde_json::from_str(&done.stdout).expect("JSON");
        let env = seen["env"].as_array().expect("a list");
        assert!(env.contains(&json!("V0=0")) && env.contains(&json!("V69999=69999")));
    }
    // 128 KiB is the kernel's limit for one string (MAX_ARG_STRLEN): it must be an error that is told.
    let image = Image::from_testbox("hostile")
        .config(json!({"Env": [format!("BIG={}", "x".repeat(1 << 20))]}));
    let done = run(&sandbox, &victim, &image, &[], &["report", "env"]);
    assert_ne!(done.code, 0);
}

fn image_variables_reach_nothing() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let root = victim.path();
    let image = Image::from_testbox("hostile").config(json!({"Env": [
        "LD_PRELOAD=/evil-canary.so", "LD_LIBRARY_PATH=/evil-canary", "PATH=/evil-canary", "PYTHONPATH=/evil-canary",
        format!("BARQUE_ROOT={root}"), format!("BARQUE_RUN={root}"), "BARQUE_FAILPOINTS=x=kill", "TMPDIR=/evil-canary",
    ]}));
    let archive = sandbox.work().join("hostile.tar");
    image.write_docker_archive(&archive);
    sandbox.ok(&["load", "--input", &archive.to_string_lossy()]);
    let trace = sandbox.work().join("trace");
    let mut command = sandbox.command_of(
        &programs::tool("strace"),
        &["-f", "-qq", "-e", "trace=open,openat,execve,openat2"],
    );
    command.arg("-o").arg(&trace).arg(programs::barque()).args([
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        "/testbox",
        "hostile",
        "report",
        "env",
    ]);
    let done = sandbox::finish(command, b"");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("LD_PRELOAD=/evil-canary.so"), "{}", done.stdout);
    let traced = std::fs::read_to_string(&trace).expect("read the trace");
    let opened: Vec<&str> = traced
        .lines()
        .filter(|line| line.contains("evil-canary") && !line.contains("execve(\"/testbox\""))
        .collect();
    assert!(opened.is_empty(), "{opened:?}");
    victim.is_untouched("a run");
}

fn callers_variables() {
    let sandbox = Sandbox::with_testbox();
    let mut command =
        sandbox.command(&["run", "--detach", "--network", "none", "testbox", "sleep", "forever"]);
    command.env("SECRET_TOKEN", "canary").env("LD_LIBRARY_PATH", "/canary");
    let done = sandbox::finish(command, b"");
    let id = done.stdout.trim().to_owned();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let pid = sandbox.pid(&id);
    let parent = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("read a status");
    let parent = parent
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .expect("a parent")
        .trim()
        .to_owned();
    for process in [pid.to_string(), parent] {
        let environment =
            std::fs::read(format!("/proc/{process}/environ")).expect("read an environment");
        assert!(!String::from_utf8_lossy(&environment).contains("canary"), "{process}");
    }
    sandbox.ok(&["rm", "--force", &id]);
}

fn env_without_value() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let image = Image::from_testbox("hostile")
        .config(json!({"Env": ["SECRET_TOKEN", "AWS_*", "=x", "A=B=C", "", "PATH=/", "*"]}));
    let archive = sandbox.work().join("hostile.tar");
    image.write_docker_archive(&archive);
    let loaded = sandbox.barque(&["load", "--input", &archive.to_string_lossy()]);
    is_clean(&loaded);
    let mut command =
        sandbox.command(&["run", "--rm", "--network", "none", "hostile", "report", "env"]);
    command.env("SECRET_TOKEN", "canary").env("AWS_KEY", "canary");
    let done = sandbox::finish(command, b"");
    is_clean(&done);
    assert!(!done.stdout.contains("canary"), "{}", done.stdout);
    if done.code == 0 {
        let seen: Value = serde_json::from_str(&done.stdout).expect("JSON");
        for entry in seen["env"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(entry.find('=').is_some_and(|at| at > 0), "{entry:?} is no NAME=VALUE");
        }
        assert!(seen["env"].as_array().expect("a list").contains(&json!("A=B=C")));
    }
    victim.is_untouched("an environment");
}

fn volumes_of_the_image() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let up = format!("/../../../../..{}", victim.path());
    for volume in [
        up.as_str(),
        "/proc",
        "/proc/self/attr",
        "/sys",
        "/dev",
        "/proc/1/root/x",
        "/",
        "relative",
        "/link/x",
    ] {
        let layer = Layer::new().symlink("link", "/proc/1/root");
        let image = Image::from_testbox("hostile")
            .layer(layer.finish())
            .config(json!({"Volumes": {volume: {}}}));
        let done = run(&sandbox, &victim, &image, &[], &["report", "mounts", "paths"]);
        if done.code == 0 {
            let seen: Value = serde_json::from_str(&done.stdout).expect("JSON");
            let found = &seen["paths"]["/proc/sys/kernel/core_pattern"];
            assert!(!found["write_errno"].is_null(), "{volume}: {found}");
        }
        assert!(!done.stdout.contains("canary"));
        sandbox.barque(&["rmi", "--force", "hostile"]);
    }
}

fn only_printed_names() {
    let sandbox = Sandbox::with_testbox();
    let archive = sandbox.work().join("extra.tar");
    let image = Image::from_testbox("extra");
    image.write_docker_archive(&archive);
    // The legacy file names another image; manifest.json is what counts where it is there.
    let mut bytes = std::fs::read(&archive).expect("read an archive");
    bytes.truncate(bytes.len() - 1024);
    let mut builder = bytes;
    let legacy = br#"{"testbox": {"latest": "0000000000000000000000000000000000000000000000000000000000000000"}}"#;
    builder.extend(entry("repositories", legacy));
    builder.extend([0; 1024]);
    std::fs::write(&archive, builder).expect("write an archive");
    let before = sandbox.inspect("testbox")["Id"].clone();
    let done = sandbox.barque(&["load", "--input", &archive.to_string_lossy()]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.stdout.trim(), "Loaded image: extra:latest");
    assert_eq!(sandbox.inspect("testbox")["Id"], before);
}

fn entry(name: &str, data: &[u8]) -> Vec<u8> {
    let layer = Layer::new().file(name, 0o644, data).finish();
    layer[..layer.len() - 1024].to_vec()
}

fn configurations_with_holes() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let holes: [(&str, Value); 14] = [
        ("config null", json!({"config": null})),
        ("config a list", json!({"config": []})),
        ("history null", json!({"history": null})),
        ("history longer", json!({"history": [{}, {}, {}, {}, {}]})),
        ("history of texts", json!({"history": ["x"]})),
        ("rootfs missing", json!({"rootfs": null})),
        ("rootfs without diff_ids", json!({"rootfs": {"type": "layers"}})),
        (
            "a wrong diff id",
            json!({"rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", "0".repeat(64))]}}),
        ),
        (
            "a path for a diff id",
            json!({"rootfs": {"type": "layers", "diff_ids": ["sha256:../../../x"]}}),
        ),
        ("created missing", json!({"created": null})),
        ("created not a time", json!({"created": "yesterday"})),
        ("another system", json!({"os": "plan9"})),
        ("env a text", json!({"config": {"Env": "A=B"}})),
        (
            "a user of a megabyte",
            json!({"config": {"User": "u".repeat(1 << 20), "Entrypoint": ["/testbox"]}}),
        ),
    ];
    for (what, fields) in holes {
        let archive = sandbox.work().join("holes.tar");
        write_with_configuration(&archive, &fields);
        let loaded = sandbox.barque(&["load", "--input", &archive.to_string_lossy()]);
        is_clean(&loaded);
        for arguments in [
            &["inspect", "--type", "image", "holes"][..],
            &["history", "holes"],
            &["images"],
            &["run", "--rm", "--network", "none", "holes", "exit", "0"],
            &["rmi", "--force", "holes"],
        ] {
            let done = sandbox.barque(arguments);
            assert!(!done.stderr.contains("panicked"), "{what}, {arguments:?}: {}", done.stderr);
        }
        invariants::hold(&sandbox, what);
        victim.is_untouched(what);
    }
}

/// testbox's image with fields of the configuration replaced; null takes one away.
fn write_with_configuration(archive: &std::path::Path, fields: &Value) {
    let image = Image::from_testbox("holes");
    let mut configuration = image.configuration();
    for (name, value) in fields.as_object().expect("a map") {
        configuration[name] = value.clone();
    }
    if let Value::Object(map) = &mut configuration {
        map.retain(|_, value| !value.is_null());
    }
    let text = configuration.to_string();
    let layer = std::fs::read(programs::TESTBOX).expect("read testbox");
    let layer = Layer::new().file("testbox", 0o755, &layer).finish();
    let manifest =
        json!([{"Config": "config.json", "RepoTags": ["holes:latest"], "Layers": ["layer.tar"]}]);
    let mut bytes = entry("layer.tar", &layer);
    bytes.extend(entry("config.json", text.as_bytes()));
    bytes.extend(entry("manifest.json", manifest.to_string().as_bytes()));
    bytes.extend([0; 1024]);
    std::fs::write(archive, bytes).expect("write an archive");
}

fn labels_decide_nothing() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let image = Image::from_testbox("hostile").config(json!({"Labels": {
        "io.barque.managed": "true", "io.barque.log": "binary:///evil", "com.docker.compose.project": "victim",
        "io.containerd.runc.v2.group": "x", "org.opencontainers.runtime.hooks": "/evil", "run.oci.hooks.stdout": "/evil",
    }}));
    let done = run(&sandbox, &victim, &image, &[], &["exit", "6"]);
    assert_eq!(done.code, 6, "{done:?}");
}
