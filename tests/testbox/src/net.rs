//! What one container has of another's network: servers that say who came, and their clients.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::io::number;
use crate::say;

/// `listen PORT`: tell everybody who comes the address that it comes from.
pub(crate) fn listen(arguments: &[String]) -> Result<u8, String> {
    let port: u16 = arguments.first().and_then(|n| n.parse().ok()).ok_or("listen PORT")?;
    // Where there is IPv6, callers of IPv4 come there too (ipv6(7), IPV6_V6ONLY).
    let listener =
        TcpListener::bind(("::", port)).or_else(|_| TcpListener::bind(("0.0.0.0", port)));
    let listener = listener.map_err(|e| format!("listen: {e}"))?;
    say("listening")?;
    loop {
        let (mut stream, from) = listener.accept().map_err(|e| format!("accept: {e}"))?;
        // Who has gone again needs no answer.
        let _ = write!(stream, "{}", from.ip().to_canonical());
    }
}

/// `source PORT`: say `listening`, then send whoever comes as much as it takes.
pub(crate) fn source(arguments: &[String]) -> Result<u8, String> {
    let port: u16 = arguments.first().and_then(|n| n.parse().ok()).ok_or("source PORT")?;
    let listener = TcpListener::bind(("0.0.0.0", port)).map_err(|e| format!("listen: {e}"))?;
    say("listening")?;
    let room = vec![0; 1 << 20];
    loop {
        let (mut stream, _) = listener.accept().map_err(|e| format!("accept: {e}"))?;
        // Until it goes.
        while stream.write_all(&room).is_ok() {}
    }
}

/// `drain ADDRESS:PORT SECONDS`: read for so long what comes from there; prints MB a second.
pub(crate) fn drain(arguments: &[String]) -> Result<u8, String> {
    let address: SocketAddr =
        arguments.first().and_then(|a| a.parse().ok()).ok_or("drain ADDRESS:PORT SECONDS")?;
    let seconds: f64 = number(arguments, 1)?;
    let mut from = TcpStream::connect(address).map_err(|e| format!("connect: {e}"))?;
    let (begin, mut room, mut all) = (Instant::now(), vec![0; 1 << 20], 0);
    while begin.elapsed().as_secs_f64() < seconds {
        match from.read(&mut room).map_err(|e| format!("read: {e}"))? {
            0 => return Err("there was no more".to_owned()),
            length => all += length,
        }
    }
    say(&format!("{:.0}", all as f64 / 1e6 / begin.elapsed().as_secs_f64())).map(|()| 0)
}

/// `listen-udp PORT`: say `listening`, then answer every datagram with its sender's address, and say that too.
pub(crate) fn listen_udp(arguments: &[String]) -> Result<u8, String> {
    let port: u16 = arguments.first().and_then(|n| n.parse().ok()).ok_or("listen-udp PORT")?;
    let socket = UdpSocket::bind(("::", port)).or_else(|_| UdpSocket::bind(("0.0.0.0", port)));
    let socket = socket.map_err(|e| format!("listen-udp: {e}"))?;
    say("listening")?;
    let mut room = [0; 64];
    loop {
        let (_, from) = socket.recv_from(&mut room).map_err(|e| format!("receive: {e}"))?;
        let sender = from.ip().to_canonical().to_string();
        say(&sender)?;
        // Who has gone again needs no answer.
        let _ = socket.send_to(sender.as_bytes(), from);
    }
}

/// `ask-udp ADDRESS:PORT`: send a datagram and print the answer that comes from there. 1 when none does.
pub(crate) fn ask_udp(arguments: &[String]) -> Result<u8, String> {
    let address: SocketAddr =
        arguments.first().and_then(|a| a.parse().ok()).ok_or("ask-udp ADDRESS:PORT")?;
    let mut room = [0; 64];
    let own = if address.is_ipv6() { "::" } else { "0.0.0.0" };
    let answer = UdpSocket::bind((own, 0)).and_then(|socket| {
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        // Connected, so that an answer from elsewhere is none.
        socket.connect(address)?;
        socket.send(b"?")?;
        socket.recv(&mut room)
    });
    match answer {
        Ok(length) => say(&String::from_utf8_lossy(&room[..length])).map(|()| 0),
        Err(_) => say("not reached").map(|()| 1),
    }
}

/// How long a connection may take: what is lost, as a first question for a neighbour while the machine is busy, is sent again after a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// `connect ADDRESS:PORT`: print what is said there. 1 when nobody can be reached.
pub(crate) fn connect(arguments: &[String]) -> Result<u8, String> {
    let address: SocketAddr =
        arguments.first().and_then(|a| a.parse().ok()).ok_or("connect ADDRESS:PORT")?;
    let mut said = String::new();
    let done = TcpStream::connect_timeout(&address, PATIENCE)
        .and_then(|mut stream| stream.read_to_string(&mut said));
    match done {
        Ok(_) => say(&said).map(|()| 0),
        Err(_) => say("not reached").map(|()| 1),
    }
}
