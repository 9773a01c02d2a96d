//! Contexts with names.

use std::path::Path;

use barque::api::{ImageBuild, ImageList};
use barque_tests::{Sandbox, invariants};

use crate::{build, built, context, request};

fn named(context: &Path, contexts: &[(&str, &str)]) -> ImageBuild {
    let contexts =
        contexts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ImageBuild { build_contexts: contexts, ..request(context) }
}

pub(crate) fn a_context_with_a_name_is_that_image_in_every_spelling() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = "FROM docker.io/library/alpine:latest\nCOPY --from=alpine:latest /testbox /a\n\
                COPY --from=other:2 /testbox /b\n";
    let context = context(&sandbox, &[("Dockerfile", text)]);
    let both = [("alpine", "docker-image://testbox"), ("other:2", "docker-image://testbox")];
    built(&engine, &named(&context, &both));
    // The tag counts.
    let wrong = [("alpine", "docker-image://testbox"), ("other", "docker-image://testbox")];
    std::fs::write(
        context.join("Dockerfile"),
        "FROM alpine\nCOPY --from=localhost:1/other:2 / /\n",
    )
    .expect("write");
    let (_, failed) = build(&engine, &named(&context, &wrong));
    let failed = failed.expect_err("nobody has that image");
    assert!(failed.to_string().contains("Dockerfile:2: "), "{failed}");
}

pub(crate) fn an_image_of_a_layout_goes_with_the_build() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let layout = sandbox.work().join("ahoy");
    std::fs::create_dir(&layout).expect("make a directory");
    barque_tests::image::small().write_layout(&layout);
    let value = format!("oci-layout://{}", layout.display());
    let context =
        context(&sandbox, &[("Dockerfile", "FROM testbox\nCOPY --from=laid /hello.txt /\n")]);
    let before = engine.images().list(&ImageList::default()).expect("a list").len();
    built(&engine, &named(&context, &[("laid", &value)]));
    let after = engine.images().list(&ImageList::default()).expect("a list");
    assert_eq!(after.len(), before + 1, "{after:?}");
    invariants::hold(&sandbox, "a build from a layout");
    // One that was here already stays, and a build that stands on one keeps its layers.
    sandbox.ok(&["load", "--input", &layout.to_string_lossy()]);
    std::fs::write(context.join("Dockerfile"), "FROM laid\nLABEL a=b\n").expect("write");
    built(&engine, &named(&context, &[("laid", &value)]));
    sandbox.ok(&["inspect", "--type", "image", "small"]);
    invariants::hold(&sandbox, "a build on a layout");
}

pub(crate) fn a_context_with_a_name_has_rules_of_its_own_and_counts_for_the_cache() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = "FROM testbox\nCOPY --from=more / /more/\nCOPY secret /\n";
    let context = context(
        &sandbox,
        &[
            ("context/Dockerfile", text),
            ("context/.dockerignore", "kept\n"),
            ("context/secret", "x"),
            ("more/.dockerignore", "secret\n"),
            ("more/secret", "s"),
            ("more/kept", "k"),
        ],
    );
    let more = context.join("more").to_string_lossy().into_owned();
    let request = named(&context.join("context"), &[("more", &more)]);
    built(&engine, &request);
    let read = ["run", "--rm", "--network", "none", "built", "read", "/more/kept", "/more/secret"];
    let told = sandbox.ok(&read);
    assert!(told.contains("\"k\"") && told.contains("errno"), "{told}");
    assert_eq!(built(&engine, &request).0[1..], ["COPY: Cached", "COPY: Cached"]);
    // What is ignored does not count, one byte of the rest does.
    std::fs::write(context.join("more/secret"), "t").expect("write");
    assert_eq!(built(&engine, &request).0[1..], ["COPY: Cached", "COPY: Cached"]);
    std::fs::write(context.join("more/kept"), "l").expect("write");
    assert_eq!(built(&engine, &request).0[1..], ["COPY: Done", "COPY: Done"]);
}
