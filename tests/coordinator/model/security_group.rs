//! Security groups: allow-only, all groups of the interface together, stateful.

use super::documents::{Documents, Group, Rule};
use super::net::Address;
use super::wrong::{Rules, Wrong};
use super::{Asked, Piece, Says};

pub fn inbound(asked: &Asked<'_>, piece: Piece) -> Option<Says> {
    let Asked { documents, question, rules, .. } = *asked;
    if asked.endpoint.is_some_and(|endpoint| endpoint.subnet().is_none()) {
        // There is no endpoint whom it could let in.
        return Some(Says::Maybe);
    }
    let members = |group: &str| match asked.endpoint {
        Some(endpoint) => yes_or_no(endpoint.groups().iter().any(|of_endpoint| of_endpoint == group)),
        // A group stands for private addresses; whose they are, the documents do not tell.
        None if asked.is_public && !rules.is(Wrong::GroupReferenceAdmitsAnyone) => Says::No,
        None if asked.is_public => Says::Yes,
        None => Says::Maybe,
    };
    let mut groups: &[String] = &asked.dialled.interface.groups;
    if rules.is(Wrong::FirstGroupOnly) {
        groups = groups.get(..1).unwrap_or(groups);
    }
    Some(admits(documents, groups, |group| &group.inbound, piece.address, question.port, members, rules))
}

pub fn admits(
    documents: &Documents,
    groups: &[String],
    side: impl Fn(&Group) -> &[Rule],
    address: Option<Address>,
    port: u16,
    members: impl Fn(&str) -> Says,
    rules: Rules,
) -> Says {
    let Some(known) = &documents.groups else { return Says::Maybe };
    let mut best = Says::No;
    for id in groups {
        let Some(group) = known.iter().find(|group| group.id == *id) else {
            best = better(best, if rules.is(Wrong::MissingGroupAdmitsNobody) { Says::No } else { Says::Maybe });
            continue;
        };
        for rule in side(group).iter().filter(|rule| opens(rule, port, rules)) {
            // Of a source that nobody named it is only known that it is somebody.
            let has = |net: &super::net::Net| match address {
                Some(address) => yes_or_no(net.has(address) || (rules.is(Wrong::FamiliesAreOne) && net.length == 0)),
                None => Says::Maybe,
            };
            best = rule.nets.iter().map(has).fold(best, better);
            for list in &rule.prefix_lists {
                best = better(
                    best,
                    match documents.prefix_lists.get(list) {
                        Some(nets) => nets.iter().map(has).fold(Says::No, better),
                        None if rules.is(Wrong::UnreadPrefixListAdmitsNobody) => Says::No,
                        None => Says::Maybe,
                    },
                );
            }
            for group in &rule.groups {
                best = better(best, members(group));
            }
        }
    }
    best
}

fn opens(rule: &Rule, port: u16, rules: Rules) -> bool {
    let inside = rule.ports.is_some_and(|(from, to)| (from..=to).contains(&i64::from(port)));
    match rule.protocol.as_str() {
        "-1" | "all" => !rules.is(Wrong::AllProtocolsNotUnderstood),
        "6" if rules.is(Wrong::ProtocolNumberNotUnderstood) => false,
        "tcp" | "6" => inside || rules.is(Wrong::PortsIgnored),
        "udp" | "17" => inside && rules.is(Wrong::UdpOpensTcp),
        _ => false,
    }
}

fn yes_or_no(is: bool) -> Says {
    if is { Says::Yes } else { Says::No }
}

fn better(a: Says, b: Says) -> Says {
    match (a, b) {
        (Says::Yes, _) | (_, Says::Yes) => Says::Yes,
        (Says::Maybe, _) | (_, Says::Maybe) => Says::Maybe,
        (Says::No, Says::No) => Says::No,
    }
}
