//! Where what was built goes.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use barque::api::{BuildOutput, ImageBuild, ImageList};
use barque_tests::{Sandbox, invariants};

use crate::{build, built, context, request};

const TEXT: &str = "FROM testbox AS made
RUN [\"/testbox\", \"write\", \"/made\", \"x\"]
FROM scratch
COPY --from=made --chown=7:8 --chmod=640 /made /
COPY a /dir/
";

fn output(kind: &str, path: &std::path::Path) -> BuildOutput {
    let path = path.to_string_lossy().into_owned();
    BuildOutput { kind: kind.to_owned(), path, fd: None }
}

fn images(sandbox: &Sandbox) -> usize {
    sandbox.engine().images().list(&ImageList::default()).expect("a list").len()
}

pub(crate) fn files_go_into_a_directory_or_an_archive() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", TEXT), ("a", "1")]);
    let (directory, archive) = (sandbox.work().join("out"), sandbox.work().join("out.tar"));
    std::fs::create_dir(&directory).expect("make a directory");
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o711)).expect("chmod");
    std::fs::write(directory.join("other"), "kept").expect("write");
    std::fs::write(directory.join("made"), "to be replaced").expect("write");
    let outputs = vec![output("local", &directory), output("tar", &archive)];
    let before = images(&sandbox);
    let (told, id) = built(&engine, &ImageBuild { outputs, ..request(&context) });
    assert_eq!((id.as_str(), images(&sandbox)), ("", before), "{told:?}");
    let made = directory.join("made").metadata().expect("a file");
    assert_eq!((made.mode() & 0o7777, made.uid(), made.gid()), (0o640, 7, 8));
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).expect("a file");
    assert_eq!(
        (read("made"), read("dir/a"), read("other")),
        ("x".into(), "1".into(), "kept".into())
    );
    assert_eq!(directory.metadata().expect("stat").mode() & 0o7777, 0o711);
    let mut archive = tar::Archive::new(std::fs::File::open(&archive).expect("an archive"));
    let mut names: Vec<String> = archive
        .entries()
        .expect("entries")
        .map(|entry| {
            entry.expect("an entry").path().expect("a path").to_string_lossy().into_owned()
        })
        .collect();
    names.sort();
    assert!(names.iter().any(|name| name.trim_start_matches("./") == "dir/a"), "{names:?}");
    // The next build takes its steps from the cache all the same, and the command's short form goes the same way.
    let other = sandbox.work().join("short");
    let (dest, path) =
        (other.to_string_lossy().into_owned(), context.to_string_lossy().into_owned());
    let done = sandbox.barque(&["build", "-o", &dest, &path]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("CACHED") && done.stdout.is_empty(), "{}", done.stderr);
    assert_eq!(std::fs::read_to_string(other.join("made")).expect("a file"), "x");
    let done = sandbox.barque(&["build", "-q", "-o", "-", &path]);
    assert!(done.code == 0 && done.stdout.contains("ustar"), "{}", done.stderr);
    invariants::hold(&sandbox, "files that went elsewhere");
}

pub(crate) fn an_image_that_goes_into_an_archive_is_not_kept() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", TEXT), ("a", "1")]);
    let before = images(&sandbox);
    let mut archives = Vec::new();
    for kind in ["oci", "docker"] {
        let path = sandbox.work().join(kind);
        let outputs = vec![output(kind, &path)];
        let (_, id) = built(&engine, &ImageBuild { outputs, ..request(&context) });
        assert_eq!(images(&sandbox), before, "{kind}");
        assert_ne!(sandbox.barque(&["inspect", "--type", "image", "built"]).code, 0);
        assert_ne!(sandbox.barque(&["inspect", "--type", "image", &id]).code, 0);
        let other = Sandbox::new();
        other.ok(&["load", "--quiet", "--input", &path.to_string_lossy()]);
        let told = other.ok(&["inspect", "--format", "{{.Id}}", "built"]);
        assert_eq!(told.trim(), id);
        archives.push(path);
        invariants::hold(&sandbox, "an image that went elsewhere");
    }
    let read = |path: &std::path::PathBuf| std::fs::read(path).expect("read");
    assert!(read(&archives[0]) == read(&archives[1]), "two archives of one image");
    // Both: what is kept is kept, also by a build that only wants an archive.
    let both = vec![
        output("oci", &archives[0]),
        BuildOutput { kind: "image".into(), ..Default::default() },
    ];
    let (_, id) = built(&engine, &ImageBuild { outputs: both, ..request(&context) });
    let outputs = vec![output("oci", &archives[0])];
    built(&engine, &ImageBuild { outputs, tags: vec!["another".into()], ..request(&context) });
    let told = sandbox.ok(&["inspect", "--format", "{{.Id}}", "built"]);
    assert_eq!(told.trim(), id);
    invariants::hold(&sandbox, "an image that is kept");
}

pub(crate) fn an_output_that_fails_leaves_what_was_there() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", TEXT), ("a", "1")]);
    let path = sandbox.work().join("archive");
    std::fs::write(&path, "what was there").expect("write");
    let wanted = |outputs| ImageBuild { outputs, ..request(&context) };
    std::fs::write(
        context.join("Dockerfile"),
        "FROM testbox\nRUN [\"/testbox\", \"exit\", \"3\"]\n",
    )
    .expect("write");
    build(&engine, &wanted(vec![output("oci", &path)])).1.expect_err("the step fails");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "what was there");
    std::fs::write(context.join("Dockerfile"), TEXT).expect("write");
    let full = std::path::Path::new("/dev/full");
    let failed = build(&engine, &wanted(vec![output("tar", full)])).1.expect_err("it is full");
    assert_eq!(failed.kind(), barque::ErrorKind::ResourceExhausted, "{failed}");
    let failed = build(&engine, &wanted(vec![output("oci", full)])).1.expect_err("it is full");
    assert_eq!(failed.kind(), barque::ErrorKind::ResourceExhausted, "{failed}");
    let nowhere = sandbox.work().join("no/such/archive");
    build(&engine, &wanted(vec![output("oci", &nowhere)])).1.expect_err("no directory");
    let beside = std::fs::read_dir(sandbox.work()).expect("list").flatten();
    let left: Vec<_> =
        beside.filter(|e| e.file_name().to_string_lossy().contains("archive.")).collect();
    assert!(left.is_empty(), "{left:?}");
    invariants::hold(&sandbox, "outputs that failed");
}
