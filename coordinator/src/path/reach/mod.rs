//! One instance's way, decided beforehand for every source there is: asked afterwards, it reads no rule and takes no memory.
//!
//! It has no rules of its own. Addresses are cut at every border that an element's rules name. Between two borders every address fares
//! alike, so each element's own `judge` is asked about one address of each piece, and what it says is kept.

mod borders;

use eic_doctor_proto::{Attempt, HopDecision, PathAnswer, Via};
use ipnet::IpNet;

use crate::facts::AwsFacts;
use crate::path::cidr::range;
use crate::path::network_acl::Direction;
use crate::path::{
    Decided, block_public_access, endpoint, internet_gateway, judge_address, network_acl, resolve, route_table,
    security_group,
};

/// The answers of one instance for one port, for any source.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Of IPv4 and of IPv6 addresses.
    pieces: [Pieces; 2],
}

/// Pieces of a family in ascending order, each by its first address; the first piece begins at 0.
#[derive(Clone, Debug, Default)]
struct Pieces {
    starts: Vec<u128>,
    said: Vec<Said>,
}

/// Whose rules name the borders of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Nothing,
    SecurityGroups,
    NetworkAcl,
    Routes,
}

/// What elements say of some addresses: for each element three bits, whether some are let in, some are not, and of some it is not
/// known. Of two pieces together it is the one's bits and the other's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said(u64);

const BITS: usize = 3;
/// The lowest bit of each element.
const ONE_OF_EACH: u64 = 0o1_111_111_111_111_111_111;

type Judge = fn(&AwsFacts, &Attempt) -> Decided;

const ELEMENTS: &[(Names, Judge)] = &[
    (Names::Nothing, judge_address),
    (Names::Routes, internet_gateway::judge),
    (Names::Nothing, block_public_access::judge),
    (Names::NetworkAcl, |facts, attempt| network_acl::judge(facts, attempt, Direction::Ingress)),
    (Names::SecurityGroups, security_group::judge),
    (Names::NetworkAcl, |facts, attempt| network_acl::judge(facts, attempt, Direction::Egress)),
    (Names::Routes, route_table::judge),
];

/// Of an attempt through an endpoint besides.
const ENDPOINT_ELEMENTS: &[(Names, Judge)] = &[
    (Names::Nothing, endpoint::judge_exists),
    (Names::Nothing, endpoint::judge_state),
    (Names::Nothing, endpoint::judge_address_type),
    (Names::SecurityGroups, endpoint::judge_security_group),
    (Names::Nothing, endpoint::judge_network_acl),
];

impl Reach {
    /// Judges every piece. The attempt's own source does not matter; `auto` is decided for each family as it is for a source of it.
    ///
    /// From the browser there is one source only, so that its way is judged as `public`.
    pub fn of(facts: &AwsFacts, attempt: &Attempt) -> Self {
        let via = if attempt.via == Via::Browser { Via::Public } else { attempt.via };
        let pieces = [false, true].map(|is_ipv6| {
            let source = Some(borders::address(0, is_ipv6));
            let attempt = resolve(&Attempt { via, source, ..attempt.clone() }, &facts.instance);
            let more = if attempt.via == Via::Endpoint { ENDPOINT_ELEMENTS } else { &[] };
            let elements = ELEMENTS.iter().chain(more);
            let judged = elements.map(|(names, judge)| Pieces::of(facts, &attempt, *names, *judge, is_ipv6));
            joined(&judged.collect::<Vec<_>>())
        });
        Self { pieces }
    }

    /// What [`crate::path::evaluate`] answers for these sources together. Takes no memory.
    pub fn answer(&self, sources: &[IpNet]) -> PathAnswer {
        let mut said = Said::default();
        let mut through = Through::default();
        for source in sources {
            let (first, last) = range(source);
            let pieces = &self.pieces[usize::from(matches!(source, IpNet::V6(_)))];
            let mut place = pieces.holding(first);
            while place < pieces.starts.len() && pieces.starts[place] <= last {
                said.0 |= pieces.said[place].0;
                through.add(pieces.said[place]);
                place += 1;
            }
        }
        said.answer(through)
    }
}

/// The elements' pieces laid over each other; neighbours that fare alike are one piece.
fn joined(elements: &[Pieces]) -> Pieces {
    let mut starts: Vec<u128> = elements.iter().flat_map(|element| element.starts.iter().copied()).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut said = vec![Said::default(); starts.len()];
    for (place, element) in elements.iter().enumerate() {
        let mut piece = 0;
        for (start, said) in starts.iter().zip(&mut said) {
            while element.starts.get(piece + 1).is_some_and(|next| next <= start) {
                piece += 1;
            }
            said.0 |= element.said[piece].0 << (place * BITS);
        }
    }
    let mut alike = Pieces::default();
    for (start, said) in starts.into_iter().zip(said) {
        if alike.said.last() != Some(&said) {
            alike.starts.push(start);
            alike.said.push(said);
        }
    }
    alike
}

impl Pieces {
    /// What one element says of each piece of a family.
    fn of(facts: &AwsFacts, attempt: &Attempt, names: Names, judge: Judge, is_ipv6: bool) -> Self {
        let starts = borders::of(facts, attempt, names, is_ipv6);
        let said = starts.iter().map(|start| {
            let source = Some(borders::address(*start, is_ipv6));
            Said::of(judge(facts, &Attempt { source, ..attempt.clone() }).decision)
        });
        Self { said: said.collect(), starts }
    }

    /// The place of the piece that an address is in. A plain loop: it is fast in a build that is not optimised, too.
    fn holding(&self, address: u128) -> usize {
        let (mut at, mut end) = (0, self.starts.len());
        while at + 1 < end {
            let middle = (at + end) / 2;
            if self.starts[middle] <= address {
                at = middle;
            } else {
                end = middle;
            }
        }
        at
    }
}

/// Whether any address comes through all elements, whether any does not, and whether of any it is not known.
#[derive(Clone, Copy, Debug, Default)]
struct Through {
    some_do: bool,
    some_do_not: bool,
    not_known: bool,
}

impl Through {
    fn add(&mut self, piece: Said) {
        let (some_in, some_out, not_known) = piece.apart();
        let is_blocked = some_out & !some_in != 0;
        // One address may come in part where only some of its ports are let through.
        self.some_do_not |= some_out != 0;
        self.not_known |= !is_blocked && not_known != 0;
        self.some_do |= !is_blocked && not_known == 0;
    }
}

impl Said {
    const IN: u64 = 1;
    const OUT: u64 = 2;
    const NOT_KNOWN: u64 = 4;

    fn of(decision: HopDecision) -> Self {
        Self(match decision {
            HopDecision::Allowed | HopDecision::NotApplicable => Self::IN,
            HopDecision::Partial => Self::IN | Self::OUT,
            HopDecision::Blocked => Self::OUT,
            HopDecision::Unknown => Self::NOT_KNOWN,
        })
    }

    /// For each element one bit: some are let in, some are not, of some it is not known.
    fn apart(self) -> (u64, u64, u64) {
        (self.0 & ONE_OF_EACH, (self.0 >> 1) & ONE_OF_EACH, (self.0 >> 2) & ONE_OF_EACH)
    }

    /// An element that blocks is enough, and one of which nothing is certain leaves the answer open; then it counts what comes through
    /// all of them.
    fn answer(self, through: Through) -> PathAnswer {
        let (some_in, some_out, not_known) = self.apart();
        if some_out & !some_in & !not_known != 0 {
            return PathAnswer::Blocked;
        }
        if self.0 == 0 || not_known & !(some_in & some_out) != 0 {
            return PathAnswer::Unknown;
        }
        match (through.some_do, through.some_do_not, through.not_known) {
            (true, true, _) => PathAnswer::Partial,
            (_, _, true) => PathAnswer::Unknown,
            (true, false, false) => PathAnswer::Allowed,
            (false, _, false) => PathAnswer::Blocked,
        }
    }
}
