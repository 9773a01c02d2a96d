//! `barque port`: where a container's ports are published.

use barque::{Error, ErrorKind, api};
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "port",
    about: "List port mappings or a specific mapping for the container",
    usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
    operands: Operands::Between(1, 2),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let engine = parsed.engine()?;
    let [name, port @ ..] = &parsed.operands[..] else { return Ok(1) };
    let ports = engine.containers().inspect(name)?.network_settings.ports;
    let published = |key: &str| ports.get(key).into_iter().flatten().flatten();
    let Some(port) = port.first() else {
        for key in ports.keys() {
            for binding in published(key) {
                output::out(format!("{key} -> {}\n", place(binding)))?;
            }
        }
        return Ok(0);
    };
    let key = if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
    let mut found = false;
    for binding in published(&key) {
        found = true;
        output::out(format!("{}\n", place(binding)))?;
    }
    if !found {
        let message = format!("no public port '{key}' published for {name}");
        return Err(Error::new(ErrorKind::NotFound, message).about("port", key).into());
    }
    Ok(0)
}

fn place(binding: &api::PortBinding) -> String {
    match binding.host_ip.contains(':') {
        true => format!("[{}]:{}", binding.host_ip, binding.host_port),
        false => format!("{}:{}", binding.host_ip, binding.host_port),
    }
}
