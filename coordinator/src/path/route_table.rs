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
use crate::path::{Decided, Way, internet_gateway, need, prefix_list, way};

/// A part of the source and the route that decides for it.
#[derive(Debug)]
pub struct Portion<'a> {
    /// `None`: no route matches.
    pub matched: Option<Matched<'a>>,
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
        Ok(routes) => decide(facts, &way, id, table, &routes.portions(&source.nets), &source.words()),
        Err(why) => Decided::unknown(id, why),
    }
}

/// The table that the network interface's subnet names, else the main one of its VPC.
pub fn table<'a>(facts: &'a AwsFacts, way: &Way<'a>) -> Result<&'a RouteTable, Why> {
    table_of(facts, way.interface)
}

pub fn table_of<'a>(facts: &'a AwsFacts, interface: &NetworkInterface) -> Result<&'a RouteTable, Why> {
    let tables = need(&facts.route_tables, "the route tables")?;
    let subnet = interface.subnet_id.as_deref().ok_or_else(|| Why::new("the network interface names no subnet"))?;
    let holds = |association: &&RouteTableAssociation| {
        let state = association.association_state.as_ref().and_then(|state| state.state.as_deref());
        // Older answers tell no state (EC2 API, RouteTableAssociationState).
        !matches!(state, Some("disassociated" | "failed"))
    };
    let names_subnet = |table: &&RouteTable| {
        table.associations.iter().filter(holds).any(|association| association.subnet_id.as_deref() == Some(subnet))
    };
    let is_main = |table: &&RouteTable| {
        let is_of_vpc = table.vpc_id.is_none() || interface.vpc_id.is_none() || table.vpc_id == interface.vpc_id;
        is_of_vpc && table.associations.iter().any(|association| association.main == Some(true))
    };
    tables.iter().find(names_subnet).or_else(|| tables.iter().find(is_main)).ok_or_else(|| {
        // In a shared VPC the participant may not see the owner's tables.
        Why::new(format!(
            "no route table in the answer of ec2:DescribeRouteTables is associated with {subnet} or is the main one"
        ))
    })
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
pub struct Routes<'a>(Vec<Matched<'a>>);

impl<'a> Routes<'a> {
    /// Resolves prefix lists; one that cannot be resolved may hold the source, so then nothing can be said.
    pub fn of(facts: &AwsFacts, table: &'a RouteTable) -> Result<Self, Why> {
        let mut known = destinations(facts, table)?;
        known.sort_by_key(|matched| (std::cmp::Reverse(matched.destination.prefix_len()), rank(matched.route)));
        Ok(Self(known))
    }

    /// The route that decides for one address.
    pub fn to(&self, address: IpAddr) -> Option<Matched<'a>> {
        self.0.iter().find(|matched| matched.destination.contains(&address)).copied()
    }

    /// The routes that decide for parts of the source; with `None` for a part that no route matches.
    pub fn portions(&self, nets: &[IpNet]) -> Vec<Portion<'a>> {
        let mut left: AddressSet = nets.iter().collect();
        let mut portions = Vec::new();
        for matched in &self.0 {
            if left.is_empty() {
                break;
            }
            if !left.take(&std::iter::once(&matched.destination).collect()).is_empty() {
                portions.push(Portion { matched: Some(*matched) });
            }
        }
        if !left.is_empty() {
            portions.push(Portion { matched: None });
        }
        portions
    }
}

fn destinations<'a>(facts: &AwsFacts, table: &'a RouteTable) -> Result<Vec<Matched<'a>>, Why> {
    let mut known = Vec::with_capacity(table.routes.len());
    for route in &table.routes {
        let cidr = route.destination_cidr_block.as_deref().or(route.destination_ipv6_cidr_block.as_deref());
        if let Some(cidr) = cidr {
            let destination =
                cidr.parse().map_err(|_| Why::new(format!("a route's destination `{cidr}` is no CIDR")))?;
            known.push(Matched { destination, route });
        } else if let Some(list) = route.destination_prefix_list_id.as_deref() {
            match prefix_list::resolve(facts, list) {
                Ok(nets) => known.extend(nets.into_iter().map(|destination| Matched { destination, route })),
                // The lists of gateway endpoints (S3, DynamoDB) hold no address that anybody connects from.
                Err(_) if route.gateway_id.as_deref().is_some_and(|id| id.starts_with("vpce-")) => {}
                Err(why) => return Err(why),
            }
        }
    }
    Ok(known)
}

/// Of routes to one destination the lowest wins.
fn rank(route: &Route) -> u8 {
    if route.origin.as_deref() == Some("EnableVgwRoutePropagation") {
        2
    } else {
        u8::from(route.destination_prefix_list_id.is_some())
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

fn decide(
    facts: &AwsFacts,
    way: &Way<'_>,
    id: String,
    table: &RouteTable,
    portions: &[Portion<'_>],
    source: &str,
) -> Decided {
    let decisions: Vec<(HopDecision, String)> =
        portions.iter().map(|portion| decide_portion(facts, way, &id, portion, source)).collect();
    let worst = [HopDecision::Blocked, HopDecision::Unknown].into_iter().find_map(|wanted| {
        decisions.iter().find(|(decision, _)| *decision == wanted).map(|(_, rule)| (wanted, rule.clone()))
    });
    match worst {
        Some((HopDecision::Blocked, rule))
            if decisions.iter().any(|(decision, _)| *decision == HopDecision::Allowed) =>
        {
            Decided::new(id, HopDecision::Partial, rule)
        }
        Some((decision, rule)) => Decided::new(id, decision, rule),
        None => match diverted(facts, way, table) {
            Some(why) => Decided::unknown(id, why),
            None => {
                let rules: Vec<String> = decisions.into_iter().map(|(_, rule)| rule).collect();
                Decided::new(id, HopDecision::Allowed, rules.join(", "))
            }
        },
    }
}

fn decide_portion(
    facts: &AwsFacts,
    way: &Way<'_>,
    id: &str,
    portion: &Portion<'_>,
    source: &str,
) -> (HopDecision, String) {
    let Some(matched) = portion.matched else {
        return (HopDecision::Blocked, format!("{id} has no route to {source}"));
    };
    let words = words(matched.route);
    let target = target(matched.route);
    let blocked =
        |why: &str| (HopDecision::Blocked, format!("{id}: the route {words} is the one to {source}, and {why}"));
    let state = matched.route.state.as_deref();
    if state != Some("active") {
        // A gateway that was detached turns its routes into black holes; then the gateway is what is broken.
        let is_gateways_fault = matches!(target, Target::InternetGateway(gateway)
            if internet_gateway::attachment(facts, gateway, way.interface.vpc_id.as_deref()) == Some(false));
        return match state {
            _ if is_gateways_fault => (HopDecision::Allowed, words),
            Some("blackhole") => blocked("its target is gone"),
            Some(_) => blocked("it is not active"),
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
fn diverted(facts: &AwsFacts, way: &Way<'_>, own: &RouteTable) -> Option<Why> {
    let address = way.dialled.filter(|_| !way.is_private)?;
    let is_of_vpc = |table: &&RouteTable| table.vpc_id.is_none() || table.vpc_id == way.interface.vpc_id;
    for table in facts.route_tables.known()?.iter().filter(is_of_vpc) {
        if table.route_table_id == own.route_table_id {
            continue;
        }
        let is_edge = |gateway: &str| gateway.starts_with("igw-");
        if !table.associations.iter().any(|association| association.gateway_id.as_deref().is_some_and(is_edge)) {
            continue;
        }
        // Routes of such a table speak of private addresses, for the gateway has translated the public one.
        let private = way.interface.private_ip_address.as_deref().filter(|_| address.is_ipv4());
        let inside = private.and_then(|address| address.parse::<IpAddr>().ok()).unwrap_or(address);
        // A table that cannot be read may send it anywhere.
        let routes = match Routes::of(facts, table) {
            Ok(routes) => routes,
            Err(why) => return Some(why),
        };
        if let Some(matched) = routes.to(inside)
            && target(matched.route) != Target::Local
        {
            let id = table.route_table_id.as_deref().unwrap_or_default();
            let words = words(matched.route);
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
