//! Who is reached from where, without published ports, and what is done to the host for it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use barque_tests::Sandbox;
use barque_tests::programs;
use barque_tests::sandbox::wait_until;
use barque_tests::suite::{Suite, note, own_network};

use super::world::{HOST, WORLD, World, ip};

pub(super) fn add(suite: &mut Suite) {
    suite.add(
        "what_leaves_a_network_has_the_host_s_address",
        what_leaves_a_network_has_the_host_s_address,
    );
    suite.add(
        "nothing_outside_is_reached_from_an_internal_network",
        nothing_outside_is_reached_from_an_internal_network,
    );
    suite.add(
        "nothing_inside_is_reached_by_a_route_from_outside",
        nothing_inside_is_reached_by_a_route_from_outside,
    );
    suite.add("a_network_of_ipv4_has_no_address_of_ipv6", a_network_of_ipv4_has_no_address_of_ipv6);
    suite.add(
        "of_the_host_s_settings_only_forwarding_is_changed",
        of_the_host_s_settings_only_forwarding_is_changed,
    );
    suite.add(
        "a_bridge_keeps_its_ethernet_address_whoever_leaves",
        a_bridge_keeps_its_ethernet_address_whoever_leaves,
    );
    suite.add("a_link_that_a_crash_left_is_no_trouble", a_link_that_a_crash_left_is_no_trouble);
    suite.add("two_hundred_networks_come_and_go", two_hundred_networks_come_and_go);
    suite.add("a_full_bridge_is_said_to_be_full", a_full_bridge_is_said_to_be_full);
}

/// Else the others would send what is for the gateway to nobody, until they ask again who it is.
fn a_bridge_keeps_its_ethernet_address_whoever_leaves() {
    own_network();
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["network", "create", "-o", "com.docker.network.bridge.name=kept", "web"]);
    let address = || {
        let ip = programs::tool("ip");
        let shown = Command::new(ip).args(["-brief", "link", "show", "kept"]).output();
        let shown = String::from_utf8(shown.expect("run ip").stdout).expect("text");
        shown.split_whitespace().nth(2).expect("NAME STATE ADDRESS").to_owned()
    };
    let run = |name| {
        let flags = ["run", "--detach", "--name", name, "--network", "web"];
        sandbox.ok(&[&flags[..], &["testbox", "sleep", "forever"]].concat());
        address()
    };
    let mut addresses: Vec<String> = ["a", "b", "c", "d", "e", "f"].map(run).into();
    for name in ["a", "b", "c", "d", "e", "f"] {
        sandbox.ok(&["rm", "--force", name]);
        addresses.push(address());
    }
    addresses.dedup();
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    // One that anybody may choose, and no group's.
    assert_eq!(u8::from_str_radix(&addresses[0][..2], 16).expect("an address") & 3, 2);
}

/// A thousand containers fit; the kernel's limit is 1,023 ports (`BR_MAX_PORTS`). These are the ends of pairs of links, to have them soon.
fn a_full_bridge_is_said_to_be_full() {
    own_network();
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["network", "create", "-o", "com.docker.network.bridge.name=full", "web"]);
    let run = || sandbox.barque(&["run", "--rm", "--network", "web", "testbox", "exit", "0"]);
    assert_eq!(run().code, 0);
    let pairs = |from: u32, to: u32| {
        let lines = (from..to).flat_map(|n| {
            let (near, far) = (format!("n{n}"), format!("f{n}"));
            let member = |end: &str| format!("link set {end} master full\n");
            [format!("link add {near} type veth peer name {far}\n"), member(&near), member(&far)]
        });
        let file = sandbox.work().join("links");
        fs::write(&file, lines.collect::<String>()).expect("write a batch");
        let done = Command::new(programs::tool("ip")).arg("-batch").arg(&file).status();
        assert!(done.expect("run ip").success());
    };
    pairs(0, 511);
    assert_eq!(run().code, 0, "there is room for one");
    ip("link add last type veth peer name lone");
    // The last container's link goes some time after the container.
    wait_until("the last port is free", Duration::from_secs(30), || {
        let mut join = Command::new(programs::tool("ip"));
        join.args(["link", "set", "last", "master", "full"])
            .output()
            .expect("run ip")
            .status
            .success()
    });
    let refused = run();
    assert_eq!(refused.code, 125, "{refused:?}");
    let message = "network web is full: a bridge has at most 1023 ports";
    assert!(refused.stderr.contains(message), "{refused:?}");
    ip("link delete last");
    assert_eq!(run().code, 0, "there is room again");
}

/// What a container in a network is told by a server.
pub(super) fn hears(sandbox: &Sandbox, network: &str, address: &str) -> String {
    let done =
        sandbox.barque(&["run", "--rm", "--network", network, "testbox", "connect", address]);
    assert!(done.code <= 1, "{done:?}");
    done.stdout.trim().to_owned()
}

fn what_leaves_a_network_has_the_host_s_address() {
    let _world = World::new();
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["network", "create", "web"]);
    let option = "com.docker.network.bridge.enable_ip_masquerade=false";
    sandbox.ok(&["network", "create", "--opt", option, "--subnet", "172.30.0.0/24", "routed"]);
    let server = format!("{WORLD}:80");
    assert_eq!(hears(&sandbox, "web", &server), HOST);
    assert_eq!(hears(&sandbox, "bridge", &server), HOST);
    assert_eq!(hears(&sandbox, "routed", &server), "172.30.0.2", "the world has a route");
}

fn nothing_outside_is_reached_from_an_internal_network() {
    let _world = World::new();
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["network", "create", "--internal", "inside"]);
    assert_eq!(hears(&sandbox, "inside", &format!("{WORLD}:80")), "not reached");
    // Not by a route of the container's own either.
    let busybox = Sandbox::with_busybox();
    busybox.ok(&["network", "create", "--internal", "inside"]);
    busybox.ok(&["network", "create", "web"]);
    for (network, expected) in [("web", HOST), ("inside", "")] {
        let format = "{{(index .IPAM.Config 0).Gateway}}";
        let gateway = busybox.ok(&["network", "inspect", "--format", format, network]);
        let route = format!("busybox ip route replace default via {gateway}");
        let script = format!("{route} && busybox nc -w 1 {WORLD} 80; true");
        let run = ["run", "--rm", "--network", network, "--cap-add", "NET_ADMIN"];
        let heard = busybox.ok(&[&run[..], &["busybox", "sh", "-c", &script]].concat());
        assert_eq!(heard, expected, "{network}");
    }
}

/// SEC-127: a neighbour on the host's link knows the subnet and sends there by the host.
fn nothing_inside_is_reached_by_a_route_from_outside() {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["network", "create", "web"]);
    let run =
        ["run", "--detach", "--name", "server", "--network", "web", "testbox", "listen", "80"];
    sandbox.ok(&run);
    wait_until("the server listens", Duration::from_secs(30), || {
        sandbox.ok(&["logs", "server"]).contains("listening")
    });
    assert_eq!(hears(&sandbox, "web", "172.18.0.2:80"), "172.18.0.3", "it is there");
    assert_eq!(world.hears("172.18.0.2:80"), "not reached");
    assert_eq!(world.hears("172.18.0.1:80"), "not reached");
    sandbox.ok(&["rm", "--force", "server"]);
}

/// SEC-129: an address that nobody asked for, or a router that a container pretends to be, is a way around the rules of IPv4.
fn a_network_of_ipv4_has_no_address_of_ipv6() {
    own_network();
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["network", "create", "web"]);
    let run = ["run", "--detach", "--name", "c", "--network", "web", "testbox", "sleep", "forever"];
    sandbox.ok(&run);
    let inside = sandbox.ok(&["exec", "c", "/testbox", "cat", "/proc/net/if_inet6"]);
    assert!(!inside.contains("eth"), "{inside}");
    let outside = fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap_or_default();
    assert!(!outside.contains("bq"), "{outside}");
    sandbox.ok(&["rm", "--force", "c"]);
}

fn of_the_host_s_settings_only_forwarding_is_changed() {
    own_network();
    fs::write("/proc/sys/net/ipv4/ip_forward", "0").expect("forward nothing");
    let before = settings();
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["network", "create", "--internal", "inside"]);
    hears(&sandbox, "inside", "172.18.0.1:80");
    assert_eq!(changed(&before), [] as [&str; 0], "an internal network needs none");
    sandbox.ok(&["network", "create", "web"]);
    assert_eq!(changed(&before), [] as [&str; 0], "nobody is in it yet");
    hears(&sandbox, "web", "172.18.0.1:80");
    assert_eq!(changed(&before), ["net/ipv4/ip_forward"]);
    sandbox.ok(&["network", "rm", "web", "inside"]);
    let links = fs::read_to_string("/proc/thread-self/net/dev").expect("read the links");
    assert!(!links.contains("bq"), "{links}");
}

/// The settings of this network namespace, but for those of links that barque makes, and those that follow from `ip_forward`.
pub(super) fn settings() -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let mut left = vec!["/proc/sys/net".to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path().display().to_string();
            let name = entry.file_name().to_string_lossy().into_owned();
            let of_links = directory.contains("/conf") || directory.contains("/neigh");
            if of_links && (name.starts_with("bq") || name.starts_with("eth"))
                || name == "forwarding"
            {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                left.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                seen.insert(path["/proc/sys/".len()..].to_owned(), text);
            }
        }
    }
    // Counts, and what is random.
    seen.retain(|name, _| !name.contains("nf_conntrack_count") && !name.contains("stable_secret"));
    seen
}

pub(super) fn changed(before: &BTreeMap<String, String>) -> Vec<String> {
    let mut now = settings();
    // Forwarding takes these along (Documentation/networking/ip-sysctl.rst).
    now.retain(|name, value| {
        before.get(name) != Some(value) && !name.ends_with("/accept_redirects")
    });
    now.into_keys().filter(|name| !name.contains("nf_conntrack")).collect()
}

fn a_link_that_a_crash_left_is_no_trouble() {
    own_network();
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["network", "create", "web"]);
    sandbox.ok(&[
        "run",
        "--detach",
        "--name",
        "c",
        "--network",
        "web",
        "testbox",
        "sleep",
        "forever",
    ]);
    let id = sandbox.inspect("c")["Id"].as_str().expect("an id").to_owned();
    for _ in 0..5 {
        // The links of the last run go some time after it.
        sandbox.kill_monitor(&id);
        sandbox.ok(&["start", "c"]);
    }
    let address = &sandbox.inspect("c")["NetworkSettings"]["Networks"]["web"]["IPAddress"];
    assert_eq!(address, "172.18.0.2");
    sandbox.ok(&["rm", "--force", "c"]);
    sandbox.ok(&["network", "rm", "web"]);
}

fn two_hundred_networks_come_and_go() {
    own_network();
    let sandbox = Sandbox::new();
    let engine = sandbox.engine();
    let begin = Instant::now();
    for number in 0..200 {
        let request =
            barque::api::NetworkCreate { name: format!("n{number}"), ..Default::default() };
        engine.networks().create(&request).expect("create a network");
    }
    let all = barque::api::NetworkPrune::default();
    assert_eq!(engine.networks().prune(&all).expect("prune").networks_deleted.len(), 200);
    note(&format!("200 networks created and removed in {:?}", begin.elapsed()));
}
