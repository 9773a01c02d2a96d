//! `barque logs`.

use barque::{Deadline, Item, Next, Output, api};
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "logs",
    about: "Fetch the logs of a container",
    usage: "[OPTIONS] CONTAINER",
    operands: Operands::Exactly(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Show extra details provided to logs
    #[arg(long)]
    details: bool,
    /// Follow log output
    #[arg(short, long)]
    follow: bool,
    /// Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, value_name = "string", default_value = "")]
    since: String,
    /// Number of lines to show from the end of the logs (default "all")
    #[arg(short = 'n', long, value_name = "string", default_value = "all")]
    tail: String,
    /// Show timestamps
    #[arg(short, long)]
    timestamps: bool,
    /// Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, value_name = "string", default_value = "")]
    until: String,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let request = api::ContainerLogs {
        id: parsed.operands[0].clone(),
        follow: flags.follow,
        since: flags.since,
        until: flags.until,
        timestamps: flags.timestamps,
        tail: flags.tail,
        details: flags.details,
        ..api::ContainerLogs::default()
    };
    let mut stream = parsed.engine()?.containers().logs(&request)?;
    loop {
        match stream.next(Deadline::never())? {
            Next::Item(Item::Chunk(chunk)) => match chunk.channel {
                Output::Stdout => output::out(&chunk.data)?,
                Output::Stderr => output::err(&chunk.data)?,
            },
            Next::Item(Item::Document(_)) | Next::TimedOut => {}
            Next::Done => return Ok(0),
        }
    }
}
