//! Names: a client that asks a name server, and a name server.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::say;

/// What clients do not wait longer for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Docker's.
const SERVER: &str = "127.0.0.11:53";

/// `lookup [tcp] NAME [TYPE]`: what a name server says, in its order: addresses or names, `nothing`, `code N`, or `truncated`; `no answer`.
pub(crate) fn lookup(arguments: &[String]) -> Result<u8, String> {
    let (tcp, arguments) = match arguments {
        [first, rest @ ..] if first == "tcp" => (true, rest),
        all => (false, all),
    };
    let name = arguments.first().ok_or("lookup [tcp] NAME [TYPE]")?;
    let kind = match arguments.get(1).map(String::as_str) {
        None | Some("A") => 1,
        Some("PTR") => 12,
        Some("MX") => 15,
        Some("AAAA") => 28,
        Some(other) => return Err(format!("no type {other}")),
    };
    let question = question(0x1234, name, kind);
    let answer = if tcp { by_tcp(&question) } else { by_udp(&question) };
    match answer {
        Ok(answer) if answer.starts_with(&[0x12, 0x34]) => say(&described(&answer)).map(|()| 0),
        Ok(_) => Err("an answer to another question".to_owned()),
        Err(_) => say("no answer").map(|()| 1),
    }
}

/// `storm COUNT NAME`: ask so many times, some at once, and tell how many answers there are in a second.
pub(crate) fn storm(arguments: &[String]) -> Result<u8, String> {
    let [count, name] = arguments else { return Err("storm COUNT NAME".to_owned()) };
    let count: usize = count.parse().map_err(|_| "storm COUNT NAME")?;
    let socket = socket().map_err(|e| format!("ask: {e}"))?;
    let question = question(1, name, 1);
    let begin = Instant::now();
    let (mut asked, mut answered) = (0, 0);
    let mut buffer = [0; 4096];
    while answered < count {
        while asked < count && asked - answered < 16 {
            socket.send(&question).map_err(|e| format!("ask: {e}"))?;
            asked += 1;
        }
        socket.recv(&mut buffer).map_err(|e| format!("after {answered} answers: {e}"))?;
        answered += 1;
    }
    say(&format!("{:.0}", count as f64 / begin.elapsed().as_secs_f64())).map(|()| 0)
}

/// `hostile`: packets that are wrong in every way that comes to mind, by UDP and TCP.
pub(crate) fn hostile(_: &[String]) -> Result<u8, String> {
    let socket = socket().map_err(|e| format!("ask: {e}"))?;
    let good = question(7, "web", 1);
    let mut packets: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    for at in 0..good.len() {
        for value in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
            let mut packet = good.clone();
            packet[at] = value;
            packets.push(packet);
        }
    }
    packets.push([&good[..12], &[0xc0, 12, 0, 1, 0, 1]].concat());
    packets.push([&good[..12], &[1, b'a'].repeat(255)[..], &[0, 0, 1, 0, 1]].concat());
    packets
        .push([&[0, 7, 1, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0][..], &good[12..].repeat(2000)].concat());
    packets.push(vec![0; 60_000]);
    for packet in &packets {
        // One that is refused by the kernel is none.
        let _ = socket.send(packet);
        if let Ok(mut stream) = TcpStream::connect(SERVER) {
            let length = (packet.len() as u16).to_be_bytes();
            let _ = stream.write_all(&[&length, &packet[..]].concat());
        }
    }
    // And many connections that say nothing, or half of something.
    let quiet: Vec<_> = (0..64).filter_map(|_| TcpStream::connect(SERVER).ok()).collect();
    for mut stream in &quiet {
        let _ = stream.write_all(&[0]);
    }
    say(&format!("sent {}", packets.len())).map(|()| 0)
}

/// `nameserver ADDRESS`: answer every question for an address with 203.0.113.7, and tell what was asked for. Names that begin with `quiet`
/// are not answered, those with `broken` with a failure, those with `none` with no such name; those with `large` only by TCP.
pub(crate) fn nameserver(arguments: &[String]) -> Result<u8, String> {
    let address: Ipv4Addr =
        arguments.first().and_then(|a| a.parse().ok()).ok_or("nameserver ADDRESS")?;
    let socket = UdpSocket::bind((address, 53)).map_err(|e| format!("listen: {e}"))?;
    let listener = TcpListener::bind((address, 53)).map_err(|e| format!("listen: {e}"))?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                while let Ok(asked) = framed(&mut stream) {
                    let Some(answer) = answer(&asked, true) else { continue };
                    let length = (answer.len() as u16).to_be_bytes();
                    if stream.write_all(&[&length, &answer[..]].concat()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    say("listening")?;
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).map_err(|e| format!("receive: {e}"))?;
        if let Some(answer) = answer(&buffer[..length], false) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn answer(asked: &[u8], tcp: bool) -> Option<Vec<u8>> {
    let (name, end) = name(asked, 12)?;
    say(&format!("{} {name}", if tcp { "tcp" } else { "udp" })).ok()?;
    let mut answer = asked.get(..end + 4)?.to_vec();
    (answer[2], answer[3]) = (0x81, 0x80);
    answer[6..12].fill(0);
    match name.split(['.', '-']).next() {
        Some("quiet") => return None,
        Some("broken") => answer[3] |= 2,
        Some("none") => answer[3] |= 3,
        Some("large") if !tcp => answer[2] |= 2,
        _ if asked.get(end..end + 2) == Some(&[0, 1]) => {
            answer[7] = 1;
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 7]);
        }
        _ => {}
    }
    Some(answer)
}

fn question(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend([kind.to_be_bytes(), [0, 1]].concat());
    bytes
}

fn socket() -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(SERVER)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn by_udp(question: &[u8]) -> std::io::Result<Vec<u8>> {
    let socket = socket()?;
    socket.send(question)?;
    let mut buffer = vec![0; 4096];
    let length = socket.recv(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// In two pieces, and with another question behind it.
fn by_tcp(question: &[u8]) -> std::io::Result<Vec<u8>> {
    let address: SocketAddr = SERVER.parse().map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let message = [&(question.len() as u16).to_be_bytes(), question].concat().repeat(2);
    stream.write_all(&message[..5])?;
    std::thread::sleep(Duration::from_millis(20));
    stream.write_all(&message[5..])?;
    let first = framed(&mut stream)?;
    let second = framed(&mut stream)?;
    if first.len() != second.len() {
        return Err(std::io::Error::other("two answers to one question"));
    }
    Ok(first)
}

fn framed(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// A name that is written out, and where it ends.
fn name(bytes: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*bytes.get(at)?);
        if length == 0 {
            return Some((labels.join("."), at + 1));
        }
        let label = bytes.get(at + 1..at + 1 + length)?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        at += 1 + length;
    }
}

fn described(answer: &[u8]) -> String {
    let all = || -> Option<String> {
        let (flags, code) = (*answer.get(2)?, answer.get(3)? & 0xf);
        if code != 0 {
            return Some(format!("code {code}"));
        }
        if flags & 2 != 0 {
            return Some("truncated".to_owned());
        }
        let (_, mut at) = name(answer, 12)?;
        at += 4;
        let mut found = Vec::new();
        for _ in 0..u16::from_be_bytes([answer[6], answer[7]]) {
            let kind = *answer.get(at + 3)?;
            let length = usize::from(*answer.get(at + 11)?);
            let data = answer.get(at + 12..at + 12 + length)?;
            found.push(match (kind, data) {
                (1, [a, b, c, d]) => Ipv4Addr::new(*a, *b, *c, *d).to_string(),
                (28, data) => Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).to_string(),
                _ => name(answer, at + 12)?.0,
            });
            at += 12 + length;
        }
        Some(if found.is_empty() { "nothing".to_owned() } else { found.join(" ") })
    };
    all().unwrap_or_else(|| "nonsense".to_owned())
}
