//! Pulling, with everything that can go wrong on the way (F11 to F17, SEC-064, -066, -067, -075, -077, -079).

use std::time::{Duration, Instant};

use barque::api;
use barque::{Deadline, Error, Item, Next};
use barque_tests::image::{Image, Layer, digest};
use barque_tests::registry::{Answer, Fault, Registry};
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants};
use serde_json::{Value, json};

/// An image of so many layers of some size that does not compress.
pub(crate) fn image(layers: usize, size: usize) -> Image {
    let mut image = Image::new("some").config(json!({"Cmd": ["/bin/true"]}));
    for layer in 0..layers {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(layer as u64 + 1);
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .take(size)
        .collect();
        image = image.layer(Layer::new().file(&format!("file-{layer}"), 0o644, &bytes).finish());
    }
    image
}

/// Pull to the end: every document, or the error.
pub(crate) fn pull(engine: &barque::Engine, name: &str) -> Result<Vec<Value>, Error> {
    let request = api::ImagePull { name: name.into(), ..Default::default() };
    documents(engine.images().pull(&request)?)
}

pub(crate) fn documents(mut stream: barque::Stream) -> Result<Vec<Value>, Error> {
    let mut seen = Vec::new();
    while let Next::Item(item) = stream.next(Deadline::never())? {
        let Item::Document(text) = item else { panic!("a pull has no output") };
        seen.push(serde_json::from_str(&text).expect("a document is JSON"));
    }
    Ok(seen)
}

/// Nothing is left of what failed but parts that the next pull goes on with.
pub(crate) fn is_clean(sandbox: &Sandbox, name: &str) {
    invariants::hold(sandbox, "a pull that failed");
    assert_ne!(sandbox.barque(&["inspect", "--type", "image", name]).code, 0, "{name} is there");
    assert_eq!(std::fs::read_dir(sandbox.root().join("tmp")).map_or(0, Iterator::count), 0);
}

pub(crate) fn add(suite: &mut Suite) {
    suite.add("an image is pulled whole, and a second pull fetches nothing", whole);
    suite.add("an index leads to the manifest for this machine or the one asked for", index);
    suite.add("layers that are here are not fetched again", shared_layers);
    suite.add("what was lost or changed here is repaired by a pull", repaired);
    suite.add("two pulls of one image share the work", shared_work);
    for (name, fault, times) in [
        ("a connection that is cut in the middle", Fault::Cut(150_000), 2),
        ("a connection that is cut at its first byte", Fault::Cut(0), 2),
        ("a registry that ignores ranges after a cut", Fault::Cut(150_000), 1),
        ("an answer that does not come", Fault::Silence, 2),
        ("status 500", Fault::Instead(Answer::status(500)), 2),
        ("status 503 and a time", Fault::Instead(Answer::status(503).with("Retry-After", "0")), 3),
        ("status 429 and a time", Fault::Instead(Answer::status(429).with("Retry-After", "1")), 1),
    ] {
        let ignores = name.contains("ignores");
        suite.add(format!("a pull goes on after {name}"), move || recovers(fault, times, ignores));
    }
    for (name, fault, words) in [
        ("another byte", Fault::Corrupt, "is not what its digest says"),
        ("a length that is too short", Fault::Length(-10), "more or fewer bytes"),
        ("a length that is too long", Fault::Length(10), "more or fewer bytes"),
        ("a body that is longer", Fault::Longer(10), "more or fewer bytes"),
        ("no such blob", Fault::Instead(Answer::status(404)), "404"),
        (
            "a time that is too long",
            Fault::Instead(Answer::status(429).with("Retry-After", "86400")),
            "86400 seconds",
        ),
    ] {
        suite.add(format!("a pull fails at {name}"), move || fails(fault, words));
    }
    suite.add("a cut pull is gone on with by the next one", resumed);
    suite.add("a part that was damaged meanwhile is fetched again", damaged_part);
    suite.add("a pull is cancelled at any time", cancelled);
    suite.add("manifests that are none are refused", hostile_manifests);
    suite.add("a tag's manifest must have the digest that it is sent with", lying_digest);
    suite.add("a missing image is told in docker's words", missing);
    suite.add("an engine that is offline asks nobody", offline);
}

fn whole() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let digest = registry.hold("a/some:1", &image(4, 300_000));
    let engine = sandbox.engine();
    let name = format!("{}/a/some:1", registry.address());
    let seen = pull(&engine, &name).expect("pull");
    let last = seen.last().expect("a last document");
    assert_eq!(last["Digest"], digest);
    assert_eq!((&last["Downloaded"], &last["Name"]), (&json!(true), &json!(name)));
    let status = |text: &str| seen.iter().any(|line| line["status"] == text);
    for text in ["Pulling from a/some", "Pulling fs layer", "Download complete", "Pull complete"] {
        assert!(status(text), "{text} in {seen:#?}");
    }
    assert!(status(&format!("Digest: {digest}")));
    assert!(status(&format!("Status: Downloaded newer image for {name}")));
    let complete = seen.iter().filter(|line| line["status"] == "Pull complete").count();
    assert_eq!(complete, 4);
    let inspect = sandbox.inspect(&name);
    assert_eq!(inspect["RepoTags"], json!([name]));
    assert_eq!(inspect["RepoDigests"], json!([format!("{}/a/some@{digest}", registry.address())]));
    assert_eq!(inspect["RootFS"]["Layers"].as_array().map(Vec::len), Some(4));

    registry.forget();
    let seen = pull(&engine, &name).expect("pull again");
    assert_eq!(seen.last().map(|last| &last["Downloaded"]), Some(&json!(false)));
    assert_eq!(
        registry.asked("GET", "/blobs/").len() + registry.asked("GET", "/manifests/").len(),
        0
    );
    // By its digest it is the same image, and needs one document.
    let by_digest = format!("{}/a/some@{digest}", registry.address());
    pull(&engine, &by_digest).expect("pull by digest");
    assert_eq!(registry.asked("GET", "/blobs/").len(), 0);
    invariants::hold(&sandbox, "three pulls");
}

fn index() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let engine = sandbox.engine();
    let here = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let mut rows = Vec::new();
    for (number, (os, architecture, variant)) in [
        ("unknown", "unknown", ""),
        ("linux", "s390x", ""),
        ("linux", "arm", "v6"),
        ("linux", "arm", "v7"),
        ("linux", here, ""),
        ("windows", here, ""),
    ]
    .into_iter()
    .enumerate()
    {
        let image = image(1, 1000 + number);
        let digest = registry.hold(&format!("multi:{number}"), &image);
        let size = registry.store().manifests[&format!("multi@{digest}")].1.len();
        rows.push(json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
            "platform": {"os": os, "architecture": architecture, "variant": variant},
        }));
    }
    let index = json!({"schemaVersion": 2, "manifests": rows}).to_string().into_bytes();
    let top =
        registry.hold_manifest("multi:latest", "application/vnd.oci.image.index.v1+json", index);
    let name = format!("{}/multi", registry.address());
    let seen = pull(&engine, &name).expect("pull");
    assert_eq!(seen.last().map(|last| &last["Digest"]), Some(&json!(top)));
    let asked: Vec<String> =
        registry.asked("GET", "/manifests/sha256").iter().map(|r| r.path.clone()).collect();
    let wanted = rows[4]["digest"].as_str().unwrap_or_default();
    assert_eq!(asked, [format!("/v2/multi/manifests/{wanted}")]);
    // A platform that was asked for: the best of those that run there; then one that none runs on.
    let platform = |platform: &str| {
        let platform = platform.to_owned();
        let name = name.clone();
        let request = api::ImagePull { name, platform, ..Default::default() };
        engine.images().pull(&request).and_then(documents)
    };
    // The configuration says this machine's, which is not what was asked for.
    assert_eq!(platform("linux/arm/v7").expect_err("refused").reason(), "platform_mismatch");
    let error = platform("linux/riscv64").expect_err("there is none");
    assert_eq!(error.reason(), "no_platform");
    assert!(error.message().contains("no matching manifest for linux/riscv64"), "{error}");
    assert!(platform("linux//x").is_err());
    invariants::hold(&sandbox, "pulls of an index");
}

fn repaired() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(2, 50_000));
    let (name, layer) =
        (format!("{}/some:1", registry.address()), layer_digest(&registry, "some:1", 1));
    let engine = sandbox.engine();
    pull(&engine, &name).expect("pull");
    let id = sandbox.inspect(&name)["Id"].as_str().expect("an id").to_owned();
    let blob = |digest: &str| sandbox.root().join("blobs/sha256").join(&digest["sha256:".len()..]);
    let file = std::fs::read_dir(sandbox.root().join("layers"))
        .expect("list the layers")
        .map(|layer| layer.expect("a layer").path().join("file-1"))
        .find(|file| file.exists())
        .expect("the second layer's file");
    let flip = |path: &std::path::Path| {
        let mut bytes = std::fs::read(path).expect("read");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).expect("write");
    };
    let check = || engine.check(&api::SystemCheck::default()).expect("check").problems.len();
    let whole_layer = file.parent().expect("a layer");
    type Damage<'a> = (&'a str, &'a dyn Fn(), &'a [&'a str]);
    // What is done, and the blobs that have to come again.
    let damages: [Damage<'_>; 6] = [
        ("a lost blob", &|| std::fs::remove_file(blob(&layer)).expect("remove"), &[&layer]),
        ("a blob that was cut", &|| std::fs::write(blob(&layer), "x").expect("write"), &[&layer]),
        (
            "a blob that a disk has changed",
            &|| {
                flip(&blob(&layer));
                assert_ne!(check(), 0);
            },
            &[&layer],
        ),
        ("a changed configuration", &|| flip(&blob(&id)), &[]),
        ("a changed file", &|| flip(&file), &[]),
        ("a lost layer", &|| std::fs::remove_dir_all(whole_layer).expect("remove"), &[]),
    ];
    for (what, damage, fetched) in damages {
        damage();
        registry.forget();
        let seen = pull(&engine, &name).expect(what);
        assert_eq!(seen.last().map(|last| &last["Downloaded"]), Some(&json!(true)), "{what}");
        let asked: Vec<String> =
            registry.asked("GET", "/blobs/").into_iter().map(|r| r.path).collect();
        let of_layers = asked.iter().filter(|path| !path.ends_with(&id));
        let wanted: Vec<String> =
            fetched.iter().map(|digest| format!("/v2/some/blobs/{digest}")).collect();
        assert_eq!(of_layers.cloned().collect::<Vec<_>>(), wanted, "{what}");
        assert_eq!(check(), 0, "{what}");
        registry.forget();
        let seen = pull(&engine, &name).expect("pull once more");
        assert_eq!(seen.last().map(|last| &last["Downloaded"]), Some(&json!(false)), "{what}");
        assert_eq!(registry.asked("GET", "").len(), 1, "{what}: {:#?}", registry.asked("GET", ""));
        invariants::hold(&sandbox, what);
    }
}

fn shared_layers() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let engine = sandbox.engine();
    let base = image(2, 50_000);
    registry.hold("base:1", &base);
    registry.hold("more:1", &base.layer(Layer::new().file("more", 0o644, b"more").finish()));
    pull(&engine, &format!("{}/base:1", registry.address())).expect("pull");
    registry.forget();
    let seen = pull(&engine, &format!("{}/more:1", registry.address())).expect("pull");
    let exist = seen.iter().filter(|line| line["status"] == "Already exists").count();
    assert_eq!(exist, 2, "{seen:#?}");
    // The configuration and one layer.
    assert_eq!(registry.asked("GET", "/blobs/").len(), 2);
    invariants::hold(&sandbox, "two images with common layers");
}

fn shared_work() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(3, 400_000));
    // Slow enough that the second comes while the first is at it.
    registry.rule("GET", "/blobs/", 4, Fault::Late(Duration::from_millis(300)));
    let name = format!("{}/some:1", registry.address());
    let first = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let done = sandbox.barque(&["pull", "--quiet", &name]);
                    assert_eq!(done.code, 0, "{}", done.stderr);
                })
            })
            .collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).all(|joined| joined.is_ok())
    });
    assert!(first);
    let mut layers: Vec<String> =
        registry.asked("GET", "/blobs/").into_iter().map(|request| request.path).collect();
    layers.sort();
    let all = layers.len();
    layers.dedup();
    let counted = layers.clone();
    // Each layer once; a configuration, which is small, by each.
    assert!(layers.len() == 4 && all <= 7, "{all} requests: {counted:#?}");
    invariants::hold(&sandbox, "four pulls at once");
}

fn recovers(fault: Fault, times: u32, ignores_ranges: bool) {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let some = image(1, 400_000);
    registry.hold("some:1", &some);
    let layer = layer_digest(&registry, "some:1", 0);
    registry.rule("GET", &format!("/blobs/{layer}"), times, fault);
    if ignores_ranges {
        registry.rule("GET", &format!("/blobs/{layer}"), 9, Fault::NoRange);
    }
    pull(&sandbox.engine(), &format!("{}/some:1", registry.address())).expect("pull");
    let ranges: Vec<String> = registry
        .asked("GET", &format!("/blobs/{layer}"))
        .iter()
        .filter_map(|request| request.header("range").map(str::to_owned))
        .collect();
    assert_eq!(registry.asked("GET", &format!("/blobs/{layer}")).len(), times as usize + 1);
    // What had come was not fetched again.
    for range in ranges {
        let from: usize =
            range.trim_start_matches("bytes=").trim_end_matches('-').parse().expect("a range");
        assert!(from >= 100_000, "{range}");
    }
    invariants::hold(&sandbox, "a pull that went on");
}

fn fails(fault: Fault, words: &str) {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(3, 200_000));
    let layer = layer_digest(&registry, "some:1", 1);
    registry.rule("GET", &format!("/blobs/{layer}"), 99, fault);
    let name = format!("{}/some:1", registry.address());
    let begin = Instant::now();
    let error = pull(&sandbox.engine(), &name).expect_err("it must fail");
    let told = format!("{error} {:?}", error.causes());
    assert!(told.contains(words), "{told}");
    assert!(begin.elapsed() < Duration::from_secs(20));
    is_clean(&sandbox, &name);
    registry.store().rules.clear();
    pull(&sandbox.engine(), &name).expect("pull again");
    invariants::hold(&sandbox, "the pull after one that failed");
}

pub(crate) fn layer_digest(registry: &Registry, name: &str, number: usize) -> String {
    let manifest: Value =
        serde_json::from_slice(&registry.store().manifests[name].1).expect("a manifest");
    manifest["layers"][number]["digest"].as_str().expect("a digest").to_owned()
}

fn resumed() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(1, 900_000));
    let layer = layer_digest(&registry, "some:1", 0);
    let name = format!("{}/some:1", registry.address());
    // Half of it, and then nothing that helps.
    registry.rule("GET", &format!("/blobs/{layer}"), 1, Fault::Cut(600_000));
    registry.rule("GET", &format!("/blobs/{layer}"), 1, Fault::Instead(Answer::status(403)));
    pull(&sandbox.engine(), &name).expect_err("it must fail");
    is_clean(&sandbox, &name);
    registry.forget();
    pull(&sandbox.engine(), &name).expect("pull");
    let asked = registry.asked("GET", &format!("/blobs/{layer}"));
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("range"), Some("bytes=600000-"));
    assert_eq!(std::fs::read_dir(sandbox.root().join("ingest")).map_or(0, Iterator::count), 0);
    invariants::hold(&sandbox, "a pull that was gone on with");
}

fn damaged_part() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(1, 900_000));
    let layer = layer_digest(&registry, "some:1", 0);
    let name = format!("{}/some:1", registry.address());
    let part = sandbox.root().join("ingest").join(&layer["sha256:".len()..]);
    sandbox.engine();
    std::fs::create_dir_all(part.parent().expect("a parent")).expect("make a directory");
    // What a power cut leaves: the right length, and zeros.
    std::fs::write(&part, vec![0; 500_000]).expect("write");
    pull(&sandbox.engine(), &name).expect("pull");
    let asked = registry.asked("GET", &format!("/blobs/{layer}"));
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].header("range"), None);
    invariants::hold(&sandbox, "a pull over a damaged part");
}

fn cancelled() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(3, 300_000));
    let name = format!("{}/some:1", registry.address());
    let engine = sandbox.engine();
    for path in ["/v2/", "/manifests/", "/blobs/"] {
        registry.store().rules.clear();
        registry.rule("", path, 9, Fault::Stall(10));
        let canceller = barque::Canceller::new().expect("a canceller");
        let request = api::ImagePull { name: name.clone(), ..Default::default() };
        let mut stream = engine.with_canceller(&canceller).images().pull(&request).expect("begin");
        let begin = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(200));
                canceller.cancel();
            });
            loop {
                match stream.next(Deadline::never()) {
                    Ok(Next::Done) => panic!("{path}: it ended"),
                    Ok(_) => {}
                    Err(error) => {
                        assert_eq!(error.kind(), barque::ErrorKind::Cancelled, "{path}: {error}");
                        break;
                    }
                }
            }
        });
        drop(stream);
        assert!(begin.elapsed() < Duration::from_secs(2), "{path}: {:?}", begin.elapsed());
        is_clean(&sandbox, &name);
    }
    registry.store().rules.clear();
    pull(&engine, &name).expect("pull");
    invariants::hold(&sandbox, "a pull after three that were cancelled");
}

fn hostile_manifests() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let engine = sandbox.engine();
    let oci = "application/vnd.oci.image.manifest.v1+json";
    let index = "application/vnd.oci.image.index.v1+json";
    let ok = format!("sha256:{}", "a".repeat(64));
    let blob =
        json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": ok, "size": 2});
    let with = |digest: &str, size: Value| {
        json!({"schemaVersion": 2, "config": {"digest": digest, "size": size}, "layers": []})
            .to_string()
    };
    let mut diamond = json!({"schemaVersion": 2, "manifests": []}).to_string();
    let mut deepest = String::new();
    for _ in 0..6 {
        let digest = registry.hold_manifest("x:deep", index, diamond.clone().into_bytes());
        let row = json!({"mediaType": index, "digest": digest, "size": diamond.len()});
        diamond = json!({"schemaVersion": 2, "manifests": [row, row]}).to_string();
        deepest = diamond.clone();
    }
    let many: Vec<Value> = (0..2000).map(|_| blob.clone()).collect();
    for (number, (media_type, text)) in [
        (oci, String::new()),
        (oci, "{".to_owned()),
        (oci, "[".repeat(100_000)),
        (oci, "{}".to_owned()),
        (oci, "null".to_owned()),
        (oci, format!("{{\"a\":\"{}\"}}", "x".repeat(5 << 20))),
        (oci, json!({"schemaVersion": 1, "fsLayers": []}).to_string()),
        (oci, with("sha256:../../../../etc/passwd", json!(1))),
        (oci, with(&ok, json!(-1))),
        (oci, with(&ok, json!(9_223_372_036_854_775_808_u64))),
        (oci, with(&ok, json!("1"))),
        (oci, json!({"schemaVersion": 2, "config": blob, "layers": [], "manifests": []}).to_string()),
        (oci, json!({"schemaVersion": 2, "mediaType": index, "manifests": []}).to_string()),
        (index, json!({"schemaVersion": 2, "mediaType": index, "manifests": many}).to_string()),
        (index, deepest),
        (oci, json!({"schemaVersion": 2, "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": ok, "size": 2}, "layers": []}).to_string()),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", "{\"schemaVersion\":1}".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("x:{number}");
        registry.hold_manifest(&name, media_type, text.into_bytes());
        let begin = Instant::now();
        let error = pull(&engine, &format!("{}/{name}", registry.address()))
            .expect_err(&format!("manifest {number}"));
        assert!(error.kind() != barque::ErrorKind::Internal, "{number}: {error}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{number}");
    }
    invariants::hold(&sandbox, "hostile manifests");
}

fn lying_digest() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(1, 1000));
    let bytes = registry.store().manifests["some:1"].1.clone();
    let name = format!("{}/some:1", registry.address());
    for lie in [digest(b"x"), "sha256:../../etc".to_owned(), "nonsense".to_owned()] {
        let answer = Answer { status: 200, body: bytes.clone(), ..Answer::default() }
            .with("Content-Type", "application/vnd.oci.image.manifest.v1+json")
            .with("Docker-Content-Digest", lie.clone());
        registry.rule("GET", "/manifests/", 1, Fault::Instead(answer));
        let error = pull(&sandbox.engine(), &name).expect_err("refused");
        assert_eq!(error.kind(), barque::ErrorKind::Corrupt, "{lie}: {error}");
        is_clean(&sandbox, &name);
    }
    // By digest the answer must be just that.
    let other = format!("{}/some@{}", registry.address(), digest(b"other"));
    let answer = Answer { status: 200, body: bytes, ..Answer::default() };
    registry.rule("GET", "/manifests/", 1, Fault::Instead(answer));
    assert_eq!(pull(&sandbox.engine(), &other).expect_err("refused").reason(), "digest_mismatch");
}

fn missing() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let name = format!("{}/none:1", registry.address());
    let error = pull(&sandbox.engine(), &name).expect_err("there is none");
    assert_eq!(error.kind(), barque::ErrorKind::NotFound);
    assert!(error.message().starts_with(&format!("manifest for {name} not found:")), "{error}");
    assert_eq!(error.subject().map(|subject| &*subject.id), Some(&*name));
    registry.rule("GET", "/manifests/", 1, Fault::Instead(Answer::status(403)));
    let error = pull(&sandbox.engine(), &name).expect_err("refused");
    assert_eq!(error.kind(), barque::ErrorKind::PermissionDenied);
    assert!(error.message().starts_with("pull access denied for"), "{error}");
    // Nobody listens there.
    let error = pull(&sandbox.engine(), "127.0.0.1:1/x").expect_err("refused");
    assert_eq!(error.kind(), barque::ErrorKind::Unavailable);
    assert!(error.message().contains("connection refused"), "{error}");
    assert!(pull(&sandbox.engine(), "UPPER").is_err());
}

fn offline() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(1, 1000));
    sandbox.engine();
    std::fs::write(sandbox.root().join("registries.json"), r#"{"Offline": true}"#).expect("write");
    let error =
        pull(&sandbox.engine(), &format!("{}/some:1", registry.address())).expect_err("offline");
    assert_eq!((error.kind(), error.reason()), (barque::ErrorKind::Unavailable, "offline"));
    assert!(registry.store().requests.is_empty());
    std::fs::write(sandbox.root().join("registries.json"), r#"{"Offlin": true}"#).expect("write");
    let error = pull(&sandbox.engine(), "x").expect_err("a misspelt setting");
    assert!(error.message().contains("registries.json"), "{error}");
}
