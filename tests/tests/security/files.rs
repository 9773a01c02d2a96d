//! Files of hostile containers, copied, packed and committed (SEC-041 to -043, -045, -071, -085): links that lead to the
//! host, programs and libraries that wait to be used, archives that reach outside.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use barque_tests::files::below;
use barque_tests::image::{Image, Layer};
use barque_tests::sandbox::finish;
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants, programs};

use super::moving_files::content;
use super::victim::{Victim, is_clean};

pub(crate) fn add(suite: &mut Suite) {
    suite.add("SEC-041 links lead where they lead in the container", links_lead_inside);
    for running in [false, true] {
        let how = if running { "that runs" } else { "that does not run" };
        suite.add(
            format!("SEC-042 SEC-043 nothing of a container {how} is loaded or executed"),
            move || nothing_is_executed(running),
        );
    }
    for (name, archive) in hostile_archives() {
        suite.add(format!("SEC-045 SEC-071 cp - of {name}"), move || unpacked(archive));
    }
    suite.add("SEC-085 names of any bytes go in and come out", names_of_any_bytes);
}

/// A short link to the victim: the text of a link has no more room than a tar header's hundred bytes.
fn short(victim: &Victim) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(format!("/tmp/v{}-{next}", std::process::id()));
    std::os::unix::fs::symlink(victim.path(), &path).expect("link to the victim");
    path
}

fn links_lead_inside() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let short = short(&victim);
    let target = short.display();
    let layer = Layer::new()
        .symlink("data/dir", &target.to_string())
        .symlink("data/leaf", &format!("{target}/secret"))
        .symlink("data/up", &format!("../../../../../..{target}"))
        .symlink("data/twice", "up/inner/../secret")
        .symlink("data/dangling", &format!("{target}/new"))
        .symlink("data/root", "/");
    let archive = sandbox.work().join("hostile.tar");
    Image::from_testbox("hostile").layer(layer.finish()).write_docker_archive(&archive);
    sandbox.ok(&["load", "--quiet", "--input", &archive.to_string_lossy()]);
    sandbox.ok(&["create", "--name", "c", "--network", "none", "hostile", "sleep", "forever"]);
    let (new, out) = (sandbox.work().join("new"), sandbox.work().join("out"));
    std::fs::write(&new, "from the host").expect("write a file");
    let tree = sandbox.work().join("tree");
    let into = out.to_string_lossy().into_owned();
    std::fs::create_dir_all(tree.join("inner")).expect("make a directory");
    std::fs::write(tree.join("secret"), "from the host").expect("write a file");
    for running in [false, true] {
        if running {
            sandbox.ok(&["start", "c"]);
        }
        for path in [
            "dir",
            "dir/",
            "dir/.",
            "dir/secret",
            "dir/inner/../secret",
            "leaf",
            "leaf/",
            "up",
            "up/",
            "up/.",
            "up/secret",
            "twice",
            "dangling",
            "root/../../data/leaf",
        ] {
            let path = format!("c:/data/{path}");
            for follow in [&[][..], &["--follow-link"]] {
                let words = [&["cp"], follow, &[path.as_str(), &into]].concat();
                is_clean(&sandbox.barque(&words));
                assert!(!content(&out).contains("canary"), "{path} was read on the host");
                let printed = sandbox.barque(&[&["cp"], follow, &[&path, "-"]].concat());
                assert!(!printed.stdout.contains("canary"), "{path} was read on the host");
            }
            for source in [&new, &tree, &tree.join(".")] {
                for archive in [&[][..], &["--archive"]] {
                    let source = source.to_string_lossy();
                    is_clean(&sandbox.barque(&[&["cp"], archive, &[&source, &path]].concat()));
                    victim.is_untouched(&path);
                }
            }
        }
    }
    std::fs::remove_file(short).expect("remove a link");
    invariants::hold(&sandbox, "copies through links");
}

/// What a program of the host would load or run, each with a shout in it.
const TROJANS: &[&str] = &[
    "lib/x86_64-linux-gnu/libnss_files.so.2",
    "lib/libnss_files.so.2",
    "lib64/ld-linux-x86-64.so.2",
    "etc/ld.so.preload",
    "etc/nsswitch.conf",
    "usr/lib/x86_64-linux-gnu/gconv/gconv-modules",
    "usr/lib/locale/locale-archive",
    "usr/bin/xz",
    "usr/bin/unpigz",
    "usr/bin/gzip",
    "usr/bin/zstd",
    "usr/bin/bzip2",
    "usr/bin/tar",
];

fn nothing_is_executed(running: bool) {
    let sandbox = Sandbox::new();
    let mut layer = Layer::new();
    for path in TROJANS {
        layer = layer.file(path, 0o755, b"#!/testbox write /data/shout\n");
    }
    let archive = sandbox.work().join("hostile.tar");
    Image::from_testbox("hostile").layer(layer.finish()).write_docker_archive(&archive);
    sandbox.ok(&["load", "--quiet", "--input", &archive.to_string_lossy()]);
    sandbox.ok(&["create", "--name", "c", "--network", "none", "hostile", "sleep", "forever"]);
    if running {
        sandbox.ok(&["start", "c"]);
    }
    let (new, out) = (sandbox.work().join("new"), sandbox.work().join("out"));
    std::fs::write(&new, "x").expect("write a file");
    let tar = Layer::new().file("x", 0o644, b"x").finish();
    let (new, out) = (new.to_string_lossy().into_owned(), out.to_string_lossy().into_owned());
    let gzip = packed("gzip", &tar);
    let operations: &[(&[&str], &[u8])] = &[
        (&["cp", "--archive", &new, "c:/data/x"], b""),
        (&["cp", "c:/etc", &out], b""),
        (&["cp", "--archive", "-", "c:/data"], &tar),
        (&["cp", "-", "c:/data"], &gzip),
        (&["cp", "-", "c:/data"], b"\xfd7zXZ\0of which nothing is read"),
        (&["cp", "-", "c:/data"], b"BZh91AY&SYof which nothing is read"),
        (&["export", "c"], b""),
        (&["diff", "c"], b""),
        (&["commit", "c"], b""),
    ];
    for (words, input) in operations {
        let trace = sandbox.work().join("trace");
        let mut command = sandbox.command_of(
            &programs::tool("strace"),
            &["-f", "-qq", "-e", "trace=execve,execveat,mmap,pivot_root,setns", "-o"],
        );
        command.arg(&trace).arg(programs::barque()).args(*words);
        is_clean(&finish(command, input));
        let traced = std::fs::read_to_string(&trace).expect("read the trace");
        let mut inside = Vec::new();
        for line in traced.lines() {
            let (pid, call) = line.split_once(' ').unwrap_or_default();
            let call = call.trim_start();
            // From here on its `/` is the container's.
            if call.starts_with("pivot_root") || call.starts_with("setns") {
                inside.push(pid.to_owned());
            }
            let loads = call.starts_with("exec")
                || (call.starts_with("mmap") && call.contains("PROT_EXEC"));
            assert!(!(loads && inside.iter().any(|seen| seen == pid)), "{words:?}: {line}");
            assert!(!TROJANS.iter().any(|path| call.contains(path)), "{words:?}: {line}");
        }
        // What is packed in a way that nobody here unpacks is refused before anybody enters.
        let refused = input.starts_with(b"\xfd7zXZ") || input.starts_with(b"BZh");
        assert_eq!(inside.is_empty(), refused, "{words:?}: {traced}");
        let _ = std::fs::remove_dir_all(&out);
    }
    let shout = sandbox.barque(&["cp", "c:/data/shout", "-"]);
    assert_ne!(shout.code, 0, "a program of the container was executed");
}

/// The bytes as a tool of the host packs them.
fn packed(tool: &str, bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = std::process::Command::new(tool)
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("start a packer");
    child.stdin.take().expect("a pipe").write_all(bytes).expect("write to it");
    child.wait_with_output().expect("read from it").stdout
}

/// Makes an archive that reaches for the victim, whose path it gets.
type Hostile = fn(&str) -> Layer;

/// Archives for `cp - c:/data`, where `/data/out` is a link to the victim.
fn hostile_archives() -> Vec<(&'static str, Hostile)> {
    vec![
        ("a path upwards", |_| {
            Layer::new().file("../../../../../../../../tmp/escaped", 0o644, b"evil")
        }),
        ("an absolute path", |v| Layer::new().file(&format!("{v}/secret"), 0o666, b"evil")),
        ("files and modes through a link of the container", |_| {
            Layer::new()
                .directory("out", 0o777)
                .file("out/secret", 0o666, b"evil")
                .directory("out/inner", 0o777)
        }),
        ("a link and a file through it", |v| {
            Layer::new().symlink("e", v).file("e/secret", 0o666, b"evil")
        }),
        ("a relative link and a file through it", |v| {
            Layer::new()
                .symlink("e", &format!("../../../../../../../..{v}"))
                .file("e/secret", 0o666, b"evil")
        }),
        ("a hard link to the host and a file in its place", |v| {
            Layer::new().hard_link("h", &format!("{v}/secret")).file("h", 0o666, b"evil")
        }),
        ("a hard link upwards", |v| {
            Layer::new()
                .hard_link("h", &format!("../../../../../../../..{v}/secret"))
                .file("h", 0o666, b"evil")
        }),
        ("a hard link to a link", |v| {
            Layer::new()
                .symlink("e", &format!("{v}/secret"))
                .hard_link("h", "e")
                .file("h", 0o666, b"evil")
        }),
        ("a directory where a link is", |v| Layer::new().symlink("e", v).directory("e", 0o777)),
        ("two links, each inside", |v| {
            Layer::new().symlink("a", ".").symlink("a/b", v).file("b/secret", 0o666, b"evil")
        }),
    ]
}

fn unpacked(archive: Hostile) {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let short = short(&victim);
    let target = short.to_string_lossy().into_owned();
    let layer = Layer::new().symlink("data/out", &target);
    let image = sandbox.work().join("hostile.tar");
    Image::from_testbox("hostile").layer(layer.finish()).write_docker_archive(&image);
    sandbox.ok(&["load", "--quiet", "--input", &image.to_string_lossy()]);
    sandbox.ok(&["create", "--name", "c", "--network", "none", "hostile", "sleep", "forever"]);
    let archive = archive(&target).finish();
    for running in [false, true] {
        if running {
            sandbox.ok(&["start", "c"]);
        }
        for owners in [&[][..], &["--archive"]] {
            let words = [&["cp"], owners, &["-", "c:/data"]].concat();
            is_clean(&finish(sandbox.command(&words), &archive));
            victim.is_untouched("cp -");
            assert!(!Path::new("/tmp/escaped").exists(), "a file outside");
        }
    }
    std::fs::remove_file(short).expect("remove a link");
    invariants::hold(&sandbox, "a hostile archive");
}

fn names_of_any_bytes() {
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["create", "--name", "c", "--network", "none", "testbox", "sleep", "forever"]);
    let tree = sandbox.work().join("names");
    let long = [b'l'; 255];
    let names: &[&[u8]] = &[
        b"\xff\xfe not UTF-8",
        b"line\nfeed",
        b"\x1b]0;escape\x07",
        b"Case",
        b"case",
        "e\u{301}".as_bytes(),
        "\u{e9}".as_bytes(),
        b" space ",
        b"-rf",
        b".wh.file",
        &long,
    ];
    let mut deep = tree.clone();
    for _ in 0..30 {
        deep.push(OsStr::from_bytes(&[b'd'; 100]));
    }
    std::fs::create_dir_all(&deep).expect("make directories");
    for (number, name) in names.iter().enumerate() {
        std::fs::write(tree.join(OsStr::from_bytes(name)), number.to_string())
            .expect("write a file");
    }
    std::fs::write(deep.join("leaf"), "deep").expect("write a file");
    let out = sandbox.work().join("out");
    for running in [false, true] {
        if running {
            sandbox.ok(&["start", "c"]);
        }
        let inside = format!("c:/data/names-{running}");
        sandbox.ok(&["cp", &tree.to_string_lossy(), &inside]);
        sandbox.ok(&["cp", &inside, &out.to_string_lossy()]);
        assert_eq!(files(&out), files(&tree));
        std::fs::remove_dir_all(&out).expect("remove what came out");
        assert_eq!(sandbox.barque(&["diff", "c"]).code, 0);
    }
    // As a layer, `.wh.file` would hide a file: that is refused, and said.
    let done = sandbox.barque(&["commit", "c"]);
    assert!(done.code != 0 && done.stderr.contains(".wh.file"), "{done:?}");
    invariants::hold(&sandbox, "names of any bytes");
}

/// The files of a tree by their path in it, with their content.
fn files(tree: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let files = below(tree).into_iter().filter(|path| !path.is_dir());
    files
        .map(|path| {
            let name = path.strip_prefix(tree).expect("below it").to_owned();
            (name.into_os_string().into_vec(), std::fs::read(&path).expect("read a file"))
        })
        .collect()
}
