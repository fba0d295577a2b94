//! Network ACLs: by ascending number, the first match decides, nothing else is let through; only at the border of a subnet.

use super::documents::{Acl, Documents};
use super::net::Address;
use super::wrong::{Rules, Wrong};
use super::{Asked, Piece, Says};

/// From the source to the port.
pub fn inbound(asked: &Asked<'_>, piece: Piece) -> Option<Says> {
    crossed(asked, piece, |acl, address| lets(acl, false, address, asked.question.port, asked.rules))
}

/// The reply, from the port to a port of the source's own choice.
pub fn outbound(asked: &Asked<'_>, piece: Piece) -> Option<Says> {
    if asked.rules.is(Wrong::AclIsStateful) {
        return Some(Says::Yes);
    }
    crossed(asked, piece, |acl, address| lets(acl, true, address, piece.reply_port, asked.rules))
}

fn crossed(asked: &Asked<'_>, piece: Piece, lets: impl Fn(&Acl, Address) -> Says) -> Option<Says> {
    let Asked { documents, rules, .. } = *asked;
    let subnet = asked.dialled.interface.subnet.as_str();
    if let Some(endpoint) = asked.endpoint
        && endpoint.subnet() == Some(subnet)
        && !rules.is(Wrong::AclWithinTheSubnet)
    {
        return None;
    }
    let Some(address) = piece.address else { return Some(Says::Maybe) };
    let mut is_perhaps_inside = false;
    if asked.question.via == "private" && !rules.is(Wrong::AclWithinTheSubnet) {
        match documents.subnets.as_ref().and_then(|all| all.iter().find(|s| s.id == subnet)) {
            Some(subnet) if subnet.nets.iter().any(|net| net.has(address)) => return None,
            Some(_) => {}
            None => is_perhaps_inside = true,
        }
    }
    let says = of(documents, subnet, rules).map_or(Says::Maybe, |acl| lets(acl, address));
    Some(if is_perhaps_inside && says == Says::No { Says::Maybe } else { says })
}

/// The one that the subnet is associated with; none that can be seen: it cannot be told.
pub fn of<'a>(documents: &'a Documents, subnet: &str, rules: Rules) -> Option<&'a Acl> {
    let mut acls = documents.acls.as_ref()?.iter();
    if rules.is(Wrong::DefaultAcl) {
        return acls.find(|acl| acl.is_default && acl.vpc == documents.vpc);
    }
    acls.find(|acl| acl.subnets.iter().any(|associated| associated == subnet))
}

pub fn lets(acl: &Acl, is_outbound: bool, address: Address, port: u16, rules: Rules) -> Says {
    let mut entries: Vec<_> = acl.entries.iter().filter(|entry| entry.is_outbound == is_outbound).collect();
    if !rules.is(Wrong::AclInPrintedOrder) {
        entries.sort_by_key(|entry| entry.number);
    }
    let first = entries.into_iter().find(|entry| {
        let ports = match entry.protocol.as_str() {
            "-1" | "all" => true,
            "6" | "tcp" => entry.ports.is_some_and(|(from, to)| (from..=to).contains(&i64::from(port))),
            "17" => {
                rules.is(Wrong::UdpOpensTcp) && entry.ports.is_some_and(|(f, t)| (f..=t).contains(&i64::from(port)))
            }
            _ => false,
        };
        let is_skipped = rules.is(Wrong::AclDenyIgnored) && !entry.allows;
        ports && !is_skipped && entry.net.is_some_and(|net| net.has(address))
    });
    match first {
        Some(entry) if entry.allows => Says::Yes,
        None if rules.is(Wrong::AclLetsTheRestThrough) => Says::Yes,
        Some(_) | None => Says::No,
    }
}
