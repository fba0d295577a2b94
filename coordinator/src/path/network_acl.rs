//! Network ACLs: stateless, numbered entries, the first match decides, the closing entry denies.
//!
//! Source: VPC User Guide, "Network ACL rules" and "Ephemeral ports". An ACL stands at the subnet's border, so what stays within the
//! subnet never meets it.

use eic_doctor_proto::{Attempt, HopDecision, Why};
use ipnet::IpNet;

use crate::facts::{AwsFacts, NetworkAcl, NetworkAclEntry};
use crate::path::cidr::{AddressSet, Cover};
use crate::path::ports::{Ports, Protocol, RETURN};
use crate::path::source::NoSource;
use crate::path::{Decided, Way, need, way};

/// The number of the entry that AWS shows as `*`; the one for IPv6 has the next.
pub const LAST: i32 = 32767;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the attempt's port.
    Ingress,
    /// The replies, from the attempt's port to the source's ephemeral ports.
    Egress,
}

/// The entries of one direction that speak of TCP, in their order, and what follows from them, so that asking costs no memory.
#[derive(Debug)]
pub struct Entries {
    entries: Vec<Entry>,
    /// All ports, cut where an entry's ports begin or end: between two borders every port fares alike.
    open: Vec<(Ports, AddressSet)>,
    /// The numbers that are taken, whatever the protocol.
    pub taken: Vec<i32>,
}

#[derive(Debug)]
struct Entry {
    number: i32,
    net: IpNet,
    ports: Ports,
    allows: bool,
}

pub fn judge(facts: &AwsFacts, attempt: &Attempt, direction: Direction) -> Decided {
    let way = match way(facts, attempt) {
        Ok(way) => way,
        Err(why) => return Decided::unknown("", why),
    };
    if way.is_from_own_subnet {
        let rule = "the endpoint is in the instance's own subnet, whose network ACL it does not meet";
        return Decided::new("", HopDecision::NotApplicable, rule);
    }
    let inside = own_subnet(facts, &way);
    if let Some(rule) = inside.holds_all() {
        return Decided::new("", HopDecision::NotApplicable, rule);
    }
    let acl = match acl(facts, &way) {
        Ok(acl) => acl,
        Err(why) => return Decided::unknown("", why),
    };
    let id = acl.network_acl_id.clone().unwrap_or_default();
    let entries = match entries(acl, direction) {
        Ok(entries) => entries,
        Err(why) => return Decided::unknown(id, why),
    };
    inside.mended(entries.decide(id, &way, direction, &inside))
}

/// The part of the source that is let through on one of the direction's ports at least, where that can be told.
pub fn lets_through(facts: &AwsFacts, way: &Way<'_>, direction: Direction) -> Option<AddressSet> {
    let source = way.source.as_ref().ok()?;
    let whole: AddressSet = source.nets.iter().collect();
    let inside = own_subnet(facts, way);
    if way.is_from_own_subnet || inside.holds_all().is_some() {
        return Some(whole);
    }
    let entries = entries(acl(facts, way).ok()?, direction).ok()?;
    let ports = direction.ports(way.port);
    let mut open = AddressSet::default();
    entries.meeting(ports).for_each(|addresses| open.add_all(addresses));
    if let Inside::Part { own, .. } = &inside {
        open.add_all(own);
    }
    Some(open)
}

/// The ACL of the network interface's subnet.
pub fn acl<'a>(facts: &'a AwsFacts, way: &Way<'a>) -> Result<&'a NetworkAcl, Why> {
    let subnet = way.interface.subnet_id.as_deref().ok_or_else(|| Why::new("the network interface names no subnet"))?;
    acl_of(facts, subnet)
}

pub fn acl_of<'a>(facts: &'a AwsFacts, subnet: &str) -> Result<&'a NetworkAcl, Why> {
    let acls = need(&facts.network_acls, "the network ACLs")?;
    let is_of_subnet =
        |acl: &&NetworkAcl| acl.associations.iter().any(|association| association.subnet_id.as_deref() == Some(subnet));
    acls.iter().find(is_of_subnet).ok_or_else(|| {
        // In a shared VPC the participant may not see the owner's ACL.
        Why::new(format!("no network ACL in the answer of ec2:DescribeNetworkAcls is associated with {subnet}"))
    })
}

pub fn is_of(entry: &NetworkAclEntry, direction: Direction) -> bool {
    entry.egress == Some(direction == Direction::Egress)
}

pub fn entries(acl: &NetworkAcl, direction: Direction) -> Result<Entries, Why> {
    let id = acl.network_acl_id.as_deref().unwrap_or_default();
    let of_direction: Vec<&NetworkAclEntry> = acl.entries.iter().filter(|entry| is_of(entry, direction)).collect();
    let taken = of_direction.iter().filter_map(|entry| entry.rule_number).collect();
    let mut entries = Vec::with_capacity(of_direction.len());
    for entry in of_direction {
        if let Some(entry) = parse(entry).map_err(|what| Why::new(format!("entry of {id} with {what}")))? {
            entries.push(entry);
        }
    }
    entries.sort_by_key(|entry| entry.number);
    Ok(Entries { open: open(&entries), entries, taken })
}

/// `None` for an entry that says nothing of TCP.
fn parse(entry: &NetworkAclEntry) -> Result<Option<Entry>, String> {
    let number = entry.rule_number.ok_or("no rule number")?;
    let ports = match Protocol::of(entry.protocol.as_deref().unwrap_or_default()) {
        Protocol::Other => return Ok(None),
        Protocol::All => Ports::ALL,
        Protocol::Tcp => {
            let range = entry.port_range.as_ref();
            let ports = Ports::of(range.and_then(|range| range.from), range.and_then(|range| range.to));
            ports.ok_or(format!("number {number}: its ports are none"))?
        }
    };
    let cidr = entry.cidr_block.as_deref().or(entry.ipv6_cidr_block.as_deref()).unwrap_or_default();
    let net = cidr.parse().map_err(|_| format!("number {number}: `{cidr}` is no CIDR"))?;
    Ok(Some(Entry { number, net, ports, allows: entry.rule_action.as_deref() == Some("allow") }))
}

fn open(entries: &[Entry]) -> Vec<(Ports, AddressSet)> {
    let ends = entries.iter().flat_map(|entry| [Some(entry.ports.from), entry.ports.to.checked_add(1)]);
    let mut begins: Vec<u16> = ends.flatten().chain([0]).collect();
    begins.sort_unstable();
    begins.dedup();
    let lasts = begins.iter().skip(1).map(|next| next - 1).chain([u16::MAX]);
    begins.iter().zip(lasts).map(|(from, to)| (Ports { from: *from, to }, admitted(entries, *from))).collect()
}

/// The addresses that one port is open to.
fn admitted(entries: &[Entry], port: u16) -> AddressSet {
    let mut undecided: AddressSet = [v4_all(), v6_all()].iter().collect();
    let mut admitted = AddressSet::default();
    for entry in entries.iter().filter(|entry| entry.ports.holds(port)) {
        let decided = undecided.take(&std::iter::once(&entry.net).collect());
        if entry.allows {
            admitted.add_all(&decided);
        }
    }
    admitted
}

impl Entries {
    /// How much of the source is let through to all of these ports.
    pub fn cover(&self, nets: &[IpNet], ports: Ports) -> Cover {
        let met = self.meeting(ports);
        met.map(|addresses| addresses.cover_all(nets)).reduce(Cover::and).unwrap_or(Cover::None)
    }

    /// The addresses that each stretch of these ports is open to.
    fn meeting(&self, ports: Ports) -> impl Iterator<Item = &AddressSet> {
        let met = self.open.iter().filter(move |(open, _)| open.from <= ports.to && ports.from <= open.to);
        met.map(|(_, addresses)| addresses)
    }

    /// The number of the first entry that turns away some of the source on some of the ports.
    pub fn denying(&self, nets: &[IpNet], ports: Ports) -> i32 {
        let is_met = |entry: &&Entry| {
            entry.ports.from <= ports.to
                && ports.from <= entry.ports.to
                && nets.iter().any(|net| entry.net.contains(net) || net.contains(&entry.net))
        };
        self.entries.iter().filter(is_met).find(|entry| !entry.allows).map_or(LAST, |entry| entry.number)
    }

    fn decide(&self, id: String, way: &Way<'_>, direction: Direction, inside: &Inside) -> Decided {
        let ports = direction.ports(way.port);
        let source = match &way.source {
            Ok(source) => source,
            Err(NoSource::Unknown(why)) => return Decided::unknown(id, why.clone()),
            Err(NoSource::NotGiven) => {
                let rule = format!("no source given; {}", self.words(ports, |_| true));
                return Decided::new(id, HopDecision::Unknown, rule);
            }
        };
        let cover = match inside {
            // What stays within the subnet is let through whatever the entries say.
            Inside::Part { others, .. } => {
                let met = self.meeting(ports);
                Cover::All.and(met.map(|open| open.cover_set(others)).reduce(Cover::and).unwrap_or(Cover::None))
            }
            Inside::None | Inside::All(_) | Inside::Perhaps => self.cover(&source.nets, ports),
        };
        let decided_by = self.words(ports, |net| source.nets.iter().any(|s| net.contains(s) || s.contains(net)));
        let to = direction.words(way.port, &source.words());
        let rule = match cover {
            Cover::All => decided_by,
            Cover::Partial => format!("{id} lets only a part of {to} through: {decided_by}"),
            Cover::None => format!("{id} does not let {to} through: {decided_by}"),
        };
        Decided::new(id, cover.into(), rule)
    }

    /// The entries that meet the ports, up to the first of each family that decides for everybody.
    fn words(&self, ports: Ports, is_wanted: impl Fn(&IpNet) -> bool) -> String {
        let mut words = Vec::new();
        let mut is_settled = [false, false];
        let met =
            |entry: &&Entry| entry.ports.from <= ports.to && ports.from <= entry.ports.to && is_wanted(&entry.net);
        for entry in self.entries.iter().filter(met) {
            let [v4, v6] = &mut is_settled;
            let settled = if matches!(entry.net, IpNet::V4(_)) { v4 } else { v6 };
            if *settled {
                continue;
            }
            let number = if entry.number >= LAST { String::from("*") } else { entry.number.to_string() };
            let action = if entry.allows { "allows" } else { "denies" };
            words.push(format!("entry {number} {action} {} of {}", entry.ports.words(), entry.net));
            *settled = entry.ports.from <= ports.from && ports.to <= entry.ports.to && entry.net.prefix_len() == 0;
        }
        if words.is_empty() { String::from("no entry lets it through") } else { words.join(", ") }
    }
}

impl Direction {
    pub fn ports(self, port: u16) -> Ports {
        match self {
            Self::Ingress => Ports { from: port, to: port },
            Self::Egress => RETURN,
        }
    }

    fn words(self, port: u16, source: &str) -> String {
        match self {
            Self::Ingress => format!("tcp/{port} from {source}"),
            Self::Egress => format!("replies to {source}, tcp/{}-{}", RETURN.from, RETURN.to),
        }
    }
}

/// How much of a private source is within the interface's own subnet, and so never meets its network ACL.
enum Inside {
    None,
    /// All of it, in this CIDR.
    All(IpNet),
    Part {
        own: AddressSet,
        others: AddressSet,
    },
    /// The subnet's addresses are not known.
    Perhaps,
}

impl Inside {
    fn holds_all(&self) -> Option<String> {
        let Self::All(cidr) = self else { return None };
        Some(format!("the source is within the instance's own subnet {cidr}, whose network ACL it does not meet"))
    }

    /// Where the source may be within the subnet, an ACL that turns it away may not matter.
    fn mended(&self, decided: Decided) -> Decided {
        match (self, decided.decision) {
            (Self::Perhaps, HopDecision::Blocked | HopDecision::Partial) => {
                let why =
                    format!("{}; whether the source is within the instance's own subnet is not known", decided.rule);
                Decided::unknown(decided.id, Why::new(why))
            }
            _ => decided,
        }
    }
}

fn own_subnet(facts: &AwsFacts, way: &Way<'_>) -> Inside {
    let Some(source) = way.source.as_ref().ok().filter(|_| way.is_private && way.source_groups.is_empty()) else {
        return Inside::None;
    };
    let subnets = facts.subnets.known().map(Vec::as_slice).unwrap_or_default();
    let Some(subnet) = subnets.iter().find(|subnet| subnet.subnet_id == way.interface.subnet_id) else {
        return Inside::Perhaps;
    };
    let v6 =
        subnet.ipv6_cidr_block_association_set.iter().filter_map(|association| association.ipv6_cidr_block.as_deref());
    let cidrs = subnet.cidr_block.as_deref().into_iter().chain(v6).filter_map(|cidr| cidr.parse::<IpNet>().ok());
    let cidrs: Vec<IpNet> = cidrs.collect();
    if let Some(cidr) = cidrs.iter().find(|cidr| source.nets.iter().all(|net| cidr.contains(net))) {
        return Inside::All(*cidr);
    }
    let mut others: AddressSet = source.nets.iter().collect();
    let own = others.take(&cidrs.iter().collect());
    if own.is_empty() { Inside::None } else { Inside::Part { own, others } }
}

fn v4_all() -> IpNet {
    IpNet::V4(ipnet::Ipv4Net::default())
}

fn v6_all() -> IpNet {
    IpNet::V6(ipnet::Ipv6Net::default())
}
