//! The image that barque carries inside itself: `hello`.
//!
//! It is made of the monitor's own bytes, which are a program of many names, so that a container can be run with no network and no
//! file. It is made on first use and published like any image; the same barque makes the same bytes, so its id is always the same.

use std::fs::File;
use std::io;
use std::path::Path;

use barque_monitor::tar::{Entry, Kind, Time, Writer};
use serde_json::json;

use super::Images;
use super::content::Content;
use super::digest::Digest;
use super::hashing::Hashing;
use super::manifest::Platform;
use super::reference::Reference;
use super::staging::{Found, Staging};
use crate::error::{Error, Result};
use crate::monitor_image;
use crate::store::lease::Lease;

/// Its names, in full.
const NAMES: [&str; 2] = ["docker.io/library/hello:latest", "docker.io/barque/hello:latest"];

/// When it was made, seconds since 1970: the day of the first release, so that it is the same everywhere.
const CREATED: i64 = 1_795_478_400;
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
        let found = Found {
            names: vec![name.clone()],
            config,
            manifest: None,
            layers: vec![(content, None)],
        };
        staging.publish(&[found]).map(drop)
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
    let mut archive = Writer::new(Hashing::new(File::create_new(path)?));
    for (directory, mode) in [
        ("bin/", 0o755),
        ("dev/", 0o755),
        ("etc/", 0o755),
        ("proc/", 0o755),
        ("root/", 0o700),
        ("sys/", 0o755),
        ("tmp/", 0o1777),
    ] {
        archive.begin(&entry(directory, Kind::Directory, mode))?;
    }
    for (file, mode, content) in [
        ("etc/group", 0o644, GROUP.as_bytes()),
        ("etc/passwd", 0o644, PASSWD.as_bytes()),
        ("bin/barque", 0o755, monitor_image::BYTES),
    ] {
        let size = content.len() as u64;
        archive.begin(&Entry { size, ..entry(file, Kind::File, mode) })?;
        archive.data(content)?;
    }
    for applet in barque_monitor::applet::names() {
        let link = entry(&format!("bin/{applet}"), Kind::SymbolicLink, 0o777);
        archive.begin(&Entry { link: b"barque".to_vec(), ..link })?;
    }
    let Hashing { hasher, count: size, .. } = archive.finish()?;
    Ok(Content::Spooled { path: path.to_owned(), digest: hasher.finish(), size })
}

fn entry(path: &str, kind: Kind, mode: u32) -> Entry {
    let mtime = Time { seconds: CREATED, nanoseconds: 0 };
    Entry { path: path.as_bytes().to_vec(), kind, mode, mtime, ..Entry::default() }
}
