//! Containers that really run, each test in an engine of its own. Needs root.

mod events;
mod files;
mod life;
mod listed;
mod mounts;
mod repair;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::params;
use sha2::{Digest, Sha256};

use crate::api::*;
use crate::error::Result;
use crate::store::Durability;
use crate::stream::{Chunk, Deadline, Item, Next, Output, Stream};
use crate::{Engine, EngineOptions};

/// An engine with the image `box`, and nothing of it when it is dropped.
struct Bench {
    engine: Engine,
    directory: PathBuf,
}

impl Bench {
    fn new() -> Bench {
        static BENCHES: AtomicU32 = AtomicU32::new(0);
        let number = BENCHES.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("barque-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let bench = Bench { engine: open(&directory), directory };
        bench.make_image();
        bench
    }

    /// The same engine as another process would have it.
    fn again(&self) -> Engine {
        open(&self.directory)
    }

    /// An image of one layer with a busybox in it.
    fn make_image(&self) {
        let layout = self.engine.layout();
        let chain = "1".repeat(64);
        let bin = layout.layer(&chain).join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        for directory in ["tmp", "etc"] {
            std::fs::create_dir_all(layout.layer(&chain).join(directory)).unwrap();
        }
        std::fs::write(layout.layer(&chain).join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
        std::fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        for name in [
            "sh", "true", "false", "sleep", "cat", "echo", "kill", "ls", "touch", "dd", "seq",
            "env", "id", "stty", "head", "stat", "mount", "mkdir", "rm", "umount", "ln",
        ] {
            std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
        }
        let config = r#"{"architecture":"amd64","os":"linux","config":{"Cmd":["true"],"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":[]}}"#;
        let id: String = Sha256::digest(config).iter().map(|b| format!("{b:02x}")).collect();
        std::fs::create_dir_all(layout.blobs()).unwrap();
        std::fs::write(layout.blobs().join(&id), config).unwrap();
        let (id, chain) = (format!("sha256:{id}"), format!("sha256:{chain}"));
        let rows = |t: &rusqlite::Transaction<'_>| {
            t.execute("INSERT INTO blobs (digest, size) VALUES (?1, 1)", [&id])?;
            t.execute("INSERT INTO layers VALUES (?1, ?1, NULL, 1, 0, 0)", [&chain])?;
            t.execute(
                "INSERT INTO images (id, manifest, created, size, loaded) VALUES (?1, ?1, 0, 1, 0)",
                [&id],
            )?;
            t.execute("INSERT INTO image_layers VALUES (?1, 0, ?2, ?1)", params![id, chain])?;
            t.execute("INSERT INTO tags VALUES ('docker.io/library/box:latest', ?1, 0)", [&id])?;
            Ok(())
        };
        self.engine.store().write(Durability::Full, rows).unwrap();
    }

    fn create(&self, name: &str, command: &[&str]) -> String {
        self.engine.containers().create(&create(name, command)).unwrap().id
    }

    fn start(&self, id: &str) -> Result<()> {
        self.engine.containers().start(&ContainerStart { id: id.into(), ..Default::default() })
    }

    fn wait(&self, id: &str) -> ContainerExit {
        let request = ContainerWait { id: id.into(), ..Default::default() };
        let (chunks, exit) = read(&mut self.engine.containers().wait(&request).unwrap());
        assert!(chunks.is_empty());
        exit.unwrap()
    }

    fn logs(&self, request: &ContainerLogs) -> (String, String) {
        let (chunks, exit) = read(&mut self.engine.containers().logs(request).unwrap());
        assert_eq!(exit, None);
        split(&chunks)
    }

    fn remove(&self, id: &str, force: bool) -> Result<()> {
        let request = ContainerRemove { id: id.into(), force, ..Default::default() };
        self.engine.containers().remove(&request)
    }

    fn names(&self, all: bool) -> Vec<String> {
        let request = ContainerList { all, ..Default::default() };
        let rows = self.engine.containers().list(&request).unwrap();
        rows.into_iter().flat_map(|row| row.names).collect()
    }

    /// What there is of containers besides rows: files, cgroups, processes.
    fn leftovers(&self) -> Vec<String> {
        let layout = self.engine.layout();
        let mut found = Vec::new();
        for directory in [layout.containers(), layout.locks(), layout.run().into()] {
            for entry in std::fs::read_dir(&directory).into_iter().flatten() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name.len() == 64 {
                    found.push(format!("{}/{name}", directory.display()));
                }
            }
        }
        found.extend(self.cgroups());
        found
    }

    fn cgroups(&self) -> Vec<String> {
        let instance = self.engine.layout().instance();
        let output = Command::new("find")
            .args(["/sys/fs/cgroup", "-type", "d", "-path", &format!("*/barque-{instance}-*")])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for name in self.names(true) {
            let _ = self.remove(&name, true);
        }
        let leftovers = self.leftovers();
        let _ = std::fs::remove_dir_all(&self.directory);
        if !std::thread::panicking() {
            assert_eq!(leftovers, Vec::<String>::new());
        }
    }
}

fn open(directory: &Path) -> Engine {
    let options = EngineOptions::at(directory.join("root")).run_directory(directory.join("run"));
    Engine::open(options).unwrap()
}

fn create(name: &str, command: &[&str]) -> ContainerCreate {
    ContainerCreate {
        name: name.into(),
        image: "box".into(),
        cmd: Some(command.iter().map(|&word| word.to_owned()).collect()),
        // These tests run in the network namespace of whoever runs them: nothing is made there.
        host_config: HostConfig { network_mode: "none".to_owned(), ..Default::default() },
        ..Default::default()
    }
}

fn run(command: &[&str]) -> ContainerRun {
    ContainerRun {
        create: ContainerCreate {
            host_config: HostConfig { auto_remove: true, ..create("", command).host_config },
            ..create("", command)
        },
        ..Default::default()
    }
}

/// Read a stream to its end.
fn read(stream: &mut Stream) -> (Vec<Chunk>, Option<ContainerExit>) {
    let (mut chunks, mut exit) = (Vec::new(), None);
    loop {
        match stream.next(Deadline::after(Duration::from_secs(60))).unwrap() {
            Next::Item(Item::Chunk(chunk)) => chunks.push(chunk),
            Next::Item(Item::Document(text)) => exit = Some(serde_json::from_str(&text).unwrap()),
            Next::Done => return (chunks, exit),
            Next::TimedOut => panic!("nothing came for a minute"),
        }
    }
}

fn split(chunks: &[Chunk]) -> (String, String) {
    let of = |output: Output| {
        let chunks = chunks.iter().filter(|chunk| chunk.channel == output);
        let bytes: Vec<u8> = chunks.flat_map(|chunk| chunk.data.iter().copied()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    (of(Output::Stdout), of(Output::Stderr))
}
