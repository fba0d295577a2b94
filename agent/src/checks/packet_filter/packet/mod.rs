//! The packets of a login as rules see them: the one that opens the connection, those that follow, and sshd's replies.

use crate::facts::{Base, Field, Hook, TableFamily, Value};

use super::Question;
use crate::checks::source::Span;

/// Yes, no, or nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tri {
    Yes,
    No,
    Maybe,
}

impl Tri {
    pub fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
        }
    }

    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            (Self::Maybe | Self::Yes, Self::Maybe | Self::Yes) => Self::Maybe,
        }
    }

    /// Of several that are possible: all, none or some.
    fn of_all(mut each: impl Iterator<Item = bool>) -> Self {
        let Some(first) = each.next() else { return Self::Maybe };
        match (first, each.all(|other| other == first)) {
            (true, true) => Self::Yes,
            (false, true) => Self::No,
            (_, false) => Self::Maybe,
        }
    }

    fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    Opening,
    Later,
    Reply,
}

impl Passage {
    pub const ALL: [Self; 3] = [Self::Opening, Self::Later, Self::Reply];

    /// `packets from 203.0.113.7`, as it reads before "are refused".
    pub fn words(self) -> &'static str {
        match self {
            Self::Opening => "packets",
            Self::Later => "packets of a connection that is open",
            Self::Reply => "sshd's replies",
        }
    }
}

// Flags of TCP (RFC 9293, 3.1).
const SYN: u32 = 2;
const ACK: u32 = 16;
const TCP: u32 = 6;
/// A client's port: whatever its system hands out.
const CLIENT_PORTS: (u32, u32) = (1_024, 65_535);
/// From here on a packet is known to connection tracking (`NF_IP_PRI_CONNTRACK`, linux/netfilter_ipv4.h).
const CONNECTION_TRACKING: i32 = -200;
/// sshd's sockets are root's. The kernel's own answers have no socket's user at all.
const ROOT: u32 = 0;

pub struct Packet<'a> {
    passage: Passage,
    source: Span,
    is_source_known: bool,
    question: &'a Question<'a>,
    interfaces: Vec<&'a str>,
    /// The connection is tracked.
    is_tracked: Tri,
    is_before_tracking: bool,
}

impl<'a> Packet<'a> {
    pub fn of(question: &'a Question<'a>, passage: Passage, source: Span) -> Self {
        Self {
            passage,
            source,
            is_source_known: question.source.is_known(),
            question,
            interfaces: question.arrival.interfaces(),
            is_tracked: Tri::Yes,
            is_before_tracking: false,
        }
    }

    pub fn is_opening(&self) -> bool {
        self.passage == Passage::Opening
    }

    pub fn has_known_source(&self) -> bool {
        self.is_source_known
    }

    /// It passes this base chain.
    pub fn comes_by(&self, family: TableFamily, base: &Base) -> bool {
        let is_of_family = match family {
            TableFamily::Ip => self.source.is_ipv4,
            TableFamily::Ip6 => !self.source.is_ipv4,
            TableFamily::Inet | TableFamily::Netdev => true,
        };
        let is_of_way = super::is_inbound(base.hook) != (self.passage == Passage::Reply);
        // Chains of address translation see the first packet of a connection alone.
        let is_of_kind = !base.is_nat || self.is_opening();
        is_of_family && is_of_way && is_of_kind && self.is_on(base) != Tri::No
    }

    pub fn is_on(&self, base: &Base) -> Tri {
        if base.devices.is_empty() {
            return Tri::Yes;
        }
        Tri::of_all(self.interfaces.iter().map(|name| base.devices.iter().any(|device| device.raw() == *name)))
    }

    pub fn enter(&mut self, base: &Base) {
        self.is_before_tracking = match base.hook {
            Hook::Ingress => true,
            Hook::Prerouting | Hook::Output => base.priority < CONNECTION_TRACKING,
            Hook::Input | Hook::Postrouting => false,
        };
    }

    pub fn untrack(&mut self, matches: Tri) {
        if self.is_before_tracking {
            self.is_tracked = if matches == Tri::Yes { Tri::No } else { Tri::Maybe };
        }
    }

    pub fn value(&self, field: Field, value: &Value) -> Tri {
        let is_reply = self.passage == Passage::Reply;
        match (field, value) {
            (Field::SourceAddress | Field::DestinationAddress, value) => {
                let Some(span) = Span::of_value(value) else { return Tri::Maybe };
                if (field == Field::SourceAddress) == is_reply { self.is_own(&span) } else { self.is_source(&span) }
            }
            (Field::SourcePort | Field::DestinationPort, Value::Numbers(first, last)) => {
                let (from, to) = if (field == Field::DestinationPort) == is_reply {
                    CLIENT_PORTS
                } else {
                    (u32::from(self.question.port), u32::from(self.question.port))
                };
                match (*first <= from && to <= *last, *last < from || to < *first) {
                    (true, _) => Tri::Yes,
                    (_, true) => Tri::No,
                    (false, false) => Tri::Maybe,
                }
            }
            (Field::Family, numbers) => is_number(if self.source.is_ipv4 { 4 } else { 6 }, numbers),
            (Field::Protocol, numbers) => is_number(TCP, numbers),
            (Field::TcpFlags(mask), numbers) => {
                let flags = match self.passage {
                    Passage::Opening => SYN,
                    Passage::Later => ACK,
                    Passage::Reply => SYN | ACK,
                };
                is_number(flags & u32::from(mask), numbers)
            }
            // A mark is zero until a rule sets one.
            (Field::Mark(_), numbers) => is_number(0, numbers),
            (Field::SocketUser, Value::Numbers(first, last)) => match is_reply && (*first..=*last).contains(&ROOT) {
                true => Tri::Maybe,
                false => Tri::No,
            },
            (Field::InputInterface, Value::Word(name)) if is_reply => Tri::of(name.raw() == "*"),
            (Field::OutputInterface, Value::Word(_)) if !is_reply => Tri::No,
            (Field::InputInterface | Field::OutputInterface, Value::Word(name)) => self.is_interface(name.raw()),
            (Field::ConnectionState, Value::Word(state)) => self.is_state(state.raw()),
            (Field::ConnectionDirection, Value::Word(direction)) => match direction.raw() {
                "original" => Tri::of(!is_reply),
                "reply" => Tri::of(is_reply),
                _ => Tri::Maybe,
            },
            (Field::ConnectionStatus, Value::Word(status)) => match status.raw() {
                // Neither translated nor expected by another connection.
                "dnat" | "snat" | "expected" => Tri::No,
                _ => Tri::Maybe,
            },
            (Field::SourceType, Value::Word(kind)) => Tri::of(kind.raw() == if is_reply { "local" } else { "unicast" }),
            (Field::DestinationType, Value::Word(kind)) => {
                Tri::of(kind.raw() == if is_reply { "unicast" } else { "local" })
            }
            (Field::PacketType, Value::Word(kind)) => match kind.raw() {
                "broadcast" | "multicast" | "other" => Tri::No,
                "unicast" | "host" if !is_reply => Tri::Yes,
                _ => Tri::Maybe,
            },
            _ => Tri::Maybe,
        }
    }

    fn is_source(&self, span: &Span) -> Tri {
        match (span.contains(&self.source), span.overlaps(&self.source)) {
            (true, _) => Tri::Yes,
            (false, false) => Tri::No,
            (false, true) => Tri::Maybe,
        }
    }

    fn is_own(&self, span: &Span) -> Tri {
        let own = self.question.arrival.destinations();
        // Nobody dials the loopback interface or a group from another host.
        let never = ["127.0.0.0/8", "::1/128", "224.0.0.0/3", "ff00::/8"];
        let never = never.iter().filter_map(|net| net.parse().ok()).map(|net| Span::of_net(&net));
        if own.is_empty() && never.into_iter().any(|never| never.contains(span)) {
            return Tri::No;
        }
        if span.is_ipv4 != self.source.is_ipv4 {
            return Tri::No;
        }
        Tri::of_all(own.iter().map(|address| span.contains(&Span::of_address(*address))))
    }

    fn is_interface(&self, name: &str) -> Tri {
        if name == "lo" {
            return Tri::No;
        }
        match name.strip_suffix('*') {
            Some(stem) => Tri::of_all(self.interfaces.iter().map(|interface| interface.starts_with(stem))),
            None => Tri::of_all(self.interfaces.iter().map(|interface| *interface == name)),
        }
    }

    fn is_state(&self, state: &str) -> Tri {
        if self.is_before_tracking {
            // nft calls a packet so that has no connection yet (`nft_ct.c`).
            return Tri::of(state == "invalid");
        }
        let tracked = if self.is_opening() { "new" } else { "established" };
        match self.is_tracked {
            Tri::Yes => Tri::of(state == tracked),
            Tri::No => Tri::of(state == "untracked"),
            Tri::Maybe if state == tracked || state == "untracked" => Tri::Maybe,
            Tri::Maybe => Tri::No,
        }
    }
}

fn is_number(number: u32, numbers: &Value) -> Tri {
    match numbers {
        Value::Numbers(first, last) => Tri::of((*first..=*last).contains(&number)),
        _ => Tri::Maybe,
    }
}
