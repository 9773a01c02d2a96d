//! What runs: command, environment, directory, user, labels, signals.

use serde_json::{Value, json};

use super::{TestHost, image, invalid, plan_of, plan_with};
use crate::api::ContainerConfig;
use crate::error::ErrorKind;

fn words(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

/// The arguments for a request, on an image with an entrypoint and a command.
fn args(request: Value) -> crate::Result<Vec<String>> {
    let image =
        ContainerConfig { entrypoint: words(&["entry"]), cmd: words(&["image"]), ..image() };
    let plan = plan_with(request, &image, &TestHost::default())?;
    Ok(plan.launch.spec.process.args)
}

#[test]
fn the_command_is_the_request_s_or_the_image_s() {
    for (request, expected) in [
        (json!({}), "entry image"),
        (json!({"Cmd": ["a", "b"]}), "entry a b"),
        (json!({"Cmd": []}), "entry image"),
        // The image's command was made for the image's entrypoint.
        (json!({"Entrypoint": ["e"]}), "e"),
        (json!({"Entrypoint": ["e"], "Cmd": ["a"]}), "e a"),
        (json!({"Entrypoint": "e"}), "e"),
        (json!({"Entrypoint": []}), "image"),
        (json!({"Entrypoint": [], "Cmd": ["a"]}), "a"),
        (json!({"Entrypoint": [""], "Cmd": ["a"]}), "a"),
    ] {
        assert_eq!(args(request.clone()).unwrap().join(" "), expected, "{request}");
    }
    assert_eq!(args(json!({"Entrypoint": [""]})).unwrap_err().message(), "no command specified");
    let bare = ContainerConfig::default();
    let error = plan_with(json!({}), &bare, &TestHost::default()).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::InvalidArgument, "no command specified")
    );
    assert!(invalid(json!({"Cmd": ["a\u{0}b"]})).contains("null byte"));
}

/// The environment of the process for a request, on an image with these entries.
fn environment(request: Value, image_env: &[&str]) -> Vec<String> {
    let image = ContainerConfig {
        env: image_env.iter().map(|entry| (*entry).to_owned()).collect(),
        ..image()
    };
    let plan = plan_with(request, &image, &TestHost::default()).unwrap();
    plan.launch.spec.process.env
}

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const HOSTNAME: &str = "HOSTNAME=0123456789ab";

#[test]
fn the_environment_is_defaults_then_image_then_request() {
    assert_eq!(environment(json!({}), &[]), [PATH, HOSTNAME]);
    assert_eq!(environment(json!({"Tty": true}), &[]), [PATH, HOSTNAME, "TERM=xterm"]);
    assert_eq!(environment(json!({}), &["PATH=/x", "A=1"]), ["PATH=/x", HOSTNAME, "A=1"]);
    assert_eq!(
        environment(json!({"Env": ["A=2"]}), &["A=1", "B=1"]),
        [PATH, HOSTNAME, "A=2", "B=1"]
    );
    assert_eq!(environment(json!({"Env": ["A=1", "A=2"]}), &[]), [PATH, HOSTNAME, "A=2"]);
    assert_eq!(
        environment(json!({"Tty": true, "Env": {"TERM": "vt100"}}), &[]),
        [PATH, HOSTNAME, "TERM=vt100"]
    );
    assert_eq!(environment(json!({"Hostname": "web"}), &[]), [PATH, "HOSTNAME=web"]);
}

#[test]
fn an_entry_without_a_value_takes_the_variable_away() {
    assert_eq!(
        environment(json!({"Env": ["PATH", "A"]}), &["PATH=/x", "A=1", "B=2"]),
        [HOSTNAME, "B=2"]
    );
}

// SEC-047, CVE-2026-57231.
#[test]
fn an_image_s_entry_without_a_value_means_nothing() {
    let entries = ["SECRET_TOKEN", "AWS_*", "=x", "A=B=C", "", "B=\0"];
    assert_eq!(environment(json!({}), &entries), [PATH, HOSTNAME, "A=B=C"]);
    assert_eq!(invalid(json!({"Env": ["=x"]})), "invalid environment variable: =x");
}

#[test]
fn a_great_many_variables_are_merged_in_time() {
    let env: Vec<String> = (0..70_000).map(|n| format!("V{n}={n}")).collect();
    let started = std::time::Instant::now();
    let plan = plan_of(json!({"Env": env}));
    assert_eq!(plan.launch.spec.process.env.len(), 70_002);
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn the_working_directory_is_absolute() {
    let cwd = |request| plan_of(request).launch.spec.process.cwd;
    assert_eq!(cwd(json!({})), "/");
    assert_eq!(cwd(json!({"WorkingDir": "/srv"})), "/srv");
    assert_eq!(
        invalid(json!({"WorkingDir": "srv"})),
        "the working directory 'srv' is invalid, it needs to be an absolute path"
    );
}

#[test]
fn a_user_that_cannot_be_is_refused_before_anything_is_made() {
    assert_eq!(plan_of(json!({"User": "1000:data"})).launch.user, "1000:data");
    assert!(
        invalid(json!({"User": "4294967296"}))
            .starts_with("uids and gids must be in range 0-2147483647")
    );
    assert!(invalid(json!({"User": "-1"})).starts_with("invalid user"));
    assert!(
        invalid(json!({"HostConfig": {"GroupAdd": ["4294967296"]}})).starts_with("uids and gids")
    );
    assert!(
        invalid(json!({"HostConfig": {"GroupAdd": [""]}})).starts_with("invalid user or group")
    );
}

#[test]
fn signals_are_checked_where_the_caller_gives_them() {
    assert_eq!(plan_of(json!({"StopSignal": "INT"})).config.stop_signal, "INT");
    assert_eq!(invalid(json!({"StopSignal": "NOPE"})), "invalid signal: NOPE");
    let image = ContainerConfig { stop_signal: "NOPE".to_owned(), ..image() };
    assert_eq!(plan_with(json!({}), &image, &TestHost::default()).unwrap().config.stop_signal, "");
}

// SEC-049, CVE-2026-53488.
#[test]
fn an_image_does_not_bring_labels_that_programs_know_their_own_by() {
    let labels = [
        ("a", "1"),
        ("b", "1"),
        ("com.docker.compose.project", "victim"),
        ("io.barque.owner", "x"),
        ("io.containerd.x", "x"),
        ("io.podman.x", "x"),
        ("org.opencontainers.runtime.x", "x"),
        ("org.opencontainers.image.title", "kept"),
    ];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let image = ContainerConfig { labels, ..image() };
    let request = json!({"Labels": {"b": "2", "com.docker.compose.project": "mine"}});
    let plan = plan_with(request, &image, &TestHost::default()).unwrap();
    let expected = json!({"a": "1", "b": "2", "com.docker.compose.project": "mine",
                          "org.opencontainers.image.title": "kept"});
    assert_eq!(serde_json::to_value(&plan.config.labels).unwrap(), expected);
}

#[test]
fn standard_input_is_closed_unless_it_is_asked_for() {
    use barque_monitor::protocol::Stdin;
    assert_eq!(plan_of(json!({})).launch.stdin, Stdin::Null);
    assert_eq!(plan_of(json!({"OpenStdin": true})).launch.stdin, Stdin::Open);
    assert_eq!(plan_of(json!({"OpenStdin": true, "StdinOnce": true})).launch.stdin, Stdin::Once);
}

#[test]
fn logs_are_kept_and_rotated_as_asked() {
    use barque_monitor::protocol::LogDriver;
    let log = |config: Value| plan_of(json!({"HostConfig": {"LogConfig": config}})).launch.log;
    assert_eq!((log(json!({})).driver, log(json!({})).max_size), (LogDriver::JsonFile, 0));
    assert_eq!(log(json!({"Type": "none"})).driver, LogDriver::None);
    let rotated = log(json!({"Config": {"max-size": "10m", "max-file": "3"}}));
    assert_eq!((rotated.max_size, rotated.max_file), (10 << 20, 3));
    let refused = |config: Value| invalid(json!({"HostConfig": {"LogConfig": config}}));
    assert_eq!(refused(json!({"Config": {"max-file": "0"}})), "max-file cannot be less than 1");
    assert_eq!(
        refused(json!({"Config": {"maxsize": "1"}})),
        "unknown log opt 'maxsize' for json-file log driver"
    );
    assert!(refused(json!({"Config": {"max-size": "big"}})).contains("max-size"));
}
