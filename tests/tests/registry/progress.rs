//! What is shown of a transfer where nobody sits at a terminal: a log file, a script.

use barque_tests::Sandbox;
use barque_tests::registry::Registry;
use barque_tests::suite::Suite;

use super::pull::image;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("progress in a pipe is lines that move no cursor", in_a_pipe);
}

fn in_a_pipe() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(4, 300_000));
    let name = format!("{}/some:1", registry.address());
    for (verb, last) in [("pull", name.as_str()), ("push", "1: digest: sha256:")] {
        let done = sandbox.barque(&[verb, &name]);
        assert_eq!(done.code, 0, "{verb}: {}", done.stderr);
        assert!(done.stdout.contains(last) && done.stdout.lines().count() > 4, "{}", done.stdout);
        let moves = |c: char| c.is_control() && c != '\n';
        assert!(!done.stdout.contains(moves) && !done.stderr.contains(moves), "{verb}: {done:?}");
    }
}
