//! How a build goes, as its steps tell it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::Engine;
use crate::api::BuildStep;
use crate::error::Result;
use crate::progress::Progress;

/// Longest line that is told in one piece.
const LONGEST: usize = 16 << 10;

/// Where all steps of a build tell.
pub(super) struct Teller<'a> {
    engine: &'a Engine,
    progress: &'a Progress,
    steps: AtomicUsize,
}

/// One step.
pub(super) struct Telling<'a> {
    teller: &'a Teller<'a>,
    id: String,
    name: String,
    /// Where it stands in the Dockerfile, to be shown when it fails.
    place: String,
    begun: Instant,
    ended: bool,
    /// Bytes that are no whole line yet, of both outputs.
    open: [Vec<u8>; 2],
}

impl<'a> Teller<'a> {
    pub(super) fn new(engine: &'a Engine, progress: &'a Progress) -> Teller<'a> {
        Teller { engine, progress, steps: AtomicUsize::new(0) }
    }

    /// A step begins. They are counted as they begin.
    pub(super) fn begin(&'a self, name: String, place: String) -> Result<Telling<'a>> {
        let id = (self.steps.fetch_add(1, Ordering::Relaxed) + 1).to_string();
        let telling = Telling {
            teller: self,
            id,
            name,
            place,
            begun: Instant::now(),
            ended: false,
            open: [Vec::new(), Vec::new()],
        };
        telling.say("Step", String::new())?;
        Ok(telling)
    }
}

impl Telling<'_> {
    fn say(&self, status: &str, output: String) -> Result<()> {
        let time = i64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let step = BuildStep { name: self.name.clone(), output, time };
        let Teller { engine, progress, .. } = self.teller;
        progress.step(engine.canceller(), status, &self.id, step)
    }

    /// It was done before.
    pub(super) fn cached(mut self) -> Result<()> {
        self.ended = true;
        self.say("Cached", String::new())
    }

    /// It is done.
    pub(super) fn done(mut self) -> Result<()> {
        self.flush()?;
        self.ended = true;
        self.say("Done", String::new())
    }

    /// A line of ours.
    pub(super) fn line(&self, text: &str) -> Result<()> {
        self.say("Log", format!("{text}\n"))
    }

    /// Something that a command has written to its output 0 or 1; whole lines are told.
    pub(super) fn log(&mut self, output: usize, bytes: &[u8]) -> Result<()> {
        let open = &mut self.open[output];
        open.extend_from_slice(bytes);
        let end = match memchr::memrchr(b'\n', open) {
            Some(end) => end + 1,
            None if open.len() > LONGEST => open.len(),
            None => return Ok(()),
        };
        let lines: Vec<u8> = open.drain(..end).collect();
        self.say("Log", String::from_utf8_lossy(&lines).into_owned())
    }

    fn flush(&mut self) -> Result<()> {
        for output in 0..self.open.len() {
            let rest = std::mem::take(&mut self.open[output]);
            if !rest.is_empty() {
                self.say("Log", format!("{}\n", String::from_utf8_lossy(&rest)))?;
            }
        }
        Ok(())
    }
}

/// One that is let go of before it is done has failed, or was cancelled because another had.
impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (status, output) = match self.teller.engine.canceller().is_cancelled() {
            true => ("Cancelled", String::new()),
            false => ("Failed", std::mem::take(&mut self.place)),
        };
        // Why it failed is what matters, and that is told in any case.
        let _ = self.flush().and_then(|()| self.say(status, output));
    }
}
