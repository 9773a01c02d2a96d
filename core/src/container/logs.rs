//! `logs`: what a container has written, and what it goes on to write.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use barque_monitor::protocol::{Event, Request};
use rustix::event::epoll;

use super::Containers;
use super::connection::{Connection, Received};
use super::log::{Line, LogReader, details};
use super::monitor;
use super::record::Record;
use super::settle;
use crate::Engine;
use crate::api::ContainerLogs;
use crate::error::{Error, Result};
use crate::shorthand;
use crate::stream::{Chunk, Item, Next, Output, Source, Stream};
use crate::sys::{self, timer};

/// How much of a stream is put together in one chunk.
const CHUNK: usize = 64 << 10;

impl Containers<'_> {
    /// Read a container's log: a stream of chunks, which ends at the log's end or, when it is followed, at the container's.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn logs(&self, request: &ContainerLogs) -> Result<Stream> {
        if !request.stdout && !request.stderr {
            return Err(
                Error::invalid("you must choose at least one stream").about("field", "Stdout")
            );
        }
        let now = sys::clock::now();
        let moment = |text: &str| match text {
            "" | "0" => Ok(None),
            text => shorthand::timestamp(text, now).map(Some),
        };
        let (since, until) = (moment(&request.since)?, moment(&request.until)?);
        let tail = match request.tail.as_str() {
            "" | "all" => None,
            // Docker takes any negative number for all.
            text => match text.parse::<i64>() {
                Ok(count) => u64::try_from(count).ok(),
                Err(_) => {
                    return Err(
                        Error::invalid(format!("invalid tail: {text:?}")).about("field", "Tail")
                    );
                }
            },
        };
        let record = self.find(&request.id)?;
        if record.document.host_config.log_config.driver == "none" {
            return Err(Error::unsupported("configured logging driver does not support reading")
                .with_reason("log_not_kept")
                .about("container", &request.id));
        }
        let source = Logs::begin(self.engine, record, request, tail, since, until, now)?;
        Stream::new(Box::new(source), self.engine.canceller().clone())
    }
}

struct Logs {
    engine: Engine,
    record: Record,
    /// `None` for a container that was never started.
    reader: Option<LogReader>,
    lines: Lines,
    /// Tells when there is more.
    monitor: Option<Connection>,
    /// Goes off at `until`.
    end: Option<OwnedFd>,
    poller: OwnedFd,
    /// The container has ended while it was followed.
    saw_the_end: bool,
}

impl Logs {
    fn begin(
        engine: &Engine,
        record: Record,
        request: &ContainerLogs,
        tail: Option<u64>,
        since: Option<i64>,
        until: Option<i64>,
        now: i64,
    ) -> Result<Logs> {
        let failed = |errno: rustix::io::Errno| Error::system("set up an epoll", errno.into());
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let (data, readable) = (epoll::EventData::new_u64(0), epoll::EventFlags::IN);
        // The directory is opened before the monitor is asked: it may be gone as soon as that is.
        let directory = match sys::directory::open(&engine.layout().container(&record.id)) {
            Ok(directory) => Some(directory),
            Err(error) if error.errno() == Some(libc::ENOENT) => None,
            Err(error) => return Err(error),
        };
        let mut reader = directory
            .map(|directory| match tail {
                Some(count) => LogReader::from_end(directory, count),
                None => LogReader::from_start(directory),
            })
            .transpose()?;
        let mut monitor = match request.follow {
            true => monitor::connect(engine, &record.id)?,
            false => None,
        };
        if let Some(connection) = &mut monitor {
            connection.document(&Request::Follow)?;
            epoll::add(&poller, &*connection, data, readable).map_err(failed)?;
            if reader.is_none() {
                // It was started since.
                let directory = sys::directory::open(&engine.layout().container(&record.id))?;
                reader = Some(LogReader::from_start(directory)?);
            }
        }
        let end = match until {
            Some(until) if monitor.is_some() && until > now => {
                let left = u64::try_from(until - now).unwrap_or_default();
                Some(timer::once(Duration::from_nanos(left))?)
            }
            _ => None,
        };
        if let Some(end) = &end {
            epoll::add(&poller, end, data, readable).map_err(failed)?;
        }
        let details = request.details.then(|| details(&record));
        Ok(Logs {
            engine: engine.clone(),
            record,
            reader,
            lines: Lines {
                stdout: request.stdout,
                stderr: request.stderr,
                timestamps: request.timestamps,
                details,
                since,
                until,
                begins: [true; 2],
                pending: None,
            },
            monitor,
            end,
            poller,
            saw_the_end: false,
        })
    }

    /// What the monitor has told. `false`: there will be no more in the log than there is now.
    fn more_may_come(&mut self) -> Result<bool> {
        let Some(connection) = &mut self.monitor else { return Ok(false) };
        loop {
            match connection.try_receive()? {
                Received::Nothing => break,
                // What it wrote is in the log before it says so.
                Received::Event(Event::Exited { again: false, .. }) | Received::Closed => {
                    self.monitor = None;
                    self.saw_the_end = true;
                    return Ok(false);
                }
                Received::Event(Event::Refused { failure }) => {
                    return Err(super::failure::error(&failure, &self.record.id));
                }
                Received::Event(_) | Received::Output(..) => {}
            }
        }
        // Past `until` no line will be of interest.
        let late = self.end.as_ref().is_some_and(timer::has_gone_off);
        if late {
            self.monitor = None;
        }
        Ok(!late)
    }

    /// The next chunk of what is in the log now.
    fn read(&mut self) -> Result<Option<Chunk>> {
        let Logs { reader: Some(reader), lines, .. } = self else { return Ok(None) };
        while let Some(line) = reader.next()? {
            if lines.until.is_some_and(|until| line.timestamp() > until) {
                self.monitor = None;
                self.reader = None;
                break;
            }
            if let Some(chunk) = lines.take(&line) {
                return Ok(Some(chunk));
            }
        }
        Ok(lines.pending.take())
    }

    /// What a crash left of a last line.
    fn torn(&mut self) -> Option<Chunk> {
        let line = self.reader.as_mut()?.torn()?;
        self.lines.take(&line);
        self.lines.pending.take()
    }
}

impl Source for Logs {
    fn try_next(&mut self) -> Result<Next> {
        loop {
            if let Some(chunk) = self.read()? {
                return Ok(Next::Item(Item::Chunk(chunk)));
            }
            let followed = self.monitor.is_some();
            // First what the monitor has told, then the log: nothing that it told of is missed.
            if self.more_may_come()? {
                return match self.read()? {
                    Some(chunk) => Ok(Next::Item(Item::Chunk(chunk))),
                    None => Ok(Next::TimedOut),
                };
            }
            if followed {
                continue;
            }
            if let Some(chunk) = self.torn() {
                return Ok(Next::Item(Item::Chunk(chunk)));
            }
            self.reader = None;
            if std::mem::take(&mut self.saw_the_end) {
                settle::after_exit(&self.engine, &self.record)?;
            }
            return Ok(Next::Done);
        }
    }

    fn readable(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

/// Which lines are wanted, and how they are put together.
struct Lines {
    stdout: bool,
    stderr: bool,
    timestamps: bool,
    /// What comes before every line.
    details: Option<String>,
    since: Option<i64>,
    until: Option<i64>,
    /// The next text of each stream begins a line.
    begins: [bool; 2],
    /// Text that is not given yet.
    pending: Option<Chunk>,
}

impl Lines {
    /// Take a line. A chunk that it does not fit into any more is given back.
    fn take(&mut self, line: &Line<'_>) -> Option<Chunk> {
        let wanted = match line.stream {
            Output::Stdout => self.stdout,
            Output::Stderr => self.stderr,
        };
        if !wanted || self.since.is_some_and(|since| line.timestamp() < since) {
            return None;
        }
        let fits = |chunk: &Chunk| {
            !self.timestamps
                && chunk.channel == line.stream
                && chunk.data.len() + line.text.len() < CHUNK
        };
        let full = match &self.pending {
            Some(chunk) if !fits(chunk) => self.pending.take(),
            _ => None,
        };
        let chunk = self.pending.get_or_insert_with(|| Chunk {
            channel: line.stream,
            timestamp: self.timestamps.then(|| line.timestamp()),
            data: Vec::new(),
        });
        let begins = &mut self.begins[usize::from(line.stream == Output::Stderr)];
        if self.timestamps && *begins {
            chunk.data.extend_from_slice(line.time.as_bytes());
            chunk.data.push(b' ');
        }
        if let Some(details) = self.details.as_ref().filter(|_| *begins) {
            chunk.data.extend_from_slice(details.as_bytes());
            chunk.data.push(b' ');
        }
        *begins = line.ends;
        chunk.data.extend_from_slice(line.text);
        if line.ends {
            chunk.data.push(b'\n');
        }
        full
    }
}

#[cfg(test)]
mod tests {
    use super::{Chunk, Line, Lines, Output};

    fn lines(timestamps: bool) -> Lines {
        Lines {
            stdout: true,
            stderr: true,
            timestamps,
            details: None,
            since: None,
            until: None,
            begins: [true; 2],
            pending: None,
        }
    }

    fn feed(lines: &mut Lines, texts: &[&str]) -> Vec<(Output, String)> {
        let mut chunks: Vec<Chunk> = Vec::new();
        for text in texts {
            chunks.extend(lines.take(&Line::parse(text.as_bytes()).unwrap()));
        }
        chunks.extend(lines.pending.take());
        chunks
            .into_iter()
            .map(|chunk| (chunk.channel, String::from_utf8(chunk.data).unwrap()))
            .collect()
    }

    const TEXTS: [&str; 5] = [
        "2026-11-24T06:22:47.000000001Z stdout F a",
        "2026-11-24T06:22:48.000000000Z stdout P b",
        "2026-11-24T06:22:49.000000000Z stdout F c",
        "2026-11-24T06:22:50.000000000Z stderr F d",
        "2026-11-24T06:22:51.000000000Z stdout P e",
    ];

    #[test]
    fn text_of_one_stream_is_put_together_and_its_bytes_are_what_was_written() {
        let chunks = feed(&mut lines(false), &TEXTS);
        let expected =
            [(Output::Stdout, "a\nbc\n"), (Output::Stderr, "d\n"), (Output::Stdout, "e")];
        assert_eq!(chunks, expected.map(|(stream, text)| (stream, text.to_owned())));
    }

    #[test]
    fn every_line_begins_with_its_time_and_its_pieces_do_not() {
        let chunks: String =
            feed(&mut lines(true), &TEXTS).into_iter().map(|chunk| chunk.1).collect();
        assert_eq!(
            chunks,
            "2026-11-24T06:22:47.000000001Z a\n2026-11-24T06:22:48.000000000Z bc\n\
             2026-11-24T06:22:50.000000000Z d\n2026-11-24T06:22:51.000000000Z e"
        );
    }

    #[test]
    fn details_stand_between_the_time_and_the_line() {
        let with = |timestamps| {
            let mut lines = Lines { details: Some("a=b".to_owned()), ..lines(timestamps) };
            feed(&mut lines, &TEXTS[..3]).into_iter().map(|chunk| chunk.1).collect::<String>()
        };
        assert_eq!(with(false), "a=b a\na=b bc\n");
        let timed = "2026-11-24T06:22:47.000000001Z a=b a\n2026-11-24T06:22:48.000000000Z a=b bc\n";
        assert_eq!(with(true), timed);
    }

    #[test]
    fn lines_before_the_time_and_of_other_streams_are_left_out() {
        let since = Line::parse(TEXTS[2].as_bytes()).unwrap().timestamp();
        let mut lines = Lines { stdout: false, since: Some(since), ..lines(false) };
        assert_eq!(feed(&mut lines, &TEXTS), [(Output::Stderr, "d\n".to_owned())]);
    }
}
