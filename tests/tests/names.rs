//! Names of containers, asked for where programs ask: at 127.0.0.11 in containers. Each test is in a network namespace of its own, which is
//! the host, with a name server of its own where one is needed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use barque_tests::sandbox::wait_until;
use barque_tests::suite::{note, own_network};
use barque_tests::{Sandbox, programs, suite};

suite!(
    names_hold_in_shared_networks_only,
    a_link_is_a_name_that_only_one_knows,
    an_alias_of_several_takes_turns,
    the_name_of_an_address_is_found,
    renames_restarts_and_ends_show_at_once,
    a_network_that_is_joined_and_left_takes_its_names_along,
    other_names_are_asked_of_name_servers,
    a_name_server_that_fails_is_followed_by_the_next,
    an_internal_network_tells_nothing_to_the_outside,
    a_program_may_have_port_53_itself,
    hostile_packets_do_no_harm,
    resolv_conf_is_docker_s,
    what_a_crash_left_is_nobody_s_name,
    ten_thousand_answers_in_a_second,
);

/// A name server on the host.
struct Server {
    process: Child,
    log: PathBuf,
}

const SERVER: &str = "192.0.2.53";

impl Server {
    fn new(sandbox: &Sandbox, address: &str) -> Server {
        ip(&format!("addr add {address}/32 dev lo"));
        let log = sandbox.work().join(format!("asked-{address}"));
        let out = fs::File::create(&log).expect("make a log");
        let process = Command::new(programs::TESTBOX)
            .args(["nameserver", address])
            .stdout(out)
            .stdin(Stdio::null())
            .spawn()
            .expect("start a name server");
        let server = Server { process, log };
        wait_until("the name server listens", Duration::from_secs(30), || {
            server.asked().contains("listening")
        });
        server
    }

    /// What it was asked for.
    fn asked(&self) -> String {
        fs::read_to_string(&self.log).expect("read the log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn ip(arguments: &str) {
    let done = Command::new(programs::tool("ip")).args(arguments.split(' ')).status();
    assert!(done.expect("run ip").success(), "ip {arguments}");
}

/// A host with a container that does nothing in each of these networks.
fn host(networks: &[&str]) -> Sandbox {
    own_network();
    ip("link set lo up");
    let sandbox = Sandbox::with_testbox();
    for network in networks {
        sandbox.ok(&["network", "create", network]);
    }
    sandbox
}

/// Start a container that does nothing.
fn start(sandbox: &Sandbox, name: &str, options: &[&str]) {
    let begin = ["run", "--detach", "--name", name];
    sandbox.ok(&[&begin[..], options, &["testbox", "sleep", "forever"]].concat());
}

/// What a container is told.
fn lookup(sandbox: &Sandbox, container: &str, question: &str) -> String {
    let command = ["exec", container, "/testbox", "lookup"];
    let done = sandbox.barque(&[&command[..], &question.split(' ').collect::<Vec<_>>()].concat());
    assert!(done.code <= 1, "{done:?}");
    done.stdout.trim().to_owned()
}

/// What a program says that is in the network of a container's process and otherwise beside it.
fn asked_beside(pid: i64, command: &[&str]) -> String {
    let asked = Command::new(programs::tool("nsenter"))
        .args(["--net", "--target", &pid.to_string(), "--", programs::TESTBOX])
        .args(command)
        .output();
    String::from_utf8_lossy(&asked.expect("run nsenter").stdout).trim().to_owned()
}

const NO_SUCH_NAME: &str = "code 3";
const FAILED: &str = "code 2";

fn names_hold_in_shared_networks_only() {
    let sandbox = host(&["one", "two"]);
    // Nobody but containers is known, so what is not is known at once.
    let server = Server::new(&sandbox, SERVER);
    let dns = ["--dns", SERVER];
    start(&sandbox, "web", &["--network", "one", "--network-alias", "www", "--hostname", "srv"]);
    start(&sandbox, "db", &["--network", "two"]);
    start(&sandbox, "a", &[&["--network", "one"][..], &dns].concat());
    start(&sandbox, "both", &[&["--network", "one", "--network", "two"][..], &dns].concat());
    start(&sandbox, "default", &[&["--network", "bridge"][..], &dns].concat());
    let id = sandbox.inspect("web")["Id"].as_str().expect("an id").to_owned();
    for name in ["web", "WEB", "www", "srv", &id[..12], "web.one", "www.ONE"] {
        for container in ["a", "both", "web"] {
            assert_eq!(lookup(&sandbox, container, name), "172.18.0.2", "{name} from {container}");
        }
    }
    assert_eq!(lookup(&sandbox, "a", "tcp web"), "172.18.0.2");
    assert_eq!(lookup(&sandbox, "a", "web AAAA"), "nothing");
    assert_eq!(lookup(&sandbox, "a", "web MX"), "nothing");
    assert_eq!(lookup(&sandbox, "both", "db"), "172.18.1.2");
    // Elsewhere these are names like all others (SEC-134).
    for (container, name) in [("a", "db"), ("a", "db.two"), ("a", "web.two"), ("default", "web")] {
        assert_eq!(lookup(&sandbox, container, name), "203.0.113.7", "{name} from {container}");
    }
    assert_eq!(lookup(&sandbox, "a", "172.18.0.2"), "203.0.113.7", "an address is no name");
    let asked = server.asked();
    assert!(!asked.contains("www") && !asked.contains("srv"), "{asked}");
}

fn a_link_is_a_name_that_only_one_knows() {
    let sandbox = host(&["one", "two"]);
    let server = Server::new(&sandbox, SERVER);
    let at = |network: &'static str| ["--network", network, "--dns", SERVER];
    start(&sandbox, "db", &at("one"));
    start(&sandbox, "web", &[&at("one")[..], &["--link", "db:Store"]].concat());
    start(&sandbox, "a", &at("one"));
    start(&sandbox, "late", &at("two"));
    sandbox.ok(&["network", "connect", "--link", "db:mate", "one", "late"]);
    for (container, name) in
        [("web", "store"), ("web", "STORE.one"), ("web", "db"), ("late", "mate"), ("a", "db")]
    {
        assert_eq!(lookup(&sandbox, container, name), "172.18.0.2", "{name} from {container}");
    }
    for (container, name) in [("a", "store"), ("db", "store"), ("late", "store"), ("web", "mate")] {
        assert_eq!(lookup(&sandbox, container, name), "203.0.113.7", "{name} from {container}");
    }
    // It stands for the name: whoever has that next is meant.
    sandbox.ok(&["rm", "--force", "db"]);
    assert_eq!(lookup(&sandbox, "web", "store"), "203.0.113.7");
    start(&sandbox, "between", &at("one"));
    start(&sandbox, "db", &at("one"));
    assert_eq!(lookup(&sandbox, "web", "store"), lookup(&sandbox, "a", "db"));
    drop(server);
}

fn an_alias_of_several_takes_turns() {
    let sandbox = host(&["web"]);
    for name in ["one", "two", "three"] {
        start(&sandbox, name, &["--network", "name=web,alias=all"]);
    }
    let mut first = std::collections::BTreeMap::new();
    for _ in 0..30 {
        let answer = lookup(&sandbox, "one", "all");
        // As getaddrinfo(3) does.
        assert_eq!(lookup(&sandbox, "one", "all AAAA"), "nothing");
        let mut addresses: Vec<&str> = answer.split(' ').collect();
        *first.entry(addresses[0].to_owned()).or_insert(0) += 1;
        addresses.sort_unstable();
        assert_eq!(addresses, ["172.18.0.2", "172.18.0.3", "172.18.0.4"]);
    }
    assert_eq!(first.into_values().collect::<Vec<_>>(), [10, 10, 10]);
    for number in 0..40 {
        start(&sandbox, &format!("more-{number}"), &["--network", "name=web,alias=all"]);
    }
    assert_eq!(lookup(&sandbox, "one", "all"), "truncated");
    assert_eq!(lookup(&sandbox, "one", "tcp all").split(' ').count(), 43);
}

fn the_name_of_an_address_is_found() {
    let sandbox = host(&["web", "other"]);
    let server = Server::new(&sandbox, SERVER);
    start(&sandbox, "one", &["--network", "web", "--dns", SERVER]);
    start(&sandbox, "two", &["--network", "web", "--network-alias", "x"]);
    start(&sandbox, "three", &["--network", "other"]);
    assert_eq!(lookup(&sandbox, "one", "3.0.18.172.in-addr.arpa PTR"), "two.web");
    assert_eq!(lookup(&sandbox, "one", "two.web"), "172.18.0.3");
    assert_eq!(lookup(&sandbox, "one", "2.1.18.172.in-addr.arpa PTR"), "nothing");
    assert!(server.asked().contains("2.1.18.172.in-addr.arpa"), "of another network");
}

fn renames_restarts_and_ends_show_at_once() {
    let sandbox = host(&[]);
    sandbox.ok(&["network", "create", "--internal", "web"]);
    start(&sandbox, "client", &["--network", "web"]);
    start(&sandbox, "old", &["--network", "web"]);
    sandbox.ok(&["rename", "old", "new"]);
    assert_eq!(lookup(&sandbox, "client", "new"), "172.18.0.3");
    assert_eq!(lookup(&sandbox, "client", "old"), NO_SUCH_NAME);
    sandbox.ok(&["restart", "--time", "0", "new"]);
    assert_eq!(lookup(&sandbox, "client", "new"), "172.18.0.3");
    // By the same monitor, in the same namespace, with the same sockets.
    sandbox.ok(&["restart", "--time", "0", "client"]);
    assert_eq!(lookup(&sandbox, "client", "new"), "172.18.0.3");
    sandbox.ok(&["stop", "--time", "0", "new"]);
    assert_eq!(lookup(&sandbox, "client", "new"), NO_SUCH_NAME);
    sandbox.ok(&["start", "new"]);
    assert_eq!(lookup(&sandbox, "client", "new"), "172.18.0.3");
    sandbox.ok(&["rm", "--force", "new"]);
    assert_eq!(lookup(&sandbox, "client", "new"), NO_SUCH_NAME);
    sandbox.ok(&["rm", "--force", "client"]);
    sandbox.ok(&["network", "rm", "web"]);
    let left: Vec<_> = fs::read_dir(names(&sandbox)).expect("the names").flatten().collect();
    let left: Vec<_> = left.iter().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["lock"]);
}

/// The directory of names.
fn names(sandbox: &Sandbox) -> PathBuf {
    let found = fs::read_dir(sandbox.run()).expect("the run directory").flatten();
    let mut found = found.map(|entry| entry.path().join("names")).filter(|path| path.exists());
    found.next().expect("a directory of names")
}

fn a_network_that_is_joined_and_left_takes_its_names_along() {
    let sandbox = host(&["web"]);
    start(&sandbox, "client", &["--network", "bridge", "--dns", "192.0.2.1"]);
    start(&sandbox, "server", &["--network", "web"]);
    let resolv_conf = || sandbox.ok(&["exec", "client", "/testbox", "cat", "/etc/resolv.conf"]);
    assert!(!resolv_conf().contains("127.0.0.11"));
    sandbox.ok(&["network", "connect", "--alias", "me", "web", "client"]);
    assert!(resolv_conf().starts_with("nameserver 127.0.0.11\n"), "{}", resolv_conf());
    assert_eq!(lookup(&sandbox, "client", "server"), "172.18.0.2");
    assert_eq!(lookup(&sandbox, "server", "me"), "172.18.0.3");
    let network = &sandbox.inspect("client")["NetworkSettings"]["Networks"]["web"];
    assert_eq!(network["Aliases"][0], "me");
    sandbox.ok(&["network", "connect", "bridge", "server"]);
    assert_eq!(lookup(&sandbox, "client", "server"), "172.18.0.2", "the default has no names");
    sandbox.ok(&["network", "disconnect", "web", "server"]);
    // 192.0.2.1 is nobody.
    assert_ne!(lookup(&sandbox, "client", "server"), "172.18.0.2");
}

fn other_names_are_asked_of_name_servers() {
    let sandbox = host(&["web"]);
    let server = Server::new(&sandbox, SERVER);
    start(&sandbox, "c", &["--network", "web", "--dns", SERVER]);
    for (question, answer) in [
        ("example.com", "203.0.113.7"),
        ("tcp example.com", "203.0.113.7"),
        ("example.com AAAA", "nothing"),
        ("none.example.com", NO_SUCH_NAME),
        ("tcp none.example.com", NO_SUCH_NAME),
        ("large.example.com", "truncated"),
        ("tcp large.example.com", "203.0.113.7"),
        ("broken.example.com", FAILED),
        ("tcp broken.example.com", FAILED),
        ("quiet.example.com", FAILED),
    ] {
        assert_eq!(lookup(&sandbox, "c", question), answer, "{question}");
    }
    let asked = server.asked();
    assert!(asked.contains("udp large.example.com") && asked.contains("tcp large.example.com"));
    drop(server);
    assert_eq!(lookup(&sandbox, "c", "example.com"), FAILED, "nobody listens");
    assert_eq!(lookup(&sandbox, "c", "tcp example.com"), FAILED, "nobody listens");
    assert_eq!(lookup(&sandbox, "c", "c"), "172.18.0.2");
}

fn a_name_server_that_fails_is_followed_by_the_next() {
    let sandbox = host(&["web"]);
    let _server = Server::new(&sandbox, SERVER);
    ip("addr add 192.0.2.54/32 dev lo");
    // One where nobody listens, and one that is not reached.
    let dns = ["--dns", "192.0.2.54", "--dns", "198.51.100.1", "--dns", SERVER];
    start(&sandbox, "c", &[&["--network", "web"][..], &dns].concat());
    let begin = Instant::now();
    assert_eq!(lookup(&sandbox, "c", "example.com"), "203.0.113.7");
    assert_eq!(lookup(&sandbox, "c", "tcp example.com"), "203.0.113.7");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

/// SEC-128.
fn an_internal_network_tells_nothing_to_the_outside() {
    let sandbox = host(&["web"]);
    let server = Server::new(&sandbox, SERVER);
    sandbox.ok(&["network", "create", "--internal", "inside"]);
    start(&sandbox, "c", &["--network", "inside", "--dns", SERVER]);
    start(&sandbox, "other", &["--network", "inside"]);
    assert_eq!(lookup(&sandbox, "c", "other"), "172.18.1.3");
    for question in [
        "secret.example.com",
        "tcp secret.example.com",
        "secret.example.com AAAA",
        "secret.example.com MX",
        "9.2.0.192.in-addr.arpa PTR",
    ] {
        assert_eq!(lookup(&sandbox, "c", question), NO_SUCH_NAME, "{question}");
    }
    assert_eq!(server.asked(), "listening\n");
    sandbox.ok(&["network", "connect", "web", "c"]);
    assert_eq!(lookup(&sandbox, "c", "example.com"), "203.0.113.7");
    sandbox.ok(&["network", "disconnect", "web", "c"]);
    assert_eq!(lookup(&sandbox, "c", "example.com"), NO_SUCH_NAME);
}

fn a_program_may_have_port_53_itself() {
    let sandbox = host(&["web"]);
    start(&sandbox, "client", &["--network", "web"]);
    let run = ["run", "--detach", "--name", "dns", "--network", "web", "testbox"];
    sandbox.ok(&[&run[..], &["nameserver", "0.0.0.0"]].concat());
    wait_until("it listens", Duration::from_secs(30), || {
        sandbox.ok(&["logs", "dns"]).contains("listening")
    });
    assert_eq!(lookup(&sandbox, "dns", "client"), "172.18.0.2", "127.0.0.11 is the resolver's");
    assert_eq!(lookup(&sandbox, "dns", "tcp client"), "172.18.0.2");
    assert_eq!(sandbox.ok(&["logs", "dns"]).trim(), "listening");
    // And it is a name server for others.
    start(&sandbox, "user", &["--network", "web", "--dns", "172.18.0.3"]);
    assert_eq!(lookup(&sandbox, "user", "example.com"), "203.0.113.7");
}

/// SEC-133.
fn hostile_packets_do_no_harm() {
    let sandbox = host(&["web"]);
    start(&sandbox, "web", &["--network", "web", "--dns", "192.0.2.1"]);
    for _ in 0..3 {
        let said = sandbox.ok(&["exec", "web", "/testbox", "hostile"]);
        assert!(said.starts_with("sent"), "{said}");
        let begin = Instant::now();
        assert_eq!(lookup(&sandbox, "web", "web"), "172.18.0.2");
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    }
    assert_eq!(lookup(&sandbox, "web", "tcp web"), "172.18.0.2", "quiet connections are closed");
    assert_eq!(sandbox.inspect("web")["State"]["Running"], true);
}

fn resolv_conf_is_docker_s() {
    let sandbox = host(&["web"]);
    let read = |options: &[&str]| {
        let (run, command) = (["run", "--rm"], ["testbox", "cat", "/etc/resolv.conf"]);
        sandbox.ok(&[&run[..], options, &command].concat())
    };
    let options =
        ["--dns", "192.0.2.53", "--dns-search", "example.com", "--dns-option", "timeout:1"];
    assert_eq!(
        read(&[&["--network", "web"][..], &options].concat()).trim_end(),
        "nameserver 127.0.0.11\nsearch example.com\noptions timeout:1 ndots:0\n# ExtServers: [192.0.2.53]"
    );
    assert_eq!(
        read(&[&["--network", "bridge"][..], &options].concat()).trim_end(),
        "nameserver 192.0.2.53\nsearch example.com\noptions timeout:1"
    );
    let own = ["--network", "web", "--dns", "192.0.2.53", "--dns-option", "ndots:3"];
    assert!(read(&own).contains("options ndots:3\n"), "what is asked for is kept");
}

fn what_a_crash_left_is_nobody_s_name() {
    let sandbox = host(&[]);
    sandbox.ok(&["network", "create", "--internal", "web"]);
    start(&sandbox, "client", &["--network", "web"]);
    start(&sandbox, "server", &["--network", "web"]);
    // The engine, which clears away, is not asked.
    let pid = sandbox.pid("client");
    let answer = |name: &str| asked_beside(pid, &["lookup", name]);
    assert_eq!(answer("server"), "172.18.0.3");
    let id = sandbox.inspect("server")["Id"].as_str().expect("an id").to_owned();
    let before = fs::read_to_string(names(&sandbox).join(&id)).expect("the container's networks");
    sandbox.kill_monitor(&id);
    wait_until("the name is gone", Duration::from_secs(1), || answer("server") == NO_SUCH_NAME);
    let after = fs::read_to_string(names(&sandbox).join(&id)).expect("the container's networks");
    assert_eq!(before, after, "nobody has cleared away");
}

fn ten_thousand_answers_in_a_second() {
    let sandbox = host(&["web"]);
    start(&sandbox, "web", &["--network", "web"]);
    let pid = monitor_of(&sandbox, "web");
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).expect("its name");
    assert_eq!(comm.trim(), "barque-monitor");
    // It gives back what the start has taken.
    std::thread::sleep(Duration::from_millis(300));
    let before = memory(pid);
    // Not by an exec, which takes memory of its own.
    let inside = sandbox.pid("web");
    let said = asked_beside(inside, &["storm", "50000", "web"]);
    let rate: f64 = said.parse().expect("a number");
    let more = memory(pid).saturating_sub(before);
    note(&format!("{rate:.0} answers a second from one monitor, {more} KiB of memory for it"));
    assert!(rate >= 10_000.0, "{rate}");
    assert!(more <= 300, "{more} KiB");
}

/// The monitor, which is the parent of the container's process 1.
fn monitor_of(sandbox: &Sandbox, container: &str) -> i64 {
    let pid = sandbox.pid(container);
    let status = fs::File::open(format!("/proc/{pid}/status")).expect("its status");
    let lines = BufReader::new(status).lines().map_while(Result::ok);
    let mut parents = lines.filter_map(|line| line.strip_prefix("PPid:\t")?.parse().ok());
    parents.next().expect("a parent")
}

/// What is a process's own, in KiB. Not what is private and dirty: the program's own pages are both until its file has reached the disk.
fn memory(pid: i64) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("its memory");
    text.lines()
        .filter(|line| line.starts_with("Anonymous:"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum()
}
