//! Work that tells how it goes: a stream of documents in the shape of the Docker Engine API's progress lines.
//!
//! A pull goes on while nobody reads (its connections would time out otherwise), so it has a thread, which lives as long as the
//! stream: dropping the stream cancels the work and waits for its end. All signals are blocked there, so that the host program's
//! handlers run where they always did. What was not read yet is kept, but of one layer's counters only the newest: a reader that does
//! not come costs a bounded amount of memory.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, eventfd};
use serde::Serialize;

use crate::Engine;
use crate::api::{BuildStep, Progress as Line, ProgressDetail};
use crate::error::{Error, Result};
use crate::stream::{Canceller, Deadline, Item, Next, Source, Stream};
use crate::sys;

/// Where work tells how it goes. Clones are the same place.
#[derive(Clone)]
pub(crate) struct Progress(Option<Arc<Shared>>);

struct Shared {
    state: Mutex<State>,
    /// Readable while there is something to read.
    ready: OwnedFd,
    /// Readable when there may be room for more output.
    room: OwnedFd,
}

/// Bytes of output that wait to be read, at most: whoever writes more waits for a reader.
const MOST_UNREAD: usize = 1 << 20;

#[derive(Default)]
struct State {
    lines: VecDeque<Line>,
    /// Bytes of output in them.
    unread: usize,
    /// How it ended: the last document, if there is one.
    end: Option<Result<String>>,
}

impl Progress {
    /// For work that nobody watches.
    pub(crate) fn none() -> Progress {
        Progress(None)
    }

    /// Tell a line about nothing in particular.
    pub(crate) fn say(&self, status: impl Into<String>) {
        self.line(Line { status: status.into(), ..Line::default() });
    }

    /// Tell a line about a tag.
    pub(crate) fn about(&self, id: &str, status: impl Into<String>) {
        self.line(Line { status: status.into(), id: id.into(), ..Line::default() });
    }

    /// Tell what becomes of one layer.
    pub(crate) fn layer(&self, id: &str, status: &str) {
        self.line(Line {
            status: status.into(),
            id: id.into(),
            progress_detail: Some(ProgressDetail::default()),
            ..Line::default()
        });
    }

    /// Tell how far one layer is.
    pub(crate) fn counted(&self, id: &str, status: &str, current: u64, total: u64) {
        let detail = ProgressDetail { current: current as i64, total: total as i64 };
        self.line(Line {
            status: status.into(),
            id: id.into(),
            progress: bar(current, total),
            progress_detail: Some(detail),
            ..Line::default()
        });
    }

    /// Tell of a build's step. Output waits until somebody has read what was there before.
    pub(crate) fn step(
        &self,
        canceller: &Canceller,
        status: &str,
        id: &str,
        step: BuildStep,
    ) -> Result<()> {
        if let Some(shared) = self.0.as_ref().filter(|_| !step.output.is_empty()) {
            while shared.state().unread > MOST_UNREAD {
                canceller.wait_readable(shared.room.as_fd(), Deadline::never())?;
                drain(&shared.room);
            }
            shared.state().unread += step.output.len();
        }
        let step = Some(step);
        self.line(Line { status: status.into(), id: id.into(), step, ..Line::default() });
        Ok(())
    }

    fn line(&self, line: Line) {
        let Some(shared) = &self.0 else { return };
        let mut state = shared.state();
        let is_counter = !line.progress.is_empty();
        let same = |old: &&mut Line| {
            is_counter && old.id == line.id && old.status == line.status && !old.progress.is_empty()
        };
        match state.lines.iter_mut().rev().find(same) {
            Some(old) => *old = line,
            None => state.lines.push_back(line),
        }
        shared.wake();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        signal(&self.ready);
    }
}

fn signal(eventfd: &OwnedFd) {
    // A full counter means that it is readable already.
    let _ = rustix::io::write(eventfd, &1u64.to_ne_bytes());
}

fn drain(eventfd: &OwnedFd) {
    let mut count = [0; 8];
    let _ = rustix::io::read(eventfd, &mut count);
}

/// The bar that Docker's lines have for those who only print them: `[====>      ]  1.5MB/3MB`.
fn bar(current: u64, total: u64) -> String {
    const WIDTH: u64 = 50;
    if total == 0 {
        return size(current);
    }
    let share = (current.min(total) * WIDTH / total) as usize;
    let done = "=".repeat(share);
    let arrow = if share < WIDTH as usize { ">" } else { "" };
    let rest = " ".repeat((WIDTH as usize).saturating_sub(share + 1));
    format!("[{done}{arrow}{rest}]  {}/{}", size(current), size(total))
}

/// Bytes in powers of 1,000 with at most four digits, as Docker's lines have them.
fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, 0);
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let whole = format!("{:.0}", value.trunc()).len();
    let text = format!("{value:.*}", 4usize.saturating_sub(whole));
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", units[unit])
}

/// Begin `work`; the stream tells how it goes, and at last what it answers.
pub(crate) fn stream<T: Serialize>(
    engine: &Engine,
    work: impl FnOnce(&Engine, &Progress) -> Result<T> + Send + 'static,
) -> Result<Stream> {
    let eventfd = || {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::system("create an eventfd", errno.into()))
    };
    let shared = Arc::new(Shared { state: Mutex::default(), ready: eventfd()?, room: eventfd()? });
    // Its own: the stream's can be exchanged while the work goes on (`Stream::cancel_with`).
    let canceller = Canceller::new()?;
    let worker = engine.with_canceller(&canceller);
    let there = Arc::clone(&shared);
    let thread = sys::thread::spawn_quiet(move || {
        let answer = work(&worker, &Progress(Some(Arc::clone(&there))));
        let end = answer.and_then(|answer| {
            serde_json::to_string(&answer)
                .map_err(|error| Error::internal("write a document").because(error))
        });
        there.state().end = Some(end);
        there.wake();
    })?;
    let source = Watched { shared, canceller, thread: Some(thread), pid: std::process::id() };
    Stream::new(Box::new(source), engine.canceller().clone())
}

/// The reader's side.
struct Watched {
    shared: Arc<Shared>,
    canceller: Canceller,
    thread: Option<JoinHandle<()>>,
    pid: u32,
}

impl Source for Watched {
    fn try_next(&mut self) -> Result<Next> {
        let mut state = self.shared.state();
        if let Some(line) = state.lines.pop_front() {
            if let Some(step) = &line.step {
                state.unread -= step.output.len();
                signal(&self.shared.room);
            }
            drop(state);
            let text = serde_json::to_string(&line)
                .map_err(|error| Error::internal("write a document").because(error))?;
            return Ok(Next::Item(Item::Document(text)));
        }
        match state.end.take() {
            // Told as the last document; asked once more it has ended.
            Some(Ok(answer)) => {
                state.end = Some(Ok(String::new()));
                Ok(if answer.is_empty() { Next::Done } else { Next::Item(Item::Document(answer)) })
            }
            Some(Err(error)) => Err(error),
            None => {
                // Nothing is left: not readable until there is more. The lock keeps a wake from being lost in between.
                drain(&self.shared.ready);
                Ok(Next::TimedOut)
            }
        }
    }

    fn readable(&self) -> BorrowedFd<'_> {
        self.shared.ready.as_fd()
    }

    fn stop(&mut self) {
        self.canceller.cancel();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // A forked child has no such thread, and the canceller is its parent's.
        if self.pid == std::process::id() {
            self.canceller.cancel();
            // It panicked: there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(stream: &mut Stream) -> Vec<String> {
        let mut seen = Vec::new();
        while let Next::Item(Item::Document(text)) = stream.next(Deadline::never()).unwrap() {
            seen.push(text);
        }
        seen
    }

    fn engine(name: &str) -> (std::path::PathBuf, Engine) {
        let root =
            std::env::temp_dir().join(format!("barque-progress-{name}-{}", std::process::id()));
        let options = crate::EngineOptions::at(root.join("root")).run_directory(root.join("run"));
        (root, Engine::open(options).unwrap())
    }

    #[test]
    fn counters_that_were_not_read_make_way_for_newer_ones() {
        let (root, engine) = engine("counters");
        let mut stream = stream(&engine, |_, progress| {
            progress.layer("a", "Pulling fs layer");
            for current in 0..=1000 {
                progress.counted("a", "Downloading", current, 1000);
                progress.counted("b", "Downloading", current, 2000);
            }
            Ok("end")
        })
        .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        let seen = documents(&mut stream);
        assert_eq!(
            seen,
            [
                r#"{"status":"Pulling fs layer","progressDetail":{},"id":"a"}"#,
                &format!(
                    r#"{{"status":"Downloading","progressDetail":{{"current":1000,"total":1000}},"progress":"[{}]  1kB/1kB","id":"a"}}"#,
                    "=".repeat(50)
                ),
                &format!(
                    r#"{{"status":"Downloading","progressDetail":{{"current":1000,"total":2000}},"progress":"[{}>{}]  1kB/2kB","id":"b"}}"#,
                    "=".repeat(25),
                    " ".repeat(24)
                ),
                r#""end""#,
            ]
        );
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn dropping_the_stream_ends_the_work_and_so_does_cancelling_it() {
        let (root, engine) = engine("drop");
        let begun = std::time::Instant::now();
        let endless = |engine: &Engine, _: &Progress| -> Result<()> {
            engine.canceller().sleep(std::time::Duration::from_secs(60))
        };
        drop(stream(&engine, endless).unwrap());
        let canceller = Canceller::new().unwrap();
        let mut cancelled = stream(&engine.with_canceller(&canceller), endless).unwrap();
        canceller.cancel();
        let error = cancelled.next(Deadline::never()).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Cancelled);
        drop(cancelled);
        assert!(begun.elapsed() < std::time::Duration::from_secs(20));
        std::fs::remove_dir_all(root).unwrap();
    }
}
