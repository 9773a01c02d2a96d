//! What somebody else takes away on the host while containers run, rules of the firewall and links, is back within a moment: no command
//! of the engine is run meanwhile.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use barque_tests::sandbox::wait_until;
use barque_tests::suite::{Suite, note, own_network};
use barque_tests::{Sandbox, programs};
use serde_json::{Value, json};

use super::published::{host_hears, serve};
use super::reach::hears;
use super::world::{HOST, WORLD, World, ip};

pub(super) fn add(suite: &mut Suite) {
    suite.add(
        "rules_that_somebody_takes_away_are_back_while_a_container_runs",
        rules_that_somebody_takes_away_are_back_while_a_container_runs,
    );
    suite.add(
        "links_that_somebody_removes_are_back_while_a_container_runs",
        links_that_somebody_removes_are_back_while_a_container_runs,
    );
    suite.add(
        "a_bridge_that_is_removed_is_back_with_the_next_command",
        a_bridge_that_is_removed_is_back_with_the_next_command,
    );
    suite.add(
        "after_a_reboot_all_is_there_at_the_next_start",
        after_a_reboot_all_is_there_at_the_next_start,
    );
    suite.add(
        "a_monitor_sleeps_while_somebody_changes_rules_over_and_over",
        a_monitor_sleeps_while_somebody_changes_rules_over_and_over,
    );
}

/// How long it may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// When a monitor listens, and when it has looked.
pub(super) const MOMENT: Duration = Duration::from_millis(400);

pub(super) fn nft(command: &str) -> String {
    let done = Command::new(programs::tool("nft")).args(command.split(' ')).output();
    let done = done.expect("run nft");
    assert!(done.status.success(), "nft {command}: {done:?}");
    String::from_utf8(done.stdout).expect("text")
}

fn rules_that_somebody_takes_away_are_back_while_a_container_runs() {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["network", "create", "web"]);
    for (name, port) in [("first", "8080:80"), ("second", "8081:80")] {
        serve(&sandbox, name, &["--network", "web", "--publish", port], &["listen", "80"]);
    }
    // One that has left this network is published where it is.
    serve(&sandbox, "moved", &["--network", "web", "--publish", "8082:80"], &["listen", "80"]);
    sandbox.ok(&["network", "create", "other"]);
    sandbox.ok(&["network", "connect", "other", "moved"]);
    sandbox.ok(&["network", "disconnect", "web", "moved"]);
    let before = nft("list ruleset");
    let table = nft("list tables").trim().trim_start_matches("table ").to_owned();
    sleep(MOMENT);
    for (command, what) in [
        ("flush ruleset".to_owned(), "everything"),
        (format!("delete table {table}"), "the table"),
        (format!("flush table {table}"), "its rules"),
        (format!("flush chain {table} forward"), "the rules of a chain"),
    ] {
        nft(&command);
        wait_until(&format!("{what} is back"), PATIENCE, || nft("list ruleset") == before);
        for port in ["8080", "8081", "8082"] {
            assert_eq!(world.hears(&format!("{HOST}:{port}")), WORLD, "after {command}");
        }
        assert_eq!(world.hears("172.18.0.2:80"), "not reached", "after {command}");
    }
    // What has ended stays so.
    sandbox.ok(&["rm", "--force", "first"]);
    nft("flush ruleset");
    wait_until("the others are back", PATIENCE, || {
        let rules = nft("list ruleset");
        ["8081", "8082"].iter().all(|port| rules.contains(port))
    });
    for port in ["8081", "8082"] {
        assert_eq!(world.hears(&format!("{HOST}:{port}")), WORLD);
    }
    assert!(!nft("list ruleset").contains("8080"));
    sandbox.ok(&["rm", "--force", "second", "moved"]);
}

/// What ip(8) says of the host's network namespace, or of a container's.
fn shown(container: Option<i64>, arguments: &str) -> Value {
    let mut command = match container {
        Some(pid) => {
            let mut command = Command::new(programs::tool("nsenter"));
            command.args(["--net", "--target", &pid.to_string(), "--", "ip"]);
            command
        }
        None => Command::new(programs::tool("ip")),
    };
    let done = command.arg("-json").args(arguments.split(' ')).output().expect("run ip");
    // There is nothing to show where there is nothing.
    serde_json::from_slice(&done.stdout).unwrap_or_default()
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// All that is said of links on the host and in containers, but for what is random.
fn everything(containers: &[i64]) -> Value {
    let links = shown(None, "-details link show");
    let links = each(&links).map(|link| {
        let info = &link["linkinfo"];
        // A pair's end on the host has an address that nobody asks for.
        let address = if info["info_kind"] == "bridge" { &link["address"] } else { &Value::Null };
        let number = [&link["ifindex"], &link["link_index"], &link["mtu"]];
        let bridge = [&link["master"], &info["info_slave_data"]["hairpin"]];
        json!([link["ifname"], number, bridge, address, link["operstate"]])
    });
    let links: Vec<Value> = links.collect();
    let addresses = |container| {
        let links = shown(container, "address show");
        let links = each(&links).map(|link| {
            let given = each(&link["addr_info"])
                .map(|address| json!([address["local"], address["prefixlen"], address["scope"]]));
            // That the kernel gives itself, on the host the random ones have their own.
            let given = given.filter(|address| address[2] != "link" || container.is_some());
            let given: Vec<Value> = given.collect();
            let address = container.map(|_| &link["address"]);
            json!([link["ifname"], link["ifindex"], address, link["operstate"], given])
        });
        links.collect::<Vec<Value>>()
    };
    let inside = containers.iter().map(|pid| {
        let routes = shown(Some(*pid), "route show");
        json!([addresses(Some(*pid)), routes, shown(Some(*pid), "-6 route show")])
    });
    json!({"links": links, "addresses": addresses(None), "inside": inside.collect::<Vec<Value>>()})
}

fn network_create(sandbox: &Sandbox, name: &str, bridge: &str, flags: &[&str]) {
    let option = format!("com.docker.network.bridge.name={bridge}");
    sandbox.ok(&[&["network", "create", "--opt", &option][..], flags, &[name]].concat());
}

/// The host's ends of what is on a bridge.
pub(super) fn members(bridge: &str) -> Vec<String> {
    let links = shown(None, &format!("link show master {bridge}"));
    each(&links).filter_map(|link| link["ifname"].as_str().map(str::to_owned)).collect()
}

fn links_that_somebody_removes_are_back_while_a_container_runs() {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    network_create(&sandbox, "web", "web", &["--ipv6", "--subnet", "fd00:9::/64"]);
    network_create(&sandbox, "more", "more", &[]);
    network_create(&sandbox, "small", "small", &["--opt", "com.docker.network.driver.mtu=1400"]);
    serve(&sandbox, "server", &["--network", "web", "--publish", "8080:80"], &["listen", "80"]);
    let run = ["run", "--detach", "--name", "late", "--network", "small", "testbox"];
    sandbox.ok(&[&run[..], &["sleep", "forever"]].concat());
    // Long after its monitor has begun to listen.
    sleep(MOMENT);
    sandbox.ok(&["network", "connect", "web", "late"]);
    sandbox.ok(&["network", "connect", "more", "late"]);
    sleep(MOMENT);
    let containers = ["server", "late"].map(|name| sandbox.pid(name));
    let before = everything(&containers);
    let (web, more) = (members("web"), members("more"));
    assert_eq!((web.len(), more.len(), members("small").len()), (2, 1, 1), "{before}");
    let connect = |to: &str| sandbox.barque(&["exec", "late", "/testbox", "connect", to]).stdout;
    let server = sandbox.inspect("server")["NetworkSettings"]["Networks"]["web"].clone();
    let v4 = format!("{}:80", server["IPAddress"].as_str().expect("an address"));
    let v6 = format!("[{}]:80", server["GlobalIPv6Address"].as_str().expect("an address"));
    for commands in [
        &["link delete web".to_owned()][..],
        &[format!("link delete {}", web[0])],
        &[format!("link set {} nomaster", web[1])],
        &[format!("link delete {}", more[0])],
        &["link delete small".to_owned(), "link delete more".to_owned()],
        &["link delete web".to_owned(), format!("link delete {}", web[0])],
        &["link set web down".to_owned()],
        &["address flush dev web".to_owned()],
        &["address delete 172.18.0.1/24 dev web".to_owned()],
        &[format!("link set {} down", web[1])],
    ] {
        commands.iter().for_each(|command| ip(command));
        assert_ne!(everything(&containers), before, "{commands:?}");
        let begun = Instant::now();
        while everything(&containers) != before {
            let now = everything(&containers);
            assert!(begun.elapsed() < PATIENCE, "{commands:?}\n{now:#}\n{before:#}");
        }
        assert_eq!(world.hears(&format!("{HOST}:8080")), WORLD, "{commands:?}");
        assert_eq!(host_hears("127.0.0.1:8080"), "172.18.0.1", "{commands:?}");
        assert!(connect(&v4).starts_with("172.18.0."), "{commands:?}");
        assert!(connect(&v6).starts_with("fd00:9::"), "{commands:?}");
    }
    // What a command takes away stays so, and so does what no container is in.
    sandbox.ok(&["network", "disconnect", "more", "late"]);
    sandbox.ok(&["network", "disconnect", "web", "late"]);
    ip("link delete more");
    sleep(PATIENCE);
    let links = shown(None, "link show");
    let there = |name: &str| each(&links).any(|link| link["ifname"] == name);
    assert_eq!(["web", "more", "small"].map(there), [true, false, true], "{links:#}");
    assert_eq!(members("web").len(), 1);
    assert_eq!(each(&shown(Some(containers[1]), "link show")).count(), 2, "lo and eth0");
    sandbox.ok(&["rm", "--force", "server", "late"]);
}

/// Another network namespace has nothing of what was in the kernel, and what is below /run is gone too.
fn after_a_reboot_all_is_there_at_the_next_start() {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    network_create(&sandbox, "web", "web", &["--ipv6", "--subnet", "fd00:9::/64"]);
    let restarted = ["--network", "web", "--publish", "8080:80", "--restart", "always"];
    serve(&sandbox, "server", &restarted, &["listen", "80"]);
    let run = ["run", "--detach", "--name", "other", "--network", "web", "testbox"];
    sandbox.ok(&[&run[..], &["sleep", "forever"]].concat());
    let places = || {
        let place = |name: &str| sandbox.inspect(name)["NetworkSettings"]["Networks"].clone();
        let network = sandbox.ok(&["network", "inspect", "--format", "{{json .IPAM}}", "web"]);
        (network, ["server", "other"].map(place))
    };
    let before = places();
    assert_eq!(world.hears(&format!("{HOST}:8080")), WORLD);
    let rules = nft("list ruleset");
    for name in ["server", "other"] {
        let id = sandbox.inspect(name)["Id"].as_str().expect("an id").to_owned();
        sandbox.kill_monitor(&id);
    }
    fs::remove_dir_all(sandbox.run().join(sandbox.instance())).expect("clear the run directory");
    drop(world);
    let world = World::new();
    assert_eq!((nft("list ruleset").as_str(), members("web").len()), ("", 0));
    // Nothing is started by itself; the next command says so.
    assert_eq!(sandbox.ok(&["ps", "--quiet"]), "");
    assert_eq!(world.hears(&format!("{HOST}:8080")), "not reached");
    sandbox.ok(&["start", "server", "other"]);
    wait_until("the server listens", Duration::from_secs(30), || {
        world.hears(&format!("{HOST}:8080")) == WORLD
    });
    assert_eq!(places(), before);
    assert_eq!(nft("list ruleset"), rules);
    let look_up = ["exec", "other", "/testbox", "lookup", "server"];
    let address = before.1[0]["web"]["IPAddress"].as_str().expect("an address");
    assert!(sandbox.ok(&look_up).contains(address), "names");
    sandbox.ok(&["rm", "--force", "server", "other"]);
}

/// Before a monitor has come to it, which then finds it as it was.
fn a_bridge_that_is_removed_is_back_with_the_next_command() {
    own_network();
    let sandbox = Sandbox::with_testbox();
    network_create(&sandbox, "web", "web", &[]);
    serve(&sandbox, "server", &["--network", "web"], &["listen", "80"]);
    sleep(MOMENT);
    let containers = [sandbox.pid("server")];
    let before = everything(&containers);
    let monitor = sandbox.monitor_of(&sandbox.ok(&["inspect", "-f", "{{.Id}}", "server"]));
    let signal = |name: &str| {
        let done = Command::new("kill").args([name, &monitor.to_string()]).status();
        assert!(done.expect("run kill").success(), "kill {name}");
    };
    signal("-STOP");
    ip("link delete web");
    assert_eq!(hears(&sandbox, "web", "172.18.0.1:80"), "not reached");
    signal("-CONT");
    wait_until("all is as it was", PATIENCE, || everything(&containers) == before);
    assert!(hears(&sandbox, "web", "172.18.0.2:80").starts_with("172.18.0."));
    sandbox.ok(&["rm", "--force", "server"]);
}

fn a_monitor_sleeps_while_somebody_changes_rules_over_and_over() {
    own_network();
    let sandbox = Sandbox::with_testbox();
    serve(&sandbox, "server", &[], &["listen", "80"]);
    sleep(MOMENT);
    let monitor = sandbox.monitor_of(&sandbox.ok(&["inspect", "-f", "{{.Id}}", "server"]));
    let woken = || {
        let status = fs::read_to_string(format!("/proc/{monitor}/status")).expect("its status");
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"));
        let count = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u32>().ok());
        count.expect("a count")
    };
    // Nobody is woken by others' links, nor by a change of one's own that leaves it up.
    let before = woken();
    let bridge = sandbox.ok(&["network", "inspect", "--format", "bq-{{slice .Id 0 12}}", "bridge"]);
    for mtu in 1400..1420 {
        ip("link add others type bridge");
        ip("address add 192.0.2.9/32 dev others");
        ip("link set others up");
        ip("link set others down");
        ip("link delete others");
        ip(&format!("link set {bridge} mtu {mtu}"));
    }
    let by_links = woken() - before;
    assert!(by_links < 10, "woken {by_links} times by links");
    let before = woken();
    let begun = Instant::now();
    let mut times = 0;
    while begun.elapsed() < Duration::from_secs(5) {
        nft("add table inet somebody");
        nft("flush ruleset");
        times += 1;
    }
    let woken = woken() - before;
    assert!(times > 100, "{times} changes is no storm");
    assert!(woken < 60, "woken {woken} times by {times} changes");
    wait_until("the rules are back", PATIENCE, || nft("list ruleset").contains("masquerade"));
    sleep(MOMENT);
    let memory = fs::read_to_string(format!("/proc/{monitor}/smaps_rollup")).expect("its memory");
    // Not what is dirty: the program's file may not have been written to the disk yet.
    let own = memory.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let own = own.and_then(|own| own.split_whitespace().next()?.parse::<u32>().ok());
    let own = own.expect("a number");
    note(&format!("a monitor that has put rules back has {own} KiB"));
    assert!(own <= 400, "{own} KiB");
    sandbox.ok(&["rm", "--force", "server"]);
}
