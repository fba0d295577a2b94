//! Security groups: allow-only, stateful, all groups of the network interface together.
//!
//! Source: VPC User Guide, "Security group rules". A rule that names another security group admits the private addresses of that
//! group's network interfaces, so it never admits who comes from the internet.

use std::net::IpAddr;

use eic_doctor_proto::{Attempt, HopDecision, Why};
use ipnet::IpNet;

use crate::facts::{AwsFacts, IpPermission, SecurityGroup};
use crate::path::cidr::{AddressSet, Cover};
use crate::path::ports::{Ports, Protocol};
use crate::path::source::NoSource;
use crate::path::{Decided, Way, need, prefix_list, way};

/// The rules of some groups, of one direction, that let TCP to one port through, ready to be asked.
#[derive(Debug, Default)]
pub struct Inbound<'a> {
    pub groups: Vec<&'a str>,
    /// Every rule of the direction that was read, whatever its port; a rule with two sources counts twice, as the console does.
    pub rules_read: usize,
    admitted: AddressSet,
    admits: Vec<Admits<'a>>,
    /// Groups and prefix lists that could not be read, each of which may let more in.
    unread: Vec<Why>,
}

#[derive(Debug)]
struct Admits<'a> {
    group: &'a str,
    who: Who<'a>,
    description: &'a str,
}

#[derive(Debug)]
enum Who<'a> {
    Net(IpNet),
    PrefixList(&'a str, Vec<IpNet>),
    MembersOf(&'a str),
}

pub fn judge(facts: &AwsFacts, attempt: &Attempt) -> Decided {
    let way = match way(facts, attempt) {
        Ok(way) => way,
        Err(why) => return Decided::unknown("", why),
    };
    match inbound(facts, &way) {
        Ok(inbound) => inbound.decide(&way),
        Err(why) => Decided::unknown(group_ids(&way).join(", "), why),
    }
}

/// The ids of the network interface's groups.
pub fn group_ids<'a>(way: &Way<'a>) -> Vec<&'a str> {
    way.interface.groups.iter().filter_map(|group| group.group_id.as_deref()).collect()
}

pub fn inbound<'a>(facts: &'a AwsFacts, way: &Way<'a>) -> Result<Inbound<'a>, Why> {
    rules(facts, group_ids(way), way.port, |group| &group.ip_permissions)
}

/// The addresses that the interface's groups let in, by what could be read.
pub fn lets_in(facts: &AwsFacts, way: &Way<'_>) -> Option<AddressSet> {
    inbound(facts, way).ok().map(|inbound| inbound.admitted)
}

/// Whether the outbound rules of `groups` let TCP to `port` of `address` through, whose own groups are `members_of`.
pub fn judge_outbound(facts: &AwsFacts, groups: Vec<&str>, address: IpAddr, port: u16, members_of: &[&str]) -> Decided {
    let id = groups.join(", ");
    let rules = match rules(facts, groups, port, |group| &group.ip_permissions_egress) {
        Ok(rules) => rules,
        Err(why) => return Decided::unknown(id, why),
    };
    let net = IpNet::from(address);
    if let Some(group) = rules.members().find(|group| members_of.contains(group)) {
        return Decided::new(id, HopDecision::Allowed, format!("tcp/{port} to members of {group}"));
    }
    if rules.cover(&[net]) == Cover::All {
        let words = rules.words(|who| who.nets().iter().any(|known| overlaps(known, &net)));
        return Decided::new(id, HopDecision::Allowed, format!("tcp/{port} to {words}"));
    }
    match rules.unread.first() {
        Some(why) => Decided::unknown(id, why.clone()),
        None => {
            let rule = format!("{id} {} no outbound rule for tcp/{port} to {address} ({})", rules.has(), rules.rules());
            Decided::new(id, HopDecision::Blocked, rule)
        }
    }
}

fn rules<'a>(
    facts: &'a AwsFacts,
    groups: Vec<&'a str>,
    port: u16,
    side: fn(&SecurityGroup) -> &Vec<IpPermission>,
) -> Result<Inbound<'a>, Why> {
    let known = need(&facts.security_groups, "the security groups")?;
    let mut inbound = Inbound { groups, ..Inbound::default() };
    for id in inbound.groups.clone() {
        let Some(group) = known.iter().find(|group| group.group_id.as_deref() == Some(id)) else {
            inbound
                .unread
                .push(Why::new(format!("security group {id}: not in the answer of ec2:DescribeSecurityGroups")));
            continue;
        };
        for permission in side(group) {
            inbound.rules_read += permission.ip_ranges.len()
                + permission.ipv6_ranges.len()
                + permission.prefix_list_ids.len()
                + permission.user_id_group_pairs.len();
            if opens(permission, port) {
                inbound.read(facts, id, permission);
            }
        }
    }
    for admits in &inbound.admits {
        match &admits.who {
            Who::Net(net) => inbound.admitted.add(*net),
            Who::PrefixList(_, nets) => nets.iter().for_each(|net| inbound.admitted.add(*net)),
            Who::MembersOf(_) => {}
        }
    }
    Ok(inbound)
}

/// Protocol `-1` opens every port, whatever the rule's ports say.
fn opens(permission: &IpPermission, port: u16) -> bool {
    match Protocol::of(permission.ip_protocol.as_deref().unwrap_or_default()) {
        Protocol::All => true,
        Protocol::Tcp => Ports::of(permission.from_port, permission.to_port).is_some_and(|ports| ports.holds(port)),
        Protocol::Other => false,
    }
}

impl<'a> Inbound<'a> {
    fn read(&mut self, facts: &'a AwsFacts, group: &'a str, permission: &'a IpPermission) {
        let v4 = permission.ip_ranges.iter().map(|range| (range.cidr_ip.as_deref(), range.description.as_deref()));
        let v6 = permission.ipv6_ranges.iter().map(|range| (range.cidr_ipv6.as_deref(), range.description.as_deref()));
        for (cidr, description) in v4.chain(v6) {
            let cidr = cidr.unwrap_or_default();
            match cidr.parse() {
                Ok(net) => self.add(group, Who::Net(net), description),
                Err(_) => self.unread.push(Why::new(format!("a rule of {group} names `{cidr}`, which is no CIDR"))),
            }
        }
        for list in &permission.prefix_list_ids {
            let id = list.prefix_list_id.as_deref().unwrap_or_default();
            match prefix_list::resolve(facts, id) {
                Ok(nets) => self.add(group, Who::PrefixList(id, nets), list.description.as_deref()),
                Err(why) => self.unread.push(why),
            }
        }
        for pair in &permission.user_id_group_pairs {
            self.add(group, Who::MembersOf(pair.group_id.as_deref().unwrap_or_default()), None);
        }
    }

    fn add(&mut self, group: &'a str, who: Who<'a>, description: Option<&'a str>) {
        self.admits.push(Admits { group, who, description: description.unwrap_or_default() });
    }

    /// How much of the source is let in by what could be read.
    pub fn cover(&self, nets: &[IpNet]) -> Cover {
        self.admitted.cover_all(nets)
    }

    fn members(&self) -> impl Iterator<Item = &'a str> {
        self.admits.iter().filter_map(|admits| match admits.who {
            Who::MembersOf(group) => Some(group),
            Who::Net(_) | Who::PrefixList(..) => None,
        })
    }

    fn decide(&self, way: &Way<'_>) -> Decided {
        let id = self.groups.join(", ");
        if let Some(group) = self.members().find(|group| way.source_groups.contains(group)) {
            let port = way.port;
            return Decided::new(id, HopDecision::Allowed, format!("tcp/{port} from members of {group}"));
        }
        let source = match &way.source {
            Ok(source) => source,
            Err(NoSource::Unknown(why)) => {
                let decided = self.without_source(id, way);
                // Whoever it is: where no rule lets anybody in, nobody comes in.
                return if decided.decision == HopDecision::Blocked {
                    decided
                } else {
                    Decided::unknown(decided.id, why.clone())
                };
            }
            Err(NoSource::NotGiven) => return self.without_source(id, way),
        };
        let cover = self.cover(&source.nets);
        let port = way.port;
        if cover == Cover::All {
            let rule = self.words(|who| who.nets().iter().any(|net| source.nets.iter().any(|s| overlaps(net, s))));
            return Decided::new(id, HopDecision::Allowed, format!("tcp/{port} from {rule}"));
        }
        if let Some(why) = self.unread.first() {
            return Decided::unknown(id, why.clone());
        }
        let members = self.words(|who| matches!(who, Who::MembersOf(_)));
        if way.is_private && way.source_groups.is_empty() && !members.is_empty() {
            let why = format!("tcp/{port} from {members}; whether {} is one of them is not known", source.words());
            return Decided::new(id, HopDecision::Unknown, why);
        }
        let read = self.rules();
        let rule = match cover {
            Cover::Partial => {
                let part = self.words(|who| who.nets().iter().any(|net| source.nets.iter().any(|s| overlaps(net, s))));
                format!("{id} lets tcp/{port} in from {part}, which is a part of {} only ({read})", source.words())
            }
            _ if self.groups.is_empty() => {
                format!("the network interface has no security group, so nothing lets tcp/{port} in")
            }
            _ => format!("{id} {} no inbound rule for tcp/{port} from {} ({read})", self.has(), source.words()),
        };
        Decided::new(id, cover.into(), rule)
    }

    fn without_source(&self, id: String, way: &Way<'_>) -> Decided {
        let port = way.port;
        // Members of a group come from private addresses, and whether an endpoint is one is known.
        let who = self.words(|who| match who {
            Who::MembersOf(_) => way.is_private && way.source_groups.is_empty(),
            Who::Net(_) | Who::PrefixList(..) => !who.nets().is_empty(),
        });
        if !who.is_empty() {
            return Decided::new(id, HopDecision::Unknown, format!("no source given; tcp/{port} is open to {who}"));
        }
        match self.unread.first() {
            Some(why) => Decided::unknown(id, why.clone()),
            None => {
                let rule =
                    format!("{id} {} no inbound rule for tcp/{port} from anywhere ({})", self.has(), self.rules());
                Decided::new(id, HopDecision::Blocked, rule)
            }
        }
    }

    fn has(&self) -> &'static str {
        if self.groups.len() > 1 { "have" } else { "has" }
    }

    fn rules(&self) -> String {
        format!("{} {} read", self.rules_read, if self.rules_read == 1 { "rule" } else { "rules" })
    }

    /// `203.0.113.0/24 (office), pl-0123 (18.202.216.48/29)`, each with its group where there are several.
    fn words(&self, is_wanted: impl Fn(&Who<'_>) -> bool) -> String {
        let words = self.admits.iter().filter(|admits| is_wanted(&admits.who)).map(|admits| {
            let mut text = match &admits.who {
                Who::Net(net) => net.to_string(),
                Who::PrefixList(id, nets) => {
                    let nets: Vec<String> = nets.iter().map(ToString::to_string).collect();
                    format!("{id} ({})", nets.join(", "))
                }
                Who::MembersOf(group) => format!("members of {group}"),
            };
            if !admits.description.is_empty() {
                text = format!("{text} ({})", admits.description);
            }
            if self.groups.len() > 1 { format!("{text} by {}", admits.group) } else { text }
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

impl Who<'_> {
    fn nets(&self) -> &[IpNet] {
        match self {
            Self::Net(net) => std::slice::from_ref(net),
            Self::PrefixList(_, nets) => nets,
            Self::MembersOf(_) => &[],
        }
    }
}

fn overlaps(left: &IpNet, right: &IpNet) -> bool {
    left.contains(right) || right.contains(left)
}
