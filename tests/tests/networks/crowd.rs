//! As many containers on one bridge as the kernel lets be there: 1,023, which is `BR_MAX_PORTS` without the number 0 (net/bridge/br_private.h).
//! What is sent to all of them, as a question of ARP is, reaches the first 1,000 (`net.core.netdev_max_backlog`, the host's), so with a thousand
//! everybody finds everybody.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use barque_tests::Sandbox;
use barque_tests::sandbox::wait_until;
use barque_tests::suite::{Suite, note, own_network};
use serde_json::Value;

use super::removed::members;

const CROWD: usize = 1000;
const MOST: usize = 1023;

pub(super) fn add(suite: &mut Suite) {
    suite.add_patient(
        "a_thousand_containers_are_on_one_bridge",
        Duration::from_secs(600),
        a_thousand_containers_are_on_one_bridge,
    );
}

fn start(sandbox: &Sandbox, number: usize) -> barque_tests::sandbox::Finished {
    let name = format!("--name=c{number}");
    sandbox.barque(&["run", "--detach", &name, "--network=crowd", "testbox", "listen", "80"])
}

/// By several callers at once.
fn start_all(sandbox: &Sandbox) {
    const CALLERS: usize = 4;
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            scope.spawn(move || {
                for number in (caller..CROWD).step_by(CALLERS) {
                    let done = start(sandbox, number);
                    assert_eq!(done.code, 0, "container {number}: {done:?}");
                }
            });
        }
    });
}

fn a_thousand_containers_are_on_one_bridge() {
    own_network();
    let sandbox = Sandbox::with_testbox();
    let create = ["network", "create", "--subnet=10.200.0.0/16"];
    let named = ["--opt=com.docker.network.bridge.name=crowd", "crowd"];
    sandbox.ok(&[&create[..], &named].concat());
    let begin = Instant::now();
    start_all(&sandbox);
    let started = begin.elapsed();

    let names: BTreeSet<String> = (0..CROWD).map(|number| format!("c{number}")).collect();
    let listed = sandbox.ok(&["ps", "--format", "{{.Names}} {{.State}}"]);
    let running = listed.lines().filter_map(|line| line.strip_suffix(" running"));
    assert_eq!(running.map(str::to_owned).collect::<BTreeSet<_>>(), names);
    let network = sandbox.ok(&["network", "inspect", "--format", "{{json .Containers}}", "crowd"]);
    let network: Value = serde_json::from_str(&network).expect("an object");
    let places: Vec<&Value> = network.as_object().into_iter().flat_map(|n| n.values()).collect();
    let of = |field: &str| -> BTreeSet<String> {
        places.iter().filter_map(|place| place[field].as_str().map(str::to_owned)).collect()
    };
    assert_eq!((of("Name"), of("IPv4Address").len()), (names, CROWD));
    assert_eq!(members("crowd").len(), CROWD);

    for (from, to) in [("c0", "c999"), ("c998", "c1"), ("c499", "c500")] {
        let address = sandbox.ok(&["exec", from, "/testbox", "lookup", to]);
        let place = places.iter().find(|place| place["Name"] == to).expect("its place");
        let known = place["IPv4Address"].as_str().and_then(|a| a.split('/').next());
        let known = known.expect("its address");
        assert!(address.contains(known), "{from} asks for {to}: {address}, and not {known}");
        let heard = sandbox.ok(&["exec", from, "/testbox", "connect", &format!("{known}:80")]);
        assert!(heard.starts_with("10.200."), "{from} asks {to}: {heard}");
    }

    for number in CROWD..MOST {
        let done = start(&sandbox, number);
        assert_eq!(done.code, 0, "container {number}: {done:?}");
    }
    let refused = start(&sandbox, MOST);
    let message = "network crowd is full: a bridge has at most 1023 ports";
    assert!(refused.code == 125 && refused.stderr.contains(message), "{refused:?}");
    assert_eq!(sandbox.ok(&["ps", "--quiet"]).lines().count(), MOST);

    let begin = Instant::now();
    let all = sandbox.ok(&["ps", "--all", "--quiet"]);
    let ids: Vec<&str> = all.lines().collect();
    sandbox.ok(&[&["rm", "--force"][..], &ids].concat());
    let each = started.as_secs_f64() * 1e3 / CROWD as f64;
    let (started, removed) = (started.as_secs_f64(), begin.elapsed().as_secs_f64());
    note(&format!(
        "{CROWD} started in {started:.0} s, {each:.0} ms each, removed in {removed:.0} s"
    ));
    assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "");
    wait_until("no link is left", Duration::from_secs(60), || members("crowd").is_empty());
    sandbox.ok(&["network", "rm", "crowd"]);
}
