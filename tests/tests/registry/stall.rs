//! A peer that is there and says nothing (F13): the connection stands, and nothing comes, or nothing is taken. Whoever waits gives up
//! in the end and tries again, and goes on where it was; the command that is run here has a thirtieth of the usual patience.

use std::time::Duration;

use barque_tests::registry::{Auth, Fault, Registry};
use barque_tests::sandbox::{Finished, finish};
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants, programs};

use super::pull::{image, is_clean, layer_digest, pull};
use super::push::loaded;

/// What the patience is divided by.
const HASTE: &str = "30";

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3600);

pub(crate) fn add(suite: &mut Suite) {
    for (what, method, path, fault) in [
        ("the first answer", "GET", "/v2/", Fault::Late(NEVER)),
        ("a manifest", "GET", "/manifests/", Fault::Late(NEVER)),
        ("half a manifest", "GET", "/manifests/", Fault::Stall(50)),
        ("a layer or configuration", "GET", "/blobs/", Fault::Late(NEVER)),
        ("half a layer", "GET", "/blobs/", Fault::Stall(150_000)),
    ] {
        let rule = (method, path, fault);
        suite.add(format!("a pull goes on when {what} does not come"), move || pull_goes_on(rule));
    }
    for (what, fault) in [
        ("nothing", Fault::Stall(0)),
        ("a byte now and then", Fault::Drip(Duration::from_millis(20))),
    ] {
        suite.add(format!("a pull gives up when {what} comes of a layer"), move || gives_up(fault));
    }
    suite.add("a layer that stops again and again is fetched in pieces", in_pieces);
    for (what, method, path, fault) in [
        ("an upload's beginning is not answered", "POST", "/blobs/uploads/", Fault::Late(NEVER)),
        ("a blob is not taken", "PATCH", "/blobs/uploads/", Fault::Deaf),
        ("a blob is taken and not answered", "PATCH", "/blobs/uploads/", Fault::Late(NEVER)),
        ("an upload's end is not answered", "PUT", "/blobs/uploads/", Fault::Late(NEVER)),
        ("a manifest is taken and not answered", "PUT", "/manifests/", Fault::Late(NEVER)),
    ] {
        let rule = (method, path, fault);
        suite.add(format!("a push goes on when {what}"), move || push_goes_on(rule));
    }
    suite.add("a push gives up when nothing is taken", nothing_is_taken);
    suite.add("a login gives up when there is no answer", login);
}

/// The command in haste.
fn barque(sandbox: &Sandbox, arguments: &[&str]) -> Finished {
    let mut command = sandbox.command_of(&programs::barque_with_failpoints(), arguments);
    command.env("BARQUE_PATIENCE", HASTE);
    finish(command, b"")
}

/// It says that the registry is the one who does not go on.
fn is_told(done: &Finished) {
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("does not go on"), "{}", done.stderr);
}

fn pull_goes_on((method, path, fault): (&'static str, &str, Fault)) {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(1, 400_000));
    registry.rule(method, path, 1, fault);
    let name = format!("{}/some:1", registry.address());
    let done = barque(&sandbox, &["pull", "--quiet", &name]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let left: u32 = registry.store().rules.iter().map(|rule| rule.times).sum();
    assert_eq!(left, 0, "nothing went wrong");
    sandbox.inspect(&name);
    invariants::hold(&sandbox, "a pull that went on");
}

fn in_pieces() {
    const PIECE: usize = 150_000;
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(1, 1_000_000));
    let layer = layer_digest(&registry, "some:1", 0);
    registry.rule("GET", &format!("/blobs/{layer}"), 99, Fault::Stall(PIECE));
    let done = barque(&sandbox, &["pull", "--quiet", &format!("{}/some:1", registry.address())]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let ranges: Vec<Option<String>> = registry
        .asked("GET", &format!("/blobs/{layer}"))
        .iter()
        .map(|request| request.header("range").map(str::to_owned))
        .collect();
    // More pieces than attempts that bring nothing. The last one is shorter, and comes whole.
    let pieces = registry.store().blobs[&layer].len().div_ceil(PIECE);
    assert!(pieces > 5, "{pieces}");
    let range = |piece: usize| (piece > 0).then(|| format!("bytes={}-", piece * PIECE));
    assert_eq!(ranges, (0..pieces).map(range).collect::<Vec<_>>());
    invariants::hold(&sandbox, "a pull in pieces");
}

fn gives_up(fault: Fault) {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(2, 200_000));
    let layer = layer_digest(&registry, "some:1", 1);
    registry.rule("GET", &format!("/blobs/{layer}"), 99, fault);
    let name = format!("{}/some:1", registry.address());
    is_told(&barque(&sandbox, &["pull", "--quiet", &name]));
    assert_eq!(registry.asked("GET", &format!("/blobs/{layer}")).len(), 5);
    is_clean(&sandbox, &name);
    registry.store().rules.clear();
    pull(&sandbox.engine(), &name).expect("pull again");
    invariants::hold(&sandbox, "the pull after one that gave up");
}

/// An image whose layer is larger than what the sockets of both sides hold.
fn to_push(sandbox: &Sandbox, registry: &Registry) -> String {
    let name = format!("{}/some:1", registry.address());
    loaded(sandbox, &image(1, 24 << 20), &name);
    name
}

fn push_goes_on((method, path, fault): (&'static str, &str, Fault)) {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let name = to_push(&sandbox, &registry);
    registry.rule(method, path, 1, fault);
    let done = barque(&sandbox, &["push", "--quiet", &name]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let left: u32 = registry.store().rules.iter().map(|rule| rule.times).sum();
    assert_eq!(left, 0, "nothing went wrong");
    let fresh = Sandbox::new();
    pull(&fresh.engine(), &name).expect("pull");
    assert_eq!(fresh.inspect(&name)["Id"], sandbox.inspect(&name)["Id"]);
}

fn nothing_is_taken() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let name = to_push(&sandbox, &registry);
    registry.rule("PATCH", "/blobs/uploads/", 99, Fault::Deaf);
    is_told(&barque(&sandbox, &["push", "--quiet", &name]));
    assert!(registry.store().manifests.is_empty(), "a tag stands for what is not there");
    invariants::hold(&sandbox, "a push that gave up");
}

fn login() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.store().auth = Auth::Basic("me".into(), "secret".into());
    registry.rule("GET", "/v2/", 99, Fault::Late(NEVER));
    let arguments = ["login", "--username", "me", "--password", "secret", registry.address()];
    is_told(&barque(&sandbox, &arguments));
}
