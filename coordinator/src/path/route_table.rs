//! Route tables: whether replies find the way from the network interface's subnet back to the source.
//!
//! Source: VPC User Guide, "Route priority": the most specific route decides; of equal ones a static route before a prefix list's
//! before a propagated one. A NAT gateway and an egress-only internet gateway let nobody in, so replies that leave by one belong to no
//! connection.

use std::net::IpAddr;

use eic_doctor_proto::{Attempt, HopDecision, Via, Why};
use ipnet::IpNet;

use crate::facts::{AwsFacts, NetworkInterface, Route, RouteTable, RouteTableAssociation};
use crate::path::cidr::AddressSet;
use crate::path::source::{NoSource, Source};
use crate::path::{Decided, Way, address, internet_gateway, need, prefix_list, way};

/// A part of the source and the route that decides for it.
#[derive(Debug)]
pub struct Portion<'a> {
    pub addresses: AddressSet,
    /// `None`: no route matches.
    pub matched: Option<Matched<'a>>,
    /// Routes of which AWS may just as well take one: those of prefix lists that overlap, and equal propagated ones.
    pub or_else: Vec<&'a Route>,
}

#[derive(Clone, Copy, Debug)]
pub struct Matched<'a> {
    pub destination: IpNet,
    pub route: &'a Route,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    Local,
    InternetGateway(&'a str),
    /// Out only: a NAT gateway or an egress-only internet gateway.
    OutOnly(&'a str),
    /// A private connection whose other side is outside the view of this account's tables.
    Private(&'a str),
    /// An appliance, a Gateway Load Balancer endpoint, a core network: what it does is its own affair.
    Elsewhere(&'a str),
}

pub fn judge(facts: &AwsFacts, attempt: &Attempt) -> Decided {
    // Known to be so of every VPC, but not said of an instance that nobody has seen.
    if let Err(why) = need(&facts.instance, "the instance") {
        return Decided::unknown("", why);
    }
    let inside =
        || Decided::new("", HopDecision::NotApplicable, "replies go back through the endpoint, inside the VPC");
    let way = match way(facts, attempt) {
        Ok(way) if attempt.via == Via::Endpoint && !way.is_from_other_vpc => return inside(),
        Ok(way) => way,
        // Which endpoint it is, or that there is none, is another check's affair.
        Err(_) if attempt.via == Via::Endpoint => return inside(),
        Err(why) => return Decided::unknown("", why),
    };
    let table = match table(facts, &way) {
        Ok(table) => table,
        Err(why) => return Decided::unknown("", why),
    };
    let id = table.route_table_id.clone().unwrap_or_default();
    let source = match &way.source {
        Ok(source) => source,
        Err(NoSource::Unknown(why)) => return Decided::unknown(id, why.clone()),
        Err(NoSource::NotGiven) => {
            let routes: Vec<String> = table.routes.iter().map(words).collect();
            let rule = format!("no source given; {id} has {}", routes.join(", "));
            return Decided::new(id, HopDecision::Unknown, rule);
        }
    };
    match Routes::of(facts, table) {
        Ok(routes) => decide(facts, &way, id, &routes, &source.nets, &source.words()),
        Err(why) => Decided::unknown(id, why),
    }
}

/// The parts of the source that replies certainly reach, and those that they may reach.
#[derive(Debug, Default)]
pub struct Reached {
    pub certainly: AddressSet,
    pub perhaps: AddressSet,
}

/// `None` where the routes are not known.
pub fn reached(facts: &AwsFacts, way: &Way<'_>, nets: &[IpNet]) -> Option<Reached> {
    let routes = Routes::of(facts, table(facts, way).ok()?).ok()?;
    let mut reached = Reached::default();
    for portion in routes.portions(nets) {
        match decide_portion(facts, way, "", &routes, &portion, "").0 {
            HopDecision::Allowed => {
                reached.certainly.add_all(&portion.addresses);
                reached.perhaps.add_all(&portion.addresses);
            }
            HopDecision::Unknown => reached.perhaps.add_all(&portion.addresses),
            HopDecision::Blocked | HopDecision::Partial | HopDecision::NotApplicable => {}
        }
    }
    if diverted(facts, way).is_some() {
        reached.certainly = AddressSet::default();
    }
    Some(reached)
}

/// The table that the network interface's subnet names, else the main one of its VPC.
pub fn table<'a>(facts: &'a AwsFacts, way: &Way<'a>) -> Result<&'a RouteTable, Why> {
    table_of(facts, way.interface)
}

pub fn table_of<'a>(facts: &'a AwsFacts, interface: &NetworkInterface) -> Result<&'a RouteTable, Why> {
    let tables = need(&facts.route_tables, "the route tables")?;
    let subnet = interface.subnet_id.as_deref().ok_or_else(|| Why::new("the network interface names no subnet"))?;
    let names_subnet = |table: &&RouteTable| {
        table
            .associations
            .iter()
            .any(|association| stands(association) && association.subnet_id.as_deref() == Some(subnet))
    };
    let is_main = |table: &&RouteTable| {
        let is_of_vpc = table.vpc_id.is_none() || interface.vpc_id.is_none() || table.vpc_id == interface.vpc_id;
        is_of_vpc && table.associations.iter().any(|association| stands(association) && association.main == Some(true))
    };
    tables.iter().find(names_subnet).or_else(|| tables.iter().find(is_main)).ok_or_else(|| {
        // In a shared VPC the participant may not see the owner's tables.
        Why::new(format!(
            "no route table in the answer of ec2:DescribeRouteTables is associated with {subnet} or is the main one"
        ))
    })
}

/// An association that is being made or undone, or could not be made, decides nothing. Older answers tell no state.
///
/// Source: EC2 API, `RouteTableAssociationState`.
fn stands(association: &RouteTableAssociation) -> bool {
    let state = association.association_state.as_ref().and_then(|state| state.state.as_deref());
    matches!(state, None | Some("associated"))
}

/// Whether replies to all of the source leave by a peering connection.
pub fn is_by_peering(facts: &AwsFacts, interface: &NetworkInterface, source: &Result<Source, NoSource>) -> bool {
    let (Ok(table), Ok(source)) = (table_of(facts, interface), source) else { return false };
    let by_peering = |portion: &Portion<'_>| {
        portion
            .matched
            .is_some_and(|matched| matched.route.vpc_peering_connection_id.is_some() && is_active(matched.route))
    };
    Routes::of(facts, table).is_ok_and(|routes| routes.portions(&source.nets).iter().all(by_peering))
}

pub fn is_active(route: &Route) -> bool {
    route.state.as_deref() == Some("active")
}

/// A table's routes by destination, the most specific first, so that asking for one address costs no memory.
#[derive(Debug)]
pub struct Routes<'a> {
    known: Vec<Matched<'a>>,
    /// Routes to prefix lists that could not be read, each of which may decide for any address.
    unread: Vec<(&'a Route, Why)>,
}

impl<'a> Routes<'a> {
    /// Resolves prefix lists. An error where a destination is no CIDR.
    pub fn of(facts: &AwsFacts, table: &'a RouteTable) -> Result<Self, Why> {
        let mut routes = Self { known: Vec::with_capacity(table.routes.len()), unread: Vec::new() };
        for route in &table.routes {
            let cidr = route.destination_cidr_block.as_deref().or(route.destination_ipv6_cidr_block.as_deref());
            if let Some(cidr) = cidr {
                let destination =
                    cidr.parse().map_err(|_| Why::new(format!("a route's destination `{cidr}` is no CIDR")))?;
                routes.known.push(Matched { destination, route });
            } else if let Some(list) = route.destination_prefix_list_id.as_deref() {
                match prefix_list::resolve(facts, list) {
                    Ok(nets) => {
                        let matched = nets.into_iter().map(|destination| Matched { destination, route });
                        routes.known.extend(matched);
                    }
                    // The lists of gateway endpoints (S3, DynamoDB) hold no address that anybody connects from.
                    Err(_) if route.gateway_id.as_deref().is_some_and(|id| id.starts_with("vpce-")) => {}
                    Err(why) => routes.unread.push((route, why)),
                }
            }
        }
        routes.known.sort_by_key(|matched| (std::cmp::Reverse(matched.destination.prefix_len()), rank(matched.route)));
        Ok(routes)
    }

    /// Whether it is certain which route decides for the portion.
    pub fn is_certain(&self, portion: &Portion<'_>) -> bool {
        portion.or_else.is_empty() && (self.unread.is_empty() || is_beyond_lists(portion))
    }

    /// The routes that may decide for one address; none: no route matches.
    pub fn to(&self, address: IpAddr) -> Vec<&'a Route> {
        let portions = self.portions(&[IpNet::from(address)]);
        let certain =
            portions.iter().flat_map(|p| p.matched.map(|m| m.route).into_iter().chain(p.or_else.iter().copied()));
        certain.chain(self.unread.iter().map(|(route, _)| *route)).collect()
    }

    /// The routes that decide for parts of the source; with `None` for a part that no route matches.
    pub fn portions(&self, nets: &[IpNet]) -> Vec<Portion<'a>> {
        let mut left: AddressSet = nets.iter().collect();
        let mut portions = Vec::new();
        for matched in &self.known {
            if left.is_empty() {
                break;
            }
            let addresses = left.take(&std::iter::once(&matched.destination).collect());
            if !addresses.is_empty() {
                portions.push(Portion { addresses, matched: Some(*matched), or_else: self.equals(*matched) });
            }
        }
        if !left.is_empty() {
            portions.push(Portion { addresses: left, matched: None, or_else: Vec::new() });
        }
        portions
    }

    /// Source: VPC User Guide, "Route priority": of prefix lists that overlap one is chosen at random, whatever the length of its
    /// entry; which of equal propagated routes is used hangs on how they were learnt, which no answer tells.
    fn equals(&self, best: Matched<'a>) -> Vec<&'a Route> {
        let is_of_list = rank(best.route) == RANK_OF_PREFIX_LIST;
        let is_equal = |other: &&Matched<'a>| {
            let reaches = if is_of_list {
                other.destination.contains(&best.destination)
            } else {
                other.destination == best.destination
            };
            !std::ptr::eq(other.route, best.route) && rank(other.route) == rank(best.route) && reaches
        };
        self.known.iter().filter(is_equal).map(|other| other.route).collect()
    }
}

const RANK_OF_PREFIX_LIST: u8 = 1;

/// Of routes to one destination the lowest wins.
fn rank(route: &Route) -> u8 {
    if route.origin.as_deref() == Some("EnableVgwRoutePropagation") {
        2
    } else {
        if route.destination_prefix_list_id.is_some() { RANK_OF_PREFIX_LIST } else { 0 }
    }
}

pub fn target(route: &Route) -> Target<'_> {
    let gateway = route.gateway_id.as_deref().unwrap_or_default();
    let out_only = route.nat_gateway_id.as_deref().or(route.egress_only_internet_gateway_id.as_deref());
    let private = [&route.vpc_peering_connection_id, &route.transit_gateway_id, &route.local_gateway_id];
    let elsewhere =
        [&route.network_interface_id, &route.instance_id, &route.core_network_arn, &route.carrier_gateway_id];
    if gateway == "local" {
        Target::Local
    } else if gateway.starts_with("igw-") {
        Target::InternetGateway(gateway)
    } else if let Some(id) = out_only {
        Target::OutOnly(id)
    } else if gateway.starts_with("vgw-") {
        Target::Private(gateway)
    } else if let Some(id) = private.into_iter().find_map(|id| id.as_deref()) {
        Target::Private(id)
    } else if let Some(id) = elsewhere.into_iter().find_map(|id| id.as_deref()) {
        Target::Elsewhere(id)
    } else if gateway.is_empty() {
        Target::Elsewhere("a target that is not named")
    } else {
        Target::Elsewhere(gateway)
    }
}

/// `0.0.0.0/0 to igw-0123 (active)`
pub fn words(route: &Route) -> String {
    let destination = route.destination_cidr_block.as_deref().or(route.destination_ipv6_cidr_block.as_deref());
    let destination = destination.or(route.destination_prefix_list_id.as_deref()).unwrap_or("?");
    let state = route.state.as_deref().unwrap_or("state not told");
    format!("{destination} to {} ({state})", target(route).id())
}

fn decide(facts: &AwsFacts, way: &Way<'_>, id: String, routes: &Routes<'_>, nets: &[IpNet], source: &str) -> Decided {
    let mut decisions: Vec<(HopDecision, String)> =
        routes.portions(nets).iter().map(|portion| decide_portion(facts, way, &id, routes, portion, source)).collect();
    if let Some(why) = diverted(facts, way) {
        for decision in decisions.iter_mut().filter(|(decision, _)| *decision == HopDecision::Allowed) {
            *decision = (HopDecision::Unknown, why.reason.clone());
        }
    }
    let rule_of =
        |wanted| decisions.iter().find(|(decision, _)| *decision == wanted).map(|(_, rule): &(_, String)| rule.clone());
    match (rule_of(HopDecision::Allowed), rule_of(HopDecision::Blocked), rule_of(HopDecision::Unknown)) {
        (Some(_), Some(blocked), _) => Decided::new(id, HopDecision::Partial, blocked),
        (_, _, Some(unknown)) => Decided::new(id, HopDecision::Unknown, unknown),
        (None, Some(blocked), None) => Decided::new(id, HopDecision::Blocked, blocked),
        (_, None, None) => {
            let rules: Vec<String> = decisions.into_iter().map(|(_, rule)| rule).collect();
            Decided::new(id, HopDecision::Allowed, rules.join(", "))
        }
    }
}

/// What the routes that may decide for the portion agree on; unknown where they do not.
fn decide_portion(
    facts: &AwsFacts,
    way: &Way<'_>,
    id: &str,
    routes: &Routes<'_>,
    portion: &Portion<'_>,
    source: &str,
) -> (HopDecision, String) {
    let decided = match portion.matched {
        Some(matched) => decide_route(facts, way, id, matched.route, source),
        None => (HopDecision::Blocked, format!("{id} has no route to {source}")),
    };
    let differs = |route: &Route| decide_route(facts, way, id, route, source).0 != decided.0;
    if let (Some(matched), Some(other)) = (portion.matched, portion.or_else.iter().find(|route| differs(route))) {
        let (one, other) = (words(matched.route), words(other));
        return (
            HopDecision::Unknown,
            format!("{id}: which of {one} and {other} is the route to {source} is not told"),
        );
    }
    match routes.unread.iter().find(|(route, _)| !is_beyond_lists(portion) && differs(route)) {
        Some((_, why)) => (HopDecision::Unknown, why.reason.clone()),
        None => decided,
    }
}

/// No prefix list's route decides before a static one to a single address.
fn is_beyond_lists(portion: &Portion<'_>) -> bool {
    portion.matched.is_some_and(|matched| {
        let is_one_address = matched.destination.prefix_len() == matched.destination.max_prefix_len();
        is_one_address && rank(matched.route) < RANK_OF_PREFIX_LIST
    })
}

fn decide_route(facts: &AwsFacts, way: &Way<'_>, id: &str, route: &Route, source: &str) -> (HopDecision, String) {
    let words = words(route);
    let target = target(route);
    let blocked =
        |why: &str| (HopDecision::Blocked, format!("{id}: the route {words} is the one to {source}, and {why}"));
    let state = route.state.as_deref();
    if state != Some("active") {
        // A gateway that was detached turns its routes into black holes; then the gateway is what is broken.
        let is_gateways_fault = matches!(target, Target::InternetGateway(gateway)
            if internet_gateway::attachment(facts, gateway, way.interface.vpc_id.as_deref()) == Some(false));
        return match state {
            _ if is_gateways_fault => (HopDecision::Allowed, words),
            Some("blackhole") => blocked("its target is gone"),
            // `filtered` and what is added later: whether such a route is used is not documented.
            Some(state) => (HopDecision::Unknown, format!("{id}: the route {words} is `{state}`")),
            None => (HopDecision::Unknown, format!("{id}: the state of the route {words} is not told")),
        };
    }
    match (target, way.is_private) {
        (Target::InternetGateway(_), false) | (Target::Local, true) => (HopDecision::Allowed, words),
        (Target::Private(_), true) => {
            (HopDecision::Allowed, format!("{words}; the other side's routes are out of view"))
        }
        (Target::InternetGateway(_), true) => blocked("an internet gateway leads to no private address"),
        (Target::OutOnly(_), _) => blocked("that lets nobody in"),
        (Target::Local, false) => blocked("that leads to the VPC itself, not to the internet"),
        (Target::Private(_), false) => blocked("that does not lead to the internet gateway by which the source comes"),
        (Target::Elsewhere(_), _) => (
            HopDecision::Unknown,
            format!("{id}: the route {words} is the one to {source}; where that leads is out of view"),
        ),
    }
}

/// An edge association can send what comes in through the gateway by way of an appliance.
///
/// Source: VPC User Guide, "Middlebox routing".
fn diverted(facts: &AwsFacts, way: &Way<'_>) -> Option<Why> {
    let address = way.dialled.filter(|_| !way.is_private)?;
    // Routes of such a table speak of private addresses, for the gateway has translated the public one.
    let inside = address::behind(way.interface, address);
    let is_of_vpc = |table: &&RouteTable| table.vpc_id.is_none() || table.vpc_id == way.interface.vpc_id;
    for table in facts.route_tables.known()?.iter().filter(is_of_vpc) {
        let is_edge = |association: &RouteTableAssociation| {
            stands(association) && association.gateway_id.as_deref().is_some_and(|gateway| gateway.starts_with("igw-"))
        };
        if !table.associations.iter().any(is_edge) {
            continue;
        }
        // A table that cannot be read may send it anywhere.
        let routes = match Routes::of(facts, table) {
            Ok(routes) => routes,
            Err(why) => return Some(why),
        };
        if let Some(route) = routes.to(inside).into_iter().find(|route| target(route) != Target::Local) {
            let id = table.route_table_id.as_deref().unwrap_or_default();
            let words = words(route);
            return Some(Why::new(format!(
                "{id} sends what comes in through the internet gateway by {words}, which is out of view"
            )));
        }
    }
    None
}

impl Target<'_> {
    pub fn id(&self) -> &str {
        match self {
            Self::Local => "local",
            Self::InternetGateway(id) | Self::OutOnly(id) | Self::Private(id) | Self::Elsewhere(id) => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_association_that_holds_no_more_leaves_the_subnet_to_the_main_table() {
        let interface: NetworkInterface =
            serde_json::from_value(json!({ "SubnetId": "subnet-1", "VpcId": "vpc-1" })).unwrap();
        for (state, table) in [
            (json!(null), "rtb-own"),
            (json!({ "State": "associated" }), "rtb-own"),
            (json!({ "State": "disassociated" }), "rtb-main"),
            (json!({ "State": "failed" }), "rtb-main"),
        ] {
            let tables = json!([
                { "RouteTableId": "rtb-own", "VpcId": "vpc-1", "Associations": [{ "SubnetId": "subnet-1", "AssociationState": state }] },
                { "RouteTableId": "rtb-main", "VpcId": "vpc-1", "Associations": [{ "Main": true }] },
            ]);
            let facts =
                AwsFacts { route_tables: Fact::Known(serde_json::from_value(tables).unwrap()), ..AwsFacts::default() };
            let found = table_of(&facts, &interface).unwrap();
            assert_eq!(found.route_table_id.as_deref(), Some(table), "{state}");
        }
    }
}
