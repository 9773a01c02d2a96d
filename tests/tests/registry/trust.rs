//! Where a registry may send us, and what goes along (SEC-086 to SEC-088, SEC-090, SEC-091, SEC-095).

use std::path::{Path, PathBuf};
use std::process::Command;

use barque::{Error, ErrorKind, api};
use barque_tests::registry::debian::{Debian, Manner};
use barque_tests::registry::{Answer, Auth, Fault, Registry};
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, programs};
use serde_json::{Value, json};

use super::pull::{documents, image, layer_digest, pull};

pub(crate) fn add(suite: &mut Suite) {
    suite.add("a redirect takes no credentials to another origin", redirect);
    suite.add("redirects that lead nowhere good are not followed", bad_redirects);
    suite.add("a token server that is none is given no password", realms);
    suite.add("a token is fetched with the password, and that goes nowhere else", token);
    suite.add("addresses in a manifest are not fetched from", foreign_layer);
    suite.add("a mirror is asked first and gets no credentials of the registry", mirror);
    suite.add("http is spoken only where it was said", no_plain);
    suite.add("a certificate must be vouched for, or the registry said to be insecure", tls);
}

fn with_password(name: &str) -> api::ImagePull {
    let auth =
        api::AuthConfig { username: "me".into(), password: "hunter2".into(), ..Default::default() };
    api::ImagePull { name: name.into(), auth: Some(auth), ..Default::default() }
}

fn pull_with(sandbox: &Sandbox, request: &api::ImagePull) -> Result<Vec<Value>, Error> {
    documents(sandbox.engine().images().pull(request)?)
}

fn no_credentials(registry: &Registry) {
    for request in &registry.store().requests {
        assert_eq!(request.header("authorization"), None, "{request:?}");
        assert!(!request.path.contains("hunter2"), "{request:?}");
    }
}

fn redirect() {
    let (sandbox, registry, other) = (Sandbox::new(), Registry::new(), Registry::new());
    let some = image(1, 50_000);
    registry.hold("some:1", &some);
    other.hold("some:1", &some);
    registry.store().auth = Auth::Basic("me".into(), "hunter2".into());
    let layer = layer_digest(&registry, "some:1", 0);
    for (path, place) in [
        (format!("/blobs/{layer}"), format!("/v2/some/blobs/{layer}")),
        ("/manifests/1".to_owned(), "/v2/some/manifests/1".to_owned()),
    ] {
        let to = format!("http://{}{place}?signature=s3cret", other.address());
        // The first answer to a client that nobody knows yet is a challenge: the rule comes after it.
        registry.store().rules.clear();
        registry.rule(
            "GET",
            &path,
            99,
            Fault::Authorized(Answer::status(307).with("Location", to)),
        );
        let name = format!("{}/some:1", registry.address());
        let seen = pull_with(&sandbox, &with_password(&name)).expect("pull");
        assert_eq!(seen.last().map(|last| &last["Downloaded"]), Some(&json!(true)));
        assert!(!other.store().requests.is_empty(), "{path}");
        no_credentials(&other);
        sandbox.ok(&["rmi", "--force", &name]);
    }
    assert!(registry.store().requests.iter().any(|r| r.header("authorization").is_some()));
}

fn bad_redirects() {
    let (sandbox, registry) = (Sandbox::new(), Registry::new());
    registry.hold("some:1", &image(1, 1000));
    let name = format!("{}/some:1", registry.address());
    let around = format!("http://{}/v2/some/manifests/1", registry.address());
    for location in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://me:secret@127.0.0.1/x",
        "http://[::1/x",
        "//",
        &around,
    ] {
        registry.store().rules.clear();
        let answer = Answer::status(302).with("Location", location);
        registry.rule("GET", "/manifests/", 99, Fault::Instead(answer));
        registry.forget();
        let error = pull(&sandbox.engine(), &name).expect_err(location);
        assert!(matches!(error.reason(), "bad_redirect" | "redirects"), "{location}: {error}");
        assert!(registry.store().requests.len() < 20, "{location}");
    }
}

fn realms() {
    let (sandbox, registry, evil) = (Sandbox::new(), Registry::new(), Registry::new());
    registry.hold("some:1", &image(1, 1000));
    let name = format!("{}/some:1", registry.address());
    for realm in [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/token",
        "file:///etc/shadow",
        "http://registry.example/token",
        &format!("http://me:secret@{}/token", evil.address()),
        "",
        "token",
    ] {
        registry.store().auth = Auth::Bearer { realm: realm.to_owned(), uses: 9 };
        let error = pull_with(&sandbox, &with_password(&name)).expect_err(realm);
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "bad_token_server"));
        assert!(!error.message().contains("hunter2") && !error.message().contains("secret"));
    }
    // A token server must not send us on, and must give a token.
    let realm = format!("http://{}/token", registry.address());
    registry.store().auth = Auth::Bearer { realm, uses: 9 };
    for (answer, reason) in [
        (
            Answer::status(307).with("Location", format!("http://{}/token", evil.address())),
            "bad_token_server",
        ),
        (Answer::json(200, &json!({})), "bad_token_server"),
        (Answer::json(200, &json!({"token": "a\r\nX: y"})), "bad_token_server"),
        (Answer::json(401, &json!({"details": "incorrect"})), "denied"),
    ] {
        registry.store().rules.clear();
        registry.rule("GET", "/token", 9, Fault::Instead(answer));
        let error = pull_with(&sandbox, &with_password(&name)).expect_err("no token");
        assert_eq!(error.reason(), reason, "{error}");
    }
    assert!(evil.store().requests.is_empty());
}

fn token() {
    let (sandbox, registry, server) = (Sandbox::new(), Registry::new(), Registry::new());
    registry.hold("a/some:1", &image(2, 10_000));
    let realm = format!("http://{}/token", registry.address());
    registry.store().auth = Auth::Bearer { realm, uses: 99 };
    let name = format!("{}/a/some:1", registry.address());
    pull_with(&sandbox, &with_password(&name)).expect("pull");
    let asked = registry.asked("GET", "/token");
    assert!(!asked.is_empty());
    for request in &asked {
        assert_eq!(request.query("scope").as_deref(), Some("repository:a/some:pull"));
        assert_eq!(request.query("service").as_deref(), Some("test"));
        assert!(request.header("authorization").is_some_and(|value| value.starts_with("Basic ")));
    }
    for request in &registry.asked("GET", "/v2/a/") {
        let value = request.header("authorization").unwrap_or("Bearer ");
        assert!(value.starts_with("Bearer "), "{request:?}");
    }
    drop(server);
}

fn foreign_layer() {
    let (sandbox, registry, evil) = (Sandbox::new(), Registry::new(), Registry::new());
    registry.hold("some:1", &image(1, 1000));
    let mut manifest: Value =
        serde_json::from_slice(&registry.store().manifests["some:1"].1).expect("a manifest");
    let layer = manifest["layers"][0]["digest"].as_str().unwrap_or_default().to_owned();
    manifest["layers"][0]["urls"] = json!([format!("http://{}/x", evil.address())]);
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    registry.hold_manifest("foreign:1", media_type, manifest.to_string().into_bytes());
    registry.store().linked.insert(
        "foreign".into(),
        vec![manifest["config"]["digest"].as_str().unwrap_or_default().to_owned()],
    );
    let error = pull(&sandbox.engine(), &format!("{}/foreign:1", registry.address()))
        .expect_err("the layer is elsewhere");
    assert!(error.message().contains(&layer), "{error}");
    assert!(evil.store().requests.is_empty());
}

fn settings(sandbox: &Sandbox, document: &Value) {
    sandbox.engine();
    std::fs::write(sandbox.root().join("registries.json"), document.to_string()).expect("write");
}

fn mirror() {
    let (sandbox, registry, mirror) = (Sandbox::new(), Registry::new(), Registry::new());
    registry.hold("some:1", &image(1, 1000));
    mirror.hold("some:1", &image(1, 1000));
    registry.hold("only:1", &image(1, 2000));
    let address = format!("http://{}", mirror.address());
    settings(&sandbox, &json!({"Mirrors": {registry.address(): [address]}}));
    pull_with(&sandbox, &with_password(&format!("{}/some:1", registry.address()))).expect("pull");
    assert!(registry.asked("GET", "/manifests/").is_empty());
    assert!(!mirror.asked("GET", "/manifests/").is_empty());
    // What the mirror lacks, the registry has.
    pull_with(&sandbox, &with_password(&format!("{}/only:1", registry.address()))).expect("pull");
    assert!(!registry.asked("GET", "/manifests/").is_empty());
    no_credentials(&mirror);
}

fn no_plain() {
    let sandbox = Sandbox::new();
    // An address that is not this machine's name for itself: nothing but https is tried, and nobody answers there.
    let error = pull(&sandbox.engine(), "127.0.0.1.nip.invalid:1/some").expect_err("no such host");
    assert_eq!(error.reason(), "no_such_host", "{error}");
    assert!(error.message().contains("https://"), "{error}");
}

/// An authority, and a certificate of it for 127.0.0.1; each with its key.
fn certificates(directory: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let openssl = programs::tool("openssl");
    std::fs::create_dir_all(directory).expect("make a directory");
    let run = |words: &[&str]| {
        let done = Command::new(&openssl).current_dir(directory).args(words).output();
        let done = done.expect("run openssl");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let new = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ];
    let mut words = new.to_vec();
    words.extend(["-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.crt"]);
    run(&words);
    for (name, extension) in
        [("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")]
    {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        let mut words = new.to_vec();
        words.extend(["-subj", "/CN=one", "-CA", "ca.crt", "-CAkey", "ca.key"]);
        words.extend(["-addext", extension, "-addext", "basicConstraints=critical,CA:FALSE"]);
        words.extend(["-keyout", &key, "-out", &certificate]);
        run(&words);
    }
    (directory.join("ca.crt"), directory.join("server.crt"), directory.join("server.key"))
}

fn tls() {
    let sandbox = Sandbox::new();
    let directory = sandbox.work().join("certificates");
    let (authority, certificate, key) = certificates(&directory);
    let manner =
        Manner { tls: Some((&certificate, &key)), clients: Some(&authority), ..Manner::default() };
    let registry = Debian::start(&sandbox.work().join("registry"), manner);
    let name = format!("{}/me/some:1", registry.address());
    let error = pull(&sandbox.engine(), &name).expect_err("nobody vouches for it");
    assert!(error.message().contains("x509: certificate signed by unknown authority"), "{error}");
    // With the authority it is believed, and wants to see a certificate of ours.
    let certs = sandbox.root().join("certs.d").join(registry.address());
    std::fs::create_dir_all(&certs).expect("make a directory");
    std::fs::copy(&authority, certs.join("ca.crt")).expect("copy");
    pull(&sandbox.engine(), &name).expect_err("it wants a certificate");
    std::fs::copy(directory.join("client.crt"), certs.join("us.cert")).expect("copy");
    let error = pull(&sandbox.engine(), &name).expect_err("no key");
    assert!(error.message().contains("the key that belongs to it is missing"), "{error}");
    std::fs::copy(directory.join("client.key"), certs.join("us.key")).expect("copy");
    let path = sandbox.work().join("some.tar");
    image(2, 10_000).write_docker_archive(&path);
    sandbox.ok(&["load", "--quiet", "--input", &path.to_string_lossy()]);
    sandbox.ok(&["tag", "some", &name]);
    sandbox.ok(&["push", "--quiet", &name]);
    sandbox.ok(&["rmi", "--force", &name]);
    sandbox.ok(&["pull", "--quiet", &name]);
    // Without the authority, but said to be insecure: our certificate is shown all the same.
    std::fs::remove_file(certs.join("ca.crt")).expect("remove");
    settings(&sandbox, &json!({"InsecureRegistries": [registry.address()]}));
    sandbox.ok(&["pull", "--quiet", &name]);
}
