//! The form of netlink messages: a header, a fixed part, and attributes, each padded to four bytes.

use std::net::IpAddr;

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;

/// An attribute that holds attributes.
const NESTED: u16 = 1 << 15;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    /// A request of this type, with its fixed part.
    pub(crate) fn new(kind: u16, flags: libc::c_int, fixed: &[u8]) -> Message {
        let mut body = fixed.to_vec();
        pad(&mut body);
        Message { kind, flags: flags as u16, body }
    }

    /// With attributes.
    pub(crate) fn with(mut self, attributes: Attributes) -> Message {
        self.body.extend(attributes.0);
        self
    }

    /// The bytes of one that is sent alone, and answered.
    pub(crate) fn alone(self) -> Vec<u8> {
        self.finish(1, libc::NLM_F_ACK as u16)
    }

    /// The bytes, with a number by which the answer is known.
    pub(super) fn finish(self, sequence: u32, flags: u16) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.body.len());
        bytes.extend(((HEADER + self.body.len()) as u32).to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend((self.flags | flags | libc::NLM_F_REQUEST as u16).to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(self.body);
        bytes
    }
}

/// A list of attributes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes(Vec<u8>);

impl Attributes {
    pub(crate) fn new() -> Attributes {
        Attributes::default()
    }

    /// Bytes as they are.
    pub(crate) fn bytes(mut self, kind: u16, value: &[u8]) -> Attributes {
        self.0.extend(((4 + value.len()) as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        pad(&mut self.0);
        self
    }

    /// Text, with the zero that ends it.
    pub(crate) fn text(self, kind: u16, value: &str) -> Attributes {
        self.bytes(kind, &[value.as_bytes(), b"\0"].concat())
    }

    /// A number in this machine's order: rtnetlink.
    pub(crate) fn number(self, kind: u16, value: u32) -> Attributes {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// A number in the network's order: nf_tables.
    pub(crate) fn big(self, kind: u16, value: u32) -> Attributes {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Attributes in an attribute.
    pub(crate) fn nest(self, kind: u16, inner: Attributes) -> Attributes {
        self.bytes(kind | NESTED, &inner.0)
    }

    /// The same behind a fixed part.
    pub(crate) fn nest_behind(self, kind: u16, fixed: &[u8], inner: Attributes) -> Attributes {
        self.bytes(kind | NESTED, &[fixed, &inner.0].concat())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes of all of them.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// An address, as messages of every kind have it.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A message from the kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// A thing that was asked for.
    Payload(&'a [u8]),
    /// The list changed while it was read.
    Interrupted,
    /// The end of a list.
    Done,
    /// An error number, 0 for none, and the kernel's words.
    Error(i32, &'a str),
}

/// The messages in what was received, with the number of the request that each answers. What is cut off is left out.
pub(super) fn replies(mut bytes: &[u8]) -> impl Iterator<Item = (u32, Reply<'_>)> {
    let mut pending = None;
    std::iter::from_fn(move || {
        if let Some(reply) = pending.take() {
            return Some(reply);
        }
        let length = number(bytes, 0)? as usize;
        let message = bytes.get(..length).filter(|message| message.len() >= HEADER)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        let kind = i32::from(u16::from_ne_bytes([message[4], message[5]]));
        let flags = u16::from_ne_bytes([message[6], message[7]]);
        let sequence = number(message, 8)?;
        let payload = &message[HEADER..];
        let reply = match kind {
            libc::NLMSG_ERROR => error(payload, flags)?,
            libc::NLMSG_DONE => Reply::Done,
            _ => Reply::Payload(payload),
        };
        if kind != libc::NLMSG_ERROR && flags & libc::NLM_F_DUMP_INTR as u16 != 0 {
            pending = Some((sequence, reply));
            return Some((sequence, Reply::Interrupted));
        }
        Some((sequence, reply))
    })
}

/// `struct nlmsgerr`: the number, the header of the request (the whole request, unless capped), then attributes.
fn error(payload: &[u8], flags: u16) -> Option<Reply<'_>> {
    const CAPPED: u16 = 0x100;
    const ATTRIBUTES: u16 = 0x200;
    const MESSAGE: u16 = 1;
    let errno = -(number(payload, 0)?.cast_signed());
    let mut at = 4 + HEADER;
    if flags & CAPPED == 0 && errno != 0 {
        at = 4 + (number(payload, 4)? as usize).next_multiple_of(4);
    }
    let why = (flags & ATTRIBUTES != 0)
        .then(|| attributes(payload.get(at..)?).find(|(kind, _)| *kind == MESSAGE))
        .flatten()
        .map_or("", |(_, text)| std::str::from_utf8(text).unwrap_or_default());
    Some(Reply::Error(errno, why.trim_end_matches('\0')))
}

/// The attributes in a message behind its fixed part. What is cut off is left out.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.get(..4)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Four bytes as a number of this machine's order.
pub(crate) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::{Attributes, Message, Reply, attributes, replies};

    #[test]
    fn attributes_are_padded_and_read_back() {
        let list = Attributes::new()
            .text(3, "lo")
            .number(4, 7)
            .nest(18, Attributes::new().bytes(1, b"abcde"));
        let bytes = Message::new(16, 0, &[0; 16]).with(list).finish(5, 0);
        assert_eq!(bytes.len() % 4, 0);
        let read: Vec<_> = attributes(&bytes[32..]).collect();
        assert_eq!(read[0], (3, &b"lo\0"[..]));
        assert_eq!(read[1], (4, &7_u32.to_ne_bytes()[..]));
        assert_eq!(attributes(read[2].1).collect::<Vec<_>>(), [(1, &b"abcde"[..])]);
    }

    #[test]
    fn what_is_cut_off_or_nonsense_ends_the_list() {
        let whole = Message::new(20, 0, b"payload!").finish(1, 0);
        for cut in 0..whole.len() {
            assert_eq!(replies(&whole[..cut]).count(), 0, "{cut}");
        }
        assert_eq!(replies(&whole).next(), Some((1, Reply::Payload(b"payload!"))));
        // Lengths of less than a header would never end.
        assert_eq!(replies(&[0; 64]).count(), 0);
        assert_eq!(attributes(&[0; 64]).count(), 0);
        assert_eq!(attributes(&[1, 0, 1, 0]).count(), 0);
        assert_eq!(attributes(&[255, 255, 1, 0, 1]).count(), 0);
    }
}
