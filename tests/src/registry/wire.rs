//! HTTP/1.1 as far as the test registry needs it: written by hand, since it must be able to break every rule.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A value of the query, percent-decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.path.split_once('?')?.1;
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(known, _)| *known == name).map(|(_, value)| decoded(value)).next()
    }

    /// The path without the query.
    pub fn place(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The next one on a connection, without its body; `None` at its end or when it is no request.
    pub(super) fn head(reader: &mut BufReader<TcpStream>) -> Option<Request> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut words = line.split_ascii_whitespace();
        let mut request = Request {
            method: words.next()?.to_owned(),
            path: words.next().filter(|path| path.starts_with('/'))?.to_owned(),
            ..Request::default()
        };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => {
                    let name = name.trim().to_ascii_lowercase();
                    request.headers.push((name, value.trim().to_owned()));
                }
                None => return Some(request),
            }
        }
    }

    /// Read the body; `None` when it does not come whole.
    pub(super) fn take_body(&mut self, reader: &mut BufReader<TcpStream>) -> Option<()> {
        if self.header("transfer-encoding") == Some("chunked") {
            loop {
                let mut size = String::new();
                reader.read_line(&mut size).ok()?;
                let size = usize::from_str_radix(size.trim(), 16).ok()?;
                let mut chunk = vec![0; size + 2];
                reader.read_exact(&mut chunk).ok()?;
                self.body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = self.header("content-length") {
            let mut body = vec![0; length.parse().ok()?];
            reader.read_exact(&mut body).ok()?;
            self.body = body;
        }
        Some(())
    }
}

/// An answer to be.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers beside the length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What the header says the body's length is; `None`: the truth.
    pub length: Option<u64>,
}

impl Answer {
    /// One without a body.
    pub fn status(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    /// One with a document.
    pub fn json(status: u16, document: &serde_json::Value) -> Answer {
        Answer { status, body: document.to_string().into_bytes(), ..Answer::default() }
            .with("Content-Type", "application/json")
    }

    /// The same with another header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Header and body, as much of the latter as `limit` lets through. Whether the connection can be used on.
    pub(super) fn write(&self, to: &mut TcpStream, is_head: bool, limit: Option<usize>) -> bool {
        let length = self.length.unwrap_or(self.body.len() as u64);
        let mut text = format!("HTTP/1.1 {} X\r\nContent-Length: {length}\r\n", self.status);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        let body = if is_head { &[][..] } else { &self.body };
        let sent = &body[..body.len().min(limit.unwrap_or(usize::MAX))];
        let written = to.write_all(text.as_bytes()).and_then(|()| to.write_all(sent));
        written.and_then(|()| to.flush()).is_ok()
            && sent.len() == body.len()
            && self.length.is_none()
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let hex = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let hex = std::str::from_utf8(&hex).unwrap_or("00");
                bytes.push(u8::from_str_radix(hex, 16).unwrap_or(b'?'));
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
