//! `events`: what has happened and what goes on to happen, as a stream.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::epoll;
use rustix::fs::inotify;
use rustix::io::Errno;

use super::filter::Filter;
use super::reader::Reader;
use crate::Engine;
use crate::api::{EventActor, EventMessage, SystemEvents};
use crate::error::{Error, Result};
use crate::shorthand;
use crate::stream::{Item, Next, Source, Stream};
use crate::sys::clock;
use crate::sys::timer;

/// How often the journal is looked at when the kernel cannot tell of changes: a user may have 128 inotify instances.
const PERIOD: Duration = Duration::from_millis(100);

impl Engine {
    /// Events: those that are kept since a time or a cursor, and those that happen from the moment of this call on. To have a
    /// list and every change to it, open the stream first and list afterwards.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a time, filter or cursor that cannot be;
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), reason `events_lost`, for a cursor older than what is kept, and
    /// from the stream when its reader falls behind so far.
    pub fn events(&self, request: &SystemEvents) -> Result<Stream> {
        let now = clock::now();
        let moment = |text: &str| match text {
            "" => Ok(None),
            text => shorthand::timestamp(text, now).map(Some),
        };
        let (since, until) = (moment(&request.since)?, moment(&request.until)?);
        let filter = Filter::parse(&request.filters)?;
        // Makes it when this engine has never told anything.
        self.journal()?;
        let path = self.layout().journal();
        let watch = Watch::new(&path)?;
        let reader = match (request.cursor.as_str(), since) {
            ("", None) => Reader::at_end(&path)?,
            ("", Some(_)) => Reader::at_start(&path)?,
            (cursor, _) => {
                let wrong = || {
                    Error::invalid(format!("invalid cursor: {cursor:?}")).about("field", "Cursor")
                };
                Reader::at(&path, cursor.parse().map_err(|_| wrong())?)?
            }
        };
        let end = until
            .map(|until| {
                let left = u64::try_from(until - now).unwrap_or_default();
                timer::once(Duration::from_nanos(left))
            })
            .transpose()?;
        let failed = |errno: Errno| Error::system("set up an epoll", errno.into());
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let (data, readable) = (epoll::EventData::new_u64(0), epoll::EventFlags::IN);
        epoll::add(&poller, &watch, data, readable).map_err(failed)?;
        if let Some(end) = &end {
            epoll::add(&poller, end, data, readable).map_err(failed)?;
        }
        let source = Events { reader, watch, end, over: false, since, until, filter, poller };
        Stream::new(Box::new(source), self.canceller().clone())
    }
}

/// A reader of events.
struct Events {
    reader: Reader,
    watch: Watch,
    /// Goes off at `until`.
    end: Option<OwnedFd>,
    over: bool,
    since: Option<i64>,
    until: Option<i64>,
    filter: Filter,
    poller: OwnedFd,
}

impl Events {
    /// The next event that is wanted, of those that are written.
    fn read(&mut self) -> Result<Option<EventMessage>> {
        while let Some((record, position)) = self.reader.next()? {
            let too_early = self.since.is_some_and(|since| record.time_nano < since);
            let too_late = self.until.is_some_and(|until| record.time_nano > until);
            if too_early || too_late || !self.filter.admits(&record) {
                continue;
            }
            return Ok(Some(message(record, position)));
        }
        Ok(None)
    }
}

impl Source for Events {
    fn try_next(&mut self) -> Result<Next> {
        // What is written after this look is told of once more.
        self.watch.clear();
        self.over |= self.end.as_ref().is_some_and(timer::has_gone_off);
        if let Some(event) = self.read()? {
            let text = serde_json::to_string(&event)
                .map_err(|error| Error::internal("write a document").because(error))?;
            return Ok(Next::Item(Item::Document(text)));
        }
        Ok(if self.over { Next::Done } else { Next::TimedOut })
    }

    fn readable(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

fn message(record: barque_monitor::journal::Record, position: u64) -> EventMessage {
    let actor = record.actor;
    let old_names = matches!(record.kind.as_str(), "container" | "image");
    let old = |text: &str| if old_names { text.to_owned() } else { String::new() };
    EventMessage {
        status: old(&record.action),
        id: old(&actor.id),
        from: match record.kind.as_str() {
            "container" => actor.attributes.get("image").cloned().unwrap_or_default(),
            _ => String::new(),
        },
        kind: record.kind,
        action: record.action,
        actor: EventActor { id: actor.id, attributes: actor.attributes },
        scope: record.scope,
        time: record.time,
        time_nano: record.time_nano,
        cursor: position.to_string(),
    }
}

/// Becomes readable when the journal may have grown.
enum Watch {
    Notices(OwnedFd),
    Clock(OwnedFd),
}

impl Watch {
    fn new(path: &Path) -> Result<Watch> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let watched = inotify::init(flags).and_then(|notices| {
            inotify::add_watch(&notices, path, inotify::WatchFlags::MODIFY)?;
            Ok(notices)
        });
        match watched {
            Ok(notices) => Ok(Watch::Notices(notices)),
            // `man 7 inotify`: limits of this user.
            Err(Errno::MFILE | Errno::NOSPC) => timer::every(PERIOD).map(Watch::Clock),
            Err(errno) => Err(Error::system(format!("watch {}", path.display()), errno.into())),
        }
    }

    fn clear(&self) {
        let (Watch::Notices(fd) | Watch::Clock(fd)) = self;
        let mut buffer = [0; 4096];
        while rustix::io::read(fd, &mut buffer).is_ok_and(|count| count == buffer.len()) {}
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let (Watch::Notices(fd) | Watch::Clock(fd)) = self;
        fd.as_fd()
    }
}
