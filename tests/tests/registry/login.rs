//! Credentials: where they are kept, whom they are given to, and what helpers can do (SEC-089, SEC-093).

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use barque_tests::Sandbox;
use barque_tests::files::below;
use barque_tests::registry::debian::{Debian, Manner};
use barque_tests::registry::{Auth, Registry};
use barque_tests::sandbox::{Finished, finish};
use barque_tests::suite::Suite;
use serde_json::{Value, json};

use super::pull::image;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("a login is kept for its owner alone, beside what stood there", kept);
    suite.add("a login that is refused changes nothing", refused);
    suite.add("a password comes by standard input, and shows nowhere", by_stdin);
    suite.add("a helper keeps, gives and erases", helper);
    suite.add("a helper that misbehaves gives nothing to anybody", hostile_helpers);
    suite.add_patient(
        "a helper that never answers is given up and ended",
        Duration::from_secs(120),
        silent_helper,
    );
    suite.add("credentials of one registry are sent to no other", no_other);
    suite.add("Debian's registry lets in who has logged in", debian);
}

const SECRET: &str = "hunter2-canary";

fn private() -> Registry {
    let registry = Registry::new();
    registry.hold("some:1", &image(1, 1000));
    registry.store().auth = Auth::Basic("me".into(), SECRET.into());
    registry
}

fn login(sandbox: &Sandbox, server: &str, password: &str) -> Finished {
    let command = sandbox.command(&["login", "--username", "me", "--password-stdin", server]);
    finish(command, password.as_bytes())
}

fn config(sandbox: &Sandbox) -> PathBuf {
    sandbox.work().join(".docker/config.json")
}

fn document(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON")
}

fn kept() {
    let (sandbox, registry) = (Sandbox::new(), private());
    let name = format!("{}/some:1", registry.address());
    let done = sandbox.barque(&["pull", &name]);
    assert!(done.stderr.contains("pull access denied"), "{}", done.stderr);
    // A link, as of dotfiles that are kept elsewhere.
    let there = sandbox.work().join("dotfiles.json");
    std::fs::create_dir(sandbox.work().join(".docker")).expect("make a directory");
    std::fs::write(
        &there,
        r#"{"detachKeys": "ctrl-e,e", "auths": {"other.example": {"auth": "eDp5"}}}"#,
    )
    .expect("write");
    std::fs::set_permissions(&there, PermissionsExt::from_mode(0o600)).expect("chmod");
    std::os::unix::fs::symlink(&there, config(&sandbox)).expect("link");
    let done = login(&sandbox, registry.address(), &format!("{SECRET}\n"));
    assert_eq!((done.code, &*done.stdout), (0, "Login Succeeded\n"), "{}", done.stderr);
    assert!(done.stderr.contains("stored unencrypted in"), "{}", done.stderr);
    assert!(std::fs::symlink_metadata(config(&sandbox)).expect("stat").is_symlink());
    let mode = std::fs::metadata(&there).expect("stat").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let kept = document(&there);
    assert_eq!(kept["detachKeys"], "ctrl-e,e");
    assert_eq!(kept["auths"]["other.example"], json!({"auth": "eDp5"}));
    assert_eq!(kept["auths"].as_object().map(serde_json::Map::len), Some(2));
    assert!(kept["auths"][registry.address()]["auth"].is_string());
    sandbox.ok(&["pull", "--quiet", &name]);
    let done = sandbox.barque(&["logout", registry.address()]);
    assert_eq!(done.stdout, format!("Removing login credentials for {}\n", registry.address()));
    assert_eq!(document(&there)["auths"], json!({"other.example": {"auth": "eDp5"}}));
    sandbox.ok(&["logout", registry.address()]);
    // A new file is its owner's alone, whatever the umask.
    std::fs::remove_dir_all(sandbox.work().join(".docker")).expect("remove");
    assert_eq!(login(&sandbox, registry.address(), SECRET).code, 0);
    let mode = std::fs::metadata(config(&sandbox)).expect("stat").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let mode = std::fs::metadata(sandbox.work().join(".docker")).expect("stat").permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);
    let files = std::fs::read_dir(sandbox.work().join(".docker")).expect("read").count();
    assert_eq!(files, 1);
}

fn refused() {
    let (sandbox, registry) = (Sandbox::new(), private());
    let done = login(&sandbox, registry.address(), "wrong");
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("failed with status: 401 Unauthorized"), "{}", done.stderr);
    assert!(!config(&sandbox).exists());
    let done = login(&sandbox, "127.0.0.1:1", SECRET);
    assert!(done.code == 1 && done.stderr.contains("connection refused"), "{}", done.stderr);
    for (words, why) in [
        (&["login", "--password-stdin"][..], "requires --username"),
        (&["login", "-u", "me", "-p", "x", "--password-stdin"], "cannot specify both"),
        (&["login"], "non TTY device"),
        (&["login", "-u", "me", "-p", "x", "not a name"], "not the name of a registry"),
    ] {
        let done = sandbox.barque(words);
        assert!(done.code == 1 && done.stderr.contains(why), "{words:?}: {}", done.stderr);
    }
    // What is no configuration stays as it is.
    std::fs::create_dir(sandbox.work().join(".docker")).expect("make a directory");
    std::fs::write(config(&sandbox), "{\"auths\": hunter2").expect("write");
    let done = login(&sandbox, registry.address(), SECRET);
    assert!(done.code == 1 && done.stderr.contains("config.json"), "{}", done.stderr);
    assert!(!done.stderr.contains("hunter2"), "{}", done.stderr);
    assert_eq!(std::fs::read_to_string(config(&sandbox)).expect("read"), "{\"auths\": hunter2");
}

/// Files below a directory that hold some bytes.
fn holding(directory: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        std::fs::read(path)
            .is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    };
    below(directory).into_iter().filter(holds).collect()
}

fn by_stdin() {
    let (sandbox, registry) = (Sandbox::new(), private());
    let name = format!("{}/some:1", registry.address());
    let mut said = String::new();
    for password in [SECRET, "wrong-canary"] {
        let done = login(&sandbox, registry.address(), &format!("{password}\r\n"));
        said += &(done.stdout + &done.stderr);
    }
    let done = sandbox.barque(&["pull", &name]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    said += &(done.stdout + &done.stderr);
    assert!(!said.contains("canary"), "{said}");
    let mut found = holding(&sandbox.root(), b"canary");
    found.extend(holding(&sandbox.work(), b"canary"));
    assert_eq!(found, Vec::<PathBuf>::new());
}

/// A directory with a helper `docker-credential-test` of these lines.
fn helper_of(sandbox: &Sandbox, lines: &str) -> String {
    let directory = sandbox.work().join("bin");
    std::fs::create_dir_all(&directory).expect("make a directory");
    let path = directory.join("docker-credential-test");
    std::fs::write(&path, format!("#!/bin/sh\nD={}\n{lines}\n", sandbox.work().display()))
        .expect("write");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("chmod");
    format!("{}:/usr/bin:/bin", directory.display())
}

fn configured(sandbox: &Sandbox, text: &Value) {
    std::fs::create_dir_all(sandbox.work().join(".docker")).expect("make a directory");
    std::fs::write(config(sandbox), text.to_string()).expect("write");
}

fn helper() {
    let (sandbox, registry) = (Sandbox::new(), private());
    let name = format!("{}/some:1", registry.address());
    let path = helper_of(
        &sandbox,
        "case $1 in store) cat > $D/kept;; get) cat > $D/asked; [ -f $D/kept ] && cat $D/kept || { echo credentials not found in native keychain; exit 1; };; erase) cat > $D/erased; rm -f $D/kept;; esac",
    );
    configured(&sandbox, &json!({"credsStore": "test"}));
    let run = |words: &[&str], input: &[u8]| {
        let mut command = sandbox.command(words);
        command.env("PATH", &path);
        finish(command, input)
    };
    assert_ne!(run(&["pull", &name], b"").code, 0);
    let words = ["login", "--username", "me", "--password-stdin", registry.address()];
    let done = run(&words, SECRET.as_bytes());
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(!done.stderr.contains("unencrypted"), "{}", done.stderr);
    let kept = document(&sandbox.work().join("kept"));
    assert_eq!(kept, json!({"ServerURL": registry.address(), "Username": "me", "Secret": SECRET}));
    assert_eq!(document(&config(&sandbox))["auths"], json!({registry.address(): {}}));
    let done = run(&["pull", "--quiet", &name], b"");
    assert_eq!(done.code, 0, "{}", done.stderr);
    let asked = std::fs::read_to_string(sandbox.work().join("asked")).expect("read");
    assert_eq!(asked, registry.address());
    assert_eq!(run(&["logout", registry.address()], b"").code, 0);
    assert!(!sandbox.work().join("kept").exists());
    assert_eq!(document(&config(&sandbox))["auths"], json!({}));
}

fn hostile_helpers() {
    let (sandbox, registry) = (Sandbox::new(), private());
    let name = format!("{}/some:1", registry.address());
    configured(&sandbox, &json!({"credHelpers": {registry.address(): "test"}}));
    for lines in [
        "exit 1".to_owned(),
        "echo no JSON hunter2-canary".to_owned(),
        "yes hunter2-canary".to_owned(),
        "kill -9 $$".to_owned(),
        format!(
            "echo '{{\"ServerURL\":\"other.example\",\"Username\":\"me\",\"Secret\":\"{SECRET}\"}}'"
        ),
        format!(
            "echo '{{\"ServerURL\":\"x{}\",\"Username\":\"me\",\"Secret\":\"{SECRET}\"}}'",
            registry.address()
        ),
        "printf '\\377\\376'".to_owned(),
        "exec >&-; exec sleep 1000".to_owned(),
    ] {
        let mut command = sandbox.command(&["pull", &name]);
        command.env("PATH", helper_of(&sandbox, &lines));
        let begin = Instant::now();
        let done = finish(command, b"");
        assert!(done.code == 1 && done.stderr.lines().count() == 1, "{lines}: {}", done.stderr);
        assert!(!done.stderr.contains("canary"), "{lines}: {}", done.stderr);
        assert!(begin.elapsed() < Duration::from_secs(10), "{lines}");
    }
    // One that is not there keeps nobody from what is open, and nothing else is tried in its place.
    let mut command = sandbox.command(&["pull", &name]);
    command.env("PATH", "/usr/bin:/bin");
    let done = finish(command, b"");
    assert!(done.stderr.contains("no basic auth credentials"), "{}", done.stderr);
    configured(&sandbox, &json!({"credHelpers": {registry.address(): "../../bin/sh"}}));
    let done = sandbox.barque(&["pull", &name]);
    assert!(done.stderr.contains("not the name of a credential helper"), "{}", done.stderr);
    for request in &registry.store().requests {
        assert_eq!(request.header("authorization"), None, "{request:?}");
    }
}

fn silent_helper() {
    let (sandbox, registry) = (Sandbox::new(), private());
    configured(&sandbox, &json!({"credHelpers": {registry.address(): "test"}}));
    let mut command = sandbox.command(&["pull", &format!("{}/some:1", registry.address())]);
    command.env("PATH", helper_of(&sandbox, "echo $$ > $D/pid; exec sleep 1000"));
    let begin = Instant::now();
    let done = finish(command, b"");
    assert!(done.code == 1 && done.stderr.contains("it does not answer"), "{}", done.stderr);
    // It may have asked its user something.
    let taken = begin.elapsed();
    assert!((Duration::from_secs(50)..Duration::from_secs(90)).contains(&taken), "{taken:?}");
    let pid = std::fs::read_to_string(sandbox.work().join("pid")).expect("read");
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "the helper goes on");
}

fn no_other() {
    let (sandbox, mine, other) = (Sandbox::new(), private(), private());
    assert_eq!(login(&sandbox, mine.address(), SECRET).code, 0);
    other.forget();
    let done = sandbox.barque(&["pull", &format!("{}/some:1", other.address())]);
    assert_eq!(done.code, 1);
    // By another name of the same place it is another registry.
    let port = mine.address().rsplit(':').next().unwrap_or_default();
    mine.forget();
    sandbox.barque(&["pull", &format!("localhost:{port}/some:1")]);
    for registry in [&mine, &other] {
        assert!(!registry.store().requests.is_empty());
        for request in &registry.store().requests {
            assert_eq!(request.header("authorization"), None, "{request:?}");
        }
    }
}

fn debian() {
    let sandbox = Sandbox::new();
    let directory = sandbox.work().join("registry");
    std::fs::create_dir_all(&directory).expect("make a directory");
    let passwords = directory.join("htpasswd");
    // `htpasswd -B` of `hunter2`.
    let line = "me:$2b$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n";
    std::fs::write(&passwords, line).expect("write");
    let manner = Manner { passwords: Some(&passwords), ..Manner::default() };
    let registry = Debian::start(&directory, manner);
    let path = sandbox.work().join("some.tar");
    image(2, 10_000).write_docker_archive(&path);
    sandbox.ok(&["load", "--quiet", "--input", &path.to_string_lossy()]);
    let name = format!("{}/me/some:1", registry.address());
    sandbox.ok(&["tag", "some", &name]);
    let done = sandbox.barque(&["push", &name]);
    assert!(done.stderr.contains("push access denied"), "{}", done.stderr);
    assert_eq!(login(&sandbox, registry.address(), "wrong").code, 1);
    let done = login(&sandbox, registry.address(), "hunter2");
    assert_eq!(done.code, 0, "{}", done.stderr);
    sandbox.ok(&["push", "--quiet", &name]);
    sandbox.ok(&["rmi", "--force", &name]);
    sandbox.ok(&["pull", "--quiet", &name]);
}
