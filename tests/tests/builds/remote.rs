//! What `ADD` fetches, from servers on loopback.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use barque::Canceller;
use barque::api::ImageBuild;
use barque_tests::image::Layer;
use barque_tests::registry::{Answer, Fault, Registry};
use barque_tests::sandbox::wait_until;
use barque_tests::{Sandbox, invariants};

use crate::{build, built, context, error_of, request};

/// Another time than now.
const MODIFIED: &str = "Wed, 21 Oct 2015 07:28:00 GMT";

fn page(body: &[u8]) -> Fault {
    let answer = Answer { body: body.to_vec(), ..Answer::status(200) };
    Fault::Instead(answer.with("Last-Modified", MODIFIED))
}

fn dockerfile(sandbox: &Sandbox, text: &str) -> ImageBuild {
    request(&context(sandbox, &[("Dockerfile", &format!("FROM testbox\n{text}\n"))]))
}

fn run(sandbox: &Sandbox, words: &[&str]) -> serde_json::Value {
    let told = sandbox.ok(&[&["run", "--rm", "--network", "none", "built"], words].concat());
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

fn digest(bytes: &[u8]) -> String {
    barque_tests::image::digest(bytes)
}

pub(crate) fn a_file_at_a_url_is_fetched_and_counts_by_its_content() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let web = Registry::new();
    let at = web.address();
    web.rule("GET", "/files/", 6, page(b"ahoy"));
    let text = format!(
        "ARG WHERE=http://{at}/files\nADD $WHERE/a%20b?token=1 /to/\nADD --chmod=755 --chown=7:8 http://{at}/files/x /there"
    );
    let request = dockerfile(&sandbox, &text);
    built(&engine, &request);
    let told = run(&sandbox, &["read", "/to/a b", "/there"]);
    assert_eq!(told["/to/a b"]["text"], "ahoy", "{told}");
    let told = run(&sandbox, &["stat", "/to/a b", "/there"]);
    assert_eq!(told["/to/a b"]["mode"], "600", "{told}");
    assert_eq!(told["/there"]["mode"], "755", "{told}");
    assert_eq!((&told["/there"]["uid"], &told["/there"]["gid"]), (&7.into(), &8.into()), "{told}");
    let time = sandbox.ok(&["create", "--name", "c", "--network", "none", "built"]);
    let kept = sandbox.work().join("there");
    sandbox.ok(&["cp", "c:/there", &kept.to_string_lossy()]);
    let modified = kept.metadata().and_then(|found| found.modified()).expect("a time");
    let since = modified.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    assert_eq!(since.as_secs(), 1_445_412_480, "{time}");
    // The same bytes are the same file, others are not.
    assert_eq!(built(&engine, &request).0[1..], ["ADD: Cached", "ADD: Cached"]);
    web.rule("GET", "/files/", 2, page(b"oh"));
    built(&engine, &request);
    web.rule("GET", "/files/", 2, page(b"ho"));
    assert_eq!(built(&engine, &request).0[1..], ["ADD: Done", "ADD: Done"]);
    assert!(web.asked("GET", "/files/").iter().all(|asked| {
        asked.header("authorization").is_none() && asked.header("cookie").is_none()
    }));
    sandbox.ok(&["rm", "c"]);
    invariants::hold(&sandbox, "files at URLs");
}

pub(crate) fn a_file_whose_digest_is_given_is_checked_and_fetched_once() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let web = Registry::new();
    web.rule("GET", "/x", 99, page(b"ahoy"));
    let add = |digest: &str| {
        let text = format!("ADD --checksum={digest} http://{}/x /x", web.address());
        dockerfile(&sandbox, &text)
    };
    let (_, failed) = build(&engine, &add(&digest(b"other")));
    let failed = failed.expect_err("it is another file");
    assert_eq!(failed.reason(), "digest_mismatch", "{failed}");
    assert!(failed.message().starts_with("Dockerfile:2: http://"), "{failed}");
    built(&engine, &add(&digest(b"ahoy")));
    web.forget();
    assert_eq!(built(&engine, &add(&digest(b"ahoy"))).0[1..], ["ADD: Cached"]);
    assert!(web.asked("GET", "/x").is_empty(), "what is known was fetched again");
    for (text, why) in [
        ("ADD --checksum=sha256:12 http://127.0.0.1:1/x /x", "is no digest"),
        ("ADD --checksum=md5:12 http://127.0.0.1:1/x /x", "is no digest"),
        ("ADD --checksum=sha256:12 Dockerfile /x", "are for what ADD fetches"),
        (
            "ADD --checksum=sha256:12 http://127.0.0.1:1/x http://127.0.0.1:1/y /x/",
            "multiple sources",
        ),
        ("ADD https://user:secret@127.0.0.1/x /x", "not an address"),
    ] {
        let (_, failed) = build(&engine, &dockerfile(&sandbox, text));
        let failed = failed.expect_err(text);
        assert!(failed.message().contains(why), "{text}: {failed}");
    }
}

pub(crate) fn a_fetch_goes_on_where_it_can_and_says_why_where_it_cannot() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let web = Registry::new();
    let request = dockerfile(&sandbox, &format!("ADD http://{}/x /x", web.address()));
    // What breaks off is asked for again.
    web.rule("GET", "/x", 1, Fault::Silence);
    web.rule("GET", "/x", 1, Fault::Instead(Answer::status(503).with("Retry-After", "0")));
    web.rule("GET", "/x", 1, page(b"whole"));
    built(&engine, &request);
    assert_eq!(run(&sandbox, &["read", "/x"])["/x"]["text"], "whole");
    for (answer, kind, why) in [
        (Answer::status(404), barque::ErrorKind::NotFound, "404 Not Found"),
        (Answer::status(403), barque::ErrorKind::PermissionDenied, "403 Forbidden"),
        (
            Answer::status(401).with(
                "WWW-Authenticate",
                format!("Bearer realm=\"http://{}/token\"", web.address()),
            ),
            barque::ErrorKind::Unauthorized,
            "401 Unauthorized",
        ),
    ] {
        web.rule("GET", "/x", 1, Fault::Instead(answer));
        let (lines, failed) = build(&engine, &request);
        let failed = failed.expect_err(why);
        assert_eq!(failed.kind(), kind, "{failed}");
        assert!(failed.message().contains(why), "{failed}");
        assert!(failed.message().starts_with("Dockerfile:2: http://127.0.0.1:"), "{failed}");
        assert_eq!(crate::told(&lines).last().map(String::as_str), Some("ADD: Failed"));
    }
    assert!(web.asked("GET", "/token").is_empty(), "a server was asked for a token");
    let nobody = dockerfile(&sandbox, "ADD http://127.0.0.1:1/x /x");
    let failed = build(&engine, &nobody).1.expect_err("nobody listens");
    assert_eq!(failed.kind(), barque::ErrorKind::Unavailable, "{failed}");
    invariants::hold(&sandbox, "fetches that failed");
}

pub(crate) fn a_redirect_leads_to_web_servers_only_and_nothing_is_told_to_them() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let (web, other) = (Registry::new(), Registry::new());
    let to = |place: String| Fault::Instead(Answer::status(302).with("Location", place));
    let request = dockerfile(&sandbox, &format!("ADD http://{}/from /to/", web.address()));
    web.rule("GET", "/from", 1, to(format!("http://{}/elsewhere", other.address())));
    other.rule("GET", "/elsewhere", 1, page(b"there"));
    built(&engine, &request);
    // Its name is the one that was asked for.
    assert_eq!(run(&sandbox, &["read", "/to/from"])["/to/from"]["text"], "there");
    for place in ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x"] {
        web.rule("GET", "/from", 1, to(place.to_owned()));
        let failed = build(&engine, &request).1.expect_err(place);
        assert_eq!(failed.reason(), "bad_redirect", "{failed}");
    }
    web.rule("GET", "/from", 99, to(format!("http://{}/from", web.address())));
    let failed = build(&engine, &request).1.expect_err("it leads in a circle");
    assert_eq!(failed.reason(), "redirects", "{failed}");
}

pub(crate) fn an_archive_at_a_url_is_unpacked_where_that_is_said() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let web = Registry::new();
    let archive = Layer::new().file("inner", 0o644, b"in it").finish();
    web.rule("GET", "/a.tar", 2, page(&archive));
    let at = web.address();
    let text = format!("ADD http://{at}/a.tar /whole/\nADD --unpack=true http://{at}/a.tar /out/");
    built(&engine, &dockerfile(&sandbox, &text));
    let told = run(&sandbox, &["read", "/out/inner", "/whole/inner"]);
    assert_eq!(told["/out/inner"]["text"], "in it", "{told}");
    assert_eq!(told["/whole/inner"]["errno"], 2, "{told}");
    assert_eq!(run(&sandbox, &["stat", "/whole/a.tar"])["/whole/a.tar"]["mode"], "600");
}

pub(crate) fn a_fetch_that_hangs_is_cancelled() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let web = Registry::new();
    web.rule("GET", "/x", 1, page(&[b'x'; 4096]));
    web.store().rules.insert(
        0,
        barque_tests::registry::Rule {
            method: "GET",
            path: "/x".to_owned(),
            times: 1,
            fault: Fault::Late(Duration::from_secs(600)),
        },
    );
    let canceller = Canceller::new().expect("a canceller");
    let request = dockerfile(&sandbox, &format!("ADD http://{}/x /x", web.address()));
    let mut stream =
        engine.with_canceller(&canceller).images().build(&request).expect("a build begins");
    wait_until("it asks", Duration::from_secs(30), || !web.asked("GET", "/x").is_empty());
    canceller.cancel();
    let error = error_of(&mut stream);
    assert_eq!(error.kind(), barque::ErrorKind::Cancelled, "{error}");
    drop(stream);
    invariants::hold(&sandbox, "a fetch that was cancelled");
}

/// A repository, and a server of it on loopback.
struct GitServer {
    address: String,
    repository: PathBuf,
    server: Child,
}

impl GitServer {
    fn start(sandbox: &Sandbox) -> GitServer {
        let all = sandbox.work().join("served");
        let repository = all.join("ahoy.git");
        std::fs::create_dir_all(&repository).expect("make a directory");
        // A port that nobody has, as long as nobody takes it in between.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .expect("a port")
            .port();
        git(&repository, &["init", "--quiet", "--initial-branch=main"]);
        // Not `git daemon`: that would be the child, and this its child.
        let programs = git(&repository, &["--exec-path"]);
        let server = Command::new(Path::new(programs.trim()).join("git-daemon"))
            .args(["--reuseaddr", "--export-all", "--listen=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", all.display()))
            .arg(&all)
            .stderr(Stdio::null())
            .spawn()
            .expect("start git daemon");
        wait_until("the server listens", Duration::from_secs(30), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let address = format!("git://127.0.0.1:{port}/ahoy.git/.git");
        GitServer { address, repository, server }
    }

    fn commit(&self, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            let path = self.repository.join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("make a directory");
            std::fs::write(path, text).expect("write");
        }
        git(&self.repository, &["add", "--all"]);
        git(&self.repository, &["commit", "--quiet", "--message", "more"]);
        git(&self.repository, &["rev-parse", "HEAD"]).trim().to_owned()
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn git(directory: &Path, words: &[&str]) -> String {
    let done = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false"])
        .args(["-c", "safe.directory=*"])
        .args(words)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("run git");
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

pub(crate) fn a_git_repository_is_fetched_by_branch_tag_and_commit() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let server = GitServer::start(&sandbox);
    let first = server.commit(&[("f", "one"), ("sub/s", "sub one")]);
    git(&server.repository, &["tag", "--annotate", "--message", "t", "v1"]);
    server.commit(&[("f", "two")]);
    git(&server.repository, &["branch", "side"]);
    let last = server.commit(&[("f", "three")]);
    let at = &server.address;
    let text = format!(
        "ADD {at} /head\nADD {at}#v1 /tag/\nADD {at}#side /branch\nADD --checksum={} {at}#{first} /commit\n\
         ADD {at}#v1:sub /sub\nADD --keep-git-dir --chown=3 {at}#main /kept",
        &first[..12]
    );
    let request = dockerfile(&sandbox, &text);
    built(&engine, &request);
    let files = [
        "/head/f",
        "/tag/f",
        "/branch/f",
        "/commit/f",
        "/sub/s",
        "/head/.git/HEAD",
        "/kept/.git/HEAD",
    ];
    let told = run(&sandbox, &[&["read"][..], &files].concat());
    for (path, text) in [
        ("/head/f", "three"),
        ("/tag/f", "one"),
        ("/branch/f", "two"),
        ("/commit/f", "one"),
        ("/sub/s", "sub one"),
    ] {
        assert_eq!(told[path]["text"], text, "{path}: {told}");
    }
    assert_eq!(told["/head/.git/HEAD"]["errno"], 2, "{told}");
    assert_eq!(told["/kept/.git/HEAD"]["text"], format!("{last}\n"), "{told}");
    let told = run(&sandbox, &["stat", "/head/f", "/kept/f"]);
    assert_eq!((&told["/head/f"]["mode"], &told["/head/f"]["uid"]), (&"644".into(), &0.into()));
    assert_eq!(told["/kept/f"]["uid"], 3, "{told}");
    // A commit that is known is not fetched, and one more is another.
    assert!(built(&engine, &request).0[1..].iter().all(|told| told == "ADD: Cached"));
    server.commit(&[("f", "four")]);
    let told = built(&engine, &request).0;
    assert_eq!(told[1], "ADD: Done", "{told:?}");
    for (text, why) in [
        (format!("ADD {at}#nowhere /x"), "the repository has no nowhere"),
        (format!("ADD --checksum={} {at}#main /x", &first[..12]), "expected checksum to match"),
        (format!("ADD {at}#main:no/such /x"), "not found"),
        (format!("ADD {at}2 /x"), "git ls-remote: fatal: "),
    ] {
        let failed = build(&engine, &dockerfile(&sandbox, &text)).1.expect_err(&text);
        assert!(failed.message().starts_with("Dockerfile:2: "), "{text}: {failed}");
        assert!(failed.message().contains(why), "{text}: {failed}");
    }
    invariants::hold(&sandbox, "a git repository");
}

pub(crate) fn what_is_no_server_is_no_git_repository() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let server = GitServer::start(&sandbox);
    server.commit(&[("f", "one")]);
    // A submodule may be on a server, and not on this machine's disk.
    let secret = sandbox.work().join("secret");
    std::fs::create_dir(&secret).expect("make a directory");
    git(&secret, &["init", "--quiet"]);
    git(&secret, &["commit", "--quiet", "--allow-empty", "--message", "x"]);
    let place = secret.to_string_lossy().into_owned();
    let modules = format!("[submodule \"m\"]\n\tpath = m\n\turl = {place}\n");
    let commit = git(&secret, &["rev-parse", "HEAD"]);
    let cache = format!("160000,{},m", commit.trim());
    git(&server.repository, &["update-index", "--add", "--cacheinfo", &cache]);
    std::fs::write(server.repository.join(".gitmodules"), modules).expect("write");
    git(&server.repository, &["add", ".gitmodules"]);
    git(&server.repository, &["commit", "--quiet", "--message", "module"]);
    let request = dockerfile(&sandbox, &format!("ADD {} /x", server.address));
    let failed = build(&engine, &request).1.expect_err("a submodule on this disk");
    assert!(failed.message().contains("git submodule: "), "{failed}");
    // A hook that the caller's own git would run, and options in addresses.
    for text in [
        "ADD git@-oProxyCommand=x:y /x",
        "ADD ssh://-oProxyCommand=touch/x /x",
        "ADD git://h/x#--upload-pack=x /x",
    ] {
        assert!(build(&engine, &dockerfile(&sandbox, text)).1.is_err(), "{text}");
    }
}
