//! Published ports: from where they are reached, whose they are, and that nothing leads to them when the container has ended.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

use barque::api::ContainerStop;
use barque_tests::sandbox::wait_until;
use barque_tests::suite::{Suite, own_network};
use barque_tests::{Sandbox, programs};

use super::reach::hears;
use super::removed::{MOMENT, PATIENCE, nft};
use super::world::{HOST, WORLD, World, ip};

pub(super) fn add(suite: &mut Suite) {
    suite.add(
        "a_published_port_is_reached_from_everywhere_and_sees_who_asks",
        a_published_port_is_reached_from_everywhere_and_sees_who_asks,
    );
    suite.add("a_port_at_one_address_is_not_at_others", a_port_at_one_address_is_not_at_others);
    suite.add("datagrams_find_their_port_too", datagrams_find_their_port_too);
    suite.add("a_busy_port_is_said_to_be_whose_it_is", a_busy_port_is_said_to_be_whose_it_is);
    suite.add("the_first_free_port_of_a_range_is_taken", the_first_free_port_of_a_range_is_taken);
    suite.add("a_thousand_ports_are_held_and_given_back", a_thousand_ports_are_held_and_given_back);
    suite.add(
        "ports_are_free_when_a_container_has_stopped",
        ports_are_free_when_a_container_has_stopped,
    );
    suite.add(
        "what_a_killed_monitor_published_leads_nowhere_at_the_next_command",
        what_a_killed_monitor_published_leads_nowhere_at_the_next_command,
    );
    suite.add("nothing_but_the_port_is_reached", nothing_but_the_port_is_reached);
}

/// Run a server, with these flags, and wait until it listens.
pub(super) fn serve(sandbox: &Sandbox, name: &str, flags: &[&str], command: &[&str]) {
    let run = ["run", "--detach", "--name", name];
    sandbox.ok(&[&run[..], flags, &["testbox"], command].concat());
    wait_until("the server listens", Duration::from_secs(30), || {
        sandbox.ok(&["logs", name]).contains("listening")
    });
}

/// What a client on the host is told by a server.
pub(super) fn host_hears(address: &str) -> String {
    host_says(&["connect", address])
}

fn host_says(arguments: &[&str]) -> String {
    let run = Command::new(programs::TESTBOX).args(arguments).output().expect("run testbox");
    String::from_utf8_lossy(&run.stdout).trim().to_owned()
}

/// Whether a server of the host's could have a port.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

fn a_published_port_is_reached_from_everywhere_and_sees_who_asks() {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["network", "create", "web"]);
    sandbox.ok(&["network", "create", "other"]);
    serve(&sandbox, "server", &["--network", "web", "--publish", "8080:80"], &["listen", "80"]);
    let at = format!("{HOST}:8080");
    assert_eq!(world.hears(&at), WORLD, "from outside, as who it is");
    assert_eq!(host_hears(&at), HOST, "from the host itself");
    assert_eq!(host_hears("127.0.0.1:8080"), "172.18.0.1", "by its loopback");
    assert_eq!(hears(&sandbox, "other", &at), "172.18.1.2", "from another network");
    // Whether packets within a bridge pass the firewall is a setting of the host's, where br_netfilter is loaded.
    for setting in ["0", "1"] {
        let known = fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", setting).is_ok();
        if !known && setting == "1" {
            break;
        }
        let neighbour = hears(&sandbox, "web", &at);
        assert!(neighbour.starts_with("172.18.0."), "from its own network: {neighbour}");
        let own = sandbox.ok(&["exec", "server", "/testbox", "connect", &at]);
        assert!(own.starts_with("172.18.0."), "from the container itself: {own}");
    }
    sandbox.ok(&["rm", "--force", "server"]);
    assert_eq!(world.hears(&at), "not reached");
    assert_eq!(host_hears(&at), "not reached");
    assert!(is_free(8080));
}

/// SEC-126: what is published on loopback only is nobody's outside, and not a container's either.
fn a_port_at_one_address_is_not_at_others() {
    let world = World::new();
    ip("addr add 192.0.2.11/24 dev outward");
    let sandbox = Sandbox::with_testbox();
    let flags = ["--publish", "127.0.0.1:8080:80", "--publish", "192.0.2.11:8081:80"];
    serve(&sandbox, "server", &flags, &["listen", "80"]);
    assert_eq!(host_hears("127.0.0.1:8080"), "172.17.0.1");
    assert_eq!(world.hears("192.0.2.11:8081"), WORLD);
    for elsewhere in ["192.0.2.1:8080", "192.0.2.11:8080", "192.0.2.1:8081"] {
        assert_eq!(world.hears(elsewhere), "not reached", "{elsewhere}");
        assert_eq!(host_hears(elsewhere), "not reached", "{elsewhere}");
    }
    // A neighbour that sends packets for 127.0.0.1 to the host (CVE-2020-8558): its own loopback must be out of the way. It would
    // not take the answer, so the server is asked whom it has heard.
    let flags = ["--publish", "127.0.0.1:5300:53/udp", "--publish", "5301:53/udp"];
    serve(&sandbox, "datagrams", &flags, &["listen-udp", "53"]);
    let allow = "echo 1 >/proc/sys/net/ipv4/conf/inward/route_localnet";
    world.does("sh", &["-c", allow]);
    world.does("ip", &["route", "flush", "table", "local", "dev", "lo"]);
    world.does("ip", &["route", "add", "127.0.0.1/32", "via", HOST]);
    assert_eq!(world.says(&["ask-udp", "127.0.0.1:5300"]), "not reached");
    assert_eq!(sandbox.ok(&["logs", "datagrams"]), "listening");
    assert_eq!(world.says(&["ask-udp", "192.0.2.1:5301"]), WORLD);
    // The answer may be there before the line.
    wait_until("the server has told whom it has heard", Duration::from_secs(10), || {
        sandbox.ok(&["logs", "datagrams"]) == format!("listening\n{WORLD}")
    });
    let route = ["exec", "server", "/testbox", "connect", "127.0.0.1:8080"];
    assert_eq!(sandbox.barque(&route).stdout.trim(), "not reached", "its loopback is its own");
    assert_eq!(hears(&sandbox, "bridge", "172.17.0.1:8080"), "not reached");
    sandbox.ok(&["rm", "--force", "server", "datagrams"]);
}

fn datagrams_find_their_port_too() {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    serve(&sandbox, "server", &["--publish", "5300:53/udp"], &["listen-udp", "53"]);
    assert_eq!(world.says(&["ask-udp", "192.0.2.1:5300"]), WORLD);
    assert_eq!(host_says(&["ask-udp", "127.0.0.1:5300"]), "172.17.0.1");
    assert_eq!(world.hears("192.0.2.1:5300"), "not reached", "that is another port");
    // The same number of the other protocol is free.
    serve(&sandbox, "second", &["--publish", "5300:80"], &["listen", "80"]);
    assert_eq!(world.hears("192.0.2.1:5300"), WORLD);
    sandbox.ok(&["rm", "--force", "server", "second"]);
}

fn a_busy_port_is_said_to_be_whose_it_is() {
    own_network();
    let sandbox = Sandbox::with_testbox();
    let run = |publish: &str, name: &str| {
        let command = ["testbox", "sleep", "forever"];
        let flags = ["run", "--detach", "--name", name, "--publish", publish];
        sandbox.barque(&[&flags[..], &command].concat())
    };
    assert_eq!(run("8080:80", "first").code, 0);
    let second = run("127.0.0.1:8080:80", "second");
    assert_eq!(second.code, 125);
    let said = "Bind for 127.0.0.1:8080 failed: port is already allocated by container first";
    assert!(second.stderr.contains(said), "{second:?}");
    let taken = TcpListener::bind("0.0.0.0:9090").expect("take a port");
    let third = run("9090:80", "third");
    let (pid, said) = (std::process::id(), "port is already allocated by process");
    assert!(third.stderr.contains(&format!("{said} {pid} (")), "{third:?}");
    drop(taken);
    // What failed to start has left nothing, and can be started when the port is free.
    sandbox.ok(&["start", "third"]);
    assert!(!is_free(9090));
    let udp = UdpSocket::bind("0.0.0.0:9091").expect("take a port");
    let fourth = run("9091:80/udp", "fourth");
    assert!(fourth.stderr.contains(&format!("{said} {pid} (")), "{fourth:?}");
    assert!(udp.as_raw_fd() > 0);
    // An address that is not this host's.
    let fifth = run("203.0.113.9:80:80", "fifth");
    assert!(fifth.stderr.contains("this host has no address 203.0.113.9"), "{fifth:?}");
    sandbox.ok(&["rm", "--force", "first", "second", "third", "fourth", "fifth"]);
    assert!(is_free(8080) && is_free(9090));
}

fn the_first_free_port_of_a_range_is_taken() {
    own_network();
    let sandbox = Sandbox::with_testbox();
    let _taken = TcpListener::bind("0.0.0.0:7000").expect("take a port");
    for (name, port) in [("a", "7001"), ("b", "7002")] {
        let flags = ["run", "--detach", "--name", name, "--publish", "7000-7002:80"];
        sandbox.ok(&[&flags[..], &["testbox", "sleep", "forever"]].concat());
        assert_eq!(sandbox.ok(&["port", name, "80"]), format!("0.0.0.0:{port}"));
    }
    let flags = ["run", "--rm", "--publish", "7000-7002:80", "testbox", "echo"];
    let third = sandbox.barque(&flags);
    assert!(third.stderr.contains("Bind for 0.0.0.0:7000-7002 failed"), "{third:?}");
    sandbox.ok(&["rm", "--force", "a", "b"]);
}

/// Far more than a monitor could have descriptors open without one of them for each being missed.
fn a_thousand_ports_are_held_and_given_back() {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    serve(&sandbox, "many", &["--publish", "20000-20999:80-1079"], &["listen", "1079"]);
    assert_eq!(sandbox.ok(&["port", "many"]).lines().count(), 1000);
    assert!(!is_free(20000) && !is_free(20999) && is_free(21000));
    assert_eq!(world.hears("192.0.2.1:20999"), WORLD);
    let id = sandbox.inspect("many")["Id"].as_str().expect("an id").to_owned();
    let pid = sandbox.monitor_of(&id);
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count();
    assert!(open < 100, "{open} descriptors");
    // All of them are led there again when somebody has taken the rules away.
    std::thread::sleep(MOMENT);
    let before = nft("list ruleset");
    nft("flush ruleset");
    wait_until("they are led there again", PATIENCE, || nft("list ruleset") == before);
    assert_eq!(world.hears("192.0.2.1:20999"), WORLD);
    sandbox.ok(&["rm", "--force", "many"]);
    assert!(is_free(20000) && is_free(20999));
    assert_eq!(world.hears("192.0.2.1:20999"), "not reached");
}

/// Whoever waited for the end of a container may have its ports, at once: a program, for which nothing else has to end meanwhile.
fn ports_are_free_when_a_container_has_stopped() {
    own_network();
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    serve(&sandbox, "many", &["--publish", "20000-20999:80-1079"], &["listen", "1079"]);
    let request = ContainerStop { id: "many".into(), timeout: Some(0), ..ContainerStop::default() };
    for turn in 0..5 {
        engine.containers().stop(&request).expect("stop");
        let taken = (20000..21000).rev().find(|port| !is_free(*port));
        assert_eq!(taken, None, "in turn {turn}");
        sandbox.ok(&["start", "many"]);
    }
    sandbox.ok(&["rm", "--force", "many"]);
}

fn what_a_killed_monitor_published_leads_nowhere_at_the_next_command() {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    serve(&sandbox, "server", &["--publish", "8080:80"], &["listen", "80"]);
    assert_eq!(world.hears("192.0.2.1:8080"), WORLD);
    let id = sandbox.inspect("server")["Id"].as_str().expect("an id").to_owned();
    sandbox.kill_monitor(&id);
    sandbox.ok(&["ps"]);
    // A server of the host's that has the port now is reached by it.
    let own = TcpListener::bind("0.0.0.0:8080").expect("the port is free");
    own.set_nonblocking(true).expect("do not wait");
    let server = std::thread::spawn(move || {
        wait_until("somebody comes", Duration::from_secs(10), || own.accept().is_ok());
    });
    world.hears("192.0.2.1:8080");
    assert!(server.join().is_ok(), "packets for the host's port go elsewhere");
    sandbox.ok(&["start", "server"]);
    wait_until("it is there again", Duration::from_secs(30), || {
        world.hears("192.0.2.1:8080") == WORLD
    });
    sandbox.ok(&["rm", "--force", "server"]);
}

/// SEC-127, with a port published: the others are not.
fn nothing_but_the_port_is_reached() {
    let world = World::new();
    let sandbox = Sandbox::with_testbox();
    serve(&sandbox, "server", &["--publish", "8080:80"], &["listen", "80"]);
    serve(&sandbox, "apart", &["--network", "bridge"], &["listen", "80"]);
    assert_eq!(world.hears("192.0.2.1:8080"), WORLD);
    for address in ["172.17.0.2:80", "172.17.0.3:80", "172.17.0.2:8080", "192.0.2.1:80"] {
        assert_eq!(world.hears(address), "not reached", "{address}");
    }
    // From an internal network nothing is published.
    sandbox.ok(&["network", "create", "--internal", "inside"]);
    serve(&sandbox, "hidden", &["--network", "inside", "-p", "8081:80"], &["listen", "80"]);
    assert_eq!(sandbox.ok(&["port", "hidden"]), "");
    assert_eq!(world.hears("192.0.2.1:8081"), "not reached");
    // One that leaves the network leaves the port with it.
    sandbox.ok(&["network", "create", "web"]);
    sandbox.ok(&["network", "connect", "web", "server"]);
    sandbox.ok(&["network", "disconnect", "bridge", "server"]);
    assert_eq!(world.hears("192.0.2.1:8080"), WORLD, "by the other network");
    sandbox.ok(&["network", "disconnect", "web", "server"]);
    assert_eq!(world.hears("192.0.2.1:8080"), "not reached");
    sandbox.ok(&["rm", "--force", "server", "apart", "hidden"]);
}
