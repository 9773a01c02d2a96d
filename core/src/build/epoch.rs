//! `SOURCE_DATE_EPOCH`: the time of a build that can be repeated (reproducible-builds.org/specs/source-date-epoch).
//!
//! What a build makes is then as old as that: no file of its layers is younger, and its configuration and history say that time. So the same
//! build of the same files gives the same bytes, on another machine and another day. Layers below, which others have made, stay as they are.

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::image::config::ImageConfig;
use crate::sys::directory;

/// The build argument.
pub(super) const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Epoch(i64);

impl Epoch {
    pub(super) fn parse(text: &str) -> Result<Epoch> {
        let seconds = Some(text).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        seconds
            .and_then(|text| text.parse().ok())
            // What RFC 3339 can say.
            .filter(|seconds| jiff::Timestamp::from_second(*seconds).is_ok())
            .map(Epoch)
            .ok_or_else(|| {
                Error::invalid(format!("invalid {EPOCH}: {text:?} is no time in seconds"))
            })
    }

    /// Make everything in a layer's directory that is younger as old as this.
    pub(super) fn age(self, upper: &Path) -> Result<()> {
        directory::age(upper, self.0)
    }

    /// Say it in a configuration, of which the first `below` rows of the history are of others.
    pub(super) fn date(self, config: &mut ImageConfig, below: usize) {
        let text =
            jiff::Timestamp::from_second(self.0).map_or_else(|_| String::new(), |t| t.to_string());
        for row in config.history.iter_mut().skip(below) {
            row.created.clone_from(&text);
        }
        config.created = text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_of_seconds() {
        assert_eq!(Epoch::parse("0").unwrap(), Epoch(0));
        assert_eq!(Epoch::parse("1700000000").unwrap(), Epoch(1_700_000_000));
        for wrong in
            ["-1", "+1", "1.5", "x", " 1", "0x1", "99999999999999999999", "999999999999999"]
        {
            assert!(Epoch::parse(wrong).is_err(), "{wrong}");
        }
    }
}
