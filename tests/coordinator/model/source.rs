//! Where the connection comes from, cut into pieces that every document treats alike.

use super::address::Dialled;
use super::documents::Documents;
use super::endpoint::Chosen;
use super::net::{Address, Net};
use super::wrong::{Rules, Wrong};
use super::{Piece, Question};

/// EC2 Instance Connect's own range where no prefix list tells it: `ip-ranges.json` of 2026-08-21.
pub const RANGES: [(&str, &str, &str); 3] = [
    ("eu-west-1", "18.202.216.48/29", "2a05:d018:403:4e00::/56"),
    ("eu-north-1", "13.48.4.200/30", "2a05:d016:494:f00::/56"),
    ("us-east-1", "18.206.107.24/29", "2600:1f18:6fe3:8c00::/56"),
];

/// Empty: nobody knows.
pub fn of(
    documents: &Documents,
    question: &Question,
    dialled: &Dialled<'_>,
    endpoint: Option<&Chosen<'_>>,
) -> Vec<Net> {
    match (question.via, &question.source) {
        ("endpoint", client) => endpoint.map_or(Vec::new(), |e| e.sources(documents, client.as_deref(), dialled)),
        (_, Some(given)) => Net::parse(given).into_iter().collect(),
        ("browser", None) => service_range(documents, dialled.address.is_some_and(|address| address.is_v6)),
        (_, None) => Vec::new(),
    }
}

/// The managed prefix list of the family; one that is empty or cannot be read says nothing, so then the table.
fn service_range(documents: &Documents, is_v6: bool) -> Vec<Net> {
    let family = if is_v6 { "ipv6." } else { "" };
    let name = format!("com.amazonaws.{}.{family}ec2-instance-connect", documents.region);
    let list = documents.prefix_list_names.get(&name).and_then(|id| documents.prefix_lists.get(id));
    let known: Vec<Net> = list.into_iter().flatten().copied().filter(|net| net.is_v6 == is_v6).collect();
    if !known.is_empty() {
        return known;
    }
    published(&documents.region, is_v6).into_iter().collect()
}

pub fn published(region: &str, is_v6: bool) -> Option<Net> {
    let (_, v4, v6) = RANGES.iter().find(|(known, _, _)| *known == region)?;
    Net::parse(if is_v6 { v6 } else { v4 })
}

/// Each piece's first address, with each port that a client may be answered on: 1024–65535, since nobody knows which it will be.
pub fn pieces(documents: &Documents, sources: &[Net], rules: Rules) -> Vec<Piece> {
    let mut addresses: Vec<Address> = Vec::new();
    for net in sources {
        addresses.push(Address { is_v6: net.is_v6, number: net.first });
        addresses.extend(documents.borders.iter().filter(|border| net.has(**border)));
    }
    addresses.sort_unstable();
    addresses.dedup();
    if rules.is(Wrong::FirstAddressIsEnough) {
        addresses.truncate(1);
    }
    let lowest = if rules.is(Wrong::EphemeralPortsOfLinux) { 32768 } else { 1024 };
    let mut ports = vec![lowest];
    ports.extend(documents.port_borders.iter().filter(|port| **port > lowest));
    let addresses: Vec<Option<Address>> =
        if addresses.is_empty() { vec![None] } else { addresses.into_iter().map(Some).collect() };
    addresses
        .into_iter()
        .flat_map(|address| ports.iter().map(move |port| Piece { address, reply_port: *port }))
        .collect()
}
