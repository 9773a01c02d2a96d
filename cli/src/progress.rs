//! How something goes that takes its time, as docker shows it: on a terminal a line for each layer, its bar moving; into a file or
//! pipe a line for each thing that happened.

use std::io;
use std::os::fd::AsFd;

use barque::{Deadline, Item, Next, Stream, api};

use crate::failure::Result;
use crate::{output, steps};

/// Where it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// Standard output, as `pull` does.
    Stdout,
    /// Standard error, as `run` does while it pulls.
    Stderr,
    Nowhere,
}

/// Read a stream of progress to its end, showing it; its last document.
pub(crate) fn show<T: serde::de::DeserializeOwned>(stream: &mut Stream, to: To) -> Result<T> {
    let mut display = Display::new(to);
    let mut last = String::new();
    loop {
        match stream.next(Deadline::never())? {
            Next::Item(Item::Document(text)) => {
                // A line has a status, the last document has none.
                match serde_json::from_str::<api::Progress>(&text) {
                    Ok(line) if !line.status.is_empty() => display.show(&line)?,
                    _ => last = text,
                }
            }
            Next::Item(Item::Chunk(_)) | Next::TimedOut => {}
            Next::Done => break,
        }
    }
    serde_json::from_str(&last).map_err(|error| {
        barque::Error::new(barque::ErrorKind::Internal, format!("the last document: {error}"))
            .into()
    })
}

struct Display {
    to: To,
    /// Columns, if it is a terminal.
    columns: Option<u16>,
    /// The things that have a line, from the top.
    lines: Vec<String>,
}

impl Display {
    fn new(to: To) -> Display {
        let columns = |fd: std::os::fd::BorrowedFd<'_>| {
            rustix::termios::tcgetwinsize(fd).ok().map(|size| size.ws_col)
        };
        let columns = match to {
            To::Stdout => columns(io::stdout().as_fd()),
            To::Stderr => columns(io::stderr().as_fd()),
            To::Nowhere => None,
        };
        Display { to, columns, lines: Vec::new() }
    }

    fn show(&mut self, line: &api::Progress) -> Result<()> {
        if self.to == To::Nowhere {
            return Ok(());
        }
        if let Some(step) = &line.step {
            return self.put(&steps::plain(line, step));
        }
        let Some(columns) = self.columns else {
            // A moving bar is no event.
            return if line.progress.is_empty() {
                self.put(&format!("{}\n", plain(line)))
            } else {
                Ok(())
            };
        };
        let shown = fitting(line, columns);
        if line.id.is_empty() || line.progress_detail.is_none() {
            return self.put(&format!("{}\n", clean(&shown)));
        }
        let place = match self.lines.iter().position(|id| *id == line.id) {
            Some(place) => place,
            None => {
                self.lines.push(line.id.clone());
                self.put("\n")?;
                self.lines.len() - 1
            }
        };
        // Up to its line, clear it, write, and down again (ECMA-48: CUU, EL, CUD).
        let up = self.lines.len() - place;
        self.put(&format!("\x1b[{up}A\r\x1b[2K{}\r\x1b[{up}B", clean(&shown)))
    }

    fn put(&self, text: &str) -> Result<()> {
        match self.to {
            To::Stdout => output::out(text),
            To::Stderr => output::err(text.as_bytes()),
            To::Nowhere => Ok(()),
        }
    }
}

/// A line without its bar.
fn plain(line: &api::Progress) -> String {
    if line.id.is_empty() { line.status.clone() } else { format!("{}: {}", line.id, line.status) }
}

/// A line that fits: the bar only where there is room for it, as with docker.
fn fitting(line: &api::Progress, columns: u16) -> String {
    let numbers = line.progress.rsplit(']').next().unwrap_or_default().trim();
    let progress = if columns > 110 { line.progress.as_str() } else { numbers };
    let text = format!("{} {progress}", plain(line));
    text.trim_end().chars().take(usize::from(columns.max(20)) - 1).collect()
}

/// Nothing in a registry's or a program's words acts on the terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter(|character| !character.is_control() || *character == '\t').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_its_terminal() {
        let line = api::Progress {
            status: "Downloading".into(),
            id: "0123456789ab".into(),
            progress: "[=====>     ]  1kB/2kB".into(),
            progress_detail: Some(api::ProgressDetail { current: 1, total: 2 }),
            ..api::Progress::default()
        };
        assert_eq!(fitting(&line, 200), "0123456789ab: Downloading [=====>     ]  1kB/2kB");
        assert_eq!(fitting(&line, 80), "0123456789ab: Downloading 1kB/2kB");
        assert_eq!(fitting(&line, 21), "0123456789ab: Downlo");
        assert_eq!(clean("a\x1b[2Jb\r"), "a[2Jb");
    }
}
