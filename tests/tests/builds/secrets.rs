//! What steps are told that nobody else may know: `--secret` and `--ssh` (SEC-093, SEC-113).

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use barque::api::{BuildSecret, ImageBuild};
use barque::{Canceller, ErrorKind};
use barque_tests::files::below;
use barque_tests::{Sandbox, invariants};

use crate::{build, context, line, next, request, said};

const CANARY: &str = "canary-secret-5b1e";

fn secret(value: &str) -> BuildSecret {
    BuildSecret { value: Some(value.to_owned()), ..BuildSecret::default() }
}

/// No file below has it, whatever kind of file it is.
fn is_nowhere(directory: &Path) {
    for path in below(directory) {
        assert!(!path.to_string_lossy().contains(CANARY), "{}", path.display());
        if path.symlink_metadata().is_ok_and(|found| found.is_file()) {
            // One that goes meanwhile has nothing to tell.
            let bytes = std::fs::read(&path).unwrap_or_default();
            let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!found, "{} has the secret", path.display());
        }
    }
}

pub(crate) fn a_secret_reaches_its_step_and_is_nowhere_else() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let run = |mounts: &str, command: &str| format!("RUN {mounts} [\"/testbox\", {command}]\n");
    let text = "FROM testbox\n".to_owned()
        + &run(
            "--mount=type=secret,id=token --mount=type=secret,id=token,target=/deep/key,mode=0440,uid=1000,gid=1001 \
             --mount=type=secret,id=none --mount=type=secret,id=file,env=FROM_FILE",
            "\"read\", \"/run/secrets/token\", \"/run/secrets/none\", \",\", \
             \"stat\", \"/run/secrets/token\", \"/deep/key\", \"/run/secrets/file\", \",\", \"report\"",
        )
        + &run("--mount=type=secret,id=token", "\"write\", \"/run/secrets/token\", \"x\"");
    let context = context(&sandbox, &[("Dockerfile", &text)]);
    let file = sandbox.work().join("secret-file");
    std::fs::write(&file, format!("{CANARY}-in-a-file")).expect("write");
    let of_file = BuildSecret { path: file.to_string_lossy().into_owned(), value: None };
    let secrets = [("token".to_owned(), secret(CANARY)), ("file".to_owned(), of_file)];
    let request = ImageBuild { secrets: secrets.into(), ..request(&context) };
    assert!(!format!("{request:?}").contains(CANARY));
    let (lines, done) = build(&engine, &request);
    let error = done.expect_err("a secret is read-only");
    assert!(!error.to_string().contains(CANARY), "{error}");
    let output = said(&lines);
    for seen in [
        format!("\"/run/secrets/token\":{{\"text\":\"{CANARY}\"}}"),
        "\"/run/secrets/none\":{\"errno\":2}".to_owned(),
        "\"/run/secrets/file\":{\"errno\":2}".to_owned(),
        "\"mode\":\"400\"".to_owned(),
        "\"mode\":\"440\"".to_owned(),
        "\"uid\":1000".to_owned(),
        format!("{CANARY}-in-a-file"),
    ] {
        assert!(output.contains(&seen), "{seen}: {output}");
    }
    is_nowhere(&sandbox.root());
    is_nowhere(&sandbox.run());

    // Another secret is no other step, and what was mounted has left no place behind.
    let text = text.rsplit_once("RUN").expect("two steps").0;
    std::fs::write(context.join("Dockerfile"), text).expect("write");
    let other = [("token".to_owned(), secret("other"))];
    let request = ImageBuild { secrets: other.into(), ..request };
    let (lines, done) = build(&engine, &request);
    done.expect("it is built");
    assert_eq!(crate::told(&lines).last().map(String::as_str), Some("RUN: Cached"));
    let top = sandbox.ok(&["run", "--rm", "--network", "none", "built", "list", "/"]);
    assert!(!top.contains("deep"), "{top}");
    let history = sandbox.ok(&["history", "--no-trunc", "built"]);
    assert!(!history.contains(CANARY), "{history}");

    // Nor is it anywhere while the step runs.
    let text = "FROM testbox\nRUN --mount=type=secret,id=token,env=TOKEN,target=/token \
                [\"/testbox\", \"echo\", \"begun\", \",\", \"sleep\", \"forever\"]\n";
    std::fs::write(context.join("Dockerfile"), text).expect("write");
    let secrets = [("token".to_owned(), secret(CANARY))];
    let request = ImageBuild { secrets: secrets.into(), ..request };
    let canceller = Canceller::new().expect("a canceller");
    let cancelled = engine.with_canceller(&canceller);
    let mut stream = cancelled.images().build(&request).expect("a build begins");
    while let Some(text) = next(&mut stream).expect("it goes on") {
        if line(&text).and_then(|line| line.step).is_some_and(|step| step.output.contains("begun"))
        {
            break;
        }
    }
    is_nowhere(&sandbox.root());
    is_nowhere(&sandbox.run());
    canceller.cancel();
    while next(&mut stream).is_ok_and(|line| line.is_some()) {}
    drop(stream);
    invariants::hold(&sandbox, "builds with secrets");
}

pub(crate) fn a_secret_that_cannot_be_is_told_without_its_content() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", "FROM testbox\n")]);
    let large = format!("{CANARY}{}", "x".repeat(500 << 10));
    let (missing, directory) = (sandbox.work().join("missing"), sandbox.work());
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let both = BuildSecret { path: path(&missing), ..secret(CANARY) };
    for (id, given, why) in [
        ("", secret(CANARY), "it needs an id"),
        ("x", BuildSecret::default(), "it needs a Path or a Value"),
        ("x", both, "it has a Path or a Value, one of them"),
        ("x", secret(&large), "it is larger than 500 kB"),
        ("x", BuildSecret { path: path(&missing), value: None }, "no such file"),
        ("x", BuildSecret { path: path(&directory), value: None }, "is not a file"),
    ] {
        let secrets = [(id.to_owned(), given)].into();
        let request = ImageBuild { secrets, ..request(&context) };
        let error = engine.images().build(&request).map(drop).expect_err(why);
        assert!(error.message().contains(why), "{why}: {error}");
        assert!(!error.to_string().contains(CANARY), "{error}");
    }
    for (mount, why) in [
        ("required", "a secret mount needs an id or a target"),
        ("id=x,required", "secret x: not found"),
        ("target=/a/y,required", "secret y: not found"),
        ("id=..", "needs a target"),
        ("id=token,target=/proc/x", "nothing can be mounted at /proc/x"),
        ("id=token,mode=9", "invalid value for mode: 9"),
        ("id=token,env=A=B", "invalid value for env: A=B"),
        ("id=token,required=maybe", ""),
        ("id=none,required=maybe", "invalid value for required: maybe"),
    ] {
        let text =
            format!("FROM testbox\nRUN --mount=type=secret,{mount} [\"/testbox\", \"echo\"]\n");
        std::fs::write(context.join("Dockerfile"), text).expect("write");
        let secrets = [("token".to_owned(), secret(CANARY))].into();
        match build(&engine, &ImageBuild { secrets, ..request(&context) }).1 {
            Ok(_) => assert_eq!(why, "", "{mount}"),
            Err(error) => {
                assert!(!why.is_empty() && error.message().contains(why), "{mount}: {error}");
                assert!(!error.to_string().contains(CANARY), "{error}");
            }
        }
    }
}

pub(crate) fn an_agent_is_asked_for_keys_and_signatures_and_nothing_else() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let path = sandbox.work().join("agent");
    let listener = UnixListener::bind(&path).expect("bind");
    let asked: Arc<Mutex<Vec<u8>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let agent = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        let mut question = [0; 5];
        while client.read_exact(&mut question).is_ok() {
            seen.lock().expect("lock").push(question[4]);
            client.write_all(&[0, 0, 0, 2, 12, 99]).expect("answer");
        }
    });
    // Which keys, then: remove all.
    let text = "FROM testbox\nRUN --mount=type=ssh,uid=1000,mode=0600 \
                [\"/testbox\", \"ask\", \"/run/buildkit/ssh_agent.0\", \"000000010b\", \"0000000113\", \",\", \
                \"stat\", \"/run/buildkit/ssh_agent.0\", \",\", \"report\"]\n";
    let context = context(&sandbox, &[("Dockerfile", text)]);
    let ssh = [("default".to_owned(), path.to_string_lossy().into_owned())];
    let request = ImageBuild { ssh: ssh.into(), ..request(&context) };
    let (lines, done) = build(&engine, &request);
    done.expect("it is built");
    let output = said(&lines);
    for seen in ["00000002 0c63", "00000001 05", "\"uid\":1000", "/run/buildkit/ssh_agent.0"] {
        assert!(output.contains(&seen.replace(' ', "")), "{seen}: {output}");
    }
    assert!(output.contains("SSH_AUTH_SOCK"), "{output}");
    agent.join().expect("it was asked");
    assert_eq!(*asked.lock().expect("lock"), [11]);

    let text = "FROM testbox\nRUN --mount=type=ssh,id=other,required [\"/testbox\", \"echo\"]\n";
    std::fs::write(context.join("Dockerfile"), text).expect("write");
    let error = build(&engine, &request).1.expect_err("there is no such agent");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("ssh agent other: not found"), "{error}");
    let text = text.replace(",required", "");
    std::fs::write(context.join("Dockerfile"), text).expect("write");
    build(&engine, &request).1.expect("it can do without");
    for (id, path, why) in [
        ("", path.clone(), "it needs an id"),
        ("default", context.join("Dockerfile"), "is not an agent's socket"),
        ("default", context.join("none"), "no such file"),
    ] {
        let ssh = [(id.to_owned(), path.to_string_lossy().into_owned())].into();
        let request = ImageBuild { ssh, ..request.clone() };
        let error = engine.images().build(&request).map(drop).expect_err(why);
        assert!(error.message().contains(why), "{why}: {error}");
    }
    invariants::hold(&sandbox, "builds with an agent");
}
