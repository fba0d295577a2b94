//! Which address is dialled, and which interface has it.

use super::documents::{Documents, Interface};
use super::net::{Address, Net};
use super::wrong::{Rules, Wrong};
use super::{Question, Says};

pub struct Dialled<'a> {
    pub says: Says,
    /// The primary one where nothing is dialled: the rest is judged as though it were.
    pub interface: &'a Interface,
    pub address: Option<Address>,
    /// The instance's own address behind a public IPv4 one.
    pub private: Option<Address>,
}

/// `browser` and `public` dial what the internet sees, `private` and `endpoint` what the VPC sees; each the family of the source, and
/// of an instance that has both, with a source of no family, IPv4.
pub fn dialled<'a>(documents: &'a Documents, question: &Question, rules: Rules) -> Dialled<'a> {
    let is_public = matches!(question.via, "public" | "browser");
    let mut open: Vec<(&Interface, Address, Address)> = Vec::new();
    for interface in &documents.interfaces {
        for (private, public) in &interface.v4 {
            let seen = if is_public { *public } else { Some(*private) };
            open.extend(seen.map(|seen| (interface, seen, *private)));
        }
    }
    for interface in &documents.interfaces {
        open.extend(interface.v6.iter().map(|v6| (interface, *v6, *v6)));
    }
    let asked_for = question.address.as_deref().and_then(Address::parse);
    let source = question.source.as_deref().and_then(Net::parse).filter(|_| question.via != "endpoint");
    let chosen = open.into_iter().find(|(_, seen, _)| {
        asked_for.is_none_or(|address| address == *seen) && source.is_none_or(|net| net.is_v6 == seen.is_v6)
    });
    let primary = &documents.interfaces[0];
    match chosen {
        Some((interface, seen, private)) => Dialled {
            says: Says::Yes,
            interface: if rules.is(Wrong::PrimaryInterface) { primary } else { interface },
            address: Some(seen),
            private: Some(private),
        },
        None => Dialled { says: Says::No, interface: primary, address: None, private: None },
    }
}
