//! `barque cp`.

use barque::api::{self, CopyPlace, FileCopy};
use barque::{Item, Output};
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::{Failure, Result};
use crate::{human, output};

pub(crate) const VERB: Verb = Verb {
    name: "cp",
    about: "Copy files/folders between a container and the local filesystem",
    usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tbarque cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    operands: Operands::Exactly(2),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Archive mode (copy all uid/gid information)
    #[arg(short, long)]
    archive: bool,
    /// Always follow symbol link in SRC_PATH
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Suppress progress output during copy
    #[arg(short, long)]
    quiet: bool,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let (source, destination) = (place(&parsed.operands[0]), place(&parsed.operands[1]));
    if source.id.is_empty() == destination.id.is_empty() {
        return Err(Failure::new(match source.id.is_empty() {
            true => "must specify at least one container source",
            false => "copying between containers is not supported",
        }));
    }
    let engine = parsed.engine()?;
    if source.id.is_empty() && source.path == "-" {
        let request = api::ArchivePut {
            id: destination.id,
            path: destination.path,
            input: api::Input { path: String::new(), fd: Some(0) },
            no_overwrite_dir_non_dir: true,
            copy_uid_gid: flags.archive,
        };
        engine.containers().put_archive(&request)?;
        return Ok(0);
    }
    if destination.id.is_empty() && destination.path == "-" {
        let path = match flags.follow_link {
            false => source.path,
            true => followed(engine, &source)?,
        };
        let request = api::ArchiveGet { id: source.id, path };
        return pour(engine.containers().get_archive(&request)?).map(|()| 0);
    }
    let shown = |place: &CopyPlace, path: &str| match place.id.as_str() {
        "" => path.to_owned(),
        id => format!("{id}:{path}"),
    };
    let request =
        FileCopy { source, destination, archive: flags.archive, follow_link: flags.follow_link };
    let copied = engine.containers().copy(&request)?;
    if !flags.quiet {
        let to = shown(&request.destination, &copied.path);
        output::say(&format!("Successfully copied {} to {to}", human::size(copied.size, 3)));
    }
    Ok(0)
}

/// `CONTAINER:PATH`, or a path of this host: one that begins with `/` or `.` is, whatever colons it has.
fn place(text: &str) -> CopyPlace {
    let local = || CopyPlace { id: String::new(), path: text.to_owned() };
    if text.starts_with('/') || text.starts_with('.') {
        return local();
    }
    match text.split_once(':') {
        Some((id, path)) if !id.is_empty() => {
            CopyPlace { id: id.to_owned(), path: path.to_owned() }
        }
        _ => local(),
    }
}

/// The path that a link leads to, where it is one.
fn followed(engine: &barque::Engine, source: &CopyPlace) -> Result<String> {
    let request = api::FileRef { id: source.id.clone(), path: source.path.clone() };
    let stat = engine.containers().stat_path(&request)?;
    Ok(if stat.link_target.is_empty() { source.path.clone() } else { stat.link_target })
}

/// Write all that a stream brings to standard output.
pub(super) fn pour(mut stream: barque::Stream) -> Result<()> {
    loop {
        match stream.next(barque::Deadline::never())? {
            barque::Next::Item(Item::Chunk(chunk)) if chunk.channel == Output::Stdout => {
                output::out(&chunk.data)?;
            }
            barque::Next::Done => return Ok(()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_container_stands_before_a_colon_unless_it_is_a_path() {
        for (text, id, path) in [
            ("c:/x", "c", "/x"),
            ("c:", "c", ""),
            ("c:x:y", "c", "x:y"),
            ("/a:b", "", "/a:b"),
            ("./a:b", "", "./a:b"),
            (":x", "", ":x"),
            ("a", "", "a"),
            ("-", "", "-"),
        ] {
            let seen = place(text);
            assert_eq!((seen.id.as_str(), seen.path.as_str()), (id, path), "{text}");
        }
    }
}
