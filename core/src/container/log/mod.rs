//! Reading the log that a monitor writes (`barque_monitor::protocol::LOG_FILE` in the container's directory).
//!
//! It is read from the files, whether the container runs or not: no monitor is asked, and none is held up.

mod details;
mod files;
mod line;
mod reader;
mod tail;

pub(crate) use details::details;
pub(crate) use line::Line;
pub(crate) use reader::LogReader;
