//! `barque export`.

use std::fs::{self, File};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use barque::{Deadline, Item, Next};
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::commands::cp::pour;
use crate::failure::{Failure, Result, describe};

pub(crate) const VERB: Verb = Verb {
    name: "export",
    about: "Export a container's filesystem as a tar archive",
    usage: "[OPTIONS] CONTAINER",
    operands: Operands::Exactly(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Write to a file, instead of STDOUT
    #[arg(short, long, value_name = "string", default_value = "")]
    output: String,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    if flags.output.is_empty() && std::io::stdout().is_terminal() {
        return Err(Failure::new(
            "cowardly refusing to save to a terminal. Use the -o flag or redirect",
        ));
    }
    let stream = parsed.engine()?.containers().export(&parsed.operands[0])?;
    match flags.output.as_str() {
        "" => pour(stream)?,
        path => save(stream, Path::new(path))?,
    }
    Ok(0)
}

/// Write to a file, which has its name only when it is whole.
fn save(mut stream: barque::Stream, path: &Path) -> Result<()> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("write {}: {}", path.display(), describe(&error)))
    };
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = File::create(&partial).map_err(failed).and_then(|mut file| {
        loop {
            match stream.next(Deadline::never())? {
                Next::Item(Item::Chunk(chunk)) => file.write_all(&chunk.data).map_err(failed)?,
                Next::Done => return fs::rename(&partial, path).map_err(failed),
                _ => {}
            }
        }
    });
    if written.is_err() {
        // What cannot be removed now says by its name what it is.
        let _ = fs::remove_file(&partial);
    }
    written
}
