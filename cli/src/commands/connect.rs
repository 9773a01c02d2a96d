//! `barque container connect`: standard input and output as a connection to a port of a container.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use barque::api;
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::{Failure, Result, describe};

pub(crate) const VERB: Verb = Verb {
    name: "connect",
    about: "Connect standard input and output to a TCP port of a running container",
    usage: "[OPTIONS] CONTAINER PORT",
    operands: Operands::Exactly(2),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Wait so many seconds until somebody listens
    #[arg(short = 't', long, value_name = "seconds", default_value_t = 0)]
    timeout: u32,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let engine = parsed.engine()?;
    let [id, port] = &parsed.operands[..] else { return Ok(1) };
    let port = port.parse().map_err(|_| Failure::new(format!("Error: invalid port: {port}")))?;
    let request =
        api::ContainerConnect { id: id.clone(), port, timeout_ms: u64::from(flags.timeout) * 1000 };
    let mut socket = TcpStream::from(engine.containers().connect(&request)?);
    let failed = |error| Failure::new(format!("read from the container: {}", describe(&error)));
    let to = socket.try_clone().map_err(failed)?;
    // It ends with the process: nobody waits for input when the other side has closed.
    std::thread::spawn(move || send(to));
    let mut room = vec![0; 64 << 10];
    loop {
        match socket.read(&mut room) {
            Ok(0) => return Ok(0),
            Ok(length) => crate::output::out(&room[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Send what comes in; the container is told when there is no more.
fn send(mut to: TcpStream) {
    let mut input = io::stdin().lock();
    // A container that listens no more says so on the other way.
    let _ = io::copy(&mut input, &mut to).and_then(|_| to.flush());
    let _ = to.shutdown(Shutdown::Write);
}
