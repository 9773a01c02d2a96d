//! The operations that the sweeps interrupt, with what each needs beforehand and what must be so afterwards.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use barque_tests::image::{Image, Layer};
use barque_tests::registry::Registry;
use barque_tests::sandbox::{Finished, finish, wait_until};
use barque_tests::{Sandbox, invariants, programs};
use serde_json::json;

/// An operation.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// What is there before.
    prepare: fn(&Sandbox),
    /// The command.
    pub(crate) arguments: fn(&Sandbox) -> Vec<String>,
    /// What must be so when it was interrupted and the next command has run.
    settled: fn(&Sandbox),
    /// Whether it may be done again after it was interrupted: its object exists then or does not.
    done_already: &'static [&'static str],
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn layered(sandbox: &Sandbox) -> String {
    let path = sandbox.work().join("layered.tar");
    if !path.exists() {
        let file = |name: &str| Layer::new().file(name, 0o644, &[b'f'; 200_000]).finish();
        Image::new("layered").layer(file("one")).layer(file("two")).write_docker_archive(&path);
    }
    path.to_string_lossy().into_owned()
}

/// One registry for all: it is only read.
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let registry = Registry::new();
        let file = |name: &str| Layer::new().file(name, 0o644, &[b'f'; 200_000]).finish();
        let image = Image::new("pulled").layer(file("one")).layer(file("two"));
        registry.hold("pulled:1", &image);
        registry
    })
}

fn pulled() -> String {
    format!("{}/pulled:1", registry().address())
}

/// Where nobody has pushed before: what is there already is not sent again.
fn to_push(sandbox: &Sandbox) -> String {
    // An instance's name may come again: inodes are used again.
    let work = sandbox.work();
    let place = work.parent().and_then(Path::file_name).expect("a place with a name");
    format!("{}/{}:1", registry().address(), place.to_string_lossy())
}

fn created(sandbox: &Sandbox) {
    sandbox.ok(&["create", "--name", "c", "--network", "none", "testbox", "sleep", "forever"]);
}

fn running(sandbox: &Sandbox) {
    created(sandbox);
    sandbox.ok(&["start", "c"]);
}

/// A network that no other test has anything to do with.
fn with_network(sandbox: &Sandbox) {
    barque_tests::suite::own_network();
    sandbox.ok(&["network", "create", "web"]);
}

/// A container in the network that runs.
fn networked(sandbox: &Sandbox) {
    with_network(sandbox);
    let run = ["run", "--detach", "--name", "c", "--network", "web"];
    sandbox.ok(&[&run[..], &["testbox", "sleep", "forever"]].concat());
    sandbox.ok(&["network", "create", "more"]);
}

/// The port is free, and nothing leads past whoever has it next.
fn nothing_is_published(sandbox: &Sandbox) {
    use std::net::{TcpListener, TcpStream};
    wait_until("the port is free", Duration::from_secs(30), || {
        sandbox.ok(&["ps"]);
        TcpListener::bind("127.0.0.1:8080").is_ok()
    });
    let server = TcpListener::bind("127.0.0.1:8080").expect("take the port");
    let client = TcpStream::connect_timeout(
        &server.local_addr().expect("its address"),
        Duration::from_secs(5),
    );
    client.expect("the port leads to its server");
}

/// What the record says of the container's networks is what the container has, and what nobody has is gone.
fn networks_are_true(sandbox: &Sandbox) {
    truth_about_c(sandbox);
    names_are_true(sandbox);
    if sandbox.barque(&["inspect", "--type", "container", "c"]).code == 0 {
        let document = sandbox.inspect("c");
        let named = document["NetworkSettings"]["Networks"].as_object().map_or(0, |n| n.len());
        if document["State"]["Running"] == true {
            let report = sandbox.ok(&["exec", "c", "/testbox", "report", "network"]);
            let report: serde_json::Value = serde_json::from_str(&report).expect("a report");
            let links = report["network"]["links"].as_array().expect("links").iter();
            let ours = links.filter(|link| link.as_str().is_some_and(|l| l.starts_with("eth")));
            assert_eq!(ours.count(), named, "{document}\n{report}");
        }
    }
    // The kernel takes away the links of a namespace some time after the last process in it.
    wait_until("no link is left of a container that does not run", Duration::from_secs(30), || {
        let links = std::fs::read_to_string("/proc/thread-self/net/dev").expect("read the links");
        let ours = links.lines().filter(|line| line.trim_start().starts_with("bqv")).count();
        let running = sandbox.ok(&["ps", "--quiet", "--no-trunc"]);
        let has = |id: &str| {
            let networks = &sandbox.inspect(id)["NetworkSettings"]["Networks"];
            networks.as_object().map_or(0, |networks| {
                networks.values().filter(|endpoint| endpoint["IPAddress"] != "").count()
            })
        };
        ours == running.lines().map(has).sum::<usize>()
    });
}

/// What is written down about names, where a container was started, is what the record says, and nothing is written about others.
fn names_are_true(sandbox: &Sandbox) {
    let engines = std::fs::read_dir(sandbox.run()).expect("the run directory").flatten();
    let Some(names) = engines.map(|e| e.path().join("names")).find(|path| path.exists()) else {
        return;
    };
    let containers = sandbox.ok(&["ps", "--all", "--quiet", "--no-trunc"]);
    let networks = sandbox.ok(&["network", "ls", "--quiet", "--no-trunc"]);
    for file in std::fs::read_dir(&names).expect("the names").flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let known = containers.contains(&name) || networks.contains(&name);
        assert!(known || matches!(name.as_str(), "lock" | "new"), "names of {name} are left");
    }
    for id in containers.lines() {
        let Ok(written) = std::fs::read_to_string(names.join(id)) else { continue };
        let document = sandbox.inspect(id);
        let endpoints = document["NetworkSettings"]["Networks"].as_object().expect("networks");
        for network in networks.lines() {
            let endpoint = endpoints.values().find(|endpoint| endpoint["NetworkID"] == *network);
            assert_eq!(written.contains(network), endpoint.is_some(), "{written} {document}");
            let lines = std::fs::read_to_string(names.join(network)).unwrap_or_default();
            let words = lines.lines().find_map(|line| line.strip_prefix(id));
            let words = words.map(|words| words.split_whitespace().skip(1).collect::<Vec<_>>());
            let wanted = endpoint.map(|endpoint| endpoint["DNSNames"].clone());
            assert_eq!(words.map(|words| serde_json::json!(words)), wanted, "{lines} {document}");
        }
    }
}

/// A command whose caller, or whose monitor, was killed at a failpoint: what recovery finds.
fn killed_at(sandbox: &Sandbox, point: &str, arguments: &[&str]) {
    let mark = sandbox.work().join("prepared");
    let mut command =
        sandbox.command_of(&barque_tests::programs::barque_with_failpoints(), arguments);
    command.env("BARQUE_FAILPOINTS", format!("{point}=kill,mark={}", mark.display()));
    finish(command, b"");
    assert!(mark.exists(), "{arguments:?} does not pass {point}");
}

/// The word before an operation and its request where no command does it: a program with the C library does.
const CALL: &str = "(call)";

/// That program: `barque_call` of the library that lies beside the command under test.
const CALLER: &str = r#"
import ctypes, os, sys
c = ctypes.CDLL(sys.argv[1])
c.barque_error_message.restype = ctypes.c_char_p
engine, answer, error = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
root, run = os.fsencode(os.environ["BARQUE_ROOT"]), os.fsencode(os.environ["BARQUE_RUN"])
code = c.barque_engine_open(root, run, ctypes.byref(engine), ctypes.byref(error))
if code == 0:
    operation, request = os.fsencode(sys.argv[2]), os.fsencode(sys.argv[3])
    code = c.barque_call(engine, operation, request, None, ctypes.byref(answer), ctypes.byref(error))
if code != 0:
    sys.exit(c.barque_error_message(error).decode())
"#;

/// A directory with a file that is more than a socket holds.
fn tree(sandbox: &Sandbox) -> String {
    let tree = sandbox.work().join("tree");
    std::fs::create_dir_all(tree.join("inner")).expect("make a directory");
    std::fs::write(tree.join("inner/leaf"), vec![b'l'; 3_000_000]).expect("write a file");
    tree.to_string_lossy().into_owned()
}

fn copied(sandbox: &Sandbox) {
    created(sandbox);
    sandbox.ok(&["cp", &tree(sandbox), "c:/data/"]);
}

fn written(sandbox: &Sandbox) {
    created(sandbox);
    let old = sandbox.work().join("old");
    std::fs::write(&old, vec![b'o'; 1_000_000]).expect("write a file");
    sandbox.ok(&["cp", &old.to_string_lossy(), "c:/data/file"]);
}

/// A file that replaces another is the old one or the new one, and nothing is beside it.
fn old_or_new(sandbox: &Sandbox) {
    let out = sandbox.work().join("out");
    if sandbox.barque(&["cp", "c:/data/.", &out.to_string_lossy()]).code == 0 {
        let is = std::fs::read(out.join("file")).expect("read the copy");
        assert!(is == vec![b'o'; 1_000_000] || is == vec![b'n'; 1_000_000], "{} bytes", is.len());
        assert_eq!(std::fs::read_dir(&out).expect("read it").count(), 1, "beside the file");
    }
    let _ = std::fs::remove_dir_all(out);
}

/// What was to be copied can be looked at, and the container it was copied to can run.
fn c_can_be_used(sandbox: &Sandbox) {
    truth_about_c(sandbox);
    if sandbox.barque(&["diff", "c"]).code == 0 {
        let status = sandbox.inspect("c")["State"]["Status"].clone();
        if status == "created" {
            sandbox.ok(&["start", "c"]);
            sandbox.ok(&["stop", "--time", "0", "c"]);
        }
    }
}

/// The image is whole or is not there, and the container is not held still.
fn committed(sandbox: &Sandbox) {
    image_is_whole(sandbox);
    if sandbox.barque(&["inspect", "--type", "container", "c"]).code == 0 {
        let id = sandbox.inspect("c")["Id"].as_str().expect("an id").to_owned();
        assert!(!barque_tests::suite::is_frozen(&sandbox.instance(), &id), "c is held still");
    }
}

/// The image is whole or is not there, and no step goes on.
fn built(sandbox: &Sandbox) {
    image_is_whole(sandbox);
    auto_removed(sandbox);
}

fn nothing(_: &Sandbox) {}

fn with_volume(sandbox: &Sandbox) {
    let write = ["testbox", "write", "/data/file", "kept"];
    sandbox.ok(
        &[&["run", "--rm", "--network", "none", "--volume", "data:/data"][..], &write].concat()
    );
}

/// A volume that is listed can be used, and if it had a file, has it.
fn volume_is_whole(sandbox: &Sandbox) {
    if sandbox.ok(&["volume", "ls", "--quiet", "--filter", "name=data"]).is_empty() {
        return;
    }
    let list = ["testbox", "list", "/data"];
    let mount = ["run", "--rm", "--network", "none", "--volume", "data:/data"];
    let files = sandbox.ok(&[&mount[..], &list].concat());
    assert!(["", "file"].contains(&files.as_str()), "{files}");
}

/// An image that the store lists must be whole: a container of it can be made.
fn image_is_whole(sandbox: &Sandbox) {
    for name in ["layered", "made", &pulled()] {
        if sandbox.barque(&["inspect", "--type", "image", name]).code == 0 {
            sandbox.ok(&["create", "--name", "probe", "--network", "none", name, "x"]);
            sandbox.ok(&["rm", "probe"]);
        }
    }
}

/// What has its name is a whole archive.
fn saved_or_not(sandbox: &Sandbox) {
    let path = sandbox.work().join("saved.tar");
    if path.exists() {
        sandbox.ok(&["load", "--quiet", "--input", &path.to_string_lossy()]);
    }
    image_is_whole(sandbox);
}

/// A run that ends by itself with 3 has ended with 3, or with a code that says that it is not known, or is gone.
fn code_is_real_or_unknown(sandbox: &Sandbox) {
    wait_until("nothing runs any more", Duration::from_secs(10), || {
        sandbox.ok(&["ps", "--quiet"]).is_empty()
    });
    let found = sandbox.barque(&["inspect", "--type", "container", "r"]);
    if found.code == 0 {
        let state = &sandbox.inspect("r")["State"];
        let (status, code) = (&state["Status"], &state["ExitCode"]);
        let is_true = (status == "exited"
            && (code == 3 || code == 125 || code == 137 || code == 127))
            || (status == "created" && code != 3);
        assert!(is_true, "{state}");
    }
}

fn auto_removed(sandbox: &Sandbox) {
    wait_until("nothing is left of an auto-removed run", Duration::from_secs(10), || {
        sandbox.ok(&["ps", "--all", "--quiet"]).is_empty()
    });
}

fn truth_about_c(sandbox: &Sandbox) {
    let found = sandbox.barque(&["inspect", "--type", "container", "c"]);
    if found.code == 0 {
        let state = &sandbox.inspect("c")["State"];
        let exited_well = state["Status"] == "exited" && state["ExitCode"] == 0;
        // It never ends by itself: no exit code 0.
        assert!(!exited_well, "{state}");
    }
}

/// Either the old name or the new one, and never none.
fn has_one_name(sandbox: &Sandbox) {
    let names = sandbox.ok(&["ps", "--all", "--format", "{{.Names}}"]);
    assert!(["", "c", "d"].contains(&names.as_str()), "{names}");
}

/// The record says the old limit or the new one.
fn has_a_limit_or_none(sandbox: &Sandbox) {
    truth_about_c(sandbox);
    let limit = &sandbox.inspect("c")["HostConfig"]["Memory"];
    assert!(*limit == 0 || *limit == 64 << 20, "{limit}");
}

/// The container runs or is told as ended, and if it runs, its first process is alone in it.
fn nothing_of_an_exec(sandbox: &Sandbox) {
    truth_about_c(sandbox);
    let pid = sandbox.inspect("c")["State"]["Pid"].as_i64().unwrap_or(0);
    if pid > 0 {
        wait_until("the exec is gone", Duration::from_secs(10), || {
            sandbox.processes_beside(pid).is_empty()
        });
    }
}

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "load",
        prepare: nothing,
        arguments: |s| vec!["load".into(), "--input".into(), layered(s)],
        settled: image_is_whole,
        done_already: &[],
    },
    Operation {
        name: "pull",
        prepare: nothing,
        arguments: |_| vec!["pull".into(), "--quiet".into(), pulled()],
        settled: image_is_whole,
        done_already: &[],
    },
    Operation {
        name: "push",
        prepare: |s| {
            let path = layered(s);
            s.ok(&["load", "--quiet", "--input", &path]);
            s.ok(&["tag", "layered", &to_push(s)]);
        },
        arguments: |s| vec!["push".into(), "--quiet".into(), to_push(s)],
        settled: image_is_whole,
        done_already: &[],
    },
    Operation {
        name: "import",
        prepare: nothing,
        arguments: |s| {
            let tar = s.work().join("rootfs.tar");
            let layer = Layer::new().file("a", 0o644, &[b'a'; 100_000]).directory("d", 0o755);
            std::fs::write(&tar, layer.finish()).expect("write a tar");
            vec!["import".into(), tar.to_string_lossy().into_owned(), "made:1".into()]
        },
        settled: image_is_whole,
        done_already: &[],
    },
    Operation {
        name: "tag",
        prepare: nothing,
        arguments: |_| words(&["tag", "testbox", "other"]),
        settled: nothing,
        done_already: &[],
    },
    Operation {
        name: "rmi",
        prepare: |s| {
            let path = layered(s);
            s.ok(&["load", "--quiet", "--input", &path]);
        },
        arguments: |_| words(&["rmi", "layered"]),
        settled: image_is_whole,
        done_already: &["No such image"],
    },
    Operation {
        name: "save",
        prepare: |s| {
            let path = layered(s);
            s.ok(&["load", "--quiet", "--input", &path]);
        },
        arguments: |s| {
            let out = s.work().join("saved.tar").to_string_lossy().into_owned();
            vec!["save".into(), "--output".into(), out, "layered".into()]
        },
        settled: saved_or_not,
        done_already: &[],
    },
    Operation {
        name: "system check --repair",
        prepare: |s| {
            let path = layered(s);
            s.ok(&["load", "--quiet", "--input", &path]);
            // A layer that lost a file.
            let layers = s.root().join("layers");
            for layer in std::fs::read_dir(layers).expect("list the layers").flatten() {
                let _ = std::fs::remove_file(layer.path().join("two"));
            }
        },
        arguments: |_| words(&["system", "check", "--repair"]),
        settled: image_is_whole,
        done_already: &[],
    },
    Operation {
        name: "create",
        prepare: nothing,
        arguments: |_| {
            words(&["create", "--name", "r", "--network", "none", "testbox", "exit", "3"])
        },
        settled: code_is_real_or_unknown,
        done_already: &["already in use"],
    },
    Operation {
        name: "start",
        prepare: created,
        arguments: |_| words(&["start", "c"]),
        settled: truth_about_c,
        done_already: &[],
    },
    Operation {
        name: "run",
        prepare: nothing,
        arguments: |_| {
            words(&[
                "run",
                "--name",
                "r",
                "--network",
                "none",
                "testbox",
                "echo",
                "x",
                ",",
                "exit",
                "3",
            ])
        },
        settled: code_is_real_or_unknown,
        done_already: &["already in use"],
    },
    Operation {
        name: "run --rm",
        prepare: nothing,
        arguments: |_| {
            words(&["run", "--rm", "--network", "none", "testbox", "echo", "x", ",", "exit", "3"])
        },
        settled: auto_removed,
        done_already: &[],
    },
    Operation {
        name: "run --detach",
        prepare: nothing,
        arguments: |_| {
            words(&[
                "run",
                "--detach",
                "--name",
                "c",
                "--network",
                "none",
                "testbox",
                "sleep",
                "forever",
            ])
        },
        settled: truth_about_c,
        done_already: &["already in use"],
    },
    Operation {
        name: "stop",
        prepare: running,
        arguments: |_| words(&["stop", "--time", "0", "c"]),
        settled: truth_about_c,
        done_already: &[],
    },
    Operation {
        name: "pause",
        prepare: running,
        arguments: |_| words(&["pause", "c"]),
        settled: truth_about_c,
        done_already: &["is already paused", "is not running"],
    },
    Operation {
        name: "unpause",
        prepare: |s| {
            running(s);
            s.ok(&["pause", "c"]);
        },
        arguments: |_| words(&["unpause", "c"]),
        settled: truth_about_c,
        done_already: &["is not paused", "is not running"],
    },
    Operation {
        name: "wait with a health check",
        prepare: |s| {
            let name = ["run", "--detach", "--name", "c", "--network", "none"];
            // The container has no shell: the check cannot begin, which is a result as any other. It comes when `run` has returned.
            let check = ["--health-cmd", "look", "--health-interval", "500ms"];
            let command = ["testbox", "sleep", "1", ",", "exit", "3"];
            s.ok(&[&name[..], &check, &command].concat());
        },
        arguments: |_| words(&["wait", "c"]),
        settled: truth_about_c,
        done_already: &[],
    },
    Operation {
        name: "restart",
        prepare: running,
        arguments: |_| words(&["restart", "--time", "0", "c"]),
        settled: truth_about_c,
        done_already: &[],
    },
    Operation {
        name: "rename",
        prepare: running,
        arguments: |_| words(&["rename", "c", "d"]),
        settled: has_one_name,
        // The beginning of its id may be a c.
        done_already: &["No such container: c", "already", "same name"],
    },
    Operation {
        name: "update",
        prepare: running,
        arguments: |_| words(&["update", "--memory", "64m", "c"]),
        settled: has_a_limit_or_none,
        done_already: &[],
    },
    // Who execs and is killed takes what it started along; one whose monitor dies ends with the container.
    Operation {
        name: "exec",
        prepare: running,
        arguments: |_| words(&["exec", "c", "/testbox", "echo", "x"]),
        settled: nothing_of_an_exec,
        done_already: &["is not running"],
    },
    Operation {
        name: "exec --detach",
        prepare: running,
        arguments: |_| words(&["exec", "--detach", "c", "/testbox", "sleep", "0.1"]),
        settled: nothing_of_an_exec,
        done_already: &["is not running"],
    },
    Operation {
        name: "rm",
        prepare: created,
        arguments: |_| words(&["rm", "c"]),
        settled: truth_about_c,
        done_already: &["No such container"],
    },
    Operation {
        name: "rm --force",
        prepare: running,
        arguments: |_| words(&["rm", "--force", "c"]),
        settled: truth_about_c,
        done_already: &["No such container"],
    },
    Operation {
        name: "cp into a container",
        prepare: created,
        arguments: |s| vec!["cp".into(), tree(s), "c:/data/new".into()],
        settled: c_can_be_used,
        done_already: &[],
    },
    Operation {
        name: "cp into a running container",
        prepare: running,
        arguments: |s| vec!["cp".into(), tree(s), "c:/data/new".into()],
        settled: c_can_be_used,
        done_already: &[],
    },
    Operation {
        name: "cp out of a container",
        prepare: copied,
        arguments: |s| {
            let out = s.work().join("out");
            vec!["cp".into(), "c:/data/tree".into(), out.to_string_lossy().into_owned()]
        },
        settled: c_can_be_used,
        done_already: &[],
    },
    Operation {
        name: "a file written whole",
        prepare: written,
        arguments: |s| {
            let new = s.work().join("new");
            std::fs::write(&new, vec![b'n'; 1_000_000]).expect("write a file");
            let request =
                json!({"Id": "c", "Path": "/data/file", "Input": {"Path": new.to_string_lossy()}});
            vec![CALL.into(), "file.write".into(), request.to_string()]
        },
        settled: old_or_new,
        done_already: &[],
    },
    Operation {
        name: "commit",
        prepare: |s| {
            running(s);
            s.ok(&["cp", &tree(s), "c:/data/"]);
        },
        arguments: |_| words(&["commit", "c", "made"]),
        settled: committed,
        done_already: &[],
    },
    Operation {
        name: "build",
        prepare: nothing,
        arguments: |s| {
            let context = tree(s);
            let dockerfile = "FROM testbox AS one\n\
                              RUN [\"/testbox\", \"write\", \"/made\", \"text\"]\n\
                              FROM scratch\nCOPY --from=one /testbox /made /\n\
                              RUN [\"/testbox\", \"read\", \"/made\"]\nADD inner/leaf /leaf\n";
            std::fs::write(format!("{context}/Dockerfile"), dockerfile).expect("write a file");
            words(&["build", "--quiet", "--tag", "made", &context])
        },
        settled: built,
        done_already: &[],
    },
    Operation {
        name: "run with volumes",
        prepare: nothing,
        arguments: |_| {
            let volumes = ["--volume", "data:/data", "--volume", "/anonymous"];
            let run = ["run", "--rm", "--network", "none"];
            words(&[&run[..], &volumes, &["testbox", "write", "/data/f", "x"]].concat())
        },
        settled: |s| {
            auto_removed(s);
            let volumes = s.ok(&["volume", "ls", "--quiet"]);
            assert!(["", "data"].contains(&volumes.as_str()), "left: {volumes}");
        },
        done_already: &[],
    },
    Operation {
        name: "network create",
        prepare: |_| barque_tests::suite::own_network(),
        arguments: |_| words(&["network", "create", "web"]),
        settled: networks_are_true,
        done_already: &["already exists"],
    },
    Operation {
        name: "run in a network",
        prepare: with_network,
        arguments: |_| {
            let run = ["run", "--rm", "--network", "web", "--publish", "8080:80", "testbox"];
            words(&[&run[..], &["echo", "x", ",", "exit", "3"]].concat())
        },
        settled: |s| {
            auto_removed(s);
            networks_are_true(s);
            nothing_is_published(s);
        },
        done_already: &[],
    },
    Operation {
        name: "run beside the host",
        prepare: |s| {
            barque_tests::suite::own_network();
            let ip = programs::tool("ip");
            let link = ["link", "add", "outward", "type", "veth", "peer", "name", "inward"];
            assert!(Command::new(ip).args(link).status().is_ok_and(|done| done.success()));
            let create = ["network", "create", "--driver", "macvlan", "--opt", "parent=outward"];
            s.ok(&[&create[..], &["--subnet", "192.0.2.0/24", "web"]].concat());
        },
        arguments: |_| {
            words(&["run", "--rm", "--network", "web", "testbox", "echo", "x", ",", "exit", "3"])
        },
        settled: |s| {
            auto_removed(s);
            networks_are_true(s);
        },
        done_already: &[],
    },
    Operation {
        name: "network connect",
        prepare: networked,
        arguments: |_| words(&["network", "connect", "more", "c"]),
        settled: networks_are_true,
        done_already: &["already exists in network"],
    },
    Operation {
        name: "recovery of a network's ports",
        prepare: |s| {
            with_network(s);
            let run = ["run", "--detach", "--name", "c", "--network", "web", "-p", "8080:80"];
            s.ok(&[&run[..], &["testbox", "sleep", "forever"]].concat());
            let id = s.inspect("c")["Id"].as_str().expect("an id").to_owned();
            s.kill_monitor(&id);
        },
        arguments: |_| words(&["ps", "--all"]),
        settled: |s| {
            networks_are_true(s);
            nothing_is_published(s);
        },
        done_already: &[],
    },
    Operation {
        name: "rename in a network",
        prepare: networked,
        arguments: |_| words(&["rename", "c", "d"]),
        settled: |s| {
            has_one_name(s);
            names_are_true(s);
        },
        done_already: &["No such container", "same name"],
    },
    Operation {
        name: "network disconnect",
        prepare: networked,
        arguments: |_| words(&["network", "disconnect", "web", "c"]),
        settled: networks_are_true,
        done_already: &["is not connected"],
    },
    Operation {
        name: "network rm",
        prepare: with_network,
        arguments: |_| words(&["network", "rm", "web"]),
        settled: networks_are_true,
        done_already: &["not found"],
    },
    Operation {
        name: "recovery of a network's removal",
        prepare: |s| {
            with_network(s);
            killed_at(s, "network-remove-marked", &["network", "rm", "web"]);
        },
        arguments: |_| words(&["ps", "--all"]),
        settled: |s| {
            let kept = s.ok(&["network", "ls", "--quiet", "--filter", "type=custom"]);
            assert_eq!(kept, "");
        },
        done_already: &[],
    },
    Operation {
        name: "volume create",
        prepare: nothing,
        arguments: |_| words(&["volume", "create", "data"]),
        settled: volume_is_whole,
        done_already: &[],
    },
    Operation {
        name: "volume rm",
        prepare: with_volume,
        arguments: |_| words(&["volume", "rm", "data"]),
        settled: volume_is_whole,
        done_already: &["no such volume"],
    },
    Operation {
        name: "rm --volumes",
        prepare: |s| {
            let volumes = ["--volume", "/anonymous", "--volume", "data:/data"];
            let create = ["create", "--name", "c", "--network", "none"];
            s.ok(&[&create[..], &volumes, &["testbox", "exit"]].concat());
        },
        arguments: |_| words(&["rm", "--volumes", "c"]),
        settled: |s| {
            let volumes = s.ok(&["volume", "ls", "--quiet"]);
            let anonymous = volumes.lines().filter(|name| *name != "data").count();
            let there = s.ok(&["ps", "--all", "--quiet"]).lines().count();
            assert!(volumes.contains("data"), "a volume with a name is gone");
            assert_eq!(anonymous, there, "a volume goes with its container, or neither");
        },
        done_already: &["No such container"],
    },
    Operation {
        name: "volume prune",
        prepare: with_volume,
        arguments: |_| words(&["volume", "prune", "--all", "--force"]),
        settled: volume_is_whole,
        done_already: &[],
    },
    Operation {
        name: "image prune",
        prepare: |s| {
            let path = layered(s);
            s.ok(&["load", "--quiet", "--input", &path]);
            running(s);
        },
        arguments: |_| words(&["image", "prune", "--all", "--force"]),
        settled: |s| {
            image_is_whole(s);
            s.ok(&["inspect", "--type", "image", "testbox"]);
        },
        done_already: &[],
    },
    Operation {
        name: "builder prune",
        prepare: |s| {
            let context = tree(s);
            let dockerfile = "FROM testbox AS one\n\
                              RUN --mount=type=cache,target=/cache [\"/testbox\", \"write\", \"/made\", \"text\"]\n\
                              FROM testbox\nCOPY --from=one /made /\n";
            std::fs::write(format!("{context}/Dockerfile"), dockerfile).expect("write a file");
            s.ok(&["build", "--quiet", "--tag", "made", &context]);
        },
        arguments: |_| words(&["builder", "prune", "--all", "--force"]),
        settled: built,
        done_already: &[],
    },
    Operation {
        name: "system prune",
        prepare: |s| {
            created(s);
            with_volume(s);
            s.ok(&["create", "--volume", "/anonymous", "--network", "none", "testbox", "exit"]);
        },
        arguments: |_| words(&["system", "prune", "--volumes", "--force"]),
        settled: |s| {
            volume_is_whole(s);
            assert!(s.ok(&["volume", "ls", "--quiet"]).contains("data"));
            s.ok(&["inspect", "--type", "image", "testbox"]);
        },
        done_already: &[],
    },
    Operation {
        name: "recovery of a volume's removal",
        prepare: |s| {
            with_volume(s);
            killed_at(s, "volume-remove-marked", &["volume", "rm", "data"]);
        },
        arguments: |_| words(&["ps", "--all"]),
        settled: |s| assert_eq!(s.ok(&["volume", "ls", "--quiet"]), ""),
        done_already: &[],
    },
    // Recovery is interrupted too: whoever opens the engine next goes on where the last one was killed.
    Operation {
        name: "recovery of a load",
        prepare: |s| {
            let path = layered(s);
            killed_at(s, "image-publish-renamed", &["load", "--quiet", "--input", &path]);
        },
        arguments: |_| words(&["ps", "--all"]),
        settled: image_is_whole,
        done_already: &[],
    },
    Operation {
        name: "recovery of a run",
        prepare: |s| {
            running(s);
            let id = s.inspect("c")["Id"].as_str().expect("an id").to_owned();
            super::monitor::kill(s.monitor_of(&id), libc::SIGKILL);
        },
        arguments: |_| words(&["ps", "--all"]),
        settled: truth_about_c,
        done_already: &[],
    },
    Operation {
        name: "recovery of a removal",
        prepare: |s| {
            running(s);
            killed_at(s, "remove-marked", &["rm", "--force", "c"]);
        },
        arguments: |_| words(&["ps", "--all"]),
        settled: truth_about_c,
        done_already: &[],
    },
    Operation {
        name: "recovery of a removal without a record",
        prepare: |s| {
            created(s);
            killed_at(s, "remove-row-deleted", &["rm", "c"]);
        },
        arguments: |_| words(&["ps", "--all"]),
        settled: truth_about_c,
        done_already: &[],
    },
];

impl Operation {
    /// A sandbox in which it can be done.
    pub(crate) fn sandbox(&self) -> Sandbox {
        let sandbox = Sandbox::with_testbox();
        (self.prepare)(&sandbox);
        sandbox
    }

    /// The same, where monitors that run before obey failpoints too.
    pub(crate) fn armed_sandbox(
        &self,
        program: &Path,
        list: impl FnOnce(&Sandbox) -> String,
    ) -> Sandbox {
        let sandbox = Sandbox::with_testbox();
        sandbox.arm(Some((program, list(&sandbox))));
        (self.prepare)(&sandbox);
        sandbox.arm(None);
        sandbox
    }

    /// The command of `program`, wrapped by nothing.
    pub(crate) fn command(&self, sandbox: &Sandbox, program: &Path) -> Command {
        let arguments = (self.arguments)(sandbox);
        match arguments.split_first() {
            Some((word, call)) if word == CALL => {
                let mut command =
                    sandbox.command_of(&barque_tests::programs::python(), &["-c", CALLER]);
                command.arg(program.with_file_name("libbarque.so")).args(call);
                command
            }
            _ => sandbox.command_of(program, &arguments),
        }
    }

    /// The promise, after a fault: the next command settles everything, and again it succeeds.
    #[track_caller]
    pub(crate) fn recovers(&self, sandbox: &Sandbox, fault: &str) {
        let what = format!("{} and {fault}", self.name);
        let begin = std::time::Instant::now();
        let next = sandbox.barque(&["ps", "--all"]);
        assert_eq!(next.code, 0, "after {what}: ps says {}", next.stderr);
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "after {what}: ps took {:?}",
            begin.elapsed()
        );
        settle(sandbox);
        (self.settled)(sandbox);
        invariants::hold(sandbox, &what);
        let again = finish(self.command(sandbox, &barque_tests::programs::barque()), b"");
        let well = again.code == 0
            || (self.name.starts_with("run") && again.code == 3)
            || self.done_already.iter().any(|words| again.stderr.contains(words));
        assert!(well, "after {what}: done again it gives {again:?}");
        settle(sandbox);
        (self.settled)(sandbox);
        invariants::hold(sandbox, &format!("{what} and the same again"));
        let ids = sandbox.ok(&["ps", "--all", "--quiet"]);
        for id in ids.lines() {
            sandbox.ok(&["rm", "--force", id]);
        }
        invariants::hold(sandbox, &format!("{what} and removal of all"));
    }
}

/// What was under way in a monitor may go on for a moment; then the checker must find nothing.
fn settle(sandbox: &Sandbox) {
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while !invariants::violations(sandbox).is_empty() && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
        sandbox.barque(&["ps", "--all"]);
    }
}

/// A failure with words, of the command itself: no panic, and not silently successful.
#[track_caller]
pub(crate) fn is_clean(done: &Finished, what: &str) {
    assert!(!done.stderr.contains("panicked"), "{what}: {}", done.stderr);
    assert!(
        done.code < 125 || !done.stderr.trim().is_empty(),
        "{what}: failed without a word: {done:?}"
    );
}
