//! Containers with user ids of their own (SEC-032): on the host their root is nobody, and on disk their files are as everybody's.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use barque_tests::Sandbox;
use barque_tests::sandbox::{Finished, finish};
use barque_tests::suite::Suite;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("SEC-032 root in a user namespace is nobody on the host", root_is_nobody);
    suite.add("SEC-032 no two containers have the same ids while they run", ids_are_apart);
    suite.add("SEC-032 what is on disk has the ids of the container", ids_on_disk);
    suite.add("SEC-032 files go in and out with the container's ids", files_go_in_and_out);
    suite.add("SEC-032 a directory of the host's is its owner's, unless ids are mapped", binds);
    suite.add("SEC-032 its root has rights over its network and none over the host", rights);
}

/// The first of the ids that containers are given.
const FIRST: u32 = 1 << 31;

/// A line of a process's status, without its name.
fn status(pid: i64, name: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("read a status");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.expect("a line").split_whitespace().map(str::to_owned).collect()
}

fn started(sandbox: &Sandbox, name: &str, options: &[&str]) {
    let mut words = vec!["run", "--detach", "--network", "none", "--name", name];
    words.extend(["--userns", "private"]);
    words.extend(options);
    words.extend(["busybox", "sleep", "1000"]);
    sandbox.ok(&words);
}

/// What a container says that has the ids of this mode.
fn run(sandbox: &Sandbox, mode: &str, options: &[&str], command: &[&str]) -> Finished {
    let words = ["run", "--rm", "--network", "none", "--userns", mode];
    sandbox.barque(&[&words[..], options, &["busybox"], command].concat())
}

fn root_is_nobody() {
    let sandbox = Sandbox::with_busybox();
    started(&sandbox, "own", &["--init"]);
    let pid = sandbox.pid("own");
    let uids = status(pid, "Uid");
    assert!(uids.iter().all(|uid| uid.parse::<u32>().expect("an id") >= FIRST), "{uids:?}");
    for name in ["Gid", "Groups"] {
        let gids = status(pid, name);
        assert!(
            gids.iter().all(|gid| gid.parse::<u32>().expect("an id") >= FIRST),
            "{name} {gids:?}"
        );
    }
    let pids = sandbox.processes_beside(pid);
    assert!(!pids.is_empty(), "the command beside the reaper");
    for pid in pids {
        assert!(status(pid, "Uid")[0].parse::<u32>().expect("an id") >= FIRST);
    }
    // It is inside of the exec too.
    let seen = sandbox.ok(&["exec", "own", "cat", "/proc/self/uid_map", "/proc/self/status"]);
    assert!(seen.contains("2147483648") && seen.contains("Uid:\t0\t0\t0\t0"), "{seen}");
    let seen = sandbox.ok(&["exec", "--user", "7:8", "own", "cat", "/proc/self/status"]);
    assert!(seen.contains("Uid:\t7\t7\t7\t7") && seen.contains("CapEff:\t0000000000000000"));
    // The engine's files, with the whole host in sight.
    let database = format!("/host{}/barque.db", sandbox.root().display());
    let read = run(&sandbox, "auto", &["--volume", "/:/host:ro"], &["cat", &database]);
    assert!(read.code == 1 && read.stderr.contains("ermission denied"), "{}", read.stderr);
    // The same is there for the host's root, or the words above say nothing.
    let read = run(&sandbox, "host", &["--volume", "/:/host:ro"], &["ls", &database]);
    assert_eq!(read.code, 0, "{}", read.stderr);
    sandbox.ok(&["rm", "--force", "own"]);
}

fn ids_are_apart() {
    let sandbox = Sandbox::with_busybox();
    started(&sandbox, "one", &[]);
    started(&sandbox, "two", &["--restart", "always"]);
    let first = |name: &str| status(sandbox.pid(name), "Uid")[0].clone();
    let (one, two) = (first("one"), first("two"));
    assert_ne!(one, two);
    // The same while it is not let go of.
    sandbox.ok(&["restart", "--timeout", "0", "two"]);
    assert_eq!(first("two"), two);
    let id = sandbox.inspect("one")["Id"].as_str().expect("an id").to_owned();
    sandbox.kill_monitor(&id);
    sandbox.ok(&["start", "one"]);
    assert_eq!(first("one"), one, "the first that is free");
    let joined = run(&sandbox, "container:two", &[], &["cat", "/proc/self/uid_map"]);
    assert!(joined.stdout.contains(&two), "{joined:?}");
    // One that has the host's is joined without a word.
    sandbox.ok(&["run", "-d", "--network", "none", "--name", "host", "busybox", "sleep", "1000"]);
    let joined = run(&sandbox, "container:host", &[], &["cat", "/proc/self/uid_map"]);
    assert!(joined.stdout.contains("4294967295"), "{joined:?}");
    sandbox.ok(&["rm", "--force", "one", "two", "host"]);
}

fn ids_on_disk() {
    let sandbox = Sandbox::with_busybox();
    let script = "echo 1 > /r && echo 2 > /data/d && rm /bin/vi && mkdir /tmp/t && \
                  /bin/busybox chown 1000:1001 /data/d && ls -ln /r /data/d";
    let id = sandbox.ok(&[
        "run",
        "--detach",
        "--network",
        "none",
        "--name",
        "own",
        "--userns",
        "private",
        "--volume",
        "kept:/data",
        "busybox",
        "sh",
        "-c",
        &format!("{script} && sleep 1000"),
    ]);
    let running = "sh -c 'until ls /data/d; do :; done'";
    sandbox.ok(&["exec", "own", "sh", "-c", running]);
    let upper = sandbox.root().join("containers").join(&id).join("upper");
    let owner = |path: &Path| {
        let found =
            fs::symlink_metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (found.uid(), found.gid())
    };
    assert_eq!(owner(&upper.join("r")), (0, 0));
    assert_eq!(owner(&upper.join("bin/vi")), (0, 0), "a whiteout");
    assert_eq!(owner(&upper.join("tmp/t")), (0, 0));
    let volume = sandbox.root().join("volumes/kept/_data");
    barque_tests::sandbox::wait_until("the owner", std::time::Duration::from_secs(10), || {
        owner(&volume.join("d")) == (1000, 1001)
    });
    // Nothing with ids of its range is left anywhere.
    let ours = |path: &Path| owner(path).0 < FIRST && owner(path).1 < FIRST;
    let mut rest = vec![sandbox.root()];
    while let Some(directory) = rest.pop() {
        for entry in fs::read_dir(&directory).expect("read a directory") {
            let path = entry.expect("an entry").path();
            assert!(ours(&path), "{}", path.display());
            if path.is_dir() && !path.is_symlink() {
                rest.push(path);
            }
        }
    }
    let differences = sandbox.ok(&["diff", "own"]);
    assert!(differences.contains("A /r") && differences.contains("D /bin/vi"), "{differences}");
    sandbox.ok(&["commit", "own", "kept"]);
    sandbox.ok(&["stop", "--time", "0", "own"]);
    let seen = sandbox.ok(&["run", "--rm", "--network", "none", "kept", "ls", "-ln", "/r"]);
    assert!(seen.contains(" 0        0 "), "{seen}");
    sandbox.ok(&["rm", "own"]);
    sandbox.ok(&["volume", "rm", "kept"]);
}

fn files_go_in_and_out() {
    let sandbox = Sandbox::with_busybox();
    started(&sandbox, "own", &["--tmpfs", "/t:uid=3,gid=4"]);
    let file = sandbox.work().join("file");
    fs::write(&file, "in").expect("write");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("chmod");
    let file = file.to_string_lossy().into_owned();
    for (to, archive) in [("own:/f", ""), ("own:/t/f", ""), ("own:/g", "--archive")] {
        let mut words = vec!["cp"];
        words.extend((!archive.is_empty()).then_some(archive));
        words.extend([&file[..], to]);
        sandbox.ok(&words);
    }
    let seen = sandbox.ok(&["exec", "own", "ls", "-ln", "/f", "/t/f", "/g"]);
    assert_eq!(seen.matches(" 0        0 ").count(), 3, "{seen}");
    let seen = sandbox.ok(&["exec", "own", "ls", "-ldn", "/t"]);
    assert!(seen.contains(" 3        4 "), "{seen}");
    sandbox.ok(&["exec", "own", "/bin/busybox", "chown", "5:6", "/f"]);
    let archive = sandbox.barque(&["cp", "own:/f", "-"]).stdout;
    let mut tar = Command::new("tar");
    tar.args(["--numeric-owner", "-tvf", "-"]);
    let listed = finish(tar, archive.as_bytes());
    assert!(listed.stdout.contains(" 5/6 "), "{}{}", listed.stdout, listed.stderr);
    let missing = sandbox.barque(&["cp", "own:/none", "-"]);
    assert_eq!(missing.code, 1);
    sandbox.ok(&["rm", "--force", "own"]);
}

fn binds() {
    let sandbox = Sandbox::with_busybox();
    let directory = sandbox.work().join("bound");
    fs::create_dir(&directory).expect("mkdir");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("chmod");
    fs::write(directory.join("f"), "x").expect("write");
    let bind = format!("{}:/b", directory.display());
    let run = |bind: &str, command: &str| {
        run(&sandbox, "auto", &["--volume", bind], &["sh", "-c", command])
    };
    let seen = run(&bind, "ls -ln /b/f; echo y > /b/g");
    assert!(seen.stdout.contains("65534"), "{}", seen.stdout);
    assert!(seen.code != 0 && seen.stderr.contains("ermission denied"), "{}", seen.stderr);
    assert!(!directory.join("g").exists());
    let seen = run(&format!("{bind}:idmap"), "ls -ln /b/f; echo y > /b/g");
    assert!(
        seen.code == 0 && seen.stdout.contains(" 0        0 "),
        "{}{}",
        seen.stdout,
        seen.stderr
    );
    assert_eq!(fs::metadata(directory.join("g")).expect("made").uid(), 0);
    let read_only = run(&format!("{bind}:ro,idmap"), "echo z > /b/g");
    assert!(read_only.stderr.contains("ead-only"), "{}", read_only.stderr);
}

fn rights() {
    let sandbox = Sandbox::with_busybox();
    let run = |options: &[&str], command: &str| {
        let mut words = vec!["run", "--rm", "--userns", "auto"];
        words.extend(options);
        words.extend(["busybox", "sh", "-c", command]);
        sandbox.barque(&words)
    };
    let network =
        run(&["--cap-add", "NET_ADMIN"], "/bin/busybox ip link set eth0 down && echo done");
    assert_eq!(network.stdout, "done\n", "{}", network.stderr);
    let raw = run(&[], "/bin/busybox ping -c 1 127.0.0.1 > /dev/null && echo done");
    assert_eq!(raw.stdout, "done\n", "{}", raw.stderr);
    // What would be the host's.
    for command in ["/bin/busybox mknod /dev/sda b 8 0", "/bin/busybox dmesg"] {
        let all = ["--network", "none", "--cap-add", "ALL", "--security-opt", "seccomp=unconfined"];
        let refused = run(&all, command);
        assert_ne!(refused.code, 0, "{command}: {}", refused.stdout);
    }
}
