//! Networks with addresses of both families.

use std::fs;
use std::net::{Ipv6Addr, TcpListener};
use std::time::Duration;

use barque_tests::Sandbox;
use barque_tests::sandbox::{finish, wait_until};
use barque_tests::suite::{Suite, own_network};
use serde_json::Value;

use super::published::host_hears;
use super::reach::{changed, hears, settings};
use super::world::{HOST, HOST6, WORLD, WORLD6, World};

pub(super) fn add(suite: &mut Suite) {
    suite.add(
        "a_network_of_both_families_has_both_ways_out",
        a_network_of_both_families_has_both_ways_out,
    );
    suite.add("a_network_may_have_ipv6_alone", a_network_may_have_ipv6_alone);
    suite.add("a_port_is_published_for_both_families", a_port_is_published_for_both_families);
    suite.add(
        "a_program_connects_to_an_address_of_ipv6_alone",
        a_program_connects_to_an_address_of_ipv6_alone,
    );
    suite.add(
        "nothing_inside_is_reached_by_a_route_of_ipv6",
        nothing_inside_is_reached_by_a_route_of_ipv6,
    );
    suite.add(
        "what_a_neighbour_says_is_a_router_is_none",
        what_a_neighbour_says_is_a_router_is_none,
    );
    suite.add("ipv6_changes_only_forwarding_on_the_host", ipv6_changes_only_forwarding_on_the_host);
}

const SUBNET: &str = "fd00:9::/64";

fn create(sandbox: &Sandbox, name: &str, options: &[&str]) {
    sandbox.ok(&[&["network", "create", "--ipv6"], options, &[name]].concat());
}

/// A server in a network, which listens.
fn serve(sandbox: &Sandbox, name: &str, options: &[&str]) -> Value {
    let run = ["run", "--detach", "--name", name];
    sandbox.ok(&[&run[..], options, &["testbox", "listen", "80"]].concat());
    wait_until("the server listens", Duration::from_secs(30), || {
        sandbox.ok(&["logs", name]).contains("listening")
    });
    sandbox.inspect(name)
}

fn a_network_of_both_families_has_both_ways_out() {
    let _world = World::new();
    let sandbox = Sandbox::with_testbox();
    create(&sandbox, "web", &["--subnet", SUBNET]);
    create(&sandbox, "chosen", &[]);
    let format = "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}} {{end}}";
    let ranges = sandbox.ok(&["network", "inspect", "--format", format, "chosen"]);
    // RFC 4193: one for private use.
    assert!(ranges.contains(" fd") && ranges.trim().ends_with("::1"), "{ranges}");
    create(&sandbox, "inside", &["--internal"]);
    let unmasked = ["--opt", "com.docker.network.bridge.enable_ip_masquerade=false"];
    create(&sandbox, "routed", &[&unmasked[..], &["--subnet", "fd00:a::/64"]].concat());
    let world = format!("[{WORLD6}]:80");
    for network in ["web", "chosen"] {
        assert_eq!(hears(&sandbox, network, &world), HOST6, "{network}");
        assert_eq!(hears(&sandbox, network, &format!("{WORLD}:80")), HOST);
    }
    assert_eq!(hears(&sandbox, "routed", &world), "fd00:a::2", "the world has a route");
    assert_eq!(hears(&sandbox, "inside", &world), "not reached");
    // Neighbours, and the host at the gateway's address.
    let server = serve(&sandbox, "server", &["--network", "web"]);
    let place = &server["NetworkSettings"]["Networks"]["web"];
    assert_eq!(place["IPv6Gateway"], "fd00:9::1");
    assert_eq!(place["GlobalIPv6PrefixLen"], 64);
    let address = place["GlobalIPv6Address"].as_str().expect("an address").to_owned();
    let heard = hears(&sandbox, "web", &format!("[{address}]:80"));
    assert!(heard.starts_with("fd00:9::"), "{heard}");
    assert_eq!(hears(&sandbox, "chosen", &format!("[{address}]:80")), "not reached");
    assert_eq!(host_hears(&format!("[{address}]:80")), "fd00:9::1");
    // One that joins while it runs has an address and a way at once, and loses them when it leaves.
    let name = ["run", "--detach", "--name", "late", "--network", "bridge", "testbox"];
    sandbox.ok(&[&name[..], &["sleep", "forever"]].concat());
    sandbox.ok(&["network", "connect", "--ip6", "fd00:9::77", "web", "late"]);
    let connect = |to: &str| sandbox.barque(&["exec", "late", "/testbox", "connect", to]).stdout;
    assert_eq!(connect(&format!("[{address}]:80")).trim(), "fd00:9::77");
    assert_eq!(connect(&world).trim(), HOST6);
    sandbox.ok(&["network", "disconnect", "web", "late"]);
    assert_eq!(connect(&world).trim(), "not reached");
    sandbox.ok(&["rm", "--force", "server", "late"]);
}

fn a_network_may_have_ipv6_alone() {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    create(&sandbox, "six", &["--ipv4=false", "--subnet", SUBNET]);
    let shown = sandbox.ok(&["network", "inspect", "six"]);
    let network: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(
        (&network[0]["EnableIPv4"], &network[0]["EnableIPv6"]),
        (&false.into(), &true.into())
    );
    let server = serve(&sandbox, "server", &["--network", "six", "--publish", "8080:80"]);
    let place = &server["NetworkSettings"]["Networks"]["six"];
    let address = place["GlobalIPv6Address"].as_str().expect("an address");
    assert_eq!((&place["IPAddress"], &place["Gateway"]), (&"".into(), &"".into()));
    assert_eq!(sandbox.ok(&["port", "server"]), "80/tcp -> [::]:8080");
    assert_eq!(world.hears(&format!("[{HOST6}]:8080")), WORLD6);
    assert_eq!(world.hears(&format!("{HOST}:8080")), "not reached");
    assert_eq!(hears(&sandbox, "six", &format!("[{WORLD6}]:80")), HOST6);
    assert_eq!(hears(&sandbox, "six", &format!("{WORLD}:80")), "not reached");
    // By name, and beside another network, by which IPv4 goes out; each has an Ethernet address of its own.
    let run = ["run", "--detach", "--name", "both", "--network", "six"];
    let more = ["--add-host", "here:host-gateway", "testbox", "sleep", "forever"];
    sandbox.ok(&[&run[..], &more].concat());
    sandbox.ok(&["network", "connect", "bridge", "both"]);
    let inside = |command: &[&str]| sandbox.ok(&[&["exec", "both", "/testbox"], command].concat());
    assert_eq!(inside(&["lookup", "server", "AAAA"]), address);
    assert_eq!(inside(&["lookup", "server"]), "nothing");
    assert_eq!(inside(&["connect", &format!("{WORLD}:80")]), HOST);
    assert_eq!(inside(&["connect", &format!("[{WORLD6}]:80")]), HOST6);
    let hosts = inside(&["read", "/etc/hosts"]);
    assert!(hosts.contains(r"fd00:9::1\there"), "{hosts}");
    let macs = ["server", "both"].map(|name| {
        sandbox.inspect(name)["NetworkSettings"]["Networks"]["six"]["MacAddress"].clone()
    });
    assert_ne!(macs[0], macs[1]);
    sandbox.ok(&["rm", "--force", "server", "both"]);
    sandbox.ok(&["network", "rm", "six"]);
}

fn a_port_is_published_for_both_families() {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    create(&sandbox, "web", &["--subnet", SUBNET]);
    create(&sandbox, "other", &["--subnet", "fd00:a::/64"]);
    let six = format!("[{HOST6}]:8083:80");
    let flags = ["--network", "web", "--publish", "8080:80", "--publish", "[::]:8081:80"];
    let more = ["--publish", "0.0.0.0:8082:80", "--publish", &six, "--publish", "80"];
    let server = serve(&sandbox, "server", &[flags, more].concat());
    let ports = sandbox.ok(&["port", "server", "80"]);
    let ports: Vec<&str> = ports.lines().collect();
    assert_eq!(
        ports[..5],
        ["0.0.0.0:8080", "[::]:8080", "[::]:8081", "0.0.0.0:8082", "[2001:db8::1]:8083"]
    );
    // Any port is the same one of both.
    let any = ports[5].strip_prefix("0.0.0.0:").expect("a port");
    assert_eq!(ports[6..], [format!("[::]:{any}")]);
    let bindings = &server["NetworkSettings"]["Ports"]["80/tcp"];
    assert_eq!(bindings[1]["HostIp"], "::", "{bindings}");
    let row = sandbox.ok(&["ps", "--format", "{{.Ports}}"]);
    assert!(row.contains("[::]:8080->80/tcp"), "{row}");

    let at = |port: &str| format!("[{HOST6}]:{port}");
    let at4 = |port: &str| format!("{HOST}:{port}");
    for (port, six, four) in [
        ("8080", true, true),
        ("8081", true, false),
        ("8082", false, true),
        ("8083", true, false),
        (any, true, true),
    ] {
        let expected = |there: bool, who: &'static str| if there { who } else { "not reached" };
        assert_eq!(world.hears(&at(port)), expected(six, WORLD6), "{port} from outside");
        assert_eq!(world.hears(&at4(port)), expected(four, WORLD), "{port} from outside");
    }
    assert_eq!(host_hears(&at("8080")), HOST6, "from the host itself");
    assert_eq!(host_hears("[::1]:8080"), "not reached", "nothing comes from there");
    let other = hears(&sandbox, "other", &at("8080"));
    assert!(other.starts_with("fd00:a::"), "from another network: {other}");
    let neighbour = hears(&sandbox, "web", &at("8080"));
    assert!(neighbour.starts_with("fd00:9::"), "from its own network: {neighbour}");
    let own = sandbox.ok(&["exec", "server", "/testbox", "connect", &at("8080")]);
    assert!(own.starts_with("fd00:9::"), "from the container itself: {own}");

    // A busy port is busy in either family.
    let busy = ["run", "--rm", "--network", "web", "--publish", "8081:80", "testbox", "echo"];
    let busy = sandbox.barque(&busy);
    assert!(busy.stderr.contains("Bind for [::]:8081 failed"), "{busy:?}");
    assert!(busy.stderr.contains("by container server"), "{busy:?}");
    // Where there is no address of the family, it is said.
    sandbox.ok(&["network", "create", "four"]);
    let four = ["run", "--rm", "--network", "four", "--publish", "[::]:8090:80", "testbox", "echo"];
    let four = sandbox.barque(&four);
    assert!(four.stderr.contains("no network with addresses of that kind"), "{four:?}");

    sandbox.ok(&["rm", "--force", "server"]);
    assert_eq!(world.hears(&at("8080")), "not reached");
    assert!(TcpListener::bind((Ipv6Addr::UNSPECIFIED, 8080)).is_ok(), "the port is free");

    let udp =
        ["run", "--detach", "--name", "udp", "--network", "web", "-p", "53:53/udp", "testbox"];
    sandbox.ok(&[&udp[..], &["listen-udp", "53"]].concat());
    wait_until("the server listens", Duration::from_secs(30), || {
        sandbox.ok(&["logs", "udp"]).contains("listening")
    });
    assert_eq!(world.says(&["ask-udp", &at("53")]), WORLD6);
    assert_eq!(world.says(&["ask-udp", &at4("53")]), WORLD);
    sandbox.ok(&["rm", "--force", "udp"]);
}

fn a_program_connects_to_an_address_of_ipv6_alone() {
    own_network();
    let sandbox = Sandbox::with_busybox();
    create(&sandbox, "web", &["--subnet", SUBNET]);
    let run = ["run", "--detach", "--name", "c", "--network", "web", "--ip6", "fd00:9::5"];
    let serve = ["busybox", "busybox", "httpd", "-f", "-p", "[fd00:9::5]:80"];
    sandbox.ok(&[&run[..], &serve].concat());
    let connect = ["container", "connect", "--timeout", "30", "c", "80"];
    let heard = finish(sandbox.command(&connect), b"GET / HTTP/1.0\r\n\r\n");
    assert!(heard.stdout.starts_with("HTTP/1."), "{heard:?}");
    sandbox.ok(&["rm", "--force", "c"]);
}

/// SEC-127, for the other family.
fn nothing_inside_is_reached_by_a_route_of_ipv6() {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    create(&sandbox, "web", &["--subnet", SUBNET]);
    serve(&sandbox, "server", &["--network", "web", "--ip6", "fd00:9::99"]);
    assert_eq!(hears(&sandbox, "web", "[fd00:9::99]:80"), "fd00:9::2", "it is there");
    assert_eq!(world.hears("[fd00:9::99]:80"), "not reached");
    sandbox.ok(&["rm", "--force", "server"]);
}

/// SEC-129, CVE-2020-10749: a container says that it is a router, and neither the host nor a neighbour believes it.
fn what_a_neighbour_says_is_a_router_is_none() {
    own_network();
    let sandbox = Sandbox::with_testbox();
    create(&sandbox, "web", &["--subnet", SUBNET]);
    let run = ["run", "--detach", "--name", "victim", "--network", "web", "testbox"];
    sandbox.ok(&[&run[..], &["sleep", "forever"]].concat());
    let routes = || {
        let host = fs::read_to_string("/proc/thread-self/net/ipv6_route").expect("read routes");
        let inside = ["exec", "victim", "/testbox", "cat", "/proc/net/ipv6_route"];
        let addresses = ["exec", "victim", "/testbox", "cat", "/proc/net/if_inet6"];
        // What is counted in a line changes.
        let plain = |text: String| {
            let line = |line: &str| line.split(' ').take(6).collect::<Vec<_>>().join(" ");
            text.lines().map(line).collect::<Vec<_>>()
        };
        (plain(host), plain(sandbox.ok(&inside)), sandbox.ok(&addresses))
    };
    // The links' own addresses are there when nobody else was found to have them.
    wait_until("all addresses are there", Duration::from_secs(30), || {
        let tentative = |line: &str| {
            let flags = line.split_whitespace().nth(4).unwrap_or_default();
            u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & 0x40 != 0)
        };
        !routes().2.lines().any(tentative)
    });
    let before = routes();
    let say = ["run", "--rm", "--network", "web", "testbox", "advertise", "fd00:bad::"];
    assert_eq!(sandbox.ok(&say), "advertised");
    std::thread::sleep(Duration::from_millis(500));
    let after = routes();
    assert!(!after.0.iter().any(|line| line.starts_with("fd000bad")), "{after:?}");
    assert_eq!((&after.1, &after.2), (&before.1, &before.2));
    sandbox.ok(&["rm", "--force", "victim"]);
}

fn ipv6_changes_only_forwarding_on_the_host() {
    own_network();
    let before = settings();
    let sandbox = Sandbox::with_testbox();
    create(&sandbox, "inside", &["--internal", "--subnet", SUBNET]);
    hears(&sandbox, "inside", "[fd00:9::1]:80");
    assert_eq!(changed(&before), [] as [&str; 0], "an internal network needs none");
    create(&sandbox, "web", &[]);
    hears(&sandbox, "web", "[fd00:9::1]:80");
    let path = "/proc/sys/net/ipv6/conf/all/forwarding";
    assert_eq!(fs::read_to_string(path).expect("read a setting"), "1\n");
    let changed = changed(&before);
    assert!(changed.iter().all(|name| name == "net/ipv4/ip_forward"), "{changed:?}");
    sandbox.ok(&["network", "rm", "web", "inside"]);
}
