//! The way of the reply: the subnet's table, the longest prefix, and what the target means for who came in.

use super::documents::{Documents, Route, Table};
use super::net::Address;
use super::wrong::{Rules, Wrong};
use super::{Asked, Piece, Says, gateway};

pub fn to_source(asked: &Asked<'_>, piece: Piece) -> Option<Says> {
    if asked.endpoint.is_some() {
        // The endpoint's interface is in the VPC: the local route, which no table lacks.
        return None;
    }
    let Some(address) = piece.address else { return Some(Says::Maybe) };
    let Asked { documents, rules, is_public, .. } = *asked;
    let Some(table) = of_subnet(documents, &asked.dialled.interface.subnet, rules) else { return Some(Says::Maybe) };
    let outcomes: Vec<Says> = candidates(documents, table, address, rules)
        .into_iter()
        .map(|route| route.map_or(Says::No, |route| leads_back(documents, route, is_public, rules)))
        .collect();
    let is_one = outcomes.windows(2).all(|pair| pair[0] == pair[1]);
    let says = if is_one { outcomes[0] } else { Says::Maybe };
    Some(if says == Says::Yes && gateway::is_turned_away(asked) { Says::Maybe } else { says })
}

/// The explicitly associated one, else the VPC's main one.
pub fn of_subnet<'a>(documents: &'a Documents, subnet: &str, rules: Rules) -> Option<&'a Table> {
    let tables = documents.tables.as_ref()?;
    let explicit = tables.iter().find(|table| table.subnets.iter().any(|associated| associated == subnet));
    let main = tables.iter().find(|table| table.is_main && table.vpc == documents.vpc);
    match explicit {
        Some(_) if rules.is(Wrong::MainTableAlways) => main,
        Some(explicit) => Some(explicit),
        None => main,
    }
}

/// Every route that may be the one that is used, `None` for no route at all. More than one where it cannot be told: a prefix list that
/// could not be read, prefix lists that overlap, of which AWS takes one at random, and equal propagated routes.
pub fn candidates<'a>(documents: &Documents, table: &'a Table, to: Address, rules: Rules) -> Vec<Option<&'a Route>> {
    let full = if to.is_v6 { 128 } else { 32 };
    let mut known: Vec<(u8, u8, &Route)> = Vec::new();
    let mut unread: Vec<&Route> = Vec::new();
    for route in &table.routes {
        let kind = kind(route, rules);
        if let Some(net) = route.net.filter(|net| net.has(to)) {
            known.push((net.length, kind, route));
        }
        if let Some(list) = &route.prefix_list {
            match documents.prefix_lists.get(list) {
                Some(nets) => known.extend(nets.iter().filter(|n| n.has(to)).map(|n| (n.length, kind, route))),
                None if rules.is(Wrong::UnreadPrefixListIsNoRoute) => {}
                // The lists that gateway endpoints are routed by are S3's and DynamoDB's: nobody connects from there.
                None if route.target.1.starts_with("vpce-") => {}
                None => unread.push(route),
            }
        }
    }
    if rules.is(Wrong::FirstRoute) {
        return vec![known.first().map(|(_, _, route)| *route)];
    }
    let best = known.iter().map(|(length, kind, _)| (*length, *kind)).max();
    let mut found: Vec<Option<&Route>> = match best {
        None => vec![None],
        Some((length, kind)) => {
            let takes_part = |(l, k, _): &&(u8, u8, &Route)| {
                let is_random = kind == kind_of_lists(rules) && *k == kind && !rules.is(Wrong::LongestPrefixListEntry);
                is_random || (*l, *k) == (length, kind)
            };
            known.iter().filter(takes_part).map(|(_, _, route)| Some(*route)).collect()
        }
    };
    let is_beyond_lists = best.is_some_and(|(length, kind)| length == full && kind > kind_of_lists(rules));
    if !is_beyond_lists {
        found.extend(unread.into_iter().map(Some));
    }
    // Several entries of one list are one route.
    found.dedup_by(|a, b| a.map(std::ptr::from_ref) == b.map(std::ptr::from_ref));
    found
}

/// On a tie the higher wins: static, then prefix list, then propagated.
fn kind(route: &Route, rules: Rules) -> u8 {
    let is_propagated = route.origin == "EnableVgwRoutePropagation";
    let (fixed, propagated) = if rules.is(Wrong::PropagatedBeatsStatic) { (0, 2) } else { (2, 0) };
    match (&route.prefix_list, is_propagated) {
        (Some(_), _) => kind_of_lists(rules),
        (None, true) => propagated,
        (None, false) => fixed,
    }
}

fn kind_of_lists(rules: Rules) -> u8 {
    if rules.is(Wrong::PrefixListBeatsStatic) { 3 } else { 1 }
}

/// Peering, a transit gateway, a virtual private or a local gateway.
pub fn joins_another_vpc(route: &Route) -> bool {
    let (key, id) = (route.target.0, route.target.1.as_str());
    (key == "GatewayId" && id.starts_with("vgw-"))
        || matches!(key, "TransitGatewayId" | "VpcPeeringConnectionId" | "LocalGatewayId")
}

/// A route goes black with its gateway; then the gateway is what is broken.
fn is_gateways_fault(documents: &Documents, route: &Route) -> bool {
    let id = route.target.1.as_str();
    let is_here =
        |(state, vpc): &(String, String)| (state == "available" || state == "attached") && *vpc == documents.vpc;
    let gateways = documents.gateways.as_ref();
    id.starts_with("igw-")
        && gateways
            .is_some_and(|all| !all.iter().any(|gateway| gateway.id == id && gateway.attachments.iter().any(is_here)))
}

fn leads_back(documents: &Documents, route: &Route, is_public: bool, rules: Rules) -> Says {
    match route.state.as_str() {
        "blackhole" | "filtered" if is_gateways_fault(documents, route) => return Says::Yes,
        "blackhole" if !rules.is(Wrong::BlackholeLeadsBack) => return Says::No,
        "filtered" => return Says::Maybe,
        _ => {}
    }
    let (key, id) = (route.target.0, route.target.1.as_str());
    let is_gateway = |prefix: &str| key == "GatewayId" && id.starts_with(prefix);
    // An appliance; and what is not among the ways that the documentation says lead back.
    if matches!(key, "NetworkInterfaceId" | "InstanceId" | "VpcEndpointId" | "CoreNetworkArn" | "CarrierGatewayId")
        || is_gateway("vpce-")
    {
        return if rules.is(Wrong::ApplianceLeadsBack) { Says::Yes } else { Says::Maybe };
    }
    if key == "NatGatewayId" {
        return if rules.is(Wrong::NatLeadsBack) { Says::Yes } else { Says::No };
    }
    if key == "EgressOnlyInternetGatewayId" {
        return if rules.is(Wrong::EgressOnlyLeadsBack) { Says::Yes } else { Says::No };
    }
    let is_internet = is_gateway("igw-");
    let is_private = is_gateway("local") || joins_another_vpc(route);
    let leads = if rules.is(Wrong::AnyGatewayLeadsBack) {
        is_internet || is_private
    } else if is_public {
        is_internet
    } else {
        is_private
    };
    if leads { Says::Yes } else { Says::No }
}
