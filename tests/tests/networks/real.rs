//! Real servers and clients, as Debian has them, in containers.

use std::time::Duration;

use barque_tests::sandbox::wait_until;
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, programs};

use super::world::{HOST, HOST6, World};

pub(super) fn add(suite: &mut Suite) {
    suite.add("real_servers_have_real_clients", real_servers_have_real_clients);
}

fn real_servers_have_real_clients() {
    // tests/debian makes it, which this suite could not, for it reaches no mirror.
    let archive = programs::build_directory().join("../debian.tar");
    let archive = programs::need("the root file system of tests/debian", archive);
    let _world = World::new();
    let sandbox = Sandbox::new();
    sandbox.ok(&["import", &archive.to_string_lossy(), "debian"]);
    sandbox.ok(&["network", "create", "--ipv6", "--subnet", "fd00:9::/64", "web"]);
    sandbox.ok(&["network", "create", "other"]);
    let start = |name: &str, flags: &[&str], command: &[&str]| {
        let run = ["run", "--detach", "--name", name, "--network", "web"];
        sandbox.ok(&[&run[..], flags, &["debian"], command].concat());
    };
    let says = |network: &str, command: &str| {
        let run = ["run", "--rm", "--network", network, "debian", "sh", "-c", command];
        sandbox.barque(&run).stdout.trim().to_owned()
    };
    start("www", &["--publish", "8080:80"], &["nginx", "-g", "daemon off;"]);
    start(
        "speed",
        &["--publish", "5201:5201", "--publish", "5201:5201/udp"],
        &["iperf3", "--server"],
    );
    let status = "curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}'";
    wait_until("nginx serves", Duration::from_secs(60), || {
        says("web", &format!("{status} http://www/")) == "200"
    });
    // By name, by both families, by the published port, from another network, and many at once.
    for (network, url) in [
        ("web", "-4 http://www.web/"),
        ("web", "-6 http://www/"),
        ("other", &format!("http://{HOST}:8080/")),
        ("web", &format!("http://[{HOST6}]:8080/")),
    ] {
        assert_eq!(says(network, &format!("{status} {url}")), "200", "{url} from {network}");
    }
    let many = "curl --silent --parallel --parallel-max 50 --write-out '%{http_code}\\n' \
                --output '/tmp/#1' 'http://www/?[1-200]' | sort | uniq -c";
    assert_eq!(says("web", many).split_whitespace().collect::<Vec<_>>(), ["200", "200"]);
    assert_eq!(says("other", &format!("{status} http://www/")), "000", "no name there");

    let dig = |question: &str| says("web", &format!("dig +short +tries=1 {question}"));
    assert_eq!(dig("www"), "172.18.0.2");
    assert_eq!(dig("+tcp www A"), "172.18.0.2");
    assert_eq!(dig("www AAAA"), "fd00:9::2");
    assert_eq!(dig("-x 172.18.0.2"), "www.web.");
    assert_eq!(dig("-x fd00:9::2"), "www.web.");
    assert_eq!(dig("www MX"), "");
    let status = says("web", "dig +tries=1 +nocookie www | grep -o 'status: [A-Z]*'");
    assert_eq!(status, "status: NOERROR");

    // A second each way, by TCP and UDP, inside the network and by the published port.
    for (network, place) in [("web", "speed"), ("web", "speed -6"), ("other", HOST)] {
        for options in ["", "--reverse", "--udp --bitrate 100M"] {
            let run = format!("iperf3 --json --time 1 {options} --client {place}");
            let report: serde_json::Value =
                serde_json::from_str(&says(network, &run)).expect("a report of iperf3");
            let end = &report["end"];
            let received = end["sum_received"]["bytes"].as_u64().or(end["sum"]["bytes"].as_u64());
            assert!(received.is_some_and(|bytes| bytes > 1 << 20), "{run}: {report}");
        }
    }
    sandbox.ok(&["rm", "--force", "www", "speed"]);
    sandbox.ok(&["network", "rm", "web", "other"]);
}
