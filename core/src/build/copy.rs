//! `COPY` and `ADD`.
//!
//! What is copied is read twice: once for its digest, which decides whether there is anything to do, and once more to copy it. It may have
//! changed in between, so that the second reading has the last word on what was copied.

use std::fs::File;
use std::io::{self, Read};

use barque_monitor::protocol::{Gather, Place};
use barque_monitor::tar::{Entry, Kind, Writer};
use serde_json::{Value, json};

use super::archive::{self, Seen};
use super::dockerfile::{Copy, Heredoc, Source, Words};
use super::git::Checkout;
use super::origin::Origin;
use super::remote::{Download, Remote};
use super::solver::Site;
use super::stage::Stage;
use super::tell::Telling;
use super::variables;
use super::writable::Writable;
use crate::container::files::tree::{self, Target, Tree};
use crate::error::{Error, Result};
use crate::image::content::patient;
use crate::image::instruction;
use crate::sys::directory;

/// Who reads an archive.
type Taker<'a, T> = Box<dyn FnOnce(&mut dyn Read) -> io::Result<T> + 'a>;

/// What is copied, in one piece.
pub(super) enum Piece {
    /// Files of a tree.
    Tree(Gather),
    /// Here-documents, as an archive.
    Text(Vec<u8>),
    Url(Download),
    Git(Checkout),
}

/// Where to.
pub(super) struct Destination {
    path: String,
    /// It is one, whatever is there.
    directory: bool,
    owner: String,
}

impl Stage<'_> {
    /// `origin`: what to copy from.
    pub(super) fn copy(
        &mut self,
        text: &str,
        copy: &Copy,
        origin: &Origin<'_>,
        telling: Telling<'_>,
    ) -> Result<()> {
        let site = self.site;
        let tree = || origin.tree();
        let pieces = self.pieces(copy, origin)?;
        let seen: Vec<Seen> =
            pieces.iter().map(|piece| piece.look(site, tree())).collect::<Result<_>>()?;
        let destination = self.destination(copy, &seen)?;
        let unpacks = |piece: &Piece, seen: &Seen| {
            copy.add
                && !seen.archives.is_empty()
                // What is fetched is unpacked only where that is said.
                && copy.unpack.unwrap_or(!matches!(piece, Piece::Url(_)))
        };
        let operation = |seen: &[Seen]| -> Value {
            json!({
                "copy": seen.iter().map(|seen| seen.digest.as_str()).collect::<Vec<_>>(),
                "to": destination.path,
                "directory": destination.directory,
                "owner": destination.owner,
                "unpack": pieces.iter().zip(seen).any(|(piece, seen)| unpacks(piece, seen)),
            })
        };
        let (before, lower) = (operation(&seen), self.state.lower.clone());
        let (pieces, tree, destination, operation) = (&pieces, &tree, &destination, &operation);
        let work = |_: &mut Telling<'_>, writable: &Writable| {
            let target = || -> Result<Target> {
                Ok(Target { lower: lower.clone(), upper: writable.mount()? })
            };
            let mut copied = Vec::new();
            for (piece, seen) in pieces.iter().zip(&seen) {
                copied.push(match unpacks(piece, seen) {
                    true => piece.add(site, tree(), &target, destination)?,
                    false => piece.copy(site, tree(), target()?, destination.place())?,
                });
            }
            Ok(Some(operation(&copied)))
        };
        self.files(text, telling, before, work)
    }

    /// What is to be copied.
    fn pieces(&self, copy: &Copy, origin: &Origin<'_>) -> Result<Vec<Piece>> {
        let (mut paths, mut texts, mut remotes) = (Vec::new(), Vec::new(), Vec::new());
        for source in &copy.sources {
            match source {
                Source::Path(path) => {
                    let path = self.expand(path)?;
                    match copy.add.then(|| Remote::of(&path)).transpose()?.flatten() {
                        Some(remote) => remotes.push(remote),
                        None => paths.push(path),
                    }
                }
                Source::Heredoc(heredoc) => texts.push(heredoc),
            }
        }
        let checksum = self.expand(&copy.checksum)?;
        if remotes.is_empty() && (!checksum.is_empty() || copy.keep_git_dir) {
            return Err(Error::invalid("--checksum and --keep-git-dir are for what ADD fetches"));
        }
        if !checksum.is_empty() && copy.sources.len() > 1 {
            return Err(Error::invalid("checksum can't be specified for multiple sources"));
        }
        let mut pieces = Vec::new();
        let chmod = self.expand(&copy.chmod)?;
        let exclude = copy.exclude.iter().map(|pattern| self.expand(pattern));
        let exclude: Vec<String> = exclude.collect::<Result<_>>()?;
        for remote in remotes {
            pieces.push(match remote {
                Remote::Url(url) => Piece::Url(Download::of(url, copy, &chmod, &checksum)?),
                Remote::Git(repository) => {
                    let wanted = Gather {
                        exclude: exclude.clone(),
                        owner: Some((0, 0)),
                        chmod: chmod.clone(),
                        plain_top: true,
                        ..Gather::default()
                    };
                    let keep = copy.keep_git_dir;
                    Piece::Git(Checkout::of(repository, &checksum, keep, wanted)?)
                }
            });
        }
        if !texts.is_empty() {
            pieces.push(Piece::Text(self.documents(&texts, &chmod)?));
        }
        if !paths.is_empty() {
            pieces.push(Piece::Tree(Gather {
                sources: paths,
                ignore: origin.ignore(),
                exclude,
                parents: copy.parents,
                owner: origin.owner(),
                chmod,
                files_first: copy.add,
                // As BuildKit has it: a directory that is made for what is copied is none of those that are.
                plain_top: true,
            }));
        }
        Ok(pieces)
    }

    /// Here-documents as files.
    fn documents(&self, heredocs: &[&Heredoc], chmod: &str) -> Result<Vec<u8>> {
        let mode = match chmod {
            "" => 0o644,
            text => barque_monitor::gather::Chmod::parse(text)
                .map_err(Error::invalid)?
                .apply(0o644, false),
        };
        let env = &self.state.config.config.env;
        let lookup = |name: &str| variables::lookup(&self.state.arguments, env, name);
        let words = Words { escape: self.site.dockerfile.escape, lookup: &lookup };
        let mut writer = Writer::new(Vec::new());
        for heredoc in heredocs {
            let text = match heredoc.expand {
                true => words.document(&heredoc.content).map_err(Error::invalid)?,
                false => heredoc.content.clone(),
            };
            let entry = Entry {
                path: heredoc.name.clone().into_bytes(),
                kind: Kind::File,
                mode,
                size: text.len() as u64,
                ..Entry::default()
            };
            writer.begin(&entry).map_err(archive::failed)?;
            writer.data(text.as_bytes()).map_err(archive::failed)?;
        }
        writer.finish().map_err(archive::failed)
    }

    /// Where it is to be.
    fn destination(&self, copy: &Copy, seen: &[Seen]) -> Result<Destination> {
        let wanted = self.expand(&copy.destination)?;
        if wanted.is_empty() {
            return Err(Error::invalid("the destination is empty"));
        }
        let is_directory =
            wanted.ends_with('/') || matches!(wanted.rsplit('/').next(), Some("." | ".."));
        if copy.sources.len() > 1 && !is_directory {
            let name = if copy.add { "ADD" } else { "COPY" };
            return Err(Error::invalid(format!(
                "When using {name} with more than one source file, the destination must be a directory and end with a /"
            )));
        }
        let files: usize = seen.iter().map(|seen| seen.files).sum();
        let several = files > 1 || copy.parents || seen.iter().any(|seen| seen.directory);
        let owner = self.expand(&copy.chown)?;
        // A number alone is the group's, too, as a user's name alone stands for that one's group.
        let is_number = !owner.is_empty() && owner.bytes().all(|byte| byte.is_ascii_digit());
        let owner = if is_number { format!("{owner}:{owner}") } else { owner };
        Ok(Destination {
            path: instruction::join(&self.state.config.config.working_dir, &wanted),
            directory: is_directory || several,
            owner,
        })
    }
}

impl Destination {
    pub(super) fn place(&self) -> Place {
        Place { path: self.path.clone(), directory: self.directory, user: self.owner.clone() }
    }

    /// What an archive has is below the destination, which is a directory then.
    pub(super) fn place_of_archive(&self) -> Place {
        Place { directory: true, ..self.place() }
    }
}

impl Piece {
    /// Read it as an archive.
    pub(super) fn read<T>(
        &self,
        site: &Site<'_>,
        tree: Tree<'_>,
        take: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<T> {
        let engine = site.engine;
        let gather = |tree: Tree<'_>, wanted: Gather, take: Taker<'_, T>| {
            tree::gather(engine, tree, wanted, |input| {
                take(&mut patient(File::from(input), engine.canceller())).map_err(archive::failed)
            })
        };
        match self {
            Piece::Text(archive) => take(&mut &archive[..]).map_err(archive::failed),
            Piece::Url(download) => take(&mut download.open(site)?).map_err(archive::failed),
            Piece::Tree(wanted) => gather(tree, wanted.clone(), Box::new(take)),
            Piece::Git(checkout) => {
                let directory = directory::open(checkout.tree(site)?)?;
                gather(Tree::Directory(&directory), checkout.wanted(), Box::new(take))
            }
        }
    }

    /// See what is in it.
    pub(super) fn look(&self, site: &Site<'_>, tree: Tree<'_>) -> Result<Seen> {
        match self {
            Piece::Url(download) => download.look(site),
            Piece::Git(checkout) => checkout.look(site),
            _ => self.read(site, tree, |input| archive::pass(input, &mut io::sink())),
        }
    }

    /// What was in it when it was copied: of what is fetched, what was told before.
    pub(super) fn known(&self, site: &Site<'_>, copied: Seen) -> Result<Seen> {
        match self {
            Piece::Url(download) => download.look(site),
            Piece::Git(checkout) => checkout.look(site),
            Piece::Tree(_) | Piece::Text(_) => Ok(copied),
        }
    }

    /// Put it there.
    fn copy(&self, site: &Site<'_>, tree: Tree<'_>, target: Target, place: Place) -> Result<Seen> {
        let copied = self.read(site, tree, |input| {
            let mut seen = None;
            let placed = tree::place(site.engine, target, place, |out| {
                seen = Some(archive::pass(input, out)?);
                Ok(())
            });
            placed.map_err(io::Error::other)?;
            seen.ok_or_else(|| io::Error::other(Error::internal("a copy that copied nothing")))
        })?;
        self.known(site, copied)
    }
}
