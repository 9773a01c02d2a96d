//! How something goes that takes its time, as docker shows it: on a terminal a line for each layer, its bar moving, or for each step of a
//! build; into a file or pipe a line for each thing that happened.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use barque::{Deadline, Item, Next, Stream, api};

use crate::failure::Result;
use crate::screen::{self, Screen};
use crate::{output, steps};

/// Where it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// Standard output, as `pull` does.
    Stdout,
    /// Standard error, as `run` does while it pulls.
    Stderr,
    /// Standard error, a terminal, as `build` does.
    Screen,
    Nowhere,
}

/// Read a stream of progress to its end, showing it; its last document.
pub(crate) fn show<T: serde::de::DeserializeOwned>(stream: &mut Stream, to: To) -> Result<T> {
    let mut display = Display::new(to);
    let ended = read(stream, &mut display);
    display.end()?;
    let last = ended?;
    serde_json::from_str(&last).map_err(|error| {
        barque::Error::new(barque::ErrorKind::Internal, format!("the last document: {error}"))
            .into()
    })
}

fn read(stream: &mut Stream, display: &mut Display) -> Result<String> {
    let mut last = String::new();
    loop {
        let patience = match display.screen {
            Some(_) => Deadline::after(screen::PACE),
            None => Deadline::never(),
        };
        match stream.next(patience)? {
            Next::Item(Item::Document(text)) => {
                // A line has a status, the last document has none.
                match serde_json::from_str::<api::Progress>(&text) {
                    Ok(line) if !line.status.is_empty() => display.show(&line)?,
                    _ => last = text,
                }
            }
            Next::Item(Item::Chunk(_)) => {}
            Next::TimedOut => display.draw()?,
            Next::Done => return Ok(last),
        }
    }
}

struct Display {
    to: To,
    /// Columns, if it is a terminal.
    columns: Option<u16>,
    screen: Option<Screen>,
    /// The things that have a line, from the top.
    lines: Vec<String>,
}

impl Display {
    fn new(to: To) -> Display {
        let columns = match to {
            To::Stdout => size(io::stdout().as_fd()).map(|(columns, _)| columns),
            To::Stderr => size(io::stderr().as_fd()).map(|(columns, _)| columns),
            To::Screen | To::Nowhere => None,
        };
        let screen = (to == To::Screen).then(Screen::new);
        Display { to, columns, screen, lines: Vec::new() }
    }

    /// Time has passed.
    fn draw(&mut self) -> Result<()> {
        let Some(screen) = &mut self.screen else { return Ok(()) };
        let (columns, rows) = size(io::stderr().as_fd()).unwrap_or(UNKNOWN);
        match screen.draw(columns, rows) {
            Some(text) => self.put(&text),
            None => Ok(()),
        }
    }

    /// Nothing more comes.
    fn end(&mut self) -> Result<()> {
        let Some(screen) = &mut self.screen else { return Ok(()) };
        let (columns, _) = size(io::stderr().as_fd()).unwrap_or(UNKNOWN);
        let text = screen.end(columns);
        self.put(&text)
    }

    fn show(&mut self, line: &api::Progress) -> Result<()> {
        if self.to == To::Nowhere {
            return Ok(());
        }
        if let Some(screen) = &mut self.screen {
            screen.hear(line);
            return self.draw();
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
            To::Stderr | To::Screen => output::err(text.as_bytes()),
            To::Nowhere => Ok(()),
        }
    }
}

/// Columns and rows of a terminal that does not say.
const UNKNOWN: (u16, u16) = (80, 24);

/// Columns and rows, if it is a terminal.
fn size(fd: BorrowedFd<'_>) -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(fd).ok()?;
    Some((size.ws_col, size.ws_row))
}

/// A line without its bar.
pub(crate) fn plain(line: &api::Progress) -> String {
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
