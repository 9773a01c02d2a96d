//! Builds that give the same bytes again.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use barque::api::ImageBuild;
use barque_tests::{Sandbox, invariants};

use crate::{built, context, request};

const TEXT: &str = "FROM testbox AS made
WORKDIR /deep/er
RUN [\"/testbox\", \"write\", \"/deep/er/made\", \"x\"]
COPY . /all/
FROM testbox
ENV A=b
COPY --from=made /deep /deep
COPY --from=made /all /all
RUN --mount=type=cache,target=/cache [\"/testbox\", \"write\", \"/etc/hosts.more\", \"y\"]
CMD [\"report\"]
";

fn dated(context: &Path, epoch: &str) -> ImageBuild {
    let build_args = BTreeMap::from([("SOURCE_DATE_EPOCH".to_owned(), epoch.to_owned())]);
    ImageBuild { build_args, ..request(context) }
}

/// A build elsewhere and at another time: its engine, and the id of its image.
fn elsewhere(epoch: &str, age: u64) -> (Sandbox, String) {
    let sandbox = Sandbox::with_testbox();
    let context =
        context(&sandbox, &[("Dockerfile", TEXT), ("a", "1"), ("b/c", "2"), ("b/old", "3")]);
    let date = |path: &str, time: SystemTime| {
        let file = std::fs::File::open(context.join(path)).expect("open");
        file.set_modified(time).expect("set a time");
    };
    for path in ["a", "b/c", "b"] {
        date(path, SystemTime::now() - Duration::from_secs(age));
    }
    date("b/old", SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    let engine = sandbox.engine();
    let (_, id) = built(&engine, &dated(&context, epoch));
    (sandbox, id)
}

pub(crate) fn with_a_time_that_is_given_two_machines_build_the_same_bytes() {
    let (one, first) = elsewhere("1500000000", 10_000);
    let (two, second) = elsewhere("1500000000", 500);
    assert_eq!(first, second);
    let save = |sandbox: &Sandbox| {
        let path = sandbox.work().join("saved.tar");
        sandbox.ok(&["save", "--output", &path.to_string_lossy(), "built"]);
        std::fs::read(path).expect("read")
    };
    assert!(save(&one) == save(&two), "the archives are not the same");
    let dates = one.ok(&["inspect", "--format", "{{.Created}}", "built"]);
    assert_eq!(dates.trim(), "2017-07-14T02:40:00Z");
    let history = one.ok(&["history", "--no-trunc", "--format", "{{json .}}", "built"]);
    assert!(history.lines().all(|row| row.contains("2017-07-14 02:40:00 +0000")), "{history}");
    // What was older stays that old, in the layers that are here as well.
    one.ok(&["create", "--name", "c", "--network", "none", "built"]);
    let out = one.work().join("out");
    one.ok(&["cp", "--archive", "c:/all", &out.to_string_lossy()]);
    let seconds = |path: &str| {
        let time = out.join(path).metadata().and_then(|found| found.modified()).expect("a time");
        time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
    };
    assert_eq!(
        (seconds("b/old"), seconds("a"), seconds("b")),
        (1_000_000_000, 1_500_000_000, 1_500_000_000)
    );
    one.ok(&["rm", "c"]);
    for sandbox in [&one, &two] {
        sandbox.ok(&["system", "check"]);
        invariants::hold(sandbox, "a build of a given time");
    }
}

pub(crate) fn a_time_counts_for_the_cache_and_may_be_any() {
    let sandbox = Sandbox::with_testbox();
    let engine = sandbox.engine();
    let context = context(&sandbox, &[("Dockerfile", TEXT), ("a", "1")]);
    let (_, without) = built(&engine, &request(&context));
    let (told, first) = built(&engine, &dated(&context, "1500000000"));
    assert!(told[1..].iter().filter(|told| told.ends_with("Done")).count() >= 5, "{told:?}");
    let (told, again) = built(&engine, &dated(&context, "1500000000"));
    assert!(told.iter().all(|told| told.ends_with("Cached") || told == "FROM: Done"), "{told:?}");
    assert!(first == again && first != without);
    for (epoch, date) in [("0", "1970-01-01T00:00:00Z"), ("4102444800", "2100-01-01T00:00:00Z")] {
        built(&engine, &dated(&context, epoch));
        let told = sandbox.ok(&["inspect", "--format", "{{.Created}}", "built"]);
        assert_eq!(told.trim(), date);
    }
    // The command takes it from its environment, and writes what buildx writes.
    let metadata = sandbox.work().join("metadata.json");
    let path = context.to_string_lossy().into_owned();
    let mut command = sandbox.command(&["build", "--quiet", "-t", "built"]);
    command.args(["--metadata-file", &metadata.to_string_lossy(), &path]);
    let done = barque_tests::sandbox::collect(
        command
            .env("SOURCE_DATE_EPOCH", "1500000000")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("start barque"),
    );
    assert_eq!((done.code, done.stdout.trim()), (0, first.as_str()), "{}", done.stderr);
    let text = std::fs::read(&metadata).expect("metadata");
    let told: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(told["containerimage.config.digest"], first.as_str(), "{told}");
    assert_eq!(told["image.name"], "docker.io/library/built:latest", "{told}");
    let digest = told["containerimage.digest"].as_str().expect("a digest");
    assert!(sandbox.root().join("blobs/sha256").join(&digest[7..]).exists(), "{told}");
    invariants::hold(&sandbox, "builds of given times");
}
