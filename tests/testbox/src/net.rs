//! What one container has of another's network: a server that says who came, and its client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::say;

/// `listen PORT`: tell everybody who comes the address that it comes from.
pub(crate) fn listen(arguments: &[String]) -> Result<u8, String> {
    let port: u16 = arguments.first().and_then(|n| n.parse().ok()).ok_or("listen PORT")?;
    let listener = TcpListener::bind(("0.0.0.0", port)).map_err(|e| format!("listen: {e}"))?;
    say("listening")?;
    loop {
        let (mut stream, from) = listener.accept().map_err(|e| format!("accept: {e}"))?;
        // Who has gone again needs no answer.
        let _ = write!(stream, "{}", from.ip());
    }
}

/// `connect ADDRESS:PORT`: print what is said there. 1 when nobody can be reached.
pub(crate) fn connect(arguments: &[String]) -> Result<u8, String> {
    let address: SocketAddr =
        arguments.first().and_then(|a| a.parse().ok()).ok_or("connect ADDRESS:PORT")?;
    let mut said = String::new();
    let done = TcpStream::connect_timeout(&address, Duration::from_secs(1))
        .and_then(|mut stream| stream.read_to_string(&mut said));
    match done {
        Ok(_) => say(&said).map(|()| 0),
        Err(_) => say("not reached").map(|()| 1),
    }
}
