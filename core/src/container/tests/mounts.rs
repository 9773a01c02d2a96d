//! What containers have mounted, seen from inside, and what becomes of volumes.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;
use crate::ErrorKind;

/// A request with this script and these mounts.
fn mounting(name: &str, script: &str, host_config: serde_json::Value) -> ContainerCreate {
    ContainerCreate {
        host_config: HostConfig {
            network_mode: "none".to_owned(),
            ..parse(&host_config.to_string()).unwrap()
        },
        ..create(name, &["sh", "-c", script])
    }
}

impl Bench {
    /// Run it to its end: the code and both outputs together.
    fn script(&self, create: ContainerCreate) -> (i32, String) {
        let request = ContainerRun { create, ..Default::default() };
        let (chunks, exit) = read(&mut self.engine.containers().run(&request).unwrap());
        let (out, err) = split(&chunks);
        (exit.unwrap().status_code, out + &err)
    }

    fn rm(&self, host_config: serde_json::Value, script: &str) -> String {
        let mut create = mounting("", script, host_config);
        create.host_config.auto_remove = true;
        let (code, output) = self.script(create);
        assert_eq!(code, 0, "{output}");
        output
    }

    fn host_directory(&self, name: &str) -> PathBuf {
        let path = self.directory.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// A file in the image.
    fn image_file(&self, path: &str, content: &str) -> PathBuf {
        let path = self.engine.layout().layer(&"1".repeat(64)).join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    fn volumes(&self) -> Vec<String> {
        let listed = self.engine.volumes().list(&VolumeList::default()).unwrap();
        listed.volumes.into_iter().map(|volume| volume.name).collect()
    }

    fn remove_volume(&self, name: &str) -> Result<()> {
        let request = VolumeRemove { name: name.into(), ..Default::default() };
        self.engine.volumes().remove(&request)
    }

    fn data(&self, name: &str) -> PathBuf {
        self.engine.volumes().inspect(name).unwrap().mountpoint.into()
    }
}

#[test]
fn what_is_written_on_one_side_of_a_bind_is_read_on_the_other() {
    let bench = Bench::new();
    let host = bench.host_directory("shared");
    std::fs::write(host.join("in"), "from outside\n").unwrap();
    let binds = serde_json::json!({"Binds": [format!("{}:/a/b/c", host.display())]});
    let output =
        bench.rm(binds, "cat /a/b/c/in; echo from inside >/a/b/c/out; stat -c %i /a/b/c/in");
    let inode = std::fs::metadata(host.join("in")).unwrap().ino();
    assert_eq!(output, format!("from outside\n{inode}\n"));
    assert_eq!(std::fs::read_to_string(host.join("out")).unwrap(), "from inside\n");
    // A file, onto a file that the image does not have.
    let file = serde_json::json!({"Binds": [format!("{}:/etc/new:ro", host.join("in").display())]});
    assert_eq!(
        bench.rm(file, "cat /etc/new; echo x 2>/dev/null >/etc/new || echo refused"),
        "from outside\nrefused\n"
    );
}

#[test]
fn a_missing_source_is_made_by_the_short_form_and_refused_by_the_long_one() {
    let bench = Bench::new();
    let host = bench.host_directory("host").join("new/deep");
    let long = serde_json::json!({"Mounts": [{"Type": "bind", "Source": host, "Target": "/x"}]});
    let error = bench.engine.containers().create(&mounting("", "true", long.clone())).unwrap_err();
    assert_eq!(
        error.message(),
        format!(
            "invalid mount config for type \"bind\": bind source path does not exist: {}",
            host.display()
        )
    );
    bench
        .rm(serde_json::json!({"Binds": [format!("{}:/x", host.display())]}), "echo made >/x/file");
    assert_eq!(std::fs::read_to_string(host.join("file")).unwrap(), "made\n");
    // It was there when the container was created, and is not when it starts.
    bench.engine.containers().create(&mounting("late", "true", long)).unwrap();
    std::fs::remove_dir_all(&host).unwrap();
    let error = bench.start("late").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("bind source path does not exist"), "{error}");
}

#[test]
fn read_only_holds_for_what_is_mounted_below_too() {
    let bench = Bench::new();
    let host = bench.host_directory("tree");
    std::fs::create_dir(host.join("below")).unwrap();
    let mount = |action: &str| {
        let below = host.join("below");
        let status = match action {
            "mount" => Command::new("mount").args(["-t", "tmpfs", "none"]).arg(below).status(),
            _ => Command::new("umount").arg(below).status(),
        };
        assert!(status.unwrap().success());
    };
    mount("mount");
    let try_both = "for d in /x /x/below; do echo y 2>/dev/null >$d/f && echo $d; done; true";
    let source = host.to_str().unwrap();
    let short = bench.rm(serde_json::json!({"Binds": [format!("{source}:/x:ro")]}), try_both);
    let itself = bench.rm(
        serde_json::json!({"Mounts": [{"Type": "bind", "Source": source, "Target": "/x", "ReadOnly": true,
            "BindOptions": {"ReadOnlyNonRecursive": true}}]}),
        try_both,
    );
    let alone = bench.rm(
        serde_json::json!({"Mounts": [{"Type": "bind", "Source": source, "Target": "/x", "BindOptions": {"NonRecursive": true}}]}),
        "ls -A /x/below; echo z >/x/g",
    );
    mount("umount");
    assert_eq!(short, "");
    assert_eq!(itself, "/x/below\n");
    assert_eq!(alone, "", "what is mounted below is not there");
}

#[test]
fn a_tmpfs_is_memory_of_the_size_and_mode_it_was_given() {
    let bench = Bench::new();
    let mounts = serde_json::json!({"Mounts": [{"Type": "tmpfs", "Target": "/mem",
        "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o1770}}], "ReadonlyRootfs": true});
    let output = bench.rm(
        mounts,
        "stat -c '%a %F' /mem; dd if=/dev/zero of=/mem/f bs=64k 2>/dev/null || echo full; stat -c %s /mem/f;
         echo x 2>/dev/null >/f || echo read-only",
    );
    assert_eq!(output, "1770 directory\nfull\n1048576\nread-only\n");
}

#[test]
fn a_volume_outlives_its_containers_and_is_shared_by_those_that_run() {
    let bench = Bench::new();
    let config = serde_json::json!({"Binds": ["data:/d"]});
    bench.rm(config.clone(), "echo kept >/d/file");
    assert_eq!(bench.volumes(), ["data"]);
    assert_eq!(bench.rm(config.clone(), "cat /d/file"), "kept\n");
    let writer = mounting(
        "writer",
        "until [ -e /d/go ]; do sleep 0.01; done; echo heard >/d/answer",
        config.clone(),
    );
    bench.engine.containers().create(&writer).unwrap();
    bench.start("writer").unwrap();
    let read_only = serde_json::json!({"Binds": ["data:/d:ro"]});
    assert_eq!(bench.rm(read_only, "echo x 2>/dev/null >/d/no || echo refused"), "refused\n");
    bench.rm(config, "touch /d/go; until [ -e /d/answer ]; do sleep 0.01; done");
    let error = bench.remove_volume("data").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.message(), "remove data: volume is in use - [writer]");
    bench.wait("writer");
    bench.remove("writer", false).unwrap();
    assert_eq!(bench.volumes(), ["data"], "it survives everything but its own removal");
    bench.remove_volume("data").unwrap();
    assert_eq!(bench.remove_volume("data").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!bench.engine.layout().volume("data").exists());
}

#[test]
fn a_new_volume_gets_what_the_image_has_in_its_place_with_all_that_belongs_to_it() {
    let bench = Bench::new();
    let file = bench.image_file("srv/data/a/file", "content");
    let top = file.parent().unwrap().parent().unwrap();
    std::fs::hard_link(&file, top.join("twin")).unwrap();
    std::os::unix::fs::symlink("../../etc/passwd", top.join("link")).unwrap();
    std::os::unix::fs::chown(&file, Some(12), Some(34)).unwrap();
    // After the owner: a change of that takes the bit away.
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o4751)).unwrap();
    std::os::unix::fs::chown(top, Some(56), Some(78)).unwrap();
    std::fs::set_permissions(top, PermissionsExt::from_mode(0o1771)).unwrap();
    std::os::unix::fs::symlink(
        "data",
        bench.engine.layout().layer(&"1".repeat(64)).join("srv/way"),
    )
    .unwrap();
    rustix::fs::setxattr(&file, "user.colour", b"blue", rustix::fs::XattrFlags::empty()).unwrap();
    let sparse = top.join("sparse");
    std::fs::File::create(&sparse).unwrap().set_len(64 << 20).unwrap();
    // Through a link of the image's too.
    let output = bench.rm(serde_json::json!({"Binds": ["vol:/srv/way"]}), "cat /srv/data/a/file");
    assert_eq!(output, "content");
    let data = bench.data("vol");
    let (copy, root) =
        (std::fs::metadata(data.join("a/file")).unwrap(), std::fs::metadata(&data).unwrap());
    assert_eq!((copy.mode() & 0o7777, copy.uid(), copy.gid(), copy.nlink()), (0o4751, 12, 34, 2));
    assert_eq!(copy.ino(), std::fs::metadata(data.join("twin")).unwrap().ino());
    assert_eq!(copy.mtime_nsec(), std::fs::metadata(&file).unwrap().mtime_nsec());
    assert_eq!((root.mode() & 0o7777, root.uid(), root.gid()), (0o1771, 56, 78));
    assert_eq!(std::fs::read_link(data.join("link")).unwrap(), Path::new("../../etc/passwd"));
    let mut value = [0; 16];
    let length = rustix::fs::getxattr(data.join("a/file"), "user.colour", &mut value).unwrap();
    assert_eq!(&value[..length], b"blue");
    let sparse = std::fs::metadata(data.join("sparse")).unwrap();
    assert_eq!((sparse.len(), sparse.blocks()), (64 << 20, 0));
}

#[test]
fn a_volume_with_files_is_not_filled_nor_one_that_was_not_to_be() {
    let bench = Bench::new();
    bench.image_file("srv/file", "the image's");
    let volume = bench
        .engine
        .volumes()
        .create(&VolumeCreate { name: "full".into(), ..Default::default() })
        .unwrap();
    std::fs::write(Path::new(&volume.mountpoint).join("mine"), "mine").unwrap();
    assert_eq!(bench.rm(serde_json::json!({"Binds": ["full:/srv"]}), "ls /srv"), "mine\n");
    assert_eq!(bench.rm(serde_json::json!({"Binds": ["bare:/srv:nocopy"]}), "ls /srv"), "");
    assert_eq!(bench.rm(serde_json::json!({"Binds": ["bare:/srv"]}), "ls /srv"), "file\n");
    // What was emptied since stays empty when the container is started again.
    let again =
        mounting("again", "ls /srv; rm -f /srv/file", serde_json::json!({"Binds": ["third:/srv"]}));
    assert_eq!(bench.script(again), (0, "file\n".to_owned()));
    bench.start("again").unwrap();
    bench.wait("again");
    let logs = bench.logs(&ContainerLogs { id: "again".into(), ..Default::default() });
    assert_eq!(logs.0, "file\n");
}

#[test]
fn anonymous_volumes_go_with_the_container_when_that_is_asked_for() {
    let bench = Bench::new();
    let with_volume = |name: &str| ContainerCreate {
        volumes: [("/data".to_owned(), Empty {})].into(),
        ..create(name, &["sh", "-c", "echo x >/data/f"])
    };
    for name in ["kept", "gone"] {
        assert_eq!(bench.script(with_volume(name)).0, 0);
    }
    let volumes = bench.volumes();
    assert_eq!(volumes.len(), 2);
    let of = |name: &str| bench.engine.containers().inspect(name).unwrap().mounts[0].clone();
    let (kept, gone) = (of("kept"), of("gone"));
    assert_eq!((gone.kind.as_str(), gone.destination.as_str(), gone.rw), ("volume", "/data", true));
    assert_eq!(
        bench.engine.volumes().inspect(&gone.name).unwrap().labels["com.docker.volume.anonymous"],
        ""
    );
    // Another container has it too: it stays until that is removed with its volumes.
    let third = mounting("third", "cat /data/f", serde_json::json!({"VolumesFrom": ["gone:ro"]}));
    assert_eq!(bench.script(third), (0, "x\n".to_owned()));
    let remove = |name: &str, volumes| {
        let request = ContainerRemove { id: name.into(), force: false, volumes };
        bench.engine.containers().remove(&request).unwrap();
    };
    remove("gone", true);
    assert!(bench.volumes().contains(&gone.name));
    remove("third", true);
    remove("kept", false);
    assert_eq!(bench.volumes(), [kept.name.as_str()]);
    let mut rm = with_volume("");
    rm.host_config.auto_remove = true;
    assert_eq!(bench.script(rm).0, 0);
    assert_eq!(bench.volumes(), [kept.name.as_str()], "--rm takes its own");
    let pruned =
        bench.engine.volumes().prune(&VolumePrune { dry_run: true, ..Default::default() }).unwrap();
    assert_eq!((pruned.volumes_deleted.len(), pruned.space_reclaimed), (1, 2));
    assert_eq!(bench.engine.volumes().prune(&VolumePrune::default()).unwrap(), pruned);
    assert_eq!(bench.volumes(), [""; 0]);
}

#[test]
fn part_of_a_volume_is_mounted_and_its_links_do_not_lead_out() {
    let bench = Bench::new();
    bench.rm(
        serde_json::json!({"Binds": ["vol:/v"]}),
        "mkdir -p /v/a/b; echo deep >/v/a/b/f; ln -s / /v/out; ln -s a/b /v/in",
    );
    let at = |subpath: &str| serde_json::json!({"Mounts": [{"Type": "volume", "Source": "vol", "Target": "/x", "VolumeOptions": {"Subpath": subpath}}]});
    assert_eq!(bench.rm(at("a/b"), "cat /x/f"), "deep\n");
    assert_eq!(bench.rm(at("in/f"), "cat /x"), "deep\n");
    assert_eq!(bench.rm(at("out"), "ls /x"), "a\nin\nout\n", "/ is the volume's own");
    bench.engine.containers().create(&mounting("none", "true", at("no/such"))).unwrap();
    assert!(bench.start("none").unwrap_err().message().contains("find no/such in it"));
}

#[test]
fn options_of_the_driver_say_where_the_files_are() {
    let bench = Bench::new();
    let host = bench.host_directory("elsewhere");
    let make = |name: &str, options: &[(&str, &str)]| {
        let driver_opts = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        bench.engine.volumes().create(&VolumeCreate {
            name: name.into(),
            driver_opts,
            ..Default::default()
        })
    };
    make("dir", &[("type", "none"), ("device", host.to_str().unwrap()), ("o", "bind")]).unwrap();
    make("mem", &[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,mode=700")]).unwrap();
    assert_eq!(
        make("nfs", &[("type", "nfs"), ("device", ":/x"), ("o", "addr=10.0.0.1")])
            .unwrap_err()
            .kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(make("dir", &[("type", "tmpfs")]).unwrap_err().kind(), ErrorKind::AlreadyExists);
    bench.rm(
        serde_json::json!({"Binds": ["dir:/d", "mem:/m"]}),
        "echo x >/d/f; mount | head -c 0; [ $(stat -c %a /m) = 700 ]",
    );
    assert_eq!(std::fs::read_to_string(host.join("f")).unwrap(), "x\n");
    bench.remove_volume("dir").unwrap();
    assert!(host.join("f").exists(), "what is the host's stays");
}
