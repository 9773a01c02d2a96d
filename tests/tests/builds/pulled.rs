//! Images that a build begins with and copies from, which come from a registry.

use barque::api::ImageBuild;
use barque_tests::image::{Image, Layer};
use barque_tests::registry::{Answer, Fault, Registry};
use barque_tests::{Sandbox, invariants};

use crate::{build, built, context, request};

/// `testbox` with a file that says which.
fn image(which: &str) -> Image {
    let layer = Layer::new().file("which", 0o644, which.as_bytes());
    Image::from_testbox("base").layer(layer.finish())
}

pub(crate) fn images_of_registries_are_pulled_when_they_are_missing_or_that_is_said() {
    let sandbox = Sandbox::new();
    let engine = sandbox.engine();
    let registry = Registry::new();
    registry.hold("base:1", &image("first"));
    registry.hold("files:1", &image("files"));
    let at = registry.address();
    let text = format!(
        "FROM {at}/base:1\nCOPY --from={at}/files:1 /which /copied\n\
         RUN --mount=from={at}/files:1,target=/m [\"/testbox\", \"read\", \"/which\", \"/m/which\"]\n"
    );
    let context = context(&sandbox, &[("Dockerfile", &text)]);
    // The way to a registry has its moments.
    registry.rule("GET", "base/blobs/", 1, Fault::Cut(5000));
    registry.rule("GET", "base/manifests/", 1, Fault::Instead(Answer::status(503)));
    let told = built(&engine, &request(&context)).0;
    assert_eq!(told, ["FROM: Done", "COPY: Done", "RUN: Done"]);
    let read = ["run", "--rm", "--network", "none", "built", "read", "/which", "/copied"];
    let seen = sandbox.ok(&read);
    assert!(seen.contains("first") && seen.contains("files"), "{seen}");
    // What is here is not asked for, whatever is there by now, unless that is said.
    registry.hold("base:1", &image("second"));
    registry.forget();
    let told = built(&engine, &request(&context)).0;
    assert_eq!(told, ["FROM: Done", "COPY: Cached", "RUN: Cached"]);
    assert_eq!(registry.asked("GET", "/").len(), 0);
    let fresh = ImageBuild { pull: true, ..request(&context) };
    assert_eq!(built(&engine, &fresh).0, ["FROM: Done", "COPY: Done", "RUN: Done"]);
    assert!(sandbox.ok(&read).contains("second"));
    assert_eq!(built(&engine, &fresh).0, ["FROM: Done", "COPY: Cached", "RUN: Cached"]);
    invariants::hold(&sandbox, "builds on images of a registry");
}

pub(crate) fn an_image_that_cannot_be_had_is_named_with_its_line() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let registry = Registry::new();
    let at = registry.address();
    registry.hold("spoilt:1", &image("spoilt"));
    registry.rule("GET", "spoilt/blobs/", 99, Fault::Corrupt);
    let copies = format!("FROM testbox\nCOPY --from={at}/nowhere:1 /x /\n");
    for (text, why) in [
        (format!("FROM {at}/nowhere:1\n"), "Dockerfile:1: "),
        (copies, "Dockerfile:2: "),
        (format!("FROM {at}/spoilt:1\n"), "Dockerfile:1: "),
        ("FROM 127.0.0.1:1/nobody/listens:1\n".to_owned(), "Dockerfile:1: "),
        ("FROM UPPER\n".to_owned(), "Dockerfile:1: "),
    ] {
        let context = context(&sandbox, &[("Dockerfile", &text)]);
        let failed = build(&engine, &request(&context)).1.expect_err(&text);
        assert!(failed.message().starts_with(why), "{text}: {failed}");
        assert!(!failed.message().contains('\n'), "{text}: {failed}");
        invariants::hold(&sandbox, &text);
    }
}
