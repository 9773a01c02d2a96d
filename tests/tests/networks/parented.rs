//! Containers beside the host on its own network, where the kernel has `macvlan` or `ipvlan`.

use std::process::Command;
use std::time::Duration;

use barque_tests::sandbox::wait_until;
use barque_tests::suite::{Suite, note};
use barque_tests::{Sandbox, programs};

use super::reach::hears;
use super::world::{HOST, WORLD, World};

pub(super) fn add(suite: &mut Suite) {
    for kind in ["macvlan", "ipvlan"] {
        suite.add(format!("a_container_is_beside_the_host_by_{kind}"), move || {
            a_container_is_beside_the_host_by(kind)
        });
        suite.add(format!("containers_are_alone_by_{kind}_without_a_parent"), move || {
            containers_are_alone_without_a_parent(kind)
        });
    }
}

/// On a link of their own, which is made and goes as docker's does.
fn containers_are_alone_without_a_parent(kind: &str) {
    let _world = World::new();
    let sandbox = Sandbox::with_testbox();
    let create = ["network", "create", "--driver", kind, "--subnet", "10.7.0.0/24", "alone"];
    let id = sandbox.ok(&create);
    let run = ["run", "--detach", "--name", "server", "--network", "alone"];
    let first = sandbox.barque(&[&run[..], &["testbox", "listen", "80"]].concat());
    if first.stderr.contains("this kernel has no") {
        assert_eq!(first.code, 125, "{first:?}");
        sandbox.ok(&["rm", "--force", "server"]);
        sandbox.ok(&["network", "rm", "alone"]);
        return note(&format!("this kernel has no {kind} or no dummy"));
    }
    assert_eq!(first.code, 0, "{first:?}");
    wait_until("the server listens", Duration::from_secs(30), || {
        sandbox.ok(&["logs", "server"]).contains("listening")
    });
    let parent = format!("{}-{}", if kind == "macvlan" { "dm" } else { "di" }, &id[..12]);
    let there = || {
        let shown = Command::new(programs::tool("ip")).args(["link", "show", &parent]).output();
        shown.expect("run ip").status.success()
    };
    assert!(there(), "{parent}");
    assert!(hears(&sandbox, "alone", "10.7.0.2:80").starts_with("10.7.0."));
    assert_eq!(hears(&sandbox, "alone", &format!("{WORLD}:80")), "not reached");
    sandbox.ok(&["rm", "--force", "server"]);
    sandbox.ok(&["network", "rm", "alone"]);
    assert!(!there(), "{parent}");
}

fn a_container_is_beside_the_host_by(kind: &str) {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    let create =
        ["network", "create", "--driver", kind, "--opt", "parent=outward", "--gateway", WORLD];
    sandbox.ok(&[&create[..], &["--subnet", "192.0.2.0/24", "--ip-range", "192.0.2.64/26", "lan"]]
        .concat());
    let run = |options: &[&str], command: &[&str]| {
        sandbox.barque(&[&["run", "--network", "lan"], options, &["testbox"], command].concat())
    };
    let first = run(&["--rm"], &["connect", &format!("{WORLD}:80")]);
    if first.stderr.contains("this kernel has no") {
        // It is told, nothing of it stays, and the network goes as it came.
        assert_eq!((first.code, sandbox.ok(&["ps", "--all", "--quiet"]).as_str()), (125, ""));
        sandbox.ok(&["network", "rm", "lan"]);
        return note(&format!("this kernel has no {kind}"));
    }
    // The world sees the container itself, and not the host.
    assert_eq!(first.stdout, "192.0.2.64\n", "{first:?}");
    run(&["--detach", "--name", "server", "--publish", "8080:80"], &["listen", "80"]);
    wait_until("the server listens", Duration::from_secs(30), || {
        sandbox.ok(&["logs", "server"]).contains("listening")
    });
    let address = || {
        let server = sandbox.inspect("server");
        let address = server["NetworkSettings"]["Networks"]["lan"]["IPAddress"].as_str();
        address.expect("an address").to_owned()
    };
    let (again, address) = (address, address());
    assert_eq!(world.hears(&format!("{address}:80")), WORLD, "nothing stands between");
    assert!(hears(&sandbox, "lan", &format!("{address}:80")).starts_with("192.0.2."));
    assert_eq!(sandbox.ok(&["port", "server"]), "", "the host has no part in it");
    assert_eq!(world.hears(&format!("{HOST}:8080")), "not reached");
    // It may have another network beside it, and leave this one.
    sandbox.ok(&["network", "create", "web"]);
    sandbox.ok(&["network", "connect", "web", "server"]);
    assert!(hears(&sandbox, "web", "172.18.0.2:80").starts_with("172.18.0."));
    sandbox.ok(&["network", "disconnect", "lan", "server"]);
    assert_eq!(world.hears(&format!("{address}:80")), "not reached");
    sandbox.ok(&["network", "connect", "lan", "server"]);
    assert_eq!(world.hears(&format!("{}:80", again())), WORLD);
    sandbox.ok(&["rm", "--force", "server"]);
    sandbox.ok(&["network", "rm", "lan", "web"]);
}
