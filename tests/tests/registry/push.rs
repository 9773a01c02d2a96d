//! Pushing, with everything that can go wrong on the way (F11 to F17, F21; SEC-088).

use std::time::{Duration, Instant};

use barque::{Error, api};
use barque_tests::image::{Image, Layer};
use barque_tests::registry::debian::{Debian, Manner};
use barque_tests::registry::{Answer, Auth, Fault, Registry};
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants};
use serde_json::{Value, json};

use super::pull::{documents, image, layer_digest, pull};

/// Push to the end: every document, or the error.
pub(crate) fn push(engine: &barque::Engine, name: &str) -> Result<Vec<Value>, Error> {
    let request = api::ImagePush { name: name.into(), ..Default::default() };
    documents(engine.images().push(&request)?)
}

/// Load an image and name it for a registry.
pub(crate) fn loaded(sandbox: &Sandbox, image: &Image, name: &str) {
    let path = sandbox.work().join("some.tar");
    image.write_docker_archive(&path);
    sandbox.ok(&["load", "--quiet", "--input", &path.to_string_lossy()]);
    sandbox.ok(&["tag", "some", name]);
}

pub(crate) fn add(suite: &mut Suite) {
    suite.add("what was pulled is pushed with the same digests and bytes", unchanged);
    suite.add("a layer made here is compressed, to the same bytes each time", compressed);
    suite.add(
        "what the registry has is not sent, and mounted where another repository has it",
        little,
    );
    for (name, fault) in [
        ("a connection that is cut", Fault::Silence),
        ("status 500", Fault::Instead(Answer::status(500))),
        ("status 429 and a time", Fault::Instead(Answer::status(429).with("Retry-After", "0"))),
        ("status 416", Fault::Instead(Answer::status(416))),
    ] {
        for method in ["POST", "PATCH", "PUT"] {
            if method != "PATCH" && name.contains("416") {
                continue;
            }
            let fault = fault.clone();
            let name = format!("a push goes on after {name} at a {method}");
            suite.add(name, move || recovers(method, fault));
        }
    }
    suite.add("a push goes on where the registry stands", resumed);
    suite.add("a session that the registry forgot is begun anew", forgotten);
    suite.add("a token that expires on the way is replaced", expiring);
    suite.add("a refused push leaves the tag as it was", refused);
    suite.add("a registry that takes something else for the manifest is told", lying);
    suite.add("a damaged blob is not pushed", damaged);
    suite.add("a push is cancelled at any time", cancelled);
    suite.add("an upload that leads elsewhere takes no credentials along", elsewhere);
    suite.add("Debian's registry takes and gives back what we push", debian);
}

fn unchanged() {
    let (sandbox, from, to) = (Sandbox::new(), Registry::new(), Registry::new());
    let digest = from.hold("a/some:1", &image(3, 200_000));
    let engine = sandbox.engine();
    let name = format!("{}/a/some:1", from.address());
    pull(&engine, &name).expect("pull");
    let there = format!("{}/b/other:2", to.address());
    sandbox.ok(&["tag", &name, &there]);
    let seen = push(&engine, &there).expect("push");
    let last = seen.last().expect("a last document");
    let size = from.store().manifests["a/some:1"].1.len();
    assert_eq!(last["Tags"], json!([{"Tag": "2", "Digest": digest, "Size": size}]));
    let status = |text: &str| seen.iter().any(|line| line["status"] == text);
    for text in ["Preparing", "Pushed", &format!("2: digest: {digest} size: {size}")] {
        assert!(status(text), "{text} in {seen:#?}");
    }
    assert_eq!(from.store().blobs, to.store().blobs);
    assert_eq!(from.store().manifests["a/some:1"], to.store().manifests["b/other:2"]);
    let inspect = sandbox.inspect(&there);
    assert_eq!(
        inspect["RepoDigests"],
        json!([
            format!("{}/a/some@{digest}", from.address()),
            format!("{}/b/other@{digest}", to.address())
        ])
        .as_array()
        .map(|names| {
            let mut names = names.clone();
            names.sort_by_key(ToString::to_string);
            Value::from(names)
        })
        .unwrap_or_default()
    );
    invariants::hold(&sandbox, "a push");
}

fn compressed() {
    let registry = Registry::new();
    let some = image(2, 2_500_000);
    let mut digests = Vec::new();
    for number in 0..2 {
        let sandbox = Sandbox::new();
        let name = format!("{}/some:{number}", registry.address());
        loaded(&sandbox, &some, &name);
        let seen = push(&sandbox.engine(), &name).expect("push");
        let last = seen.last().expect("a last document").clone();
        digests.push(last["Tags"][0]["Digest"].clone());
        assert_eq!(std::fs::read_dir(sandbox.root().join("tmp")).map_or(0, Iterator::count), 0);
        // In a fresh store it is the same image.
        let fresh = Sandbox::new();
        pull(&fresh.engine(), &name).expect("pull");
        assert_eq!(fresh.inspect(&name)["Id"], sandbox.inspect(&name)["Id"]);
        invariants::hold(&fresh, "a pull of what was pushed");
    }
    assert_eq!(digests[0], digests[1]);
    let manifest: Value =
        serde_json::from_slice(&registry.store().manifests["some:0"].1).expect("a manifest");
    for layer in manifest["layers"].as_array().expect("layers") {
        assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    }
}

fn little() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("a/some:1", &image(2, 100_000));
    let engine = sandbox.engine();
    let name = format!("{}/a/some:1", registry.address());
    pull(&engine, &name).expect("pull");
    let there = format!("{}/b/some:1", registry.address());
    sandbox.ok(&["tag", &name, &there]);
    registry.forget();
    let seen = push(&engine, &there).expect("push");
    let mounted = seen.iter().filter(|line| line["status"] == "Mounted from a/some").count();
    assert_eq!(mounted, 2, "{seen:#?}");
    assert!(registry.asked("PATCH", "").iter().all(|request| request.body.len() < 10_000));
    registry.forget();
    let seen = push(&engine, &there).expect("push again");
    let exists = seen.iter().filter(|line| line["status"] == "Layer already exists").count();
    assert_eq!(exists, 3, "{seen:#?}");
    assert_eq!(registry.asked("POST", "").len() + registry.asked("PATCH", "").len(), 0);
}

fn recovers(method: &'static str, fault: Fault) {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let name = format!("{}/some:1", registry.address());
    loaded(&sandbox, &image(2, 300_000), &name);
    registry.rule(method, "/blobs/uploads/", 2, fault.clone());
    registry.rule(method, "/manifests/", 1, fault);
    push(&sandbox.engine(), &name).expect("push");
    let fresh = Sandbox::new();
    pull(&fresh.engine(), &name).expect("pull");
    assert_eq!(fresh.inspect(&name)["Id"], sandbox.inspect(&name)["Id"]);
}

fn resumed() {
    let (sandbox, from, registry) = (Sandbox::new(), Registry::new(), Registry::new());
    let some = image(1, 900_000);
    from.hold("some:1", &some);
    let layer = layer_digest(&from, "some:1", 0);
    let size = from.store().blobs[&layer].len();
    let name = format!("{}/some:1", from.address());
    pull(&sandbox.engine(), &name).expect("pull");
    let there = format!("{}/some:1", registry.address());
    sandbox.ok(&["tag", &name, &there]);
    // It takes half a million bytes, and hangs up; of the configuration, which is smaller, all.
    registry.rule("PATCH", "/blobs/uploads/", 2, Fault::Take(500_000));
    push(&sandbox.engine(), &there).expect("push");
    let sent: Vec<(Option<String>, usize)> = registry
        .asked("PATCH", "/blobs/uploads/")
        .iter()
        .filter(|request| request.body.len() > 10_000)
        .map(|request| (request.header("content-range").map(str::to_owned), request.body.len()))
        .collect();
    assert_eq!(
        sent,
        [
            (Some(format!("0-{}", size - 1)), 500_000),
            (Some(format!("500000-{}", size - 1)), size - 500_000)
        ]
    );
    assert_eq!(registry.store().blobs[&layer], from.store().blobs[&layer]);
}

fn forgotten() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let name = format!("{}/some:1", registry.address());
    loaded(&sandbox, &image(1, 300_000), &name);
    registry.rule("PATCH", "/blobs/uploads/", 1, Fault::Silence);
    registry.rule("GET", "/blobs/uploads/", 1, Fault::Instead(Answer::status(404)));
    push(&sandbox.engine(), &name).expect("push");
    pull(&Sandbox::new().engine(), &name).expect("pull");
}

fn expiring() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let name = format!("{}/some:1", registry.address());
    loaded(&sandbox, &image(4, 50_000), &name);
    let realm = format!("http://{}/token", registry.address());
    // More than there are senders: one that was fetched is not used up before its own request.
    registry.store().auth = Auth::Bearer { realm, uses: 8 };
    push(&sandbox.engine(), &name).expect("push");
    let scopes: Vec<Option<String>> =
        registry.asked("GET", "/token").iter().map(|request| request.query("scope")).collect();
    assert!(scopes.len() > 1, "{scopes:?}");
    assert!(scopes.iter().all(|scope| scope.as_deref() == Some("repository:some:pull,push")));
    pull(&Sandbox::new().engine(), &name).expect("pull");
}

fn refused() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let before = registry.hold("some:1", &image(1, 1000));
    let name = format!("{}/some:1", registry.address());
    loaded(&sandbox, &image(2, 100_000), &name);
    for (method, path, status, kind) in [
        ("POST", "/blobs/uploads/", 403, barque::ErrorKind::PermissionDenied),
        ("PATCH", "/blobs/uploads/", 413, barque::ErrorKind::InvalidArgument),
        ("PUT", "/blobs/uploads/", 400, barque::ErrorKind::InvalidArgument),
        ("PUT", "/manifests/", 403, barque::ErrorKind::PermissionDenied),
        ("HEAD", "/blobs/", 401, barque::ErrorKind::Unauthorized),
    ] {
        registry.rule(method, path, 99, Fault::Instead(Answer::status(status)));
        let error = push(&sandbox.engine(), &name).expect_err("it must fail");
        assert_eq!(error.kind(), kind, "{method} {path}: {error}");
        if status == 403 {
            assert!(error.message().starts_with("push access denied for"), "{error}");
        }
        registry.store().rules.clear();
        let digest = barque_tests::image::digest(&registry.store().manifests["some:1"].1);
        assert_eq!(digest, before, "the tag stands for what it did");
    }
    invariants::hold(&sandbox, "pushes that were refused");
}

fn lying() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let name = format!("{}/some:1", registry.address());
    loaded(&sandbox, &image(1, 1000), &name);
    for told in [barque_tests::image::digest(b"x"), "sha256:../x".to_owned()] {
        let answer = Answer::status(201).with("Docker-Content-Digest", told);
        registry.rule("PUT", "/manifests/", 1, Fault::Instead(answer));
        let error = push(&sandbox.engine(), &name).expect_err("it must fail");
        assert_eq!(error.kind(), barque::ErrorKind::Corrupt, "{error}");
    }
    registry.store().linked.clear();
    // Where an upload goes on must be said, and be an address that we may follow.
    for answer in [
        Answer::status(202),
        Answer::status(202).with("Location", "file:///etc/passwd"),
        Answer::status(202).with("Location", "http://user:secret@127.0.0.1/"),
    ] {
        registry.rule("POST", "/blobs/uploads/", 9, Fault::Instead(answer));
        push(&sandbox.engine(), &name).expect_err("it must fail");
        registry.store().rules.clear();
    }
    assert_eq!(sandbox.inspect(&name)["RepoDigests"], json!([]));
}

fn damaged() {
    let (sandbox, from, registry) = (Sandbox::new(), Registry::new(), Registry::new());
    from.hold("some:1", &image(1, 300_000));
    let layer = layer_digest(&from, "some:1", 0);
    let name = format!("{}/some:1", from.address());
    pull(&sandbox.engine(), &name).expect("pull");
    let there = format!("{}/some:1", registry.address());
    sandbox.ok(&["tag", &name, &there]);
    let path = sandbox.root().join("blobs/sha256").join(&layer["sha256:".len()..]);
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[200_000] ^= 1;
    std::fs::remove_file(&path).expect("remove");
    std::fs::write(&path, bytes).expect("write");
    let error = push(&sandbox.engine(), &there).expect_err("it must fail");
    assert_eq!((error.kind(), error.reason()), (barque::ErrorKind::Corrupt, "damaged_blob"));
    assert!(registry.store().manifests.is_empty());
    assert!(!registry.store().blobs.contains_key(&layer));
}

fn cancelled() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let name = format!("{}/some:1", registry.address());
    loaded(&sandbox, &image(3, 300_000), &name);
    registry.rule("PATCH", "/blobs/uploads/", 99, Fault::Late(Duration::from_secs(20)));
    let engine = sandbox.engine();
    let request = api::ImagePush { name: name.clone(), ..Default::default() };
    for milliseconds in [0, 5, 50, 300] {
        let stream = engine.images().push(&request).expect("begin");
        std::thread::sleep(Duration::from_millis(milliseconds));
        let begin = Instant::now();
        drop(stream);
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
    registry.store().rules.clear();
    assert!(registry.store().manifests.is_empty());
    push(&engine, &name).expect("push");
    invariants::hold(&sandbox, "pushes that were cancelled");
}

fn elsewhere() {
    let (sandbox, registry, other) = (Sandbox::new(), Registry::new(), Registry::new());
    let name = format!("{}/some:1", registry.address());
    loaded(&sandbox, &image(1, 1000), &name);
    registry.store().auth = Auth::Basic("me".into(), "hunter2".into());
    registry.store().upload_prefix = format!("http://{}", other.address());
    let auth =
        api::AuthConfig { username: "me".into(), password: "hunter2".into(), ..Default::default() };
    let request = api::ImagePush { name, auth: Some(auth), ..Default::default() };
    // The other place knows no such upload: what counts is what it was told.
    let error = documents(sandbox.engine().images().push(&request).expect("begin"))
        .expect_err("it must fail");
    assert!(!format!("{error:?}").contains("hunter2"));
    assert!(!other.store().requests.is_empty());
    for request in &other.store().requests {
        assert_eq!(request.header("authorization"), None, "{request:?}");
    }
    assert!(registry.asked("POST", "").iter().any(|r| r.header("authorization").is_some()));
}

fn debian() {
    let sandbox = Sandbox::new();
    let registry = Debian::start(&sandbox.work().join("registry"), Manner::default());
    let name = format!("{}/me/some:1", registry.address());
    let some = image(3, 400_000).layer(Layer::new().file("more", 0o644, b"more").finish());
    loaded(&sandbox, &some, &name);
    let seen = push(&sandbox.engine(), &name).expect("push");
    let pushed = seen.last().expect("a last document")["Tags"][0]["Digest"].clone();
    let fresh = Sandbox::new();
    let seen = pull(&fresh.engine(), &name).expect("pull");
    assert_eq!(seen.last().map(|last| &last["Digest"]), Some(&pushed));
    assert_eq!(fresh.inspect(&name)["Id"], sandbox.inspect(&name)["Id"]);
    // To another repository there: mounted, and the same digest.
    let other = format!("{}/you/other:2", registry.address());
    fresh.ok(&["tag", &name, &other]);
    let seen = push(&fresh.engine(), &other).expect("push");
    assert_eq!(seen.last().expect("a last document")["Tags"][0]["Digest"], pushed);
    let mounted = seen.iter().filter(|line| line["status"] == "Mounted from me/some").count();
    assert_eq!(mounted, 4, "{seen:#?}");
    invariants::hold(&fresh, "a push to Debian's registry");
}
