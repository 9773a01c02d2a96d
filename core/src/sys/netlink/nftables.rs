//! nf_tables (linux/netfilter/nf_tables.h): tables, chains, sets and rules of the family `inet`.
//!
//! A rule is a list of expressions, which the kernel runs as a small program on registers. Only those that the engine's
//! rules are made of are here, as methods of [`Rule`] that are named for what `nft` calls them.

mod element;
mod look;
mod rewrite;

pub(crate) use element::Element;
pub(crate) use rewrite::Protocol;

use std::net::Ipv6Addr;

use super::message::{Attributes, Message};

const SUBSYSTEM: u16 = 10;
const INET: u8 = 1;
/// `NFTA_LIST_ELEM`.
const LIST_ELEMENT: u16 = 1;
/// `NFTA_DATA_VALUE` and `NFTA_DATA_VERDICT`.
const VALUE: u16 = 1;
const VERDICT: u16 = 2;

/// Where values stand while a rule is run: the first, and the 32 bits behind it.
const FIRST: u32 = 8;
/// The register that decides.
const DECISION: u32 = 0;

/// Bytes of an interface's name in a set: `IFNAMSIZ`.
const NAME: usize = 16;

/// The types of a set's keys and a map's values, with `nft`'s numbers, so that it can show them.
#[derive(Clone, Copy)]
pub(crate) struct Type {
    number: u32,
    length: u32,
}

impl Type {
    pub(crate) const ADDRESS: Type = Type { number: 7, length: 4 };
    pub(crate) const ADDRESS6: Type = Type { number: 8, length: 16 };
    pub(crate) const INTERFACE: Type = Type { number: 41, length: NAME as u32 };
    /// Two addresses.
    pub(crate) const ADDRESSES: Type = Type { number: 7 << 6 | 7, length: 8 };
    /// Two interfaces, one behind the other.
    pub(crate) const INTERFACES: Type = Type { number: 41 << 6 | 41, length: 2 * NAME as u32 };
    /// A protocol and a port of it, each in 32 bits of its own.
    pub(crate) const PORT: Type = Type { number: 12 << 6 | 13, length: 8 };
    /// An address before these.
    pub(crate) const PORT_AT: Type = Type { number: (7 << 6 | 12) << 6 | 13, length: 12 };
    /// An address and a port there.
    pub(crate) const PLACE: Type = Type { number: 7 << 6 | 13, length: 8 };
    /// The same of IPv6.
    pub(crate) const ADDRESSES6: Type = Type { number: 8 << 6 | 8, length: 32 };
    pub(crate) const PORT_AT6: Type = Type { number: (8 << 6 | 12) << 6 | 13, length: 24 };
    pub(crate) const PLACE6: Type = Type { number: 8 << 6 | 13, length: 20 };
}

/// What becomes of a packet.
#[derive(Clone, Copy)]
pub(crate) enum Verdict {
    Drop = 0,
    Accept = 1,
}

/// When a chain sees packets (`enum nf_inet_hooks`).
#[derive(Clone, Copy)]
pub(crate) enum Hook {
    Prerouting = 0,
    Forward = 2,
    Output = 3,
    Postrouting = 4,
}

/// A table, by name.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a>(pub(crate) &'a str);

impl Table<'_> {
    /// That it is there.
    pub(crate) fn add(self) -> Message {
        message(0, libc::NLM_F_CREATE).with(Attributes::new().text(1, self.0))
    }

    /// That it is gone, with everything in it. It must be there.
    pub(crate) fn delete(self) -> Message {
        message(2, 0).with(Attributes::new().text(1, self.0))
    }

    /// A chain of the kernel's own kind (`filter`, `nat`), which lets pass what no rule decides about.
    pub(crate) fn chain(self, name: &str, kind: &str, hook: Hook, priority: i32) -> Message {
        let hook = Attributes::new().big(1, hook as u32).big(2, priority.cast_unsigned());
        message(3, libc::NLM_F_CREATE).with(
            Attributes::new()
                .text(1, self.0)
                .text(3, name)
                .nest(4, hook)
                .big(5, Verdict::Accept as u32)
                .text(7, kind),
        )
    }

    /// A set. `interval`: its elements come in pairs, where a range begins and where it has ended.
    pub(crate) fn set(self, name: &str, id: u32, key: Type, interval: bool) -> Message {
        const INTERVAL: u32 = 4;
        message(9, libc::NLM_F_CREATE).with(
            Attributes::new()
                .text(1, self.0)
                .text(2, name)
                .big(3, if interval { INTERVAL } else { 0 })
                .big(4, key.number)
                .big(5, key.length)
                .big(10, id),
        )
    }

    /// A map: a set whose elements each stand for something.
    pub(crate) fn map(self, name: &str, id: u32, key: Type, value: Type) -> Message {
        const MAP: u32 = 8;
        message(9, libc::NLM_F_CREATE).with(
            Attributes::new()
                .text(1, self.0)
                .text(2, name)
                .big(3, MAP)
                .big(4, key.number)
                .big(5, key.length)
                .big(6, value.number)
                .big(7, value.length)
                .big(10, id),
        )
    }

    /// A rule, behind those that are there.
    pub(crate) fn rule(self, chain: &str, rule: Rule) -> Message {
        message(6, libc::NLM_F_CREATE | libc::NLM_F_APPEND)
            .with(Attributes::new().text(1, self.0).text(2, chain).nest(4, rule.0))
    }
}

/// A port, as keys and what they stand for have it: 32 bits.
pub(crate) fn port(number: u16) -> [u8; 4] {
    let [high, low] = number.to_be_bytes();
    [high, low, 0, 0]
}

/// The name of an interface, as keys have it.
pub(crate) fn interface(name: &str) -> [u8; NAME] {
    let mut bytes = [0; NAME];
    let length = name.len().min(NAME - 1);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}

/// The expressions of a rule.
#[derive(Clone, Default)]
pub(crate) struct Rule(Attributes);

impl Rule {
    pub(crate) fn new() -> Rule {
        Rule::default()
    }

    /// `meta nfproto ipv4`.
    pub(crate) fn ipv4(self) -> Rule {
        self.meta(NFPROTO).compare(&[libc::NFPROTO_IPV4 as u8], true)
    }

    /// `meta nfproto ipv6`.
    pub(crate) fn ipv6(self) -> Rule {
        self.meta(NFPROTO).compare(&[libc::NFPROTO_IPV6 as u8], true)
    }

    /// `iifname @set`.
    pub(crate) fn coming_by(self, set: &str) -> Rule {
        self.meta(IIFNAME).lookup(set, true)
    }

    /// `iifname != @set`.
    pub(crate) fn not_coming_by(self, set: &str) -> Rule {
        self.meta(IIFNAME).lookup(set, false)
    }

    /// `iifname . oifname @set`.
    pub(crate) fn between_interfaces_in(self, set: &str) -> Rule {
        let second = Attributes::new().big(1, FIRST + NAME as u32 / 4).big(2, OIFNAME);
        self.meta(IIFNAME).expression("meta", second).lookup(set, true)
    }

    /// `oifname @set`.
    pub(crate) fn leaving_by(self, set: &str) -> Rule {
        self.meta(OIFNAME).lookup(set, true)
    }

    /// `oifname != @set`.
    pub(crate) fn not_leaving_by(self, set: &str) -> Rule {
        self.meta(OIFNAME).lookup(set, false)
    }

    /// `ip saddr @set`. Behind [`Rule::ipv4`].
    pub(crate) fn source_in(self, set: &str) -> Rule {
        self.payload(12, 4).lookup(set, true)
    }

    /// `ip6 saddr @set`. Behind [`Rule::ipv6`].
    pub(crate) fn source6_in(self, set: &str) -> Rule {
        self.payload(8, 16).lookup(set, true)
    }

    /// `ip saddr . ip daddr @set`. Behind [`Rule::ipv4`].
    pub(crate) fn between_addresses_in(self, set: &str) -> Rule {
        self.payload(12, 8).lookup(set, true)
    }

    /// `ip6 saddr . ip6 daddr @set`. Behind [`Rule::ipv6`].
    pub(crate) fn between_addresses6_in(self, set: &str) -> Rule {
        self.payload(8, 32).lookup(set, true)
    }

    /// `ip6 daddr ::1`. Behind [`Rule::ipv6`].
    pub(crate) fn for_loopback6(self) -> Rule {
        self.payload(24, 16).compare(&Ipv6Addr::LOCALHOST.octets(), true)
    }

    /// `ip daddr 127.0.0.0/8`. Behind [`Rule::ipv4`].
    pub(crate) fn for_loopback(self) -> Rule {
        self.payload(16, 1).compare(&[127], true)
    }

    /// `ip saddr 127.0.0.0/8`. Behind [`Rule::ipv4`].
    pub(crate) fn source_is_loopback(self) -> Rule {
        self.payload(12, 1).compare(&[127], true)
    }

    /// `fib daddr type local`: for an address of this host's.
    pub(crate) fn for_this_host(self) -> Rule {
        const ADDRESS_TYPE: u32 = 3;
        const OF_DESTINATION: u32 = 2;
        let attributes = Attributes::new().big(1, FIRST).big(2, ADDRESS_TYPE);
        self.expression("fib", attributes.big(3, OF_DESTINATION))
            .compare(&u32::from(libc::RTN_LOCAL).to_ne_bytes(), true)
    }

    /// `ct status dnat`: its destination was another.
    pub(crate) fn redirected(self) -> Rule {
        const STATUS: u32 = 2;
        const DESTINATION_CHANGED: u32 = 1 << 5;
        self.conntrack(STATUS).any_of(DESTINATION_CHANGED)
    }

    /// `dnat ip to meta l4proto . th dport map @map`; `at`: with `ip daddr` first. Behind [`Rule::ipv4`].
    pub(crate) fn redirect_by(self, map: &str, at: bool) -> Rule {
        let (rule, protocol) = match at {
            true => (self.payload(16, 4), FIRST + 1),
            false => (self, FIRST),
        };
        rule.redirect(map, protocol, libc::NFPROTO_IPV4, 1)
    }

    /// The same of IPv6. Behind [`Rule::ipv6`].
    pub(crate) fn redirect6_by(self, map: &str, at: bool) -> Rule {
        let (rule, protocol) = match at {
            true => (self.payload(24, 16), FIRST + 4),
            false => (self, FIRST),
        };
        rule.redirect(map, protocol, libc::NFPROTO_IPV6, 4)
    }

    /// With what is in the registers before `protocol`. `words`: of an address, each of 32 bits.
    fn redirect(self, map: &str, protocol: u32, family: libc::c_int, words: u32) -> Rule {
        const L4PROTO: u32 = 16;
        const TRANSPORT_HEADER: u32 = 2;
        let port = Attributes::new().big(1, protocol + 1).big(2, TRANSPORT_HEADER);
        let found = Attributes::new().text(1, map).big(2, FIRST).big(3, FIRST);
        const TO_DESTINATION: u32 = 1;
        let to = Attributes::new().big(1, TO_DESTINATION).big(2, family as u32);
        self.expression("meta", Attributes::new().big(1, protocol).big(2, L4PROTO))
            .expression("payload", port.big(3, 2).big(4, 2))
            .expression("lookup", found)
            .expression("nat", to.big(3, FIRST).big(5, FIRST + words))
    }

    /// `ct state established,related`.
    pub(crate) fn answers(self) -> Rule {
        const STATE: u32 = 0;
        const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
        self.conntrack(STATE).any_of(ESTABLISHED_OR_RELATED)
    }

    /// `masquerade`.
    pub(crate) fn masquerade(self) -> Rule {
        self.expression("masq", Attributes::new())
    }

    /// `accept`, `drop`.
    pub(crate) fn verdict(self, verdict: Verdict) -> Rule {
        let code = Attributes::new().nest(VERDICT, Attributes::new().big(1, verdict as u32));
        self.expression("immediate", Attributes::new().big(1, DECISION).nest(2, code))
    }

    fn meta(self, key: u32) -> Rule {
        self.expression("meta", Attributes::new().big(1, FIRST).big(2, key))
    }

    fn conntrack(self, key: u32) -> Rule {
        self.expression("ct", Attributes::new().big(1, FIRST).big(2, key))
    }

    /// Bytes of the network header.
    fn payload(self, offset: u32, length: u32) -> Rule {
        const NETWORK_HEADER: u32 = 1;
        let attributes = Attributes::new().big(1, FIRST).big(2, NETWORK_HEADER);
        self.expression("payload", attributes.big(3, offset).big(4, length))
    }

    fn compare(self, with: &[u8], equal: bool) -> Rule {
        let attributes = Attributes::new().big(1, FIRST).big(2, u32::from(!equal));
        self.expression("cmp", attributes.nest(3, value(with)))
    }

    /// Go on if one of these bits is set.
    fn any_of(self, bits: u32) -> Rule {
        let attributes = Attributes::new().big(1, FIRST).big(2, FIRST).big(3, 4);
        let masked = attributes.nest(4, value(&bits.to_ne_bytes())).nest(5, value(&[0; 4]));
        self.expression("bitwise", masked).compare(&[0; 4], false)
    }

    fn lookup(self, set: &str, inside: bool) -> Rule {
        const INVERTED: u32 = 1;
        let attributes = Attributes::new().text(1, set).big(2, FIRST);
        let attributes = if inside { attributes } else { attributes.big(5, INVERTED) };
        self.expression("lookup", attributes)
    }

    fn expression(self, name: &str, data: Attributes) -> Rule {
        let expression = Attributes::new().text(1, name).nest(2, data);
        Rule(self.0.nest(LIST_ELEMENT, expression))
    }
}

/// `NFT_META_NFPROTO`, `NFT_META_IIFNAME` and `NFT_META_OIFNAME`.
const NFPROTO: u32 = 15;
const IIFNAME: u32 = 6;
const OIFNAME: u32 = 7;

fn value(bytes: &[u8]) -> Attributes {
    Attributes::new().bytes(VALUE, bytes)
}

fn message(kind: u16, flags: libc::c_int) -> Message {
    Message::new(SUBSYSTEM << 8 | kind, flags, &[INET, 0, 0, 0])
}

pub(super) fn batch_begin() -> Message {
    batch(libc::NFNL_MSG_BATCH_BEGIN)
}

pub(super) fn batch_end() -> Message {
    batch(libc::NFNL_MSG_BATCH_END)
}

fn batch(kind: libc::c_int) -> Message {
    let [high, low] = SUBSYSTEM.to_be_bytes();
    Message::new(kind as u16, 0, &[libc::AF_UNSPEC as u8, 0, high, low])
}
