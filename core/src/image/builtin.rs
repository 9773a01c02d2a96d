//! The image that barque carries inside itself: `hello`.
//!
//! It is made of the monitor's own bytes, which are a program of many names, so that a container can be run with no network and no
//! file. It is made on first use and published like any image; the same barque makes the same bytes, so its id is always the same.

use std::fs::File;
use std::io;
use std::path::Path;

use serde_json::json;

use super::Images;
use super::content::Content;
use super::digest::Digest;
use super::hashing::Hashing;
use super::manifest::Platform;
use super::publish;
use super::reference::Reference;
use super::staging::{Found, Staging};
use crate::error::{Error, Result};
use crate::monitor_image;
use crate::store::lease::Lease;

/// Its names, in full.
const NAMES: [&str; 2] = ["docker.io/library/hello:latest", "docker.io/barque/hello:latest"];

/// When it was made, seconds since 1970: the day of the first release, so that it is the same everywhere.
const CREATED: u64 = 1_795_478_400;
const CREATED_TEXT: &str = "2026-11-24T00:00:00Z";

const PASSWD: &str = "root:x:0:0:root:/root:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";

/// Whether this is a name of the built-in image.
pub(super) fn is_named(reference: &Reference) -> bool {
    NAMES.contains(&reference.to_string().as_str())
}

impl Images<'_> {
    /// Put the built-in image into the store, under the name it was asked for by.
    pub(super) fn load_built_in(&self, name: &Reference) -> Result<()> {
        let lease = Lease::take(self.engine.layout())?;
        let path = lease.path().join("built-in");
        let content = write_layer(&path)
            .map_err(|error| Error::system(format!("write {}", path.display()), error))?;
        let Content::Spooled { digest, .. } = &content else {
            return Err(Error::internal("the built-in image's layer was not written out"));
        };
        let config = config(digest);
        let mut staging = Staging::new(self.engine, &lease);
        let image = staging.image(Found {
            names: vec![name.clone()],
            config,
            manifest: None,
            layers: vec![(content, None)],
        })?;
        publish::publish(self.engine, &lease, &staging.finish(), &[image])
    }
}

fn config(layer: &Digest) -> Vec<u8> {
    let platform = Platform::this();
    // serde_json's maps are sorted: the same bytes every time.
    json!({
        "architecture": platform.architecture,
        "os": platform.os,
        "created": CREATED_TEXT,
        "config": {"Cmd": ["/bin/hello"], "Env": ["PATH=/bin"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [layer.as_str()]},
        "history": [{"created": CREATED_TEXT, "created_by": "barque: built in"}],
    })
    .to_string()
    .into_bytes()
}

/// Write the layer as a tar archive.
fn write_layer(path: &Path) -> io::Result<Content> {
    let mut archive = tar::Builder::new(Hashing::new(File::create_new(path)?));
    for (directory, mode) in [
        ("bin/", 0o755),
        ("dev/", 0o755),
        ("etc/", 0o755),
        ("proc/", 0o755),
        ("root/", 0o700),
        ("sys/", 0o755),
        ("tmp/", 0o1777),
    ] {
        let mut header = header(tar::EntryType::Directory, mode, 0);
        archive.append_data(&mut header, directory, io::empty())?;
    }
    for (file, content) in [("etc/group", GROUP), ("etc/passwd", PASSWD)] {
        let mut header = header(tar::EntryType::Regular, 0o644, content.len());
        archive.append_data(&mut header, file, content.as_bytes())?;
    }
    let mut program = header(tar::EntryType::Regular, 0o755, monitor_image::BYTES.len());
    archive.append_data(&mut program, "bin/barque", monitor_image::BYTES)?;
    for applet in barque_monitor::applet::names() {
        let mut link = header(tar::EntryType::Symlink, 0o777, 0);
        archive.append_link(&mut link, format!("bin/{applet}"), "barque")?;
    }
    let Hashing { hasher, count: size, .. } = archive.into_inner()?;
    Ok(Content::Spooled { path: path.to_owned(), digest: hasher.finish(), size })
}

fn header(kind: tar::EntryType, mode: u32, size: usize) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size as u64);
    header.set_mtime(CREATED);
    header.set_uid(0);
    header.set_gid(0);
    header
}
