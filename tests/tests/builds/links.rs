//! `COPY` of links in a context: what they lead to is copied, by the name that was asked for.

use std::os::unix::fs::symlink;

use barque_tests::{Sandbox, invariants};

use crate::{build, built, context, request};

pub(crate) fn what_a_link_leads_to_is_copied_by_the_name_of_the_link() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let text = "FROM testbox\nCOPY link /one/\nCOPY way /two/\nCOPY way/file /three\nCOPY lin* /four/\n\
                COPY --parents way/file /five/\n";
    let files = [
        ("Dockerfile", text),
        ("d/file", "content"),
        ("d/hidden", "hidden"),
        (".dockerignore", "d/hidden\nunsent\nunway\n"),
    ];
    let context = context(&sandbox, &files);
    for (name, target) in [
        ("link", "d/file"),
        ("way", "d"),
        ("to-hidden", "d/hidden"),
        ("unsent", "d/file"),
        ("unway", "d"),
    ] {
        symlink(target, context.join(name)).expect("link");
    }
    built(&engine, &request(&context));
    for path in ["/one/link", "/two/file", "/three", "/four/link", "/five/way/file"] {
        let read = ["run", "--rm", "--network", "none", "built", "read", path];
        let shown = sandbox.ok(&read);
        assert!(shown.contains("content"), "{path}: {shown}");
    }
    for directory in ["/two", "/four"] {
        let list = ["run", "--rm", "--network", "none", "built", "list", directory];
        assert!(!sandbox.ok(&list).contains("hidden"), "{directory}");
    }
    // A rule speaks of a file by each of its names, as it does where the context is sent.
    for source in ["to-hidden", "unsent", "unway/file", "way/hidden"] {
        let text = format!("FROM testbox\nCOPY {source} /stolen\n");
        std::fs::write(context.join("Dockerfile"), text).expect("write");
        let (_, done) = build(&engine, &request(&context));
        let error = done.expect_err(source);
        assert!(error.message().contains("not found"), "{source}: {error}");
    }
    invariants::hold(&sandbox, "links in a context");
}
