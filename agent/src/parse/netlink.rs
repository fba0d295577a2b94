//! Messages of netlink(7): interfaces, addresses, routing rules and routes of rtnetlink(7), and the chains of nf_tables.
//!
//! They are in the byte order of the machine that we run on.

use std::collections::HashMap;
use std::net::IpAddr;

use eic_doctor_proto::Untrusted;
use ipnet::IpNet;

use crate::facts::{AddressFamily, OwnAddress, Route, RouteKind, RoutingRule, RuleAction};

use super::Parsed;

// linux/rtnetlink.h, linux/if_addr.h, linux/fib_rules.h, linux/netfilter/nf_tables.h.
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWRULE: u16 = 32;
const NFT_MSG_NEWCHAIN: u16 = 10 << 8 | 3;
/// The lowest 14 bits of an attribute's kind; the others are flags.
const KIND: u16 = 0x3fff;
const HEADER: usize = 16;
const LOCAL_TABLE: u32 = 255;

/// A chain of nf_tables as the kernel lists it, without its rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedChain {
    /// `NFPROTO_…`: 1 inet, 2 ip, 3 arp, 5 netdev, 7 bridge, 10 ip6.
    pub family: u8,
    pub table: String,
    pub name: String,
    /// `NF_INET_…`, for a base chain: 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting.
    pub hook: Option<u32>,
    /// Of type `nat`.
    pub is_nat: bool,
    pub drops: bool,
    /// Rules in it, and rules that jump to it.
    pub uses: u32,
}

/// Names by number.
pub fn parse_netlink_interfaces(bytes: &[u8]) -> Parsed<HashMap<u32, Untrusted>> {
    each(bytes, RTM_NEWLINK, 16, |fixed, attributes| {
        const IFLA_IFNAME: u16 = 3;
        let index = u32_at(fixed, 4)?;
        Some(Some((index, Untrusted::from_bytes(attributes.get(IFLA_IFNAME)?.split(|byte| *byte == 0).next()?))))
    })
}

/// Those that other hosts can dial: neither of the loopback interface nor of the link alone.
pub fn parse_netlink_addresses(bytes: &[u8], names: &HashMap<u32, Untrusted>) -> Parsed<Vec<OwnAddress>> {
    each(bytes, RTM_NEWADDR, 8, |fixed, attributes| {
        const IFA_ADDRESS: u16 = 1;
        const IFA_LOCAL: u16 = 2;
        const RT_SCOPE_LINK: u8 = 253;
        let length = *fixed.get(1)?;
        if *fixed.get(3)? >= RT_SCOPE_LINK {
            return Some(None);
        }
        let interface = name(names, u32_at(fixed, 4)?);
        // On a point-to-point link the first is the other end's.
        let address = address(attributes.get(IFA_LOCAL).or_else(|| attributes.get(IFA_ADDRESS))?)?;
        Some(Some(OwnAddress { interface, address: IpNet::new(address, length).ok()? }))
    })
}

/// In the kernel's order. Those of multicast routing are passed over in silence.
pub fn parse_netlink_rules(bytes: &[u8]) -> Parsed<Vec<RoutingRule>> {
    each(bytes, RTM_NEWRULE, 12, routing_rule)
}

fn routing_rule(fixed: &[u8], attributes: &Attributes<'_>) -> Option<Option<RoutingRule>> {
    const FRA_DST: u16 = 1;
    const FRA_SRC: u16 = 2;
    const FRA_IIFNAME: u16 = 3;
    const FRA_GOTO: u16 = 4;
    const FRA_PRIORITY: u16 = 6;
    const FRA_FWMARK: u16 = 10;
    const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
    const FRA_TABLE: u16 = 15;
    const FRA_FWMASK: u16 = 16;
    const FRA_OIFNAME: u16 = 17;
    const FRA_UID_RANGE: u16 = 20;
    const FRA_IP_PROTO: u16 = 22;
    const FRA_SPORT_RANGE: u16 = 23;
    const FRA_DPORT_RANGE: u16 = 24;
    /// FRA_FLOW, FRA_TUN_ID, FRA_SUPPRESS_IFGROUP, FRA_L3MDEV, FRA_DSCP and what came later.
    const OTHERS: [(u16, &str); 4] = [(11, "realms"), (12, "tun_id"), (13, "suppress_ifgroup"), (19, "l3mdev")];
    const FR_ACT_TO_TBL: u8 = 1;
    const FR_ACT_GOTO: u8 = 2;
    const FR_ACT_NOP: u8 = 3;
    const FIB_RULE_INVERT: u32 = 2;
    let family = family(*fixed.first()?)?;
    let net = |kind: u16, length: Option<&u8>| {
        let address = address(attributes.get(kind)?)?;
        IpNet::new(address, *length?).ok()
    };
    let text = |kind: u16| {
        let bytes = attributes.get(kind)?;
        Some(Untrusted::from_bytes(bytes.split(|byte| *byte == 0).next()?))
    };
    let ports = |kind: u16| {
        let bytes = attributes.get(kind)?;
        Some((u16_at(bytes, 0)?, u16_at(bytes, 2)?))
    };
    let number = |kind: u16| u32_at(attributes.get(kind)?, 0);
    let table = number(FRA_TABLE).unwrap_or(u32::from(*fixed.get(4)?));
    let action = match *fixed.get(7)? {
        FR_ACT_TO_TBL => RuleAction::Lookup(table),
        FR_ACT_GOTO => RuleAction::Goto(number(FRA_GOTO)?),
        FR_ACT_NOP => RuleAction::Nop,
        _ => RuleAction::Refuse,
    };
    // With a table of its own (VRF) the number means nothing.
    let other = OTHERS.iter().find(|(kind, name)| {
        attributes.get(*kind).is_some_and(|value| match *name {
            "l3mdev" => value != [0],
            "suppress_ifgroup" => value != [0xff; 4],
            _ => value.iter().any(|byte| *byte != 0),
        })
    });
    let tos = (*fixed.get(3)? != 0).then_some("tos");
    Some(Some(RoutingRule {
        family,
        priority: number(FRA_PRIORITY).unwrap_or(0),
        is_not: u32_at(fixed, 8)? & FIB_RULE_INVERT != 0,
        from: net(FRA_SRC, fixed.get(2)),
        to: net(FRA_DST, fixed.get(1)),
        input_interface: text(FRA_IIFNAME),
        output_interface: text(FRA_OIFNAME),
        mark: number(FRA_FWMARK)
            .map(|mark| (mark, number(FRA_FWMASK).unwrap_or(u32::MAX)))
            .filter(|(_, mask)| *mask != 0),
        users: attributes.get(FRA_UID_RANGE).and_then(|range| Some((u32_at(range, 0)?, u32_at(range, 4)?))),
        protocol: attributes.get(FRA_IP_PROTO).and_then(|protocol| protocol.first()).map(|byte| u32::from(*byte)),
        source_ports: ports(FRA_SPORT_RANGE),
        destination_ports: ports(FRA_DPORT_RANGE),
        suppress_prefix_length: number(FRA_SUPPRESS_PREFIXLEN).filter(|length| *length != u32::MAX),
        action,
        not_understood: other.map(|(_, name)| Untrusted::from(*name)).or_else(|| tos.map(Untrusted::from)),
    }))
}

/// Routes to other hosts, of all tables.
pub fn parse_netlink_routes(bytes: &[u8], names: &HashMap<u32, Untrusted>) -> Parsed<Vec<Route>> {
    each(bytes, RTM_NEWROUTE, 12, |fixed, attributes| {
        const RTA_DST: u16 = 1;
        const RTA_OIF: u16 = 4;
        const RTA_GATEWAY: u16 = 5;
        const RTA_PRIORITY: u16 = 6;
        const RTA_MULTIPATH: u16 = 9;
        const RTA_TABLE: u16 = 15;
        const RTM_F_CLONED: u32 = 0x200;
        const RTNH_F_DEAD: u32 = 1;
        let table = attributes.get(RTA_TABLE).and_then(|table| u32_at(table, 0)).unwrap_or(u32::from(*fixed.get(4)?));
        // rtm_type: 1 unicast, 2 local, 3 broadcast, 4 anycast, 5 multicast, 6 blackhole, 7 unreachable, 8 prohibit, 9 throw.
        let kind = match *fixed.get(7)? {
            1 => RouteKind::Unicast,
            6..=8 => RouteKind::Refuse,
            9 => RouteKind::Throw,
            _ => return Some(None),
        };
        let flags = u32_at(fixed, 8)?;
        if table == LOCAL_TABLE || flags & (RTM_F_CLONED | RTNH_F_DEAD) != 0 {
            return Some(None);
        }
        let length = *fixed.get(1)?;
        let any = if family(*fixed.first()?)? == AddressFamily::Ipv4 { "0.0.0.0" } else { "::" };
        let destination = match attributes.get(RTA_DST) {
            Some(bytes) => address(bytes)?,
            None => any.parse().ok()?,
        };
        let mut interfaces: Vec<Untrusted> = attributes
            .get(RTA_OIF)
            .and_then(|index| u32_at(index, 0))
            .map(|index| name(names, index))
            .into_iter()
            .collect();
        let mut hops = attributes.get(RTA_MULTIPATH).unwrap_or_default();
        // struct rtnexthop: length, flags, hops, number of the interface.
        while let (Some(length), Some(index)) = (u16_at(hops, 0), u32_at(hops, 4)) {
            let interface = name(names, index);
            if !interfaces.contains(&interface) {
                interfaces.push(interface);
            }
            if length < 8 {
                break;
            }
            hops = hops.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
        }
        let destination = IpNet::new(destination, length).ok()?;
        if is_of_link(&destination) {
            return Some(None);
        }
        let gateway = attributes.get(RTA_GATEWAY).and_then(address);
        let metric = attributes.get(RTA_PRIORITY).and_then(|metric| u32_at(metric, 0)).unwrap_or(0);
        Some(Some(Route { table, destination, kind, interfaces, gateway, metric }))
    })
}

pub fn parse_netlink_chains(bytes: &[u8]) -> Parsed<Vec<ListedChain>> {
    each(bytes, NFT_MSG_NEWCHAIN, 4, |fixed, attributes| {
        const NFTA_CHAIN_TABLE: u16 = 1;
        const NFTA_CHAIN_NAME: u16 = 3;
        const NFTA_CHAIN_HOOK: u16 = 4;
        const NFTA_CHAIN_POLICY: u16 = 5;
        const NFTA_CHAIN_USE: u16 = 6;
        const NFTA_CHAIN_TYPE: u16 = 7;
        const NFTA_HOOK_HOOKNUM: u16 = 1;
        let text = |kind: u16| {
            let bytes = attributes.get(kind)?;
            Some(String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next()?).into_owned())
        };
        // nf_tables writes its numbers in the network's order.
        let number = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?));
        let hook = attributes.get(NFTA_CHAIN_HOOK).map(Attributes);
        Some(Some(ListedChain {
            family: *fixed.first()?,
            table: text(NFTA_CHAIN_TABLE)?,
            name: text(NFTA_CHAIN_NAME)?,
            hook: hook.and_then(|hook| number(hook.get(NFTA_HOOK_HOOKNUM)?)),
            is_nat: text(NFTA_CHAIN_TYPE).as_deref() == Some("nat"),
            // NF_DROP is 0.
            drops: attributes.get(NFTA_CHAIN_POLICY).and_then(number) == Some(0),
            uses: attributes.get(NFTA_CHAIN_USE).and_then(number).unwrap_or(u32::MAX),
        }))
    })
}

/// Of the link alone, or of multicast: no reply goes there.
pub(super) fn is_of_link(destination: &IpNet) -> bool {
    let address = destination.addr();
    address.is_multicast()
        || match address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
}

/// Every message of one kind: its fixed part and its attributes to a value, to nothing (`Some(None)`), or not understood.
pub(super) fn each<T, C: Default + Extend<T>>(
    bytes: &[u8],
    kind: u16,
    fixed: usize,
    value: impl Fn(&[u8], &Attributes<'_>) -> Option<Option<T>>,
) -> Parsed<C> {
    let mut parsed = Parsed::<C>::default();
    let mut rest = bytes;
    while let Some(length) = u32_at(rest, 0).map(|length| length as usize) {
        let Some(message) = rest.get(..length).filter(|message| message.len() >= HEADER) else {
            parsed.pass_over("a message that is cut");
            break;
        };
        if u16_at(message, 4) == Some(kind) {
            let found = message.get(HEADER..HEADER + fixed).and_then(|head| {
                value(head, &Attributes(message.get((HEADER + fixed).next_multiple_of(4)..).unwrap_or_default()))
            });
            match found {
                Some(found) => parsed.value.extend(found),
                None => parsed.pass_over(&format!("a message of kind {kind}")),
            }
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    parsed
}

/// `struct nlattr` or `rtattr`, one after the other.
pub(super) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    pub(super) fn get(&self, kind: u16) -> Option<&'a [u8]> {
        let mut rest = self.0;
        loop {
            let length = usize::from(u16_at(rest, 0)?);
            if length < 4 {
                return None;
            }
            if u16_at(rest, 2)? & KIND == kind {
                return rest.get(4..length);
            }
            rest = rest.get(length.next_multiple_of(4)..)?;
        }
    }
}

fn name(names: &HashMap<u32, Untrusted>, index: u32) -> Untrusted {
    names.get(&index).cloned().unwrap_or_else(|| format!("interface {index}").into())
}

fn family(number: u8) -> Option<AddressFamily> {
    match number {
        2 => Some(AddressFamily::Ipv4),
        10 => Some(AddressFamily::Ipv6),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(octets.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}
