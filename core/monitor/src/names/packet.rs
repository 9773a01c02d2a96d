//! DNS messages (RFC 1035, EDNS of RFC 6891), as far as a resolver for containers has to understand them.
//!
//! A query has one question, and its name is written out: there is nothing before it that it could point to. So no pointer is ever
//! followed. Of an answer from elsewhere only the header and the question are looked at; the rest is passed on as it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a header.
const HEADER: usize = 12;
/// Bytes of a name with its lengths and the zero at its end, and of one label.
const LONGEST_NAME: usize = 255;
const LONGEST_LABEL: usize = 63;
/// What a client takes by UDP that says nothing about it.
const SMALLEST_ROOM: usize = 512;
/// What is sent by UDP at the most: more than a packet would be in pieces.
const LARGEST_ROOM: usize = 1232;

/// Flags, in the second of the header's numbers.
const RESPONSE: u16 = 1 << 15;
const OPCODE: u16 = 0xf << 11;
const TRUNCATED: u16 = 1 << 9;
const RECURSION_DESIRED: u16 = 1 << 8;
const RECURSION_AVAILABLE: u16 = 1 << 7;
const CODE: u16 = 0xf;

/// The type of an address of IPv4.
pub const A: u16 = 1;
/// Of IPv6 (RFC 3596).
pub const AAAA: u16 = 28;
/// The type of an address's name.
pub const PTR: u16 = 12;
/// All types.
pub const ANY: u16 = 255;
const OPT: u16 = 41;
/// The class of the Internet.
const INTERNET: u16 = 1;

/// What came of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Nothing is wrong (NOERROR).
    Done = 0,
    /// FORMERR.
    Malformed = 1,
    /// SERVFAIL.
    Failed = 2,
    /// NXDOMAIN.
    NoSuchName = 3,
    /// NOTIMP.
    NotImplemented = 4,
}

/// What a packet is.
#[derive(Debug)]
pub enum Heard<'a> {
    /// A question.
    Query(Query<'a>),
    /// This is what is to be said to it.
    Wrong(Vec<u8>),
    /// Nothing that one answers.
    Nothing,
}

/// A query.
#[derive(Debug)]
pub struct Query<'a> {
    packet: &'a [u8],
    /// Where the question ends.
    end: usize,
    /// The name in small letters, without a point at its end. `None`: it has labels that no container's name can have.
    pub name: Option<String>,
    /// The type that is asked for.
    pub kind: u16,
    class: u16,
    /// What the client takes by UDP, where it says so.
    room: Option<usize>,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// Of a name.
    Addresses(&'a [IpAddr]),
    /// Of an address.
    Name(&'a str),
    /// There is such a name, but nothing of the type.
    Nothing,
    /// Nothing but this.
    Code(Code),
}

/// Look at a packet from a client.
pub fn read(packet: &[u8]) -> Heard<'_> {
    let (Some(flags), Some(questions)) = (number(packet, 2), number(packet, 4)) else {
        return Heard::Nothing;
    };
    if packet.len() < HEADER || flags & RESPONSE != 0 {
        return Heard::Nothing;
    }
    if flags & OPCODE != 0 {
        return Heard::Wrong(bare(packet, flags, Code::NotImplemented));
    }
    match question(packet).filter(|_| questions == 1) {
        Some(query) => Heard::Query(query),
        None => Heard::Wrong(bare(packet, flags, Code::Malformed)),
    }
}

fn question(packet: &[u8]) -> Option<Query<'_>> {
    let (name, at) = name(packet)?;
    let (kind, class) = (number(packet, at)?, number(packet, at + 2)?);
    let end = at + 4;
    Some(Query { packet, end, name, kind, class, room: room(packet, end) })
}

/// The name behind the header, and where it ends.
fn name(packet: &[u8]) -> Option<(Option<String>, usize)> {
    let (mut at, mut text) = (HEADER, Some(String::new()));
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            return Some((text, at));
        }
        // Two bits above the length say that it is none, but a pointer.
        if length > LONGEST_LABEL || at + length + 1 - HEADER > LONGEST_NAME {
            return None;
        }
        let label = packet.get(at..at + length)?;
        at += length;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        match text.as_mut().filter(|_| label.iter().all(plain)) {
            Some(text) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
            }
            None => text = None,
        }
    }
}

/// What the client takes, if the first thing behind the question says so.
fn room(packet: &[u8], end: usize) -> Option<usize> {
    let others = (number(packet, 6)?, number(packet, 8)?);
    let is_there = others == (0, 0) && number(packet, 10)? > 0 && packet.get(end) == Some(&0);
    (is_there && number(packet, end + 1)? == OPT)
        .then(|| number(packet, end + 3).map(usize::from))
        .flatten()
}

impl Query<'_> {
    /// Whether it is about the Internet, as all are.
    pub fn is_of_the_internet(&self) -> bool {
        self.class == INTERNET
    }

    /// The address whose name is asked for.
    pub fn reverse(&self) -> Option<IpAddr> {
        let name = self.name.as_deref()?;
        if let Some(digits) = name.strip_suffix(".ip6.arpa") {
            // RFC 3596, 2.5: each of the 32 digits, the last first.
            let mut words = digits.split('.');
            let mut bits = 0_u128;
            for place in 0..32 {
                let word = words.next().filter(|word| word.len() == 1)?;
                bits |= u128::from(u8::from_str_radix(word, 16).ok()?) << (4 * place);
            }
            return words.next().is_none().then(|| Ipv6Addr::from_bits(bits).into());
        }
        let mut words = name.strip_suffix(".in-addr.arpa")?.split('.');
        let mut octets = [0; 4];
        for octet in octets.iter_mut().rev() {
            *octet = words.next()?.parse().ok()?;
        }
        words.next().is_none().then(|| Ipv4Addr::from(octets).into())
    }

    /// How long an answer by UDP may be.
    pub fn room(&self) -> usize {
        self.room.unwrap_or(SMALLEST_ROOM).clamp(SMALLEST_ROOM, LARGEST_ROOM)
    }

    /// The packet with this answer, of so many bytes at the most: what has no room is left out, and that is said.
    ///
    /// It may be kept for no time at all, as another container may have the name in the next moment.
    pub fn answer(&self, answer: Answer<'_>, room: usize) -> Vec<u8> {
        let flags = number(self.packet, 2).unwrap_or(0);
        let code = match answer {
            Answer::Code(code) => code,
            _ => Code::Done,
        };
        let mut bytes = bare(self.packet, flags, code);
        bytes.extend(&self.packet[HEADER..self.end]);
        put(&mut bytes, 4, 1);
        let room = room - if self.room.is_some() { 11 } else { 0 };
        let mut count = 0;
        let mut add = |bytes: &mut Vec<u8>, kind: u16, data: &[u8]| {
            if bytes.len() + 12 + data.len() > room {
                let flags = number(bytes, 2).unwrap_or(0);
                put(bytes, 2, flags | TRUNCATED);
                return;
            }
            // The name is the question's.
            for part in [0xc000 | HEADER as u16, kind, INTERNET, 0, 0, data.len() as u16] {
                bytes.extend(part.to_be_bytes());
            }
            bytes.extend(data);
            count += 1;
        };
        match answer {
            Answer::Addresses(addresses) => {
                for address in addresses {
                    match address {
                        IpAddr::V4(address) => add(&mut bytes, A, &address.octets()),
                        IpAddr::V6(address) => add(&mut bytes, AAAA, &address.octets()),
                    }
                }
            }
            Answer::Name(name) => {
                if let Some(data) = encoded(name) {
                    add(&mut bytes, PTR, &data);
                }
            }
            Answer::Nothing | Answer::Code(_) => {}
        }
        put(&mut bytes, 6, count);
        if self.room.is_some() {
            put(&mut bytes, 10, 1);
            // The root's name, what is taken here, no extended code, version 0, no options.
            bytes.push(0);
            for part in [OPT, LARGEST_ROOM as u16, 0, 0, 0] {
                bytes.extend(part.to_be_bytes());
            }
        }
        bytes
    }
}

/// A name as it is written in a packet, if it can be.
fn encoded(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        if label.is_empty() || label.len() > LONGEST_LABEL {
            return None;
        }
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    (bytes.len() <= LONGEST_NAME).then_some(bytes)
}

/// A header that answers this one, of a packet with nothing in it.
fn bare(packet: &[u8], flags: u16, code: Code) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..2].copy_from_slice(&packet[..2]);
    let kept = flags & (OPCODE | RECURSION_DESIRED);
    put(&mut bytes, 2, RESPONSE | RECURSION_AVAILABLE | kept | code as u16);
    bytes
}

/// What another server has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// An answer.
    Answer,
    /// That it cannot or will not say: another one may.
    Failure,
    /// It is no answer to this.
    Unrelated,
}

/// What a packet is that came after `query` was sent on with another number.
pub fn said(query: &[u8], id: u16, reply: &[u8]) -> Said {
    let (Some(theirs), Some(flags), Some(questions)) =
        (number(reply, 0), number(reply, 2), number(reply, 4))
    else {
        return Said::Unrelated;
    };
    if theirs != id || flags & RESPONSE == 0 || flags & OPCODE != 0 || reply.len() < HEADER {
        return Said::Unrelated;
    }
    let failed = matches!(flags & CODE, 1 | 2 | 4 | 5);
    match (question(query), questions) {
        // A server that has not understood the question need not repeat it.
        (Some(_), 0) if failed => Said::Failure,
        (Some(asked), 1) => {
            let repeated = reply.get(HEADER..asked.end);
            match repeated.is_some_and(|r| r.eq_ignore_ascii_case(&query[HEADER..asked.end])) {
                true if failed => Said::Failure,
                true => Said::Answer,
                false => Said::Unrelated,
            }
        }
        _ => Said::Unrelated,
    }
}

/// The number by which an answer is known.
pub fn id(packet: &[u8]) -> u16 {
    number(packet, 0).unwrap_or(0)
}

/// Give a packet another one.
pub fn set_id(packet: &mut [u8], id: u16) {
    put(packet, 0, id);
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query as clients send it.
    fn query(name: &str, kind: u16, options: bool) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(options)];
        bytes.extend(encoded(name).unwrap());
        bytes.extend([kind.to_be_bytes(), INTERNET.to_be_bytes()].concat());
        if options {
            bytes.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        }
        bytes
    }

    fn heard(packet: &[u8]) -> Query<'_> {
        match read(packet) {
            Heard::Query(query) => query,
            other => panic!("{other:?}"),
        }
    }

    fn code(packet: &[u8]) -> u16 {
        match read(packet) {
            Heard::Wrong(answer) => {
                assert_eq!((answer.len(), &answer[..2]), (HEADER, &packet[..2]));
                number(&answer, 2).unwrap() & CODE
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_query_is_answered_with_its_own_number_and_question() {
        let packet = query("Web.Example", A, false);
        let asked = heard(&packet);
        assert_eq!((asked.name.as_deref(), asked.kind), (Some("web.example"), A));
        let answer = asked.answer(Answer::Addresses(&[[10, 1, 2, 3].into()]), asked.room());
        assert_eq!(&answer[..HEADER], [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        assert_eq!(&answer[HEADER..packet.len()], &packet[HEADER..], "as it was written");
        assert_eq!(&answer[packet.len()..], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 10, 1, 2, 3]);
        let none = asked.answer(Answer::Code(Code::NoSuchName), 512);
        assert_eq!((none[3] & 0xf, none.len()), (3, packet.len()));
        assert_eq!(asked.answer(Answer::Nothing, 512)[3] & 0xf, 0);
    }

    #[test]
    fn the_name_of_an_address_is_asked_for_backwards() {
        let packet = query("3.0.18.172.in-addr.arpa", PTR, false);
        let asked = heard(&packet);
        assert_eq!(asked.reverse(), Some([172, 18, 0, 3].into()));
        let answer = asked.answer(Answer::Name("web.net"), 512);
        assert_eq!(&answer[answer.len() - 9..], b"\x03web\x03net\0");
        for name in ["18.172.in-addr.arpa", "0.3.0.18.172.in-addr.arpa", "x.0.18.172.in-addr.arpa"]
        {
            assert_eq!(heard(&query(name, PTR, false)).reverse(), None, "{name}");
        }
    }

    #[test]
    fn addresses_of_ipv6_are_given_and_asked_for_backwards() {
        let packet = query("web", AAAA, false);
        let address: IpAddr = "fd00:1::2".parse().unwrap();
        let answer = heard(&packet).answer(Answer::Addresses(&[address]), 512);
        let expected = [0xc0, 12, 0, 28, 0, 1, 0, 0, 0, 0, 0, 16, 0xfd, 0, 0, 1];
        assert_eq!(&answer[packet.len()..][..16], expected);
        let zeros = "0.".repeat(23);
        let name = format!("2.{zeros}1.0.0.0.0.0.d.f.ip6.arpa");
        assert_eq!(heard(&query(&name, PTR, false)).reverse(), Some(address));
        for wrong in [&name[2..], &format!("0.{name}"), &name.replace('d', "g"), "1.ip6.arpa"] {
            assert_eq!(heard(&query(wrong, PTR, false)).reverse(), None, "{wrong}");
        }
    }

    #[test]
    fn what_has_no_room_is_left_out_and_said_to_be() {
        let addresses: Vec<IpAddr> = (0..200).map(|n| Ipv4Addr::from_bits(n).into()).collect();
        for (options, room) in [(false, 512), (true, 1232)] {
            let packet = query("many", A, options);
            let asked = heard(&packet);
            assert_eq!(asked.room(), room);
            let answer = asked.answer(Answer::Addresses(&addresses), asked.room());
            assert!(answer.len() <= room && answer.len() > room - 32, "{}", answer.len());
            assert_ne!(number(&answer, 2).unwrap() & TRUNCATED, 0);
            let all = asked.answer(Answer::Addresses(&addresses), 65_535);
            assert_eq!(number(&all, 2).unwrap() & TRUNCATED, 0);
            assert_eq!(number(&all, 6), Some(200));
        }
    }

    // SEC-133.
    #[test]
    fn hostile_packets_are_refused_or_not_answered() {
        let good = query("web", A, false);
        for cut in 0..HEADER {
            assert!(matches!(read(&good[..cut]), Heard::Nothing), "{cut}");
        }
        for cut in HEADER..good.len() {
            assert_eq!(code(&good[..cut]), Code::Malformed as u16, "{cut}");
        }
        // A name that points to itself, to the header, and forward.
        for pointer in [[0xc0, 12], [0xc0, 0], [0xff, 0xff]] {
            let mut packet = good[..HEADER].to_vec();
            packet.extend(pointer);
            packet.extend([0, 1, 0, 1]);
            assert_eq!(code(&packet), Code::Malformed as u16, "{pointer:?}");
        }
        // As many questions as there can be, none, and a name that is too long.
        for questions in [[0xff, 0xff], [0, 0], [0, 2]] {
            let mut packet = good.clone();
            packet[4..6].copy_from_slice(&questions);
            assert_eq!(code(&packet), Code::Malformed as u16, "{questions:?}");
        }
        let mut long = good[..HEADER].to_vec();
        (0..255).for_each(|_| long.extend([1, b'a']));
        long.extend([0, 0, 1, 0, 1]);
        assert_eq!(code(&long), Code::Malformed as u16);
        // An answer is nothing that one answers, or two of us would go on for ever.
        let mut answer = good.clone();
        answer[2] |= 0x80;
        assert!(matches!(read(&answer), Heard::Nothing));
        let mut update = good.clone();
        update[2] = 0x28;
        assert_eq!(code(&update), Code::NotImplemented as u16);
        // Whatever is in a label, it is not taken for a name of ours.
        let mut odd = good;
        odd[HEADER + 2] = b'.';
        assert_eq!(heard(&odd).name, None);
        odd[HEADER + 2] = b'\n';
        assert_eq!(heard(&odd).name, None);
    }

    // SEC-134.
    #[test]
    fn only_the_answer_to_what_was_asked_is_one() {
        let packet = query("example.com", A, false);
        let mut reply = packet.clone();
        reply[2..4].copy_from_slice(&[0x81, 0x80]);
        assert_eq!(said(&packet, 0x1234, &reply), Said::Answer);
        assert_eq!(said(&packet, 0x1235, &reply), Said::Unrelated, "another number");
        assert_eq!(said(&packet, 0x1234, &packet), Said::Unrelated, "a query");
        for cut in 0..packet.len() {
            assert_eq!(said(&packet, 0x1234, &reply[..cut]), Said::Unrelated, "{cut}");
        }
        let mut other = reply.clone();
        other[HEADER + 1] = b'f';
        assert_eq!(said(&packet, 0x1234, &other), Said::Unrelated, "another name");
        for code in [2, 5] {
            reply[3] = 0x80 | code;
            assert_eq!(said(&packet, 0x1234, &reply), Said::Failure);
        }
        let mut bare = reply[..HEADER].to_vec();
        bare[5] = 0;
        assert_eq!(said(&packet, 0x1234, &bare), Said::Failure);
    }
}
