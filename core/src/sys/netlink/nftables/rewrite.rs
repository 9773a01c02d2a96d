//! Expressions that write into packets.

use std::net::Ipv4Addr;

use super::super::message::Attributes;
use super::{FIRST, Rule, value};

/// A protocol with ports, and where its checksum is in its header.
#[derive(Clone, Copy)]
pub(crate) struct Protocol {
    number: u8,
    checksum: u32,
}

impl Protocol {
    pub(crate) const TCP: Protocol = Protocol { number: libc::IPPROTO_TCP as u8, checksum: 16 };
    pub(crate) const UDP: Protocol = Protocol { number: libc::IPPROTO_UDP as u8, checksum: 6 };
}

/// Where the ports are in a header: whose it is from, and whose it is for.
const SOURCE: u32 = 0;
const DESTINATION: u32 = 2;

const TRANSPORT_HEADER: u32 = 2;

impl Rule {
    /// `ip daddr ADDRESS th dport FROM th dport set TO`. Behind [`Rule::ipv4`].
    pub(crate) fn lead_to_port(
        self,
        address: Ipv4Addr,
        protocol: Protocol,
        from: u16,
        to: u16,
    ) -> Rule {
        self.payload(16, 4).compare(&address.octets(), true).exchange_port(
            protocol,
            DESTINATION,
            from,
            to,
        )
    }

    /// `ip saddr ADDRESS th sport FROM th sport set TO`. Behind [`Rule::ipv4`].
    pub(crate) fn pretend_port(
        self,
        address: Ipv4Addr,
        protocol: Protocol,
        from: u16,
        to: u16,
    ) -> Rule {
        self.payload(12, 4)
            .compare(&address.octets(), true)
            .exchange_port(protocol, SOURCE, from, to)
    }

    fn exchange_port(self, protocol: Protocol, offset: u32, from: u16, to: u16) -> Rule {
        const L4PROTO: u32 = 16;
        const PORT: u32 = 2;
        const INTERNET_CHECKSUM: u32 = 1;
        let at = |attributes: Attributes| {
            attributes.big(2, TRANSPORT_HEADER).big(3, offset).big(4, PORT)
        };
        let load = at(Attributes::new().big(1, FIRST));
        let new = Attributes::new().big(1, FIRST).nest(2, value(&to.to_be_bytes()));
        let store =
            at(Attributes::new()).big(5, FIRST).big(6, INTERNET_CHECKSUM).big(7, protocol.checksum);
        self.meta(L4PROTO)
            .compare(&[protocol.number], true)
            .expression("payload", load)
            .compare(&from.to_be_bytes(), true)
            .expression("immediate", new)
            .expression("payload", store)
    }
}
