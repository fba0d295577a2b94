//! What `ip -o addr show`, `ip rule show` and `ip route show table all` print (ip-address(8), ip-rule(8), ip-route(8)).

use std::net::IpAddr;

use eic_doctor_proto::Untrusted;
use ipnet::IpNet;

use crate::facts::{AddressFamily, OwnAddress, Route, RouteKind, RoutingRule, RuleAction};

use super::netlink::is_of_link;
use super::{Parsed, packet_words, text};

const DEFAULT_TABLE: u32 = 253;
const MAIN_TABLE: u32 = 254;
const LOCAL_TABLE: u32 = 255;

/// `2: eth0    inet 10.0.1.5/24 brd 10.0.1.255 scope global dynamic eth0\       valid_lft …`
pub fn parse_ip_address(bytes: &[u8]) -> Parsed<Vec<OwnAddress>> {
    let mut parsed = Parsed::<Vec<OwnAddress>>::default();
    for line in text(bytes).lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let scope = fields.iter().skip_while(|field| **field != "scope").nth(1).copied();
        let address = match fields.as_slice() {
            [_, _, "inet" | "inet6", address, ..] => {
                // `10.0.0.1 peer 10.0.0.2/32` on a point-to-point link.
                net(address)
            }
            _ => None,
        };
        match (fields.get(1), address) {
            (Some(_), Some(_)) if scope != Some("global") && scope != Some("site") => {}
            (Some(interface), Some(address)) => {
                let interface = Untrusted::from(interface.trim_end_matches(':'));
                parsed.value.push(OwnAddress { interface, address });
            }
            _ => parsed.pass_over(line),
        }
    }
    parsed
}

/// `32766: from all lookup main`
pub fn parse_ip_rule(bytes: &[u8], family: AddressFamily) -> Parsed<Vec<RoutingRule>> {
    let mut parsed = Parsed::<Vec<RoutingRule>>::default();
    for line in text(bytes).lines().filter(|line| !line.trim().is_empty()) {
        match routing_rule(line, family) {
            Some(rule) => parsed.value.push(rule),
            None => parsed.pass_over(line),
        }
    }
    parsed
}

fn routing_rule(line: &str, family: AddressFamily) -> Option<RoutingRule> {
    let (priority, rest) = line.split_once(':')?;
    let mut rule = RoutingRule {
        family,
        priority: priority.trim().parse().ok()?,
        is_not: false,
        from: None,
        to: None,
        input_interface: None,
        output_interface: None,
        mark: None,
        users: None,
        protocol: None,
        source_ports: None,
        destination_ports: None,
        suppress_prefix_length: None,
        action: RuleAction::Nop,
        not_understood: None,
    };
    let mut words = rest.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "not" => rule.is_not = true,
            "from" => rule.from = selector(words.next()?)?,
            "to" => rule.to = selector(words.next()?)?,
            "iif" => rule.input_interface = Some(words.next()?.into()),
            "oif" => rule.output_interface = Some(words.next()?.into()),
            "fwmark" => {
                let word = words.next()?;
                let (mark, mask) = word.split_once('/').unwrap_or((word, "0xffffffff"));
                rule.mark = Some((packet_words::number(mark)?, packet_words::number(mask)?));
            }
            "uidrange" => {
                let (first, last) = words.next()?.split_once('-')?;
                rule.users = Some((first.parse().ok()?, last.parse().ok()?));
            }
            "ipproto" => rule.protocol = Some(packet_words::protocol(words.next()?)?),
            "sport" => rule.source_ports = Some(ports(words.next()?)?),
            "dport" => rule.destination_ports = Some(ports(words.next()?)?),
            "lookup" | "table" => rule.action = RuleAction::Lookup(table(words.next()?)?),
            "suppress_prefixlength" => rule.suppress_prefix_length = Some(words.next()?.parse().ok()?),
            "goto" => rule.action = RuleAction::Goto(words.next()?.parse().ok()?),
            "nop" => rule.action = RuleAction::Nop,
            "unreachable" | "blackhole" | "prohibit" => rule.action = RuleAction::Refuse,
            // Who made the rule says nothing of when it holds.
            "proto" | "protocol" => {
                words.next()?;
            }
            "[detached]" | "[unresolved]" => {}
            other => rule.not_understood = Some(other.chars().take(50).collect::<String>().into()),
        }
    }
    Some(rule)
}

/// `all`, an address or a net; the first gives nothing to compare.
fn selector(word: &str) -> Option<Option<IpNet>> {
    match word {
        "all" => Some(None),
        word => net(word).map(Some),
    }
}

fn net(word: &str) -> Option<IpNet> {
    word.parse().ok().or_else(|| word.parse::<IpAddr>().map(IpNet::from).ok())
}

fn ports(word: &str) -> Option<(u16, u16)> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// A number, or one of the names that every system has. A name of `/etc/iproute2/rt_tables` is told apart by a number that no
/// table of the kernel's can have by chance: both sides go through here.
fn table(word: &str) -> Option<u32> {
    Some(match word {
        "default" => DEFAULT_TABLE,
        "main" => MAIN_TABLE,
        "local" => LOCAL_TABLE,
        word => match word.parse() {
            Ok(number) => number,
            // FNV-1a (Fowler, Noll, Vo), its highest bit set.
            Err(_) => {
                word.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
                    | 1 << 31
            }
        },
    })
}

/// `default via 10.0.1.1 dev eth0 table 10001 proto dhcp metric 100`; next hops of one route on lines of their own, indented.
pub fn parse_ip_route(bytes: &[u8], family: AddressFamily) -> Parsed<Vec<Route>> {
    let mut parsed = Parsed::<Vec<Route>>::default();
    // Next hops belong to the last route, unless that was passed over.
    let mut is_kept = false;
    for line in text(bytes).lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.first() == Some(&"nexthop") {
            if let (true, Some(route)) = (is_kept, parsed.value.last_mut()) {
                route.interfaces.extend(after(&fields, "dev").map(Untrusted::from));
            }
            continue;
        }
        is_kept = false;
        match route(&fields, family) {
            Some(Some(route)) => {
                parsed.value.push(route);
                is_kept = true;
            }
            Some(None) => {}
            None => parsed.pass_over(line),
        }
    }
    parsed
}

fn route(fields: &[&str], family: AddressFamily) -> Option<Option<Route>> {
    let (kind, rest) = match fields {
        ["unicast", rest @ ..] => (RouteKind::Unicast, rest),
        ["local" | "broadcast" | "anycast" | "multicast", ..] => return Some(None),
        ["unreachable" | "blackhole" | "prohibit", rest @ ..] => (RouteKind::Refuse, rest),
        ["throw", rest @ ..] => (RouteKind::Throw, rest),
        rest => (RouteKind::Unicast, rest),
    };
    let destination = match *rest.first()? {
        "default" if family == AddressFamily::Ipv4 => "0.0.0.0/0".parse().ok()?,
        "default" => "::/0".parse().ok()?,
        word => net(word)?,
    };
    let table = after(rest, "table").map_or(Some(MAIN_TABLE), table)?;
    if table == LOCAL_TABLE || is_of_link(&destination) || rest.contains(&"dead") {
        return Some(None);
    }
    let interfaces = after(rest, "dev").map(Untrusted::from).into_iter().collect();
    let gateway = after(rest, "via").and_then(|gateway| gateway.parse().ok());
    let metric = after(rest, "metric").and_then(|metric| metric.parse().ok()).unwrap_or(0);
    Some(Some(Route { table, destination, kind, interfaces, gateway, metric }))
}

fn after<'a>(fields: &[&'a str], name: &str) -> Option<&'a str> {
    fields.iter().skip_while(|field| **field != name).nth(1).copied()
}

/// The counter of `ethtool -S` for packets above the link-local allowance.
pub fn parse_ethtool_statistics(bytes: &[u8]) -> Parsed<Option<u64>> {
    let mut parsed = Parsed::<Option<u64>>::default();
    for line in text(bytes).lines().map(str::trim) {
        if let Some(("linklocal_allowance_exceeded", count)) = line.split_once(':') {
            match count.trim().parse() {
                Ok(count) => parsed.value = Some(count),
                Err(_) => parsed.pass_over(line),
            }
        }
    }
    parsed
}
