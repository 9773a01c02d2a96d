//! Reading a run to its end: the whole output with bounded memory, and how it ended.
//!
//! Every face has a call that runs a container and returns everything at once; what such a call keeps and how it counts is
//! decided here. Output beyond the limit is read and counted, not kept: a container must not hang because its caller asked
//! for little.

use crate::api::ContainerExit;
use crate::error::{Error, Result};
use crate::stream::{Chunk, Deadline, Item, Next, Output, Stream};

/// What a container wrote and how it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collected {
    /// Standard output (or the terminal), up to the limit.
    pub stdout: Captured,
    /// Standard error, up to the limit.
    pub stderr: Captured,
    /// How it ended.
    pub exit: ContainerExit,
}

/// What was kept of one output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// Its first bytes.
    pub data: Vec<u8>,
    /// How many bytes it had.
    pub total: u64,
}

impl Captured {
    /// Whether there were more bytes than were kept.
    pub fn is_truncated(&self) -> bool {
        self.total > self.data.len() as u64
    }

    fn take(&mut self, data: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.data.len());
        self.data.extend_from_slice(&data[..data.len().min(room)]);
        self.total = self.total.saturating_add(data.len() as u64);
    }
}

impl Stream {
    /// Read the stream of a run or an attach to its end, keeping at most `limit` bytes of each output.
    ///
    /// # Errors
    /// What [`Stream::next`] fails with, and [`ErrorKind::Internal`](crate::ErrorKind::Internal) when the stream ends without
    /// the document that says how the container ended.
    pub fn collect(&mut self, limit: usize) -> Result<Collected> {
        let mut collected = Collected::default();
        let mut exit = None;
        loop {
            match self.next(Deadline::never())? {
                Next::Item(Item::Chunk(Chunk { channel, data, .. })) => match channel {
                    Output::Stdout => collected.stdout.take(&data, limit),
                    Output::Stderr => collected.stderr.take(&data, limit),
                },
                Next::Item(Item::Document(text)) => {
                    exit = Some(serde_json::from_str(&text).map_err(|error| {
                        Error::internal("the end of a run is not the document it should be")
                            .because(error)
                    })?);
                }
                Next::Done => break,
                Next::TimedOut => {}
            }
        }
        collected.exit =
            exit.ok_or_else(|| Error::internal("the stream ended without saying how the run did"))?;
        Ok(collected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Canceller, Source};
    use rustix::event::{EventfdFlags, eventfd};
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    struct Canned(Vec<Next>, OwnedFd);

    impl Source for Canned {
        fn try_next(&mut self) -> Result<Next> {
            Ok(self.0.pop().unwrap_or(Next::Done))
        }
        fn readable(&self) -> BorrowedFd<'_> {
            self.1.as_fd()
        }
    }

    fn stream_of(items: Vec<Item>) -> Stream {
        let items = items.into_iter().rev().map(Next::Item).collect();
        let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        Stream::new(Box::new(Canned(items, fd)), Canceller::new().unwrap()).unwrap()
    }

    fn chunk(channel: Output, data: &[u8]) -> Item {
        Item::Chunk(Chunk { channel, timestamp: None, data: data.to_vec() })
    }

    #[test]
    fn the_outputs_are_kept_apart_and_cut_at_the_limit_but_counted_whole() {
        let mut stream = stream_of(vec![
            chunk(Output::Stdout, b"abc"),
            chunk(Output::Stderr, b"x"),
            chunk(Output::Stdout, b"defg"),
            Item::Document(r#"{"StatusCode":3,"Reason":"exited"}"#.to_owned()),
        ]);
        let collected = stream.collect(4).unwrap();
        assert_eq!(collected.stdout, Captured { data: b"abcd".to_vec(), total: 7 });
        assert!(collected.stdout.is_truncated() && !collected.stderr.is_truncated());
        assert_eq!(collected.stderr.data, b"x");
        assert_eq!((collected.exit.status_code, &*collected.exit.reason), (3, "exited"));
    }

    #[test]
    fn a_stream_that_breaks_off_is_not_a_run_that_ended_well() {
        assert!(stream_of(vec![chunk(Output::Stdout, b"abc")]).collect(10).is_err());
    }
}
