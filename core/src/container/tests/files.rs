//! Files of containers: what faces cannot show of copies, archives, changes and commits.

use std::fs;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use barque_monitor::cgroup::Cgroup;
use barque_monitor::tar::{self, Kind};

use super::*;
use crate::ErrorKind;
use crate::store::{Durability, Intent, Owner};

impl Bench {
    fn write_file(&self, id: &str, path: &str, content: &[u8]) -> Result<()> {
        self.write_with(
            FileWrite { id: id.into(), path: path.into(), ..Default::default() },
            content,
        )
    }

    fn write_with(&self, request: FileWrite, content: &[u8]) -> Result<()> {
        let file = spooled(content);
        let input = Input { path: String::new(), fd: Some(file.as_raw_fd()) };
        self.engine.containers().write_file(&FileWrite { input, ..request })
    }

    fn read_file(&self, id: &str, path: &str) -> Result<Vec<u8>> {
        let request = FileRead { id: id.into(), path: path.into(), ..Default::default() };
        bytes(self.engine.containers().read_file(&request)?)
    }

    fn put(&self, request: ArchivePut, archive: &[u8]) -> Result<()> {
        let file = spooled(archive);
        let input = Input { path: String::new(), fd: Some(file.as_raw_fd()) };
        self.engine.containers().put_archive(&ArchivePut { input, ..request })
    }

    fn put_at(&self, id: &str, path: &str, archive: &[u8]) -> Result<()> {
        self.put(ArchivePut { id: id.into(), path: path.into(), ..Default::default() }, archive)
    }

    fn stat(&self, id: &str, path: &str) -> Result<PathStat> {
        self.engine.containers().stat_path(&FileRef { id: id.into(), path: path.into() })
    }

    fn changes(&self, id: &str) -> Vec<String> {
        let changes = self.engine.containers().diff(id).unwrap();
        let letter = |kind| ["C", "A", "D"][usize::from(kind)];
        changes.iter().map(|change| format!("{} {}", letter(change.kind), change.path)).collect()
    }

    fn copy(&self, source: &str, destination: &str) -> Result<FileCopied> {
        self.copy_with(source, destination, FileCopy::default())
    }

    /// `id:path` stands for a path of a container.
    fn copy_with(&self, source: &str, destination: &str, request: FileCopy) -> Result<FileCopied> {
        let place = |text: &str| match text.split_once(':') {
            Some((id, path)) => CopyPlace { id: id.into(), path: path.into() },
            None => CopyPlace { id: String::new(), path: text.into() },
        };
        let (source, destination) = (place(source), place(destination));
        self.engine.containers().copy(&FileCopy { source, destination, ..request })
    }

    fn host(&self, name: &str) -> std::path::PathBuf {
        self.directory.join(name)
    }

    fn sh(&self, id: &str, image: &str, script: &str) -> String {
        let mut request = create(id, &["sh", "-c", script]);
        request.image = image.into();
        request.host_config.auto_remove = true;
        let request = ContainerRun { create: request, ..Default::default() };
        let (chunks, exit) = read(&mut self.engine.containers().run(&request).unwrap());
        let (out, err) = split(&chunks);
        assert_eq!(exit.unwrap().status_code, 0, "{script}: {out}{err}");
        out
    }
}

/// A file without a name, standing at its beginning.
fn spooled(content: &[u8]) -> fs::File {
    let path = std::env::temp_dir().join(format!("barque-spool-{:?}", std::thread::current().id()));
    let mut file =
        fs::File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

/// All bytes of a stream, or its error.
fn bytes(mut stream: Stream) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        match stream.next(Deadline::after(Duration::from_secs(60)))? {
            Next::Item(Item::Chunk(chunk)) => bytes.extend(chunk.data),
            Next::Item(Item::Document(_)) => {}
            Next::Done => return Ok(bytes),
            Next::TimedOut => panic!("nothing came for a minute"),
        }
    }
}

fn entries(archive: &[u8]) -> Vec<tar::Entry> {
    let mut reader = tar::Reader::new(archive);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        entries.push(entry);
    }
    assert!(reader.has_end_marker());
    entries
}

fn archive(entries: &[(tar::Entry, &[u8])]) -> Vec<u8> {
    let mut writer = tar::Writer::new(Vec::new());
    for (entry, data) in entries {
        writer.begin(&tar::Entry { size: data.len() as u64, ..entry.clone() }).unwrap();
        writer.data(data).unwrap();
    }
    writer.finish().unwrap()
}

fn entry(path: &str, kind: Kind) -> tar::Entry {
    tar::Entry { path: path.into(), kind, mode: 0o644, ..Default::default() }
}

#[test]
fn a_container_that_goes_with_its_run_can_be_given_files_before_it() {
    let bench = Bench::new();
    let mut request = create("c", &["cat", "/tmp/given"]);
    request.host_config.auto_remove = true;
    bench.engine.containers().create(&request).unwrap();
    bench.write_file("c", "/tmp/given", b"before").unwrap();
    // Whoever opens the engine now finds it as it was.
    assert_eq!(bench.again().containers().inspect("c").unwrap().state.status, "created");
    assert_eq!(bench.changes("c"), ["C /tmp", "A /tmp/given"]);
    let run = ContainerRun { id: "c".into(), ..Default::default() };
    assert_eq!(split(&read(&mut bench.engine.containers().run(&run).unwrap()).0).0, "before");
}

#[test]
fn a_file_is_replaced_with_its_owner_and_mode_kept_and_never_half() {
    let bench = Bench::new();
    bench.create("c", &["sleep", "60"]);
    for running in [false, true] {
        if running {
            bench.start("c").unwrap();
        }
        let request =
            |path: &str| FileWrite { id: "c".into(), path: path.into(), ..Default::default() };
        let first = FileWrite { mode: Some(0o4750), user: "5:6".into(), ..request("/tmp/f") };
        bench.write_with(first, b"one").unwrap();
        bench.write_with(request("/tmp/f"), b"second").unwrap();
        assert_eq!(bench.read_file("c", "/tmp/f").unwrap(), b"second");
        let stat = bench.stat("c", "/tmp/f").unwrap();
        assert_eq!((stat.mode, stat.uid, stat.gid, stat.size), (0x0080_01e8, 5, 6, 6));
        // Nothing is left of how it was made.
        let list = FileRef { id: "c".into(), path: "/tmp".into() };
        let names: Vec<String> = bench
            .engine
            .containers()
            .list_files(&list)
            .unwrap()
            .into_iter()
            .map(|s| s.name)
            .collect();
        assert_eq!(names, ["f"]);
        let remove = FileRemove { id: "c".into(), path: "/tmp/f".into(), recursive: false };
        bench.engine.containers().remove_file(&remove).unwrap();
    }
    // A file that is mounted keeps its place and gets the content.
    bench.write_file("c", "/etc/hosts", b"127.0.0.1 here\n").unwrap();
    assert_eq!(bench.read_file("c", "/etc/hosts").unwrap(), b"127.0.0.1 here\n");
    assert_eq!(bench.sh("", "box", "echo yes"), "yes\n");
}

#[test]
fn links_lead_inside_the_container_and_nowhere_else() {
    let bench = Bench::new();
    bench.create("c", &["true"]);
    let victim = bench.host("victim");
    fs::write(&victim, "canary").unwrap();
    let link = |path: &str, target: &Path| tar::Entry {
        link: target.as_os_str().as_encoded_bytes().to_vec(),
        ..entry(path, Kind::SymbolicLink)
    };
    let links = [
        (link("abs", &victim), &b""[..]),
        (link("up", Path::new(&format!("../../../../../../..{}", victim.display()))), b""),
        (link("dir", Path::new("/")), b""),
        (link("self", Path::new("self")), b""),
        (link("sub", Path::new("/tmp")), b""),
    ];
    bench.put_at("c", "/tmp", &archive(&links)).unwrap();
    for path in ["/tmp/abs", "/tmp/up", "/tmp/dir/../../../../tmp/abs"] {
        assert_eq!(bench.read_file("c", path).unwrap_err().kind(), ErrorKind::NotFound, "{path}");
        // Written through, it is made where the link leads in the container: that has no such directory.
        assert_eq!(bench.write_file("c", path, b"x").unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert!(bench.read_file("c", "/tmp/self").is_err());
    bench.write_file("c", "/tmp/sub/through", b"here").unwrap();
    assert_eq!(bench.read_file("c", "/tmp/through").unwrap(), b"here");
    assert_eq!(bench.stat("c", "/tmp/up").unwrap().link_target, victim.to_string_lossy());
    // Out of the container goes the link, and what an archive puts beneath one stays inside.
    bench.copy("c:/tmp/abs", bench.host("out").to_str().unwrap()).unwrap();
    assert_eq!(fs::read_link(bench.host("out")).unwrap(), victim);
    let beneath = archive(&[(entry("dir/tmp/made", Kind::File), b"x")]);
    bench.put_at("c", "/tmp", &beneath).unwrap();
    assert_eq!(bench.read_file("c", "/tmp/made").unwrap(), b"x");
    let through = format!("dir{}", victim.display());
    bench.put_at("c", "/tmp", &archive(&[(entry(&through, Kind::File), b"gone")])).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"canary");
}

#[test]
fn what_an_archive_replaces_is_as_asked_for() {
    let bench = Bench::new();
    bench.create("c", &["true"]);
    let directory =
        archive(&[(entry("x", Kind::Directory), b""), (entry("x/in", Kind::File), b"1")]);
    let file = archive(&[(entry("x", Kind::File), b"2")]);
    let strict = || ArchivePut {
        id: "c".into(),
        path: "/tmp".into(),
        no_overwrite_dir_non_dir: true,
        ..Default::default()
    };
    bench.put(strict(), &directory).unwrap();
    let error = bench.put(strict(), &file).unwrap_err();
    assert_eq!(error.message(), "cannot overwrite directory with non-directory \"x\"");
    assert_eq!(bench.read_file("c", "/tmp/x/in").unwrap(), b"1");
    bench.put_at("c", "/tmp", &file).unwrap();
    assert_eq!(bench.read_file("c", "/tmp/x").unwrap(), b"2");
    let error = bench.put(strict(), &directory).unwrap_err();
    assert_eq!(error.message(), "cannot overwrite non-directory with directory \"x\"");
    bench.put_at("c", "/tmp", &directory).unwrap();
    assert_eq!(bench.read_file("c", "/tmp/x/in").unwrap(), b"1");
    // A mode that the archive's own root has is not the directory's.
    let root = tar::Entry { mode: 0o000, ..entry("./", Kind::Directory) };
    bench.put_at("c", "/tmp/x", &archive(&[(root, b"")])).unwrap();
    assert_eq!(bench.stat("c", "/tmp/x").unwrap().mode & 0o777, 0o644);
    // An archive without an end is one that was cut short.
    let whole = archive(&[(entry("y", Kind::File), b"3")]);
    assert!(bench.put_at("c", "/tmp", &whole[..1024]).is_err());
}

#[test]
fn nothing_is_written_where_nothing_may_be() {
    let bench = Bench::new();
    let place = bench.host("place");
    fs::create_dir(&place).unwrap();
    for (name, read_only, mode) in [("root", true, "rw"), ("volume", false, "ro")] {
        let mut request = create(name, &["sleep", "60"]);
        request.host_config.readonly_rootfs = read_only;
        request.host_config.binds = vec![format!("{}:/v:{mode}", place.display())];
        if bench.engine.containers().create(&request).is_err() {
            // This version has no bind mounts yet.
            return;
        }
        for running in [false, true] {
            if running {
                bench.start(name).unwrap();
            }
            let (refused, allowed) = if read_only { ("/tmp", "/v") } else { ("/v", "/tmp") };
            let what = if read_only { "container rootfs" } else { "mounted volume" };
            let error = bench.write_file(name, &format!("{refused}/f"), b"x").unwrap_err();
            assert_eq!(error.message(), format!("{what} is marked read-only"));
            let file = archive(&[(entry("f", Kind::File), b"x")]);
            let error = bench.put_at(name, refused, &file).unwrap_err();
            assert_eq!(error.message(), format!("{what} is marked read-only"));
            bench.put_at(name, allowed, &file).unwrap();
        }
    }
    assert_eq!(fs::read(place.join("f")).unwrap(), b"x");
}

#[test]
fn a_copy_keeps_what_files_have_and_owners_only_when_asked() {
    let bench = Bench::new();
    bench.create("c", &["true"]);
    let tree = bench.host("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("f"), "content").unwrap();
    fs::set_permissions(tree.join("f"), fs::Permissions::from_mode(0o4755)).unwrap();
    std::os::unix::fs::chown(tree.join("f"), Some(1000), Some(1001)).unwrap();
    fs::set_permissions(tree.join("f"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::hard_link(tree.join("f"), tree.join("g")).unwrap();
    symlink("f", tree.join("l")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        tree.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let source = tree.to_str().unwrap();
    bench.copy(source, "c:/tmp/plain").unwrap();
    let kept = FileCopy { archive: true, ..Default::default() };
    bench.copy_with(source, "c:/tmp/kept", kept.clone()).unwrap();
    let stat = bench.stat("c", "/tmp/plain/f").unwrap();
    assert_eq!((stat.uid, stat.gid, stat.mode), (0, 0, 0x0080_01ed));
    let stat = bench.stat("c", "/tmp/kept/f").unwrap();
    assert_eq!((stat.uid, stat.gid, stat.mode), (1000, 1001, 0x0080_01ed));
    let mtime = fs::metadata(tree.join("f")).unwrap();
    let nanoseconds = mtime.mtime() * 1_000_000_000 + mtime.mtime_nsec();
    assert_eq!(stat.mtime, crate::sys::clock::rfc3339(nanoseconds));

    for (archive, owner) in [(false, (0, 0)), (true, (1000, 1001))] {
        let out = bench.host(&format!("out-{archive}"));
        let request = FileCopy { archive, ..Default::default() };
        bench.copy_with("c:/tmp/kept", out.to_str().unwrap(), request).unwrap();
        let file = fs::metadata(out.join("f")).unwrap();
        assert_eq!((file.uid(), file.gid()), owner);
        assert_eq!(file.mode() & 0o7777, 0o4755);
        assert_eq!((file.mtime(), file.mtime_nsec()), (mtime.mtime(), mtime.mtime_nsec()));
        assert_eq!(fs::metadata(out.join("g")).unwrap().ino(), file.ino());
        assert_eq!(fs::read_link(out.join("l")).unwrap(), Path::new("f"));
        assert!(fs::metadata(out.join("pipe")).unwrap().file_type().is_fifo());
    }
}

#[test]
fn an_export_is_the_root_whole_with_what_it_has() {
    let bench = Bench::new();
    let script = "cd /tmp; echo x >f; ln f g; mkfifo p 2>/dev/null; touch gone; rm gone; \
                  dd if=/dev/zero of=sparse bs=1 count=1 seek=8000000 2>/dev/null; sleep 60";
    bench.create("c", &["sh", "-c", script]);
    bench.start("c").unwrap();
    wait_for(&bench, "c", "/tmp/sparse");
    let running = bytes(bench.engine.containers().export("c").unwrap()).unwrap();
    bench
        .engine
        .containers()
        .kill(&ContainerKill { id: "c".into(), ..Default::default() })
        .unwrap();
    let stopped = bytes(bench.engine.containers().export("c").unwrap()).unwrap();
    for archive in [&running, &stopped] {
        let found = entries(archive);
        let of = |path: &str| found.iter().find(|entry| entry.path == path.as_bytes());
        assert_eq!(of("bin/sh").unwrap().link, b"busybox");
        assert_eq!(
            (of("tmp/g").unwrap().kind, &of("tmp/g").unwrap().link[..]),
            (Kind::HardLink, &b"tmp/f"[..])
        );
        assert!(of("tmp/gone").is_none());
        let sparse = of("tmp/sparse").unwrap();
        assert_eq!((sparse.size, sparse.extents.is_some()), (8_000_001, true));
        let inside =
            found.iter().find(|entry| entry.path.len() > 5 && entry.path.starts_with(b"proc/"));
        assert!(inside.is_none(), "of procfs: {inside:?}");
        assert!(archive.len() < 8 << 20, "without the hole");
    }
    let names = |archive: &[u8]| entries(archive).into_iter().map(|e| e.path).collect::<Vec<_>>();
    assert_eq!(names(&running), names(&stopped));
}

fn wait_for(bench: &Bench, id: &str, path: &str) {
    for _ in 0..500 {
        if bench.stat(id, path).is_ok_and(|stat| stat.size >= 8_000_000 || stat.size < 100) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{path} did not come");
}

#[test]
fn changes_are_told_by_their_kind_and_nothing_else_is() {
    let bench = Bench::new();
    let script = "touch /new; echo y >>/etc/passwd; rm /bin/seq; rm -r /tmp; mkdir /tmp; touch /tmp/in; \
                  mkdir /d; touch /d/e; cat /bin/sh >/dev/null";
    bench.create("c", &["sh", "-c", script]);
    bench.start("c").unwrap();
    assert_eq!(bench.wait("c").status_code, 0);
    assert_eq!(
        bench.changes("c"),
        [
            "C /bin",
            "D /bin/seq",
            "A /d",
            "A /d/e",
            "C /etc",
            "C /etc/passwd",
            "A /new",
            "C /tmp",
            "A /tmp/in"
        ]
    );
}

#[test]
fn a_commit_holds_what_was_deleted_replaced_and_made() {
    let bench = Bench::new();
    // An image with a blob and a manifest of its own: the bench's has none to build on.
    let base = base_image(&bench);
    let script = "rm /etc/passwd; rm -r /d; mkdir /d; echo new >/d/new; echo changed >/f; ln /f /g; chmod 4755 /f";
    let mut request = create("c", &["sh", "-c", script]);
    request.image = base;
    bench.engine.containers().create(&request).unwrap();
    bench.start("c").unwrap();
    assert_eq!(bench.wait("c").status_code, 0);
    let commit = |reference: &str| ContainerCommit {
        id: "c".into(),
        reference: reference.into(),
        changes: vec!["ENV X=1".into(), "WORKDIR /d".into()],
        ..Default::default()
    };
    let first = bench.engine.containers().commit(&commit("made:1")).unwrap();
    let second = bench.engine.containers().commit(&commit("made:2")).unwrap();
    let layers = |name: &str| bench.engine.images().inspect(name).unwrap().root_fs.layers;
    assert_eq!(layers("made:1"), layers("made:2"), "the same layer twice");
    assert_ne!(first.id, second.id, "made at another time");
    let seen = bench.sh(
        "",
        "made:1",
        "echo $X; pwd; ls /d; ls /etc; cat /f; ls -l /g | head -c 10; ls -i /f /g",
    );
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(&lines[..4], ["1", "/d", "new", "group"], "{seen}");
    assert!(seen.contains("changed") && seen.contains("-rwsr-xr-x"), "{seen}");
    let history = bench.engine.images().history("made:1").unwrap();
    assert!(history[0].created_by.starts_with("sh -c rm /etc/passwd"));
    // One that was never started is its image, called otherwise.
    let mut request = create("never", &["true"]);
    request.image = "made:1".into();
    bench.engine.containers().create(&request).unwrap();
    let never =
        ContainerCommit { id: "never".into(), reference: "made:3".into(), ..Default::default() };
    bench.engine.containers().commit(&never).unwrap();
    assert_eq!(layers("made:3"), layers("made:1"));
}

/// The bench's busybox as an image that was imported, with a few files more.
fn base_image(bench: &Bench) -> String {
    let root = bench.host("base");
    for directory in ["bin", "etc", "d", "tmp"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for name in
        ["sh", "rm", "mkdir", "ln", "chmod", "ls", "cat", "head", "echo", "sleep", "true", "touch"]
    {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\n").unwrap();
    fs::write(root.join("d/old"), "old").unwrap();
    fs::write(root.join("f"), "first").unwrap();
    let import = ImageImport {
        input: Input { path: root.to_str().unwrap().into(), fd: None },
        reference: "base:1".into(),
        changes: vec!["ENV PATH=/bin".into()],
        ..Default::default()
    };
    bench.engine.images().import(&import).unwrap();
    "base:1".into()
}

#[test]
fn a_commit_that_ends_early_leaves_no_container_frozen() {
    let bench = Bench::new();
    let script = "head -c 64000000 /dev/zero >/big; touch /done; sleep 60";
    let mut request = create("c", &["sh", "-c", script]);
    request.image = base_image(&bench);
    let id = bench.engine.containers().create(&request).unwrap().id;
    bench.start("c").unwrap();
    wait_for(&bench, "c", "/done");
    let cgroup = bench.engine.layout().cgroup("", &id);
    let is_frozen = || Cgroup::open(&cgroup).unwrap().unwrap().is_frozen().unwrap();
    // Cancelled at some moment, again and again.
    for delay in 0..12 {
        let canceller = crate::Canceller::new().unwrap();
        let engine = bench.engine.with_canceller(&canceller);
        let worker = std::thread::spawn(move || {
            let request = ContainerCommit { id: "c".into(), ..Default::default() };
            engine.containers().commit(&request).map(drop)
        });
        std::thread::sleep(Duration::from_millis(delay * 4));
        canceller.cancel();
        // Whether it came in time does not matter here.
        let _ = worker.join().unwrap();
        assert!(!is_frozen(), "after {delay}");
    }
    // One that somebody has frozen stays so.
    Cgroup::open(&cgroup).unwrap().unwrap().freeze(Duration::from_secs(5)).unwrap();
    bench
        .engine
        .containers()
        .commit(&ContainerCommit { id: "c".into(), ..Default::default() })
        .unwrap();
    assert!(is_frozen());
    Cgroup::open(&cgroup).unwrap().unwrap().thaw().unwrap();
}

#[test]
fn a_container_held_by_a_commit_that_was_killed_goes_on_with_the_next_command() {
    let bench = Bench::new();
    let id = bench.create("c", &["sleep", "60"]);
    bench.start("c").unwrap();
    let cgroup = Cgroup::open(&bench.engine.layout().cgroup("", &id)).unwrap().unwrap();
    let hold = |owner: &Owner| {
        cgroup.freeze(Duration::from_secs(5)).unwrap();
        let store = bench.engine.store();
        store
            .write(Durability::Crash, |t| Intent::begin(t, crate::container::HOLD, &id, owner, 0))
            .unwrap()
    };
    let this = bench.engine.this_process();
    // The owner of this one lives: it is busy.
    let own = hold(this);
    bench.again();
    assert!(cgroup.is_frozen().unwrap());
    bench.engine.store().write(Durability::Crash, |t| Intent::finish(t, own)).unwrap();
    hold(&Owner { start_time: this.start_time + 1, ..this.clone() });
    bench.again();
    assert!(!cgroup.is_frozen().unwrap());
    assert!(bench.engine.store().read(Intent::all).unwrap().is_empty());
}

#[test]
fn a_stream_that_is_let_go_of_leaves_nothing() {
    let bench = Bench::new();
    bench.create("c", &["true"]);
    for _ in 0..5 {
        let mut stream = bench.engine.containers().export("c").unwrap();
        assert!(matches!(stream.next(Deadline::never()).unwrap(), Next::Item(Item::Chunk(_))));
        drop(stream);
        let request = ArchiveGet { id: "c".into(), path: "/bin".into() };
        drop(bench.engine.containers().get_archive(&request).unwrap());
    }
    let left = fs::read_dir(bench.engine.layout().temporary()).unwrap().count();
    assert_eq!(left, 0, "leases");
}
