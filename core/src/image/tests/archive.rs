//! Archives written by hand, byte for byte, so that they can be wrong.

use super::super::digest::Digest;

/// A tar archive in the making.
pub(super) struct Tar(Vec<u8>);

impl Tar {
    pub(super) fn new() -> Tar {
        Tar(Vec::new())
    }

    pub(super) fn of(bytes: Vec<u8>) -> Tar {
        Tar(bytes)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.clone()
    }

    /// Another one's entries after this one's.
    pub(super) fn then(mut self, other: Tar) -> Tar {
        self.0.extend_from_slice(&other.0);
        self
    }

    /// A directory of any name, by GNU's long one.
    pub(super) fn raw_name(self, path: &str) -> Tar {
        self.raw("long", b'L', "", 0, path.as_bytes(), (0, 0)).raw(
            "x",
            b'5',
            "",
            0o755,
            b"",
            (0, 0),
        )
    }

    fn raw(
        mut self,
        path: &str,
        kind: u8,
        link: &str,
        mode: u32,
        data: &[u8],
        device: (u32, u32),
    ) -> Tar {
        if path.len() > 100 || link.len() > 100 {
            for (kind, name) in [(b'L', path), (b'K', link)] {
                self = self.raw("long", kind, "", 0, name.as_bytes(), (0, 0));
            }
        }
        let mut block = [0u8; 512];
        let cut = |text: &str| text.as_bytes()[..text.len().min(100)].to_vec();
        block[..cut(path).len()].copy_from_slice(&cut(path));
        block[157..157 + cut(link).len()].copy_from_slice(&cut(link));
        block[100..107].copy_from_slice(format!("{mode:07o}").as_bytes());
        block[108..115].copy_from_slice(b"0000000");
        block[116..123].copy_from_slice(b"0000000");
        block[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        block[136..147].copy_from_slice(b"00000001750");
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar  \0");
        block[329..336].copy_from_slice(format!("{:07o}", device.0).as_bytes());
        block[337..344].copy_from_slice(format!("{:07o}", device.1).as_bytes());
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&block);
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// An entry whose header block is made by hand; the checksum is put right afterwards when `right`.
    pub(super) fn block(mut self, right: bool, edit: impl FnOnce(&mut [u8]), data: &[u8]) -> Tar {
        let start = self.0.len();
        self = self.raw("by-hand", b'0', "", 0o644, data, (0, 0));
        let block = &mut self.0[start..start + 512];
        edit(block);
        if right {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        self
    }

    pub(super) fn file(self, path: &str, data: &[u8]) -> Tar {
        self.raw(path, b'0', "", 0o644, data, (0, 0))
    }

    pub(super) fn dir(self, path: &str) -> Tar {
        self.dir_mode(path, 0o755)
    }

    pub(super) fn dir_mode(self, path: &str, mode: u32) -> Tar {
        self.raw(path, b'5', "", mode, b"", (0, 0))
    }

    pub(super) fn link(self, path: &str, target: &str) -> Tar {
        self.raw(path, b'2', target, 0o777, b"", (0, 0))
    }

    pub(super) fn hard(self, path: &str, target: &str) -> Tar {
        self.raw(path, b'1', target, 0o644, b"", (0, 0))
    }

    pub(super) fn node(self, path: &str, kind: u8, major: u32, minor: u32) -> Tar {
        self.raw(path, kind, "", 0o666, b"", (major, minor))
    }

    pub(super) fn pax(self, records: &[(&str, &[u8])]) -> Tar {
        self.raw("pax", b'x', "", 0o644, &records_of(records), (0, 0))
    }

    pub(super) fn global(self, records: &[(&str, &[u8])]) -> Tar {
        self.raw("pax", b'g', "", 0o644, &records_of(records), (0, 0))
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

fn records_of(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let body = key.len() + value.len() + 3;
        let mut len = body + 1;
        while len != body + len.to_string().len() {
            len = body + len.to_string().len();
        }
        bytes.extend_from_slice(format!("{len} {key}=").as_bytes());
        bytes.extend_from_slice(value);
        bytes.push(b'\n');
    }
    bytes
}

/// A configuration with these layers.
pub(super) fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    serde_json::json!({
        "architecture": super::super::manifest::Platform::this().architecture, "os": "linux",
        "created": "2020-01-02T03:04:05Z",
        "config": {"Cmd": ["/bin/true"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })
    .to_string()
    .into_bytes()
}

/// What `docker save` wrote until version 24: images by name with their layers.
pub(super) fn saved(images: &[(&str, &[Vec<u8>])]) -> Vec<u8> {
    let (mut tar, mut rows) = (Tar::new(), Vec::new());
    for (number, (name, layers)) in images.iter().enumerate() {
        let config = config(layers);
        let config_name = format!("{}.json", Digest::of(&config).hex());
        tar = tar.file(&config_name, &config);
        let mut names = Vec::new();
        for (position, layer) in layers.iter().enumerate() {
            let name = format!("{number}-{position}/layer.tar");
            tar = tar.file(&name, layer);
            names.push(name);
        }
        rows.push(serde_json::json!({"Config": config_name, "RepoTags": [name], "Layers": names}));
    }
    tar.file("manifest.json", serde_json::Value::from(rows).to_string().as_bytes()).end()
}

/// An OCI layout as an archive: one image under a name, its layers' blobs (which may be compressed) beside the plain layers, and
/// what their descriptors call them.
pub(super) fn layout(name: &str, layers: &[Vec<u8>], blobs: &[(&[u8], &str)]) -> Vec<u8> {
    let descriptor = |media_type: &str, bytes: &[u8]| serde_json::json!({"mediaType": media_type, "digest": Digest::of(bytes).as_str(), "size": bytes.len()});
    let config = config(layers);
    let layers: Vec<serde_json::Value> =
        blobs.iter().map(|(bytes, media_type)| descriptor(media_type, bytes)).collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": layers,
    })
    .to_string()
    .into_bytes();
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    entry["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": name});
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [entry]});
    let mut tar = Tar::new().file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    let mut all: Vec<&[u8]> = blobs.iter().map(|(bytes, _)| *bytes).collect();
    all.extend([&config[..], &manifest]);
    for bytes in all {
        tar = tar.file(&format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes);
    }
    tar.file("index.json", index.to_string().as_bytes()).end()
}
