//! `barque wait`.

use barque::{Deadline, Engine, Error, Item, Next, api};
use clap::Args;

use super::each;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;

pub(crate) const VERB: Verb = Verb {
    name: "wait",
    about: "Block until one or more containers stop, then print their exit codes",
    usage: "CONTAINER [CONTAINER...]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let Flags {} = parsed.flags()?;
    let engine = parsed.engine()?;
    each(&parsed.operands, |id| exit_code(engine, id).map(|code| code.to_string()))
}

fn exit_code(engine: &Engine, id: &str) -> barque::Result<i32> {
    let request = api::ContainerWait { id: id.to_owned(), condition: String::new() };
    let mut stream = engine.containers().wait(&request)?;
    match stream.next(Deadline::never())? {
        Next::Item(Item::Document(document)) => {
            api::parse::<api::ContainerExit>(&document).map(|exit| exit.status_code)
        }
        _ => Err(Error::internal("a wait ended without an exit")),
    }
}
