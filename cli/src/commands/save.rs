//! `barque save`.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use barque::{Deadline, Item, Next, Stream, api};
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::{Failure, Result};
use crate::{output, terminal};

pub(crate) const VERB: Verb = Verb {
    name: "save",
    about: "Save one or more images to a tar archive (streamed to STDOUT by default)",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "string")]
    output: Option<String>,
    /// Save only if the images are for this platform ("os/arch[/variant]")
    #[arg(long, value_name = "string", default_value = "")]
    platform: String,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let request = api::ImageSave { names: parsed.operands.clone(), platform: flags.platform };
    let target = match flags.output.filter(|path| !path.is_empty()) {
        Some(path) => Some(Target::open(Path::new(&path))?),
        None if terminal::is_output() => {
            return Err(Failure::new(
                "cowardly refusing to save to a terminal. Use the -o flag or redirect",
            ));
        }
        None => None,
    };
    let stream = parsed.engine()?.images().save(&request)?;
    match target {
        Some(target) => target.fill(stream)?,
        None => each_chunk(stream, |data| output::out(data))?,
    }
    Ok(0)
}

fn each_chunk(mut stream: Stream, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    loop {
        match stream.next(Deadline::never())? {
            Next::Item(Item::Chunk(chunk)) => take(&chunk.data)?,
            Next::Item(Item::Document(_)) | Next::TimedOut => {}
            Next::Done => return Ok(()),
        }
    }
}

/// The file to be written: under another name until it is whole, so that a failure leaves what was there before.
struct Target {
    path: PathBuf,
    file: File,
    /// The other name; `None` for what is no plain file (`/dev/null`, a pipe) and cannot be replaced.
    temporary: Option<PathBuf>,
}

impl Target {
    fn open(path: &Path) -> Result<Target> {
        let failed = |error: std::io::Error| invalid(path, &error);
        // What a link leads to is replaced, not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if let Ok(metadata) = path.metadata() {
            let kind = metadata.file_type();
            if kind.is_dir() {
                return Err(invalid(&path, &std::io::ErrorKind::IsADirectory.into()));
            }
            if kind.is_char_device() || kind.is_fifo() {
                let file = File::options().write(true).open(&path).map_err(failed)?;
                return Ok(Target { path, file, temporary: None });
            }
        }
        let mut name = std::ffi::OsString::from(".tmp-");
        name.push(path.file_name().ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?);
        name.push(format!("-{}", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(failed)?;
        Ok(Target { path, file, temporary: Some(temporary) })
    }

    fn fill(mut self, stream: Stream) -> Result<()> {
        let file = &mut self.file;
        each_chunk(stream, |data| {
            file.write_all(data).map_err(|error| invalid(&self.path, &error))
        })?;
        if let Some(temporary) = &self.temporary {
            // A secret may be in an image: only the owner reads it, as docker has it. Synced before it gets its name, for a name
            // may outlast a power cut that its content does not.
            self.file
                .set_permissions(Permissions::from_mode(0o600))
                .and_then(|()| self.file.sync_all())
                .and_then(|()| std::fs::rename(temporary, &self.path))
                .map_err(|error| invalid(&self.path, &error))?;
            self.temporary = None;
            // The name too, where that is possible: some directories may not be read, and some file systems sync none.
            let directory = match self.path.parent() {
                Some(parent) if parent != Path::new("") => parent,
                _ => Path::new("."),
            };
            let _ = File::open(directory).and_then(|directory| directory.sync_all());
        }
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // What cannot be removed is told by its name.
            let _ = std::fs::remove_file(temporary);
        }
    }
}

fn invalid(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("failed to save image: write {}: {error}", path.display()))
}
