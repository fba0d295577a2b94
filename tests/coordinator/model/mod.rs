//! A second model of the network's way, to hold the product's own against: plain, slow, and sharing no code with `coordinator/src/path`.
//!
//! It reads the documents that the AWS CLI prints, not the product's facts, and it knows no sets of addresses. It cuts the source at
//! every border that any document names, takes one address of each piece, and asks every element about that one address. It was
//! written from AWS's description of security groups, network ACLs, route tables, gateways, VPC Block Public Access and EC2 Instance
//! Connect Endpoints. Where it and the product differ, one of them is wrong.
//!
//! `agree` compares the two over generated cases; `wrong` is what proves that the cases can tell a right rule from a wrong one.

mod address;
mod agree;
mod documents;
mod endpoint;
mod gateway;
mod generate;
mod net;
mod network_acl;
mod product;
mod random;
mod route;
mod security_group;
mod source;
mod wrong;

use std::collections::BTreeMap;

use net::Address;
use wrong::{Rules, Wrong};

/// One question about one VPC: what was recorded, and who wants to go where.
pub struct Case<'a> {
    pub documents: &'a documents::Documents,
    pub question: Question,
}

#[derive(Clone, Debug)]
pub struct Question {
    /// `browser`, `public`, `private` or `endpoint`.
    pub via: &'static str,
    /// An address or a CIDR.
    pub source: Option<String>,
    pub address: Option<String>,
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    Allowed,
    Partial,
    Blocked,
    Unknown,
    NotApplicable,
}

/// What one element says of one address (and one port): yes, no, or that it cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Yes,
    No,
    Maybe,
}

/// `inbound security-group` and so on.
pub type Element = (&'static str, &'static str);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub verdict: Decision,
    pub elements: BTreeMap<Element, Decision>,
}

impl Answer {
    pub fn blocking(&self) -> Vec<Element> {
        self.elements.iter().filter(|(_, d)| **d == Decision::Blocked).map(|(e, _)| *e).collect()
    }
}

/// One address of the source, and one port of its own that replies go to.
#[derive(Clone, Copy)]
struct Piece {
    /// `None`: nobody said where the connection comes from.
    address: Option<Address>,
    reply_port: u16,
}

pub fn answer(case: &Case<'_>, wrong: Option<Wrong>) -> Answer {
    let rules = Rules { wrong };
    let documents = case.documents;
    let question = &case.question;
    let mut elements: BTreeMap<Element, Vec<Option<Says>>> = BTreeMap::new();
    let dialled = address::dialled(documents, question, rules);
    elements.insert(("inbound", "address"), vec![Some(dialled.says)]);

    let is_public = matches!(question.via, "public" | "browser");
    let endpoint = (question.via == "endpoint").then(|| endpoint::choose(documents, &dialled, rules));
    let sources = source::of(documents, question, &dialled, endpoint.as_ref());
    let pieces = source::pieces(documents, &sources, rules);

    let asked = Asked { documents, question, dialled: &dialled, endpoint: endpoint.as_ref(), is_public, rules };
    for (name, says) in ELEMENTS {
        elements.insert(*name, pieces.iter().map(|piece| says(&asked, *piece)).collect());
    }
    if let Some(endpoint) = &endpoint {
        elements.extend(endpoint::elements(&asked, endpoint, &pieces));
    }
    summed(&elements, pieces.len(), rules)
}

/// What an element is asked with.
struct Asked<'a> {
    documents: &'a documents::Documents,
    question: &'a Question,
    dialled: &'a address::Dialled<'a>,
    endpoint: Option<&'a endpoint::Chosen<'a>>,
    is_public: bool,
    rules: Rules,
}

/// `None`: the piece never meets this element.
type Ask = fn(&Asked<'_>, Piece) -> Option<Says>;

const ELEMENTS: &[(Element, Ask)] = &[
    (("inbound", "internet-gateway"), gateway::internet_gateway),
    (("inbound", "block-public-access"), gateway::block_public_access),
    (("inbound", "network-acl"), network_acl::inbound),
    (("inbound", "security-group"), security_group::inbound),
    (("outbound", "network-acl"), network_acl::outbound),
    (("outbound", "route-table"), route::to_source),
];

/// A decision for each element, and the verdict. An element that blocks is enough, and one that cannot be judged leaves the answer open;
/// where every element could be judged, a piece comes through when it comes through every element.
fn summed(said: &BTreeMap<Element, Vec<Option<Says>>>, pieces: usize, rules: Rules) -> Answer {
    let elements: BTreeMap<Element, Decision> = said.iter().map(|(element, said)| (*element, total(said))).collect();
    let through: Vec<Option<Says>> = (0..pieces)
        .map(|piece| {
            let all = said.values().filter_map(|said| if said.len() == 1 { said[0] } else { said[piece] });
            Some(all.fold(Says::Yes, worse))
        })
        .collect();
    let is_any = |decision| elements.values().any(|of_element| *of_element == decision);
    let mut verdict = match (is_any(Decision::Blocked), is_any(Decision::Unknown)) {
        (true, _) => Decision::Blocked,
        (false, true) => Decision::Unknown,
        (false, false) => total(&through),
    };
    if rules.is(Wrong::VerdictOfElementsAlone) && !elements.values().any(|d| *d == Decision::Blocked) {
        let worst = [Decision::Unknown, Decision::Partial].into_iter().find(|d| elements.values().any(|e| e == d));
        verdict = worst.unwrap_or(Decision::Allowed);
    }
    Answer { verdict, elements }
}

/// One no is a no; one doubt is a doubt.
fn worse(a: Says, b: Says) -> Says {
    match (a, b) {
        (Says::No, _) | (_, Says::No) => Says::No,
        (Says::Maybe, _) | (_, Says::Maybe) => Says::Maybe,
        (Says::Yes, Says::Yes) => Says::Yes,
    }
}

/// Some in and some out is `partial` however the doubts end; otherwise a doubt makes it unknown.
fn total(said: &[Option<Says>]) -> Decision {
    let any = |says| said.contains(&Some(says));
    if said.iter().all(Option::is_none) {
        return Decision::NotApplicable;
    }
    let yes = any(Says::Yes) || said.contains(&None);
    match (yes, any(Says::No), any(Says::Maybe)) {
        (true, true, _) => Decision::Partial,
        (_, _, true) => Decision::Unknown,
        (_, true, false) => Decision::Blocked,
        (_, false, false) => Decision::Allowed,
    }
}
