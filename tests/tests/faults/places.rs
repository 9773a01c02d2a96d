//! Where an engine may be: on which file systems, and in a container of another engine.

use barque_tests::sandbox::Finished;
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants, programs};

use super::disk::Small;
use super::operations::is_clean;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("a root on tmpfs or ramfs is a root like any other", in_memory);
    suite.add("a root on an overlay is named where no container can write", on_an_overlay);
    suite.add("a root where no database can be is named with its file system", without_a_database);
    suite.add("an engine in a privileged container works where its root can be", in_a_container);
    suite.add("an engine in a container without rights names what it lacks", without_rights);
    suite.add("an engine in a container goes with it and is whole afterwards", gone_with_it);
}

fn in_memory() {
    for kind in ["tmpfs", "ramfs"] {
        let small = Small::of(kind, &format!("on-{kind}"), "mode=700");
        let sandbox = Sandbox::below(&small.place);
        sandbox.load_testbox();
        let run = ["run", "--name", "c", "--network", "none", "--volume", "vol:/v", "testbox"];
        sandbox.ok(&[&run[..], &["write", "/data/new", kind]].concat());
        sandbox.ok(&["commit", "c", "made"]);
        let read = ["run", "--rm", "--network", "none", "made", "cat", "/data/new"];
        assert_eq!(sandbox.ok(&read), kind);
        assert!(sandbox.ok(&["diff", "c"]).contains("A /data/new"), "{kind}");
        assert!(!sandbox.barque(&["info"]).stderr.contains("The root is on"), "{kind}");
        invariants::hold(&sandbox, kind);
        sandbox.ok(&["rm", "c"]);
        sandbox.ok(&["system", "check"]);
        invariants::hold(&sandbox, kind);
    }
}

fn on_an_overlay() {
    let below = Small::of("tmpfs", "below-overlay", "size=64m");
    for name in ["lower", "upper", "work"] {
        std::fs::create_dir(below.place.join(name)).expect("make a directory");
    }
    let below = below.place.display();
    let options = format!("lowerdir={below}/lower,upperdir={below}/upper,workdir={below}/work");
    let over = Small::of("overlay", "on-overlay", &options);
    let sandbox = Sandbox::below(&over.place);
    sandbox.load_testbox();
    let run = ["run", "--rm", "--network", "none", "testbox", "exit", "0"];
    let done = sandbox.barque(&run);
    is_clean(&done, "an overlay");
    assert_eq!(done.code, 125, "{done:?}");
    let named = "the engine's root is on overlay; have it on ext4, xfs, btrfs or tmpfs";
    assert!(done.stderr.contains(named), "{}", done.stderr);
    assert!(sandbox.barque(&["info"]).stderr.contains("The root is on overlay"));
    // Nothing is left of it, and what needs no container works.
    assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "");
    sandbox.ok(&["tag", "testbox", "same"]);
    sandbox.ok(&["system", "check"]);
    invariants::hold(&sandbox, "an overlay");
}

fn without_a_database() {
    // Its files can be mapped and not be written, which is not what SQLite wants.
    let huge = Small::of("hugetlbfs", "on-hugetlbfs", "mode=700");
    let sandbox = Sandbox::below(&huge.place);
    let done = sandbox.barque(&["ps"]);
    is_clean(&done, "hugetlbfs");
    assert_eq!(done.code, 1, "{done:?}");
    let named = "barque.db on hugetlbfs, where it should be on ext4, xfs, btrfs or tmpfs";
    assert!(done.stderr.contains(named), "{}", done.stderr);
}

/// Run the command in a container with the host's libraries, since it is not a static program.
fn within(sandbox: &Sandbox, options: &[&str], inner: &[&str]) -> Finished {
    let program = format!("{}:/barque:ro", programs::barque().display());
    let mut words = vec!["run", "--rm", "--network", "none", "--volume", &program];
    for library in ["/lib:/lib:ro", "/lib64:/lib64:ro", "/usr:/usr:ro"] {
        if std::path::Path::new(library.split(':').next().unwrap_or_default()).exists() {
            words.extend(["--volume", library]);
        }
    }
    words.extend(options);
    words.extend(["hello", "/barque"]);
    words.extend(inner);
    sandbox.barque(&words)
}

const RUN: &[&str] =
    &["run", "--rm", "--network", "none", "--memory", "64m", "hello", "echo", "inner"];

fn in_a_container() {
    let sandbox = Sandbox::new();
    let in_volume = ["--privileged", "--volume", "inner:/var/lib/barque"];
    let in_memory = ["--privileged", "--tmpfs", "/var/lib/barque:exec"];
    for options in [&in_volume[..], &in_memory] {
        let done = within(&sandbox, options, RUN);
        let seen = (done.code, done.stdout.as_str(), done.stderr.as_str());
        assert_eq!(seen, (0, "inner\n", ""), "{options:?}");
        invariants::hold(&sandbox, "an engine in a container");
    }
    // A container's own files are on an overlay, and its tmpfs is noexec unless somebody says otherwise.
    for (options, named) in [
        (&["--privileged"][..], "the engine's root is on overlay"),
        (&["--privileged", "--tmpfs", "/var/lib/barque"], "is mounted noexec and must be exec"),
    ] {
        let done = within(&sandbox, options, RUN);
        assert!(done.code == 125 && done.stderr.contains(named), "{options:?}: {done:?}");
        invariants::hold(&sandbox, "an engine in a container");
    }
    sandbox.ok(&["volume", "rm", "inner"]);
}

fn without_rights() {
    let sandbox = Sandbox::new();
    let place = ["--tmpfs", "/var/lib/barque:exec"];
    let done = within(&sandbox, &place, RUN);
    assert_eq!(done.code, 125, "{done:?}");
    is_clean(&done, "no rights");
    assert!(done.stderr.contains("this process lacks CAP_"), "{}", done.stderr);
    assert!(done.stderr.contains("CAP_SYS_ADMIN"), "{}", done.stderr);
    // What needs none works, and says what would not.
    let info = within(&sandbox, &place, &["info"]);
    assert!(info.code == 0 && info.stderr.contains("No CAP_SYS_ADMIN"), "{info:?}");
    invariants::hold(&sandbox, "an engine without rights");
}

fn gone_with_it() {
    let sandbox = Sandbox::new();
    let options = ["--privileged", "--volume", "inner:/var/lib/barque"];
    let outer = [&options[..], &["--name", "outer"]].concat();
    std::thread::scope(|scope| {
        let sleeping = scope.spawn(|| {
            within(&sandbox, &outer, &["run", "--network", "none", "hello", "sleep", "1000"])
        });
        barque_tests::sandbox::wait_until("it runs", std::time::Duration::from_secs(20), || {
            let known = sandbox.barque(&["exec", "outer", "/barque", "ps", "--quiet"]);
            known.code == 0 && known.stdout.lines().count() == 1
        });
        sandbox.ok(&["rm", "--force", "outer"]);
        assert_ne!(sleeping.join().expect("it ends").code, 0);
    });
    invariants::hold(&sandbox, "an engine that went with its container");
    let listed =
        within(&sandbox, &options, &["ps", "--all", "--format", "{{.Command}} {{.State}}"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (0, "\"sleep 1000\" exited\n"), "{listed:?}");
    let done = within(&sandbox, &options, RUN);
    assert_eq!((done.code, done.stdout.as_str()), (0, "inner\n"), "{done:?}");
    sandbox.ok(&["volume", "rm", "inner"]);
}
