use std::collections::BTreeMap;
use std::io;

use barque_monitor::tar::{Entry, Kind, Time, Writer};

use super::archive::{self, Seen};
use super::dockerfile::{Dockerfile, Instruction};
use super::plan::{Base, Plan};
use super::request::Request;
use super::variables::{Arguments, Globals, expand};
use crate::api::ImageBuild;
use crate::image::manifest::Platform;

fn platform() -> Platform {
    Platform { os: "linux".into(), architecture: "arm64".into(), variant: "v8".into() }
}

fn globals(dockerfile: &Dockerfile, given: &[(&str, &str)]) -> Globals {
    let given: BTreeMap<String, String> =
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Globals::of(dockerfile, &given, &platform()).unwrap()
}

fn planned(text: &str, target: &str) -> Result<Plan, String> {
    let dockerfile = Dockerfile::parse(text).unwrap();
    let request = ImageBuild {
        dockerfile_text: text.to_owned(),
        target: target.to_owned(),
        ..ImageBuild::default()
    };
    let request = Request::check(&request).unwrap();
    Plan::of(&dockerfile, &globals(&dockerfile, &[]), &request)
        .map_err(|error| error.message().to_owned())
}

const STAGES: &str = "ARG V=1
FROM a:$V AS one
FROM scratch AS two
COPY --from=One /x /
FROM two
COPY --from=0 /x /
FROM other AS four
FROM four
";

#[test]
fn only_what_the_target_needs_is_in_the_plan() {
    let plan = planned(STAGES, "").unwrap();
    assert_eq!((plan.target, &plan.order[..]), (4, &[3, 4][..]));
    assert_eq!(
        plan.bases[..4],
        [Base::Image("a:1".into()), Base::Scratch, Base::Stage(1), Base::Image("other".into())]
    );
    assert_eq!(planned(STAGES, "2").unwrap().order, [0, 1, 2]);
    assert_eq!(planned(STAGES, "TWO").unwrap().order, [0, 1]);
}

#[test]
fn a_plan_that_cannot_be_names_its_place() {
    for (text, target, why) in [
        (STAGES, "9", "target stage \"9\" could not be found"),
        ("FROM $NO\n", "", "Dockerfile:1: base name ($NO) should not be blank"),
        ("FROM a AS x\nCOPY --from=x / /\n", "", "Dockerfile:2: circular dependency in stage: x"),
        (
            "FROM a\nRUN --network=host x\n",
            "",
            "Dockerfile:2: the host network is not allowed: build with the network mode host if it is to be",
        ),
    ] {
        assert_eq!(planned(text, target).unwrap_err(), why, "{text}");
    }
    // What the target does not need may be anything.
    assert!(planned("FROM a AS x\nRUN --network=host x\nFROM b\n", "").is_ok());
}

#[test]
fn arguments_have_their_scopes() {
    let dockerfile =
        Dockerfile::parse("ARG A=a\nARG B\nARG TARGETARCH\nARG C=$A-$TARGETARCH\nFROM x\n")
            .unwrap();
    let globals = globals(&dockerfile, &[("B", "b"), ("D", "d"), ("HTTP_PROXY", "p"), ("E", "e")]);
    assert_eq!(globals.expand("$A/$B/$C/$D/${TARGETOS}", '\\').unwrap(), "a/b/a-arm64//linux");

    let (mut arguments, env) = (Arguments::new(), vec!["SET=env".to_owned()]);
    let mut argue = |text: &str| {
        let read = Dockerfile::parse(&format!("FROM x\nARG {text}\n")).unwrap();
        let Instruction::Arg(wanted) = &read.stages[0].steps[0].instruction else { unreachable!() };
        globals.argue(&mut arguments, &env, wanted, '\\').unwrap();
        arguments.clone()
    };
    argue("A");
    argue("D=default");
    argue("OWN=$A$SET");
    argue("SET=arg");
    let arguments = argue("NONE TARGETPLATFORM");
    let seen = |text: &str| expand(&arguments, &env, '\\', text).unwrap();
    // Before the first stage is another scope: what no ARG of the stage names is not there.
    assert_eq!(
        seen("$A|$B|$D|$OWN|$SET|$NONE|$TARGETPLATFORM|$TARGETOS"),
        "a||d|aenv|env||linux/arm64/v8|"
    );
    assert_eq!(globals.proxies().collect::<Vec<_>>(), [("HTTP_PROXY", "p")]);
    assert_eq!(globals.unused(&dockerfile), ["D", "E"]);
}

fn archive_of(entries: &[(&str, Entry, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, entry, text) in entries {
        let entry =
            Entry { path: path.as_bytes().to_vec(), size: text.len() as u64, ..entry.clone() };
        writer.begin(&entry).unwrap();
        writer.data(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap()
}

fn seen(entries: &[(&str, Entry, &str)]) -> Seen {
    let archive = archive_of(entries);
    let mut out = Vec::new();
    let seen = archive::pass(&archive[..], &mut out).unwrap();
    assert_eq!(out, archive, "it is passed on as it is");
    seen
}

#[test]
fn a_digest_is_of_all_that_is_copied_but_times() {
    let entry = || Entry { mode: 0o644, ..Entry::default() };
    let one = seen(&[("a", entry(), "text")]);
    let later = Entry { mtime: Time { seconds: 9, nanoseconds: 9 }, ..entry() };
    assert_eq!(one, seen(&[("a", later, "text")]));
    for other in [
        ("b", entry(), "text"),
        ("a", entry(), "texT"),
        ("a", Entry { mode: 0o755, ..entry() }, "text"),
        ("a", Entry { uid: 1, ..entry() }, "text"),
        ("a", Entry { gid: 1, ..entry() }, "text"),
        ("a", Entry { xattrs: vec![(b"user.x".to_vec(), b"y".to_vec())], ..entry() }, "text"),
    ] {
        let path = other.0;
        assert_ne!(one.digest, seen(&[other]).digest, "{path}");
    }
    let link = |target: &str| Entry { kind: Kind::SymbolicLink, link: target.into(), ..entry() };
    assert_ne!(seen(&[("a", link("x"), "")]).digest, seen(&[("a", link("y"), "")]).digest);
    // Where one file ends and the next begins counts.
    assert_ne!(
        seen(&[("a", entry(), "xy"), ("b", entry(), "z")]).digest,
        seen(&[("a", entry(), "x"), ("b", entry(), "yz")]).digest
    );
}

#[test]
fn archives_are_told_where_they_are_named_and_not_in_directories() {
    let entry = || Entry { mode: 0o644, ..Entry::default() };
    let directory = Entry { kind: Kind::Directory, mode: 0o755, ..Entry::default() };
    let inner = archive_of(&[("x", entry(), "y")]);
    let inner = String::from_utf8(inner).unwrap();
    let entries = [
        ("text", entry(), "plain"),
        ("one.tar", entry(), &inner),
        ("./", directory, ""),
        ("two.tar", entry(), &inner),
    ];
    let seen = seen(&entries);
    assert_eq!((seen.files, seen.directory, &seen.archives[..]), (2, true, &[1][..]));
    let (mut rest, mut taken) = (Vec::new(), Vec::new());
    archive::part(&archive_of(&entries)[..], &seen.archives, &mut rest, |data| {
        taken.push(io::read_to_string(data)?);
        Ok(())
    })
    .unwrap();
    assert_eq!(taken, std::slice::from_ref(&inner));
    let [text, _, directory, two] = entries;
    assert_eq!(rest, archive_of(&[text, directory, two]));
}

#[test]
fn an_archive_is_told_from_what_is_none() {
    // Before POSIX there was no magic: the sum alone tells (tar(5), "Old-Style Archive Format").
    let mut old = archive_of(&[("a", Entry { mode: 0o644, ..Entry::default() }, "")]);
    old.truncate(512);
    old[257..].fill(0);
    old[148..156].fill(b' ');
    let sum: u32 = old.iter().map(|byte| u32::from(*byte)).sum();
    old[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert!(archive::is_one(&old));
    assert!(archive::is_one(&archive::EMPTY));
    assert!(!archive::is_one(b"FROM scratch\n"));
    assert!(!archive::is_one("RUN x\n".repeat(200).as_bytes()));

    let entry = || Entry { mode: 0o644, ..Entry::default() };
    let gzip = |bytes: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut out, bytes).unwrap();
        out.finish().unwrap()
    };
    let told = |bytes: &[u8]| {
        let entry = Entry { path: b"x".to_vec(), size: bytes.len() as u64, ..entry() };
        let mut writer = Writer::new(Vec::new());
        writer.begin(&entry).unwrap();
        writer.data(bytes).unwrap();
        let archive = writer.finish().unwrap();
        archive::pass(&archive[..], &mut io::sink()).unwrap().archives == [0]
    };
    let inner = archive_of(&[("x", entry(), "y")]);
    for archive in [&inner[..], &gzip(&inner), &old] {
        assert!(told(archive));
    }
    // One whose first block is large says nothing before that is whole.
    let noise: Vec<u8> = (0u32..600_000).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let mut large = Writer::new(Vec::new());
    large.begin(&Entry { path: b"x".to_vec(), size: noise.len() as u64, ..entry() }).unwrap();
    large.data(&noise).unwrap();
    let large = large.finish().unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    io::Write::write_all(&mut bzip2, &large).unwrap();
    for archive in [zstd::encode_all(&large[..], 1).unwrap(), bzip2.finish().unwrap()] {
        assert!(archive.len() > 16 << 10, "{}", archive.len());
        assert!(told(&archive));
    }
    for other in [&b"text"[..], &gzip(b"text"), &[0; 2048], b"", &[0x1f, 0x8b, 1, 2], b"BZh91AY"] {
        assert!(!told(other), "{other:?}");
    }
}

#[test]
fn an_archive_that_is_cut_short_is_an_error() {
    let archive = archive_of(&[("a", Entry::default(), &"x".repeat(5000))]);
    assert!(archive::pass(&archive[..2048], &mut io::sink()).is_err());
}
