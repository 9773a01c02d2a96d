//! `barque logout`.

use barque::api;
use clap::Args;

use super::login::shown;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "logout",
    about: "Log out from a registry",
    usage: "[SERVER]",
    operands: Operands::AtMost(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let Flags {} = parsed.flags()?;
    let server_address = parsed.operands.first().cloned().unwrap_or_default();
    output::out(format!("Removing login credentials for {}\n", shown(&server_address)))?;
    parsed.engine()?.registries().logout(&api::RegistryLogout { server_address })?;
    Ok(0)
}
