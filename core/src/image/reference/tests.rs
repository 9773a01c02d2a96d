use proptest::prelude::*;

use super::*;

/// What is written, and how it is completed (with `latest`) and shown.
const RIGHT: &[(&str, &str, &str)] = &[
    ("node", "docker.io/library/node:latest", "node:latest"),
    ("node:20", "docker.io/library/node:20", "node:20"),
    ("library/node", "docker.io/library/node:latest", "node:latest"),
    ("docker.io/node", "docker.io/library/node:latest", "node:latest"),
    ("docker.io/library/node", "docker.io/library/node:latest", "node:latest"),
    ("index.docker.io/node", "docker.io/library/node:latest", "node:latest"),
    ("index.docker.io/library/node", "docker.io/library/node:latest", "node:latest"),
    ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
    ("me/app:1.2", "docker.io/me/app:1.2", "me/app:1.2"),
    ("a/b/c", "docker.io/a/b/c:latest", "a/b/c:latest"),
    ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
    ("localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"),
    ("localhost", "docker.io/library/localhost:latest", "localhost:latest"),
    ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b:latest", "127.0.0.1:5000/a/b:latest"),
    ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
    ("[fe80::1]/a", "[fe80::1]/a:latest", "[fe80::1]/a:latest"),
    ("REGISTRY.example.com/a", "REGISTRY.example.com/a:latest", "REGISTRY.example.com/a:latest"),
    // A capital makes the first part a host.
    ("Uppercase/lowercase", "Uppercase/lowercase:latest", "Uppercase/lowercase:latest"),
    ("xn--7o8h.com/a", "xn--7o8h.com/a:latest", "xn--7o8h.com/a:latest"),
    ("a.b/c", "a.b/c:latest", "a.b/c:latest"),
    ("a_b", "docker.io/library/a_b:latest", "a_b:latest"),
    ("a__b", "docker.io/library/a__b:latest", "a__b:latest"),
    ("a---b", "docker.io/library/a---b:latest", "a---b:latest"),
    ("a.b", "docker.io/library/a.b:latest", "a.b:latest"),
    ("8080", "docker.io/library/8080:latest", "8080:latest"),
    ("test:5000", "docker.io/library/test:5000", "test:5000"),
    ("test:_1", "docker.io/library/test:_1", "test:_1"),
    ("test:A.b-C", "docker.io/library/test:A.b-C", "test:A.b-C"),
    ("docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest"),
];

const WRONG: &[(&str, &str)] = &[
    ("", "repository name must have at least one component"),
    ("FOO", "invalid reference format: repository name (library/FOO) must be lowercase"),
    ("foo/Bar:1", "invalid reference format: repository name (foo/Bar) must be lowercase"),
    ("localhost/Foo", "invalid reference format: repository name (Foo) must be lowercase"),
    ("a//b", "invalid reference format"),
    ("/a", "invalid reference format"),
    ("a/", "invalid reference format"),
    (":tag", "invalid reference format"),
    ("a:", "invalid reference format"),
    ("a:b:c", "invalid reference format"),
    ("a@", "invalid reference format"),
    ("a@sha256", "invalid reference format"),
    ("-a", "invalid reference format"),
    ("a-", "invalid reference format"),
    ("a..b", "invalid reference format"),
    ("a._b", "invalid reference format"),
    ("a___b", "invalid reference format"),
    ("a-_b", "invalid reference format"),
    ("../x", "invalid reference format"),
    ("a/../x", "invalid reference format"),
    ("-foo.com/a", "invalid reference format"),
    ("foo-.com/a", "invalid reference format"),
    ("foo.com:/a", "invalid reference format"),
    ("foo.com:x/a", "invalid reference format"),
    ("[::1/a", "invalid reference format"),
    ("[]/a.b", "invalid reference format"),
    ("[fe80::1%25eth0]:5000/a", "invalid reference format"),
    ("aa/asdf$$^/aa:x", "invalid reference format"),
    ("a b", "invalid reference format"),
    ("a\n", "invalid reference format"),
    ("a\0", "invalid reference format"),
    ("ä", "invalid reference format"),
    ("a:.x", "invalid reference format"),
    ("a:-x", "invalid reference format"),
    ("a:x y", "invalid reference format"),
    ("a@sha256:abc", "invalid digest: \"sha256:abc\""),
];

#[test]
fn names_are_completed_and_shown_as_docker_does() {
    for (written, full, shown) in RIGHT {
        let reference = Reference::parse(written).unwrap().or_latest();
        assert_eq!(reference.to_string(), *full, "{written}");
        assert_eq!(reference.familiar(), *shown, "{written}");
    }
}

#[test]
fn what_is_no_name_is_refused_in_dockers_words() {
    for (written, message) in WRONG {
        let error = Reference::parse(written).unwrap_err();
        assert_eq!(error.message(), *message, "{written:?}");
    }
}

#[test]
fn lengths_are_limited() {
    let path = "a".repeat(255);
    assert!(Reference::parse(&format!("localhost/{path}")).is_ok());
    let error = Reference::parse(&format!("localhost/{path}a")).unwrap_err();
    assert_eq!(error.message(), "repository name must not be more than 255 characters");
    assert!(Reference::parse(&format!("a:{}", "t".repeat(128))).is_ok());
    assert!(Reference::parse(&format!("a:{}", "t".repeat(129))).is_err());
}

#[test]
fn an_id_is_no_name() {
    let error = Reference::parse(&"a".repeat(64)).unwrap_err();
    assert!(error.message().contains("cannot specify 64-byte hexadecimal strings"));
    assert!(Reference::parse(&"a".repeat(63)).is_ok());
}

#[test]
fn a_digest_is_kept_beside_the_tag_and_cannot_be_given() {
    let digest = Digest::of(b"x");
    let reference = Reference::parse(&format!("a:1@{digest}")).unwrap();
    assert_eq!(reference.to_string(), format!("docker.io/library/a:1@{digest}"));
    assert_eq!(reference.digest(), Some(&digest));
    let bare = Reference::parse(&format!("a@{digest}")).unwrap().or_latest();
    assert_eq!(bare.familiar(), format!("a@{digest}"));
    assert!(Reference::parse_tag(&format!("a@{digest}")).is_err());
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC{0,80}") {
        let _ = Reference::parse(&text);
    }

    #[test]
    fn near_names_never_panic_and_what_is_taken_reads_back_the_same(text in "[a-zA-Z0-9._:/@\\[\\]-]{1,40}") {
        if let Ok(reference) = Reference::parse(&text) {
            let full = reference.to_string();
            prop_assert_eq!(Reference::parse(&full).unwrap().to_string(), full.clone());
            // Only the grammar's characters get through: a name is safe to print.
            prop_assert!(full.bytes().all(|b| b.is_ascii_graphic()));
        }
    }
}
