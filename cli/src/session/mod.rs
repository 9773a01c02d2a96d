//! A container attached to this program's own standard input, output and error.
//!
//! One thread, one poll(2): output goes out as it comes, input goes in as the container takes it, signals are passed on. Input is
//! read only when what was read before is gone, so a container that does not read costs no memory.

pub(crate) mod keys;
pub(crate) mod signals;

use std::io;
use std::os::fd::AsFd;

use barque::{Deadline, Engine, Item, Next, Output, Stream, api};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::failure::{Failure, Result};
use crate::output;
use crate::terminal::{self, RawMode};
use keys::DetachKeys;
use signals::Signals;

/// What a session is attached to.
pub(crate) enum Subject {
    /// A container, by its id.
    Container(String),
    /// A further process in one, by its id.
    Exec(String),
}

/// How it is treated.
pub(crate) struct Options {
    /// What it is.
    pub(crate) subject: Subject,
    /// Standard input goes to it.
    pub(crate) stdin: bool,
    /// It has a terminal.
    pub(crate) tty: bool,
    /// Signals are passed on to it.
    pub(crate) sig_proxy: bool,
    /// Which of its outputs are shown.
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    /// What to type to leave it.
    pub(crate) detach_keys: DetachKeys,
}

/// How a session ended.
pub(crate) enum Ended {
    /// It ended, with this code; where something went wrong, this is what.
    Exited(i32, Option<String>),
    /// The user left it.
    Detached,
}

impl Ended {
    /// The exit status of this program then: the container's own.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Ended::Exited(code, error) => {
                if let Some(error) = error {
                    output::say(&format!("barque: Error: {error}"));
                }
                u8::try_from(code & 0xff).unwrap_or(125)
            }
            Ended::Detached => 0,
        }
    }
}

/// How often the user may ask the program to end before it does, whatever the container makes of it.
const PATIENCE: u32 = 3;
/// Bytes of input read at once.
const PIECE: usize = 64 << 10;

struct Session<'a> {
    engine: &'a Engine,
    stream: &'a mut Stream,
    options: Options,
    signals: &'a Signals,
    raw: Option<RawMode>,
    /// Input that the container has not taken yet.
    pending: Vec<u8>,
    input: Input,
    exit: Option<Ended>,
    interrupts: u32,
}

#[derive(PartialEq, Eq)]
enum Input {
    Open,
    /// It has ended; the container is to be told when it has taken the rest.
    Ended,
    Closed,
}

/// Stay attached to a container until it ends or the user leaves.
pub(crate) fn run(
    engine: &Engine,
    stream: &mut Stream,
    signals: &Signals,
    options: Options,
) -> Result<Ended> {
    let input = if options.stdin { Input::Open } else { Input::Closed };
    let raw = if options.stdin && options.tty { RawMode::enter() } else { None };
    let pending = Vec::new();
    let mut session = Session {
        engine,
        stream,
        options,
        signals,
        raw,
        pending,
        input,
        exit: None,
        interrupts: 0,
    };
    session.resize();
    session.attend()
}

impl Session<'_> {
    fn attend(&mut self) -> Result<Ended> {
        loop {
            if let Some(ended) = self.show_output()? {
                return Ok(ended);
            }
            while let Some(signal) = self.signals.next() {
                self.signal(signal)?;
            }
            self.send_input()?;
            if self.wait()? && self.read_input()? {
                self.stream.detach()?;
                return Ok(Ended::Detached);
            }
        }
    }

    /// Wait until something can be done; whether there may be input.
    fn wait(&self) -> Result<bool> {
        let stdin = io::stdin();
        let mut fds = vec![
            PollFd::new(self.stream.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        let reads = self.input == Input::Open && self.pending.is_empty();
        if reads {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        if let Some(place) = self.stream.input_fd().filter(|_| !self.pending.is_empty()) {
            fds.push(PollFd::new(place, PollFlags::POLLOUT));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(reads && fds[2].any() == Some(true)),
            Err(errno) => Err(Failure::new(format!("poll: {errno}"))),
        }
    }

    /// Show what has come. The container's end, when that has.
    fn show_output(&mut self) -> Result<Option<Ended>> {
        // A container that writes all the time must not keep signals and input waiting.
        for _ in 0..64 {
            match self.stream.next(Deadline::after_ms(0))? {
                Next::Item(Item::Chunk(chunk)) => match chunk.channel {
                    Output::Stdout if self.options.stdout => output::out(&chunk.data)?,
                    Output::Stderr if self.options.stderr => output::err(&chunk.data)?,
                    _ => {}
                },
                Next::Item(Item::Document(document)) => {
                    self.exit = Some(self.ended(&document)?);
                }
                Next::Done => {
                    let lost = || Failure::new("Error: the container's monitor is gone");
                    return self.exit.take().map(Some).ok_or_else(lost);
                }
                Next::TimedOut => break,
            }
        }
        Ok(None)
    }

    /// What the last document says.
    fn ended(&self, document: &str) -> Result<Ended> {
        Ok(match self.options.subject {
            Subject::Container(_) => {
                let exit: api::ContainerExit = api::parse(document)?;
                let message = exit.error.map(|error| error.message);
                Ended::Exited(exit.status_code, message.filter(|message| !message.is_empty()))
            }
            Subject::Exec(_) => {
                let exit: api::ExecExit = api::parse(document)?;
                Ended::Exited(exit.exit_code.unwrap_or(125), None)
            }
        })
    }

    /// Read input; whether it was the keys to leave.
    fn read_input(&mut self) -> Result<bool> {
        let mut piece = vec![0; PIECE];
        match nix::unistd::read(io::stdin(), &mut piece) {
            Ok(0) => self.input = Input::Ended,
            Ok(length) => {
                let piece = &piece[..length];
                match self.raw {
                    None => self.pending.extend_from_slice(piece),
                    Some(_) => match self.options.detach_keys.filter(piece) {
                        Some(piece) => self.pending.extend_from_slice(&piece),
                        None => return Ok(true),
                    },
                }
            }
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            // A terminal that is gone (EIO), a directory (EISDIR): there is no input then.
            Err(_) => self.input = Input::Ended,
        }
        Ok(false)
    }

    /// Give the container what it takes.
    fn send_input(&mut self) -> Result<()> {
        while !self.pending.is_empty() {
            match self.stream.write(&self.pending) {
                Ok(0) => return Ok(()),
                Ok(taken) => drop(self.pending.drain(..taken)),
                // It has closed its input, or ended: the rest has no reader, and what it says to that comes as output.
                Err(_) => {
                    self.pending.clear();
                    self.input = Input::Closed;
                }
            }
        }
        if self.input == Input::Ended {
            self.input = Input::Closed;
            let _ = self.stream.write(&[]);
        }
        Ok(())
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        match signal {
            Signal::SIGWINCH => self.resize(),
            Signal::SIGTSTP => self.stop(),
            signal if self.options.sig_proxy => {
                if matches!(signal, Signal::SIGINT | Signal::SIGTERM) {
                    self.interrupts += 1;
                }
                if self.interrupts == PATIENCE {
                    self.raw = None;
                    output::say("got 3 SIGTERM/SIGINTs, forcefully exiting");
                    return Err(Failure::quiet(1));
                }
                if let Subject::Container(id) = &self.options.subject {
                    signals::pass_on(self.engine, id, signal);
                }
            }
            signal => return Err(Failure::quiet(signals::status(signal))),
        }
        Ok(())
    }

    /// Stop as the shell asked, with the terminal as the shell expects it.
    fn stop(&self) {
        if let Some(raw) = &self.raw {
            raw.restore();
        }
        let _ = nix::sys::signal::raise(Signal::SIGSTOP);
        if let Some(raw) = &self.raw {
            raw.resume();
        }
        self.resize();
    }

    fn resize(&self) {
        if let Some((h, w)) = terminal::size().filter(|_| self.options.tty) {
            // One that has ended needs no size.
            let _ = match &self.options.subject {
                Subject::Container(id) => {
                    let request = api::ContainerResize { id: id.clone(), h, w };
                    self.engine.containers().resize(&request)
                }
                Subject::Exec(id) => {
                    self.engine.execs().resize(&api::ExecResize { id: id.clone(), h, w })
                }
            };
        }
    }
}
