//! What a registry has beside an image, and deleting there, through every face.

use barque_tests::registry::debian::{Debian, Manner};
use barque_tests::registry::{Answer, Fault, Registry};
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, faces};
use serde_json::{Value, json};

use super::pull::image;
use super::push::loaded;

pub(crate) fn add(suite: &mut Suite) {
    for face in faces::ALL {
        suite.add(format!("what refers to an image is listed, page by page: {face}"), move || {
            listed(face);
        });
        suite.add(format!("a tag is deleted alone, a digest with its tags: {face}"), move || {
            deleted(face);
        });
    }
    suite.add("a registry of before keeps referrers below a tag", by_tag);
    suite.add("a page that leads elsewhere is not followed", elsewhere);
    suite.add("Debian's registry deletes by digest and says that it does no tag", debian);
}

const SIGNATURE: &str = "application/vnd.example.signature";
const PARTS: &str = "application/vnd.example.parts";

/// A manifest that refers to another.
fn referring(to: &str, artifact_type: &str, number: usize) -> Vec<u8> {
    let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"});
    let subject = json!({"mediaType": MANIFEST, "digest": to, "size": 1});
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": artifact_type, "config": empty, "layers": [empty],
        "subject": subject, "annotations": {"number": number.to_string()}})
    .to_string()
    .into_bytes()
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn digests(rows: &Value, field: &str) -> Vec<String> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut digests: Vec<String> =
        rows.iter().filter_map(|row| row[field].as_str().map(str::to_owned)).collect();
    digests.sort();
    digests
}

fn listed(face: &str) {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let subject = registry.hold("some:1", &image(1, 1000));
    let mut referrers: Vec<String> = (0..5)
        .map(|number| {
            let kind = if number == 3 { PARTS } else { SIGNATURE };
            let bytes = referring(&subject, kind, number);
            registry.hold_manifest(&format!("some:r{number}"), MANIFEST, bytes)
        })
        .collect();
    let parts = referrers[3].clone();
    referrers.sort();
    let mut face = faces::open(face, &sandbox);
    let mut ask = |name: String, kind: &str| {
        let request = json!({"Name": name, "ArtifactType": kind});
        face.call("registry.referrers", &request.to_string())
    };
    let name = format!("{}/some", registry.address());
    for name in [format!("{name}:1"), format!("{name}@{subject}")] {
        let found = ask(name.clone(), "").expect("ask");
        assert_eq!(digests(&found, "Digest"), referrers, "{name}");
        let found = ask(name, PARTS).expect("ask");
        assert_eq!(digests(&found, "Digest"), std::slice::from_ref(&parts));
        assert_eq!(found[0]["ArtifactType"], PARTS);
        assert_eq!(found[0]["Annotations"]["number"], "3");
    }
    assert_eq!(ask(format!("{name}:r1"), "").expect("ask"), json!([]));
    let error = ask(format!("{name}:none"), "").expect_err("there is none").0.to_string();
    assert!(error.contains("/v2/some/manifests/none"), "{error}");
}

fn by_tag() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let subject = registry.hold("some:1", &image(1, 1000));
    registry.rule("GET", "/referrers/", 99, Fault::Instead(Answer::status(404)));
    let name = format!("{}/some:1", registry.address());
    let ask = || sandbox.ok(&["registry", "referrers", "--format", "{{.Digest}}", &name]);
    assert_eq!(ask(), "");
    let row = json!({"mediaType": MANIFEST, "digest": subject, "size": 7, "artifactType": PARTS});
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [row]});
    let tag = format!("some:{}", subject.replace(':', "-"));
    registry.hold_manifest(
        &tag,
        "application/vnd.oci.image.index.v1+json",
        index.to_string().into_bytes(),
    );
    assert_eq!(ask(), subject);
}

fn elsewhere() {
    let sandbox = Sandbox::new();
    let (registry, other) = (Registry::new(), Registry::new());
    let subject = registry.hold("some:1", &image(1, 1000));
    for target in [
        format!("http://{}/v2/some/referrers/{subject}", other.address()),
        format!("/v2/some/referrers/{subject}"),
        "file:///etc/passwd".to_owned(),
    ] {
        let answer = Answer::json(200, &json!({"schemaVersion": 2, "manifests": []}))
            .with("Link", format!("<{target}>; rel=\"next\""));
        registry.rule("GET", "/referrers/", 1, Fault::Instead(answer));
        let done =
            sandbox.barque(&["registry", "referrers", &format!("{}/some:1", registry.address())]);
        assert_eq!((done.code, &*done.stdout), (1, ""), "{target}");
        assert!(done.stderr.contains("none of this registry's"), "{target}: {}", done.stderr);
        registry.store().rules.clear();
    }
    assert_eq!(other.asked("", "").len(), 0);
}

fn deleted(face: &str) {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    let digest = registry.hold("some:1", &image(1, 1000));
    let name = format!("{}/some", registry.address());
    let mut face = faces::open(face, &sandbox);
    let mut delete =
        |name: String| face.call("registry.delete", &json!({"Name": name}).to_string());
    delete(format!("{name}:1")).expect("delete a tag");
    assert!(registry.store().manifests.contains_key(&format!("some@{digest}")));
    assert!(!registry.store().manifests.contains_key("some:1"));
    delete(format!("{name}@{digest}")).expect("delete a manifest");
    assert!(registry.store().manifests.is_empty());
    for (name, told) in [
        (format!("{name}:1"), "/v2/some/manifests/1"),
        (name.clone(), "name a tag or a digest to delete"),
        ("No Name:1".to_owned(), "invalid reference format"),
    ] {
        let error = delete(name).expect_err(told).0.to_string();
        assert!(error.contains(told), "{error}");
    }
}

fn debian() {
    let sandbox = Sandbox::new();
    let debian = Debian::start(&sandbox.work().join("registry"), Manner::default());
    let name = format!("{}/some", debian.address());
    loaded(&sandbox, &image(1, 1000), &format!("{name}:1"));
    sandbox.ok(&["push", "--quiet", &format!("{name}:1")]);
    let digests = sandbox.inspect(&format!("{name}:1"))["RepoDigests"].clone();
    let digest = digests[0].as_str().expect("a digest").to_owned();
    let done = sandbox.barque(&["registry", "delete", &format!("{name}:1")]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("cannot delete a tag by itself"), "{}", done.stderr);
    assert_eq!(sandbox.ok(&["registry", "delete", &digest]), digest);
    sandbox.ok(&["rmi", "--force", &format!("{name}:1")]);
    let done = sandbox.barque(&["pull", &format!("{name}:1")]);
    assert_eq!(done.code, 1, "{}", done.stdout);
}
