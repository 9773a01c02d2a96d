//! Images made here, from nothing but `testbox` and what a test puts into them: no registry, no other tool.
//!
//! They are written by hand, entry by entry, so that a test can also write what no tool would.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::programs;

/// An image to be.
#[derive(Clone)]
pub struct Image {
    name: String,
    layers: Vec<Vec<u8>>,
    config: Value,
    history: Value,
}

/// A layer's tar, entry by entry.
pub struct Layer(tar::Builder<Vec<u8>>);

impl Default for Layer {
    fn default() -> Self {
        Layer(tar::Builder::new(Vec::new()))
    }
}

impl Layer {
    /// An empty one.
    pub fn new() -> Layer {
        Layer::default()
    }

    fn entry(
        mut self,
        path: &str,
        kind: tar::EntryType,
        mode: u32,
        data: &[u8],
        link: &str,
    ) -> Layer {
        let mut header = tar::Header::new_gnu();
        // Written raw: `set_path` would refuse what a hostile archive holds.
        let name = &mut header.as_gnu_mut().expect("a GNU header").name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_size(data.len() as u64);
        if !link.is_empty() {
            header.set_link_name_literal(link).expect("a short link");
        }
        header.set_cksum();
        self.0.append(&header, data).expect("append to memory");
        self
    }

    /// A regular file.
    #[must_use]
    pub fn file(self, path: &str, mode: u32, data: &[u8]) -> Layer {
        self.entry(path, tar::EntryType::Regular, mode, data, "")
    }

    /// A directory.
    #[must_use]
    pub fn directory(self, path: &str, mode: u32) -> Layer {
        self.entry(path, tar::EntryType::Directory, mode, b"", "")
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Layer {
        self.entry(path, tar::EntryType::Symlink, 0o777, b"", target)
    }

    /// A hard link.
    #[must_use]
    pub fn hard_link(self, path: &str, target: &str) -> Layer {
        self.entry(path, tar::EntryType::Link, 0o644, b"", target)
    }

    /// A FIFO.
    #[must_use]
    pub fn fifo(self, path: &str) -> Layer {
        self.entry(path, tar::EntryType::Fifo, 0o644, b"", "")
    }

    /// A block device's node, for everybody to read and write.
    ///
    /// # Panics
    /// Never: it is in memory.
    #[must_use]
    pub fn block_device(mut self, path: &str, major: u32, minor: u32) -> Layer {
        let mut header = tar::Header::new_gnu();
        header.set_path(path).expect("a short path");
        header.set_entry_type(tar::EntryType::Block);
        header.set_mode(0o666);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        header.set_device_major(major).expect("a GNU header");
        header.set_device_minor(minor).expect("a GNU header");
        header.set_cksum();
        self.0.append(&header, &b""[..]).expect("append to memory");
        self
    }

    /// The tar.
    ///
    /// # Panics
    /// Never: it is in memory.
    pub fn finish(self) -> Vec<u8> {
        self.0.into_inner().expect("finish in memory")
    }
}

/// The image `testbox`: the program, two users, a place to write.
pub fn testbox() -> Image {
    let program = std::fs::read(programs::TESTBOX).expect("read testbox");
    let layer = Layer::new()
        .file("testbox", 0o755, &program)
        .directory("etc", 0o755)
        .file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/testbox\nsailor:x:1000:1001::/home/sailor:/testbox\n1234:x:0:0::/:/testbox\n")
        .file("etc/group", 0o644, b"root:x:0:\ncrew:x:1001:\ndeck:x:2001:sailor\nhold:x:2002:sailor\n")
        .directory("home", 0o755)
        .directory("home/sailor", 0o755)
        .directory("tmp", 0o1777)
        .directory("data", 0o777);
    Image::new("testbox").layer(layer.finish()).config(json!({
        "Entrypoint": ["/testbox"],
        "Cmd": ["report"],
        "Env": ["PATH=/usr/bin:/bin:/", "FROM_IMAGE=yes"],
        "Labels": {"made-by": "barque-tests"},
    }))
}

impl Image {
    /// An image without layers.
    pub fn new(name: &str) -> Image {
        Image { name: name.into(), layers: Vec::new(), config: json!({}), history: Value::Null }
    }

    /// `testbox` under another name, to put a hostile layer or configuration on.
    pub fn from_testbox(name: &str) -> Image {
        Image { name: name.into(), ..testbox() }
    }

    /// Another layer on top.
    #[must_use]
    pub fn layer(mut self, tar: Vec<u8>) -> Image {
        self.layers.push(tar);
        self
    }

    /// Set fields of the configuration's `config`.
    #[must_use]
    pub fn config(mut self, fields: Value) -> Image {
        match (&mut self.config, fields) {
            (Value::Object(old), Value::Object(new)) => old.extend(new),
            (old, new) => *old = new,
        }
        self
    }

    /// The configuration's `history`, as it is to be written.
    #[must_use]
    pub fn history(mut self, history: Value) -> Image {
        self.history = history;
        self
    }

    /// The image's configuration document.
    pub fn configuration(&self) -> Value {
        let mut document = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "created": "2024-01-02T03:04:05Z",
            "config": self.config,
            "rootfs": {
                "type": "layers",
                "diff_ids": self.layers.iter().map(|l| digest(l)).collect::<Vec<_>>(),
            },
        });
        if !self.history.is_null() {
            document["history"] = self.history.clone();
        }
        document
    }

    /// Write it as `docker save` does.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write_docker_archive(&self, path: &Path) {
        let file = File::create(path).expect("create an archive");
        let mut archive = tar::Builder::new(std::io::BufWriter::new(file));
        let config = self.configuration().to_string();
        let config_name = format!("{}.json", &digest(config.as_bytes())[7..]);
        let mut put = |name: &str, data: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, data).expect("append to an archive");
        };
        let mut names = Vec::new();
        for layer in &self.layers {
            let name = format!("{}/layer.tar", &digest(layer)[7..]);
            put(&name, layer);
            names.push(name);
        }
        put(&config_name, config.as_bytes());
        let manifest = json!([{
            "Config": config_name,
            "RepoTags": [format!("{}:latest", self.name)],
            "Layers": names,
        }]);
        put("manifest.json", manifest.to_string().as_bytes());
        archive.into_inner().expect("finish an archive").flush().expect("flush an archive");
    }

    /// Its manifest and the blobs that this names, layers gzipped.
    ///
    /// # Panics
    /// Never: it is in memory.
    pub fn for_registry(&self, compression: flate2::Compression) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut blobs = vec![self.configuration().to_string().into_bytes()];
        let mut layers = Vec::new();
        for layer in &self.layers {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), compression);
            gzip.write_all(layer).expect("compress in memory");
            let blob = gzip.finish().expect("compress in memory");
            layers.push(json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": digest(&blob), "size": blob.len(),
            }));
            blobs.push(blob);
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(&blobs[0]), "size": blobs[0].len(),
            },
            "layers": layers,
        });
        (manifest.to_string().into_bytes(), blobs)
    }

    /// Write it as an OCI image layout directory, layers gzipped.
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn write_layout(&self, directory: &Path) {
        let blobs = directory.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).expect("make a layout");
        let put = |data: &[u8]| -> (String, usize) {
            let name = digest(data);
            std::fs::write(blobs.join(&name[7..]), data).expect("write a blob");
            (name, data.len())
        };
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|layer| {
                let mut gzip =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gzip.write_all(layer).expect("compress in memory");
                let (digest, size) = put(&gzip.finish().expect("compress in memory"));
                json!({
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": digest, "size": size,
                })
            })
            .collect();
        let (config, config_size) = put(self.configuration().to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": config, "size": config_size,
            },
            "layers": layers,
        });
        let (manifest, manifest_size) = put(manifest.to_string().as_bytes());
        let mut annotations = BTreeMap::new();
        annotations
            .insert("io.containerd.image.name", format!("docker.io/library/{}:latest", self.name));
        annotations.insert("org.opencontainers.image.ref.name", "latest".to_owned());
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": manifest, "size": manifest_size, "annotations": annotations,
            }],
        });
        std::fs::write(directory.join("index.json"), index.to_string()).expect("write index.json");
        std::fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
            .expect("write oci-layout");
    }
}

/// `sha256:` and the hexadecimal digest.
pub fn digest(data: &[u8]) -> String {
    let sum = Sha256::digest(data);
    let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The image `small`: two layers of a file each.
pub fn small() -> Image {
    Image::new("small")
        .layer(Layer::new().file("hello.txt", 0o644, b"hello\n").finish())
        .layer(Layer::new().file("second.txt", 0o644, b"second\n").finish())
        .config(json!({"Cmd": ["/hello"], "Env": ["A=1"], "Labels": {"colour": "blue"}}))
        .history(json!([
            {"created": "2024-01-01T00:00:00Z", "created_by": "COPY hello.txt /"},
            {"created": "2024-01-01T00:00:01Z", "created_by": "ENV A=1", "empty_layer": true},
            {"created": "2024-01-01T00:00:02Z", "created_by": "COPY second.txt /", "comment": "two"},
        ]))
}

/// Files that scenarios name as `$docker_archive` and so on, made below `directory`.
///
/// # Panics
/// When they cannot be written.
pub fn scenario_files(directory: &Path) -> Vec<(String, String)> {
    let small = small();
    let path = |name: &str| directory.join(name);
    small.write_docker_archive(&path("small.tar"));
    std::fs::create_dir_all(path("layout")).expect("make a layout");
    small.write_layout(&path("layout"));

    let plain = std::fs::read(path("small.tar")).expect("read an archive");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).expect("compress in memory");
    std::fs::write(path("small.tar.gz"), gzip.finish().expect("compress")).expect("write");
    let zstd = zstd::encode_all(&plain[..], 1).expect("compress");
    std::fs::write(path("small.tar.zst"), zstd).expect("write");
    std::fs::write(path("half.tar"), &plain[..plain.len() / 2]).expect("write");
    std::fs::write(path("rubbish.tar"), [0x5a; 4096]).expect("write");
    std::fs::write(path("empty.tar"), b"").expect("write");

    let program = std::fs::read(programs::TESTBOX).expect("read testbox");
    let rootfs = Layer::new().file("testbox", 0o755, &program).directory("tmp", 0o1777);
    std::fs::write(path("rootfs.tar"), rootfs.finish()).expect("write");
    std::fs::create_dir_all(path("rootfs/etc")).expect("make a directory");
    std::fs::write(path("rootfs/testbox"), &program).expect("write");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(path("rootfs/testbox"), mode).expect("chmod");

    std::fs::write(path("text"), "some text\n").expect("write");
    std::fs::create_dir_all(path("tree/inner")).expect("make a directory");
    std::fs::write(path("tree/inner/leaf"), "leaf text\n").expect("write");
    std::os::unix::fs::symlink("inner/leaf", path("tree/link")).expect("link");
    let tree = Layer::new().directory("inner", 0o755).file("inner/leaf", 0o644, b"leaf text\n");
    std::fs::write(path("tree.tar"), tree.finish()).expect("write");

    let context = programs::workspace().join("tests/fixtures/build");
    std::fs::create_dir(path("context")).expect("make a directory");
    copy_tree(&context, &path("context"));
    let mut archive = tar::Builder::new(File::create(path("context.tar")).expect("create"));
    archive.follow_symlinks(false);
    archive.append_dir_all(".", &context).expect("pack a context");
    archive.finish().expect("pack a context");

    [
        ("build_context", "context"),
        ("build_archive", "context.tar"),
        ("docker_archive", "small.tar"),
        ("gzip_archive", "small.tar.gz"),
        ("zstd_archive", "small.tar.zst"),
        ("half_archive", "half.tar"),
        ("rubbish", "rubbish.tar"),
        ("empty_file", "empty.tar"),
        ("layout", "layout"),
        ("rootfs_tar", "rootfs.tar"),
        ("rootfs_directory", "rootfs"),
        ("text_file", "text"),
        ("tree", "tree"),
        ("tree_archive", "tree.tar"),
        ("work", "."),
    ]
    .into_iter()
    .map(|(name, file)| (name.to_owned(), path(file).to_string_lossy().into_owned()))
    .collect()
}

/// Copy a directory's content.
///
/// # Panics
/// When it cannot be copied.
pub fn copy_tree(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("list a directory") {
        let entry = entry.expect("list a directory");
        let target = to.join(entry.file_name());
        let kind = entry.file_type().expect("stat");
        if kind.is_dir() {
            std::fs::create_dir(&target).expect("make a directory");
            copy_tree(&entry.path(), &target);
        } else if kind.is_symlink() {
            let link = std::fs::read_link(entry.path()).expect("read a link");
            std::os::unix::fs::symlink(link, target).expect("link");
        } else {
            std::fs::copy(entry.path(), target).expect("copy");
        }
    }
}
