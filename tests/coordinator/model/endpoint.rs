//! EC2 Instance Connect Endpoints: which one, whether it stands, and what its own subnet and groups let through.

use super::address::Dialled;
use super::documents::{Documents, Endpoint};
use super::net::{Address, Net};
use super::wrong::{Rules, Wrong};
use super::{Asked, Element, Piece, Question, Says, network_acl, route, security_group};

pub struct Chosen<'a> {
    endpoint: Option<&'a Endpoint>,
    is_listed: bool,
    is_usable: bool,
}

/// Of those of the VPC the usable ones, of these one in the instance's own subnet, else the first. With no usable one the first of the
/// others, so that its state can be told.
pub fn choose<'a>(documents: &'a Documents, dialled: &Dialled<'_>, rules: Rules) -> Chosen<'a> {
    let Some(endpoints) = &documents.endpoints else {
        return Chosen { endpoint: None, is_listed: false, is_usable: false };
    };
    let of_vpc: Vec<&Endpoint> = endpoints.iter().filter(|endpoint| endpoint.vpc == documents.vpc).collect();
    let is_usable = |endpoint: &&&Endpoint| {
        let state = endpoint.state.as_str();
        matches!(state, "create-complete" | "update-in-progress" | "update-complete" | "update-failed")
            || rules.is(Wrong::EndpointInAnyState)
    };
    let near = |endpoint: &&&Endpoint| endpoint.subnet == dialled.interface.subnet;
    let usable: Vec<&Endpoint> = of_vpc.iter().filter(is_usable).copied().collect();
    let endpoint = usable.iter().find(near).or(usable.first()).or(of_vpc.first()).copied();
    Chosen { endpoint, is_listed: true, is_usable: !usable.is_empty() }
}

impl Chosen<'_> {
    pub fn groups(&self) -> &[String] {
        self.endpoint.map_or(&[], |endpoint| &endpoint.groups)
    }

    pub fn subnet(&self) -> Option<&str> {
        self.endpoint.map(|endpoint| endpoint.subnet.as_str())
    }

    /// Its own interfaces' addresses of the dialled family; the client's address where it keeps that.
    pub fn sources(&self, documents: &Documents, client: Option<&str>, dialled: &Dialled<'_>) -> Vec<Net> {
        let Some(endpoint) = self.endpoint else { return Vec::new() };
        if endpoint.keeps_client_address {
            return client.and_then(Net::parse).into_iter().collect();
        }
        let is_v6 = dialled.address.is_some_and(|address| address.is_v6);
        let interfaces = documents.endpoint_interfaces.iter().flatten();
        let addresses =
            interfaces.filter(|interface| endpoint.interfaces.contains(&interface.id)).flat_map(|interface| {
                interface.v4.iter().map(|(private, _)| *private).chain(interface.v6.iter().copied()).collect::<Vec<_>>()
            });
        addresses
            .filter(|address| address.is_v6 == is_v6)
            .map(|Address { is_v6, number }| Net {
                is_v6,
                first: number,
                last: number,
                length: if is_v6 { 128 } else { 32 },
            })
            .collect()
    }
}

pub fn elements(asked: &Asked<'_>, chosen: &Chosen<'_>, pieces: &[Piece]) -> Vec<(Element, Vec<Option<Says>>)> {
    let Asked { documents, question, dialled, rules, .. } = *asked;
    let names =
        ["endpoint", "endpoint-state", "endpoint-address-type", "endpoint-security-group", "endpoint-network-acl"];
    let said: [Option<Says>; 5] = match (chosen.endpoint, chosen.is_listed) {
        // Nothing is asked of an endpoint where nothing is dialled.
        _ if dialled.address.is_none() => [Some(Says::Maybe); 5],
        (None, true) if may_serve_from_elsewhere(documents, dialled, rules) => [Some(Says::Maybe); 5],
        (None, false) => [Some(Says::Maybe); 5],
        (None, true) => [Some(Says::No), None, None, None, None],
        (Some(endpoint), _) => [
            Some(Says::Yes),
            Some(state(chosen.is_usable, question.port)),
            Some(address_type(endpoint, dialled, rules)),
            Some(lets_out(documents, question, dialled, endpoint, rules)),
            None,
        ],
    };
    let mut elements: Vec<(Element, Vec<Option<Says>>)> =
        names.into_iter().zip(said).map(|(name, said)| (("outbound", name), vec![said; pieces.len()])).collect();
    if let Some(endpoint) = chosen.endpoint.filter(|_| dialled.address.is_some()) {
        elements[4].1 = pieces.iter().map(|piece| border(asked, endpoint, piece.reply_port)).collect();
    }
    elements
}

/// Tunnels are known to lead to two ports only; of others nothing is documented.
fn state(is_usable: bool, port: u16) -> Says {
    match port {
        _ if !is_usable => Says::No,
        22 | 3389 => Says::Yes,
        _ => Says::Maybe,
    }
}

fn address_type(endpoint: &Endpoint, dialled: &Dialled<'_>, rules: Rules) -> Says {
    let Some(address) = dialled.address else { return Says::Maybe };
    match (endpoint.address_type.as_str(), address.is_v6) {
        ("dualstack", _) | ("ipv4", false) | ("ipv6", true) => Says::Yes,
        _ if rules.is(Wrong::EndpointOfAnyFamily) => Says::Yes,
        _ => Says::No,
    }
}

/// Its groups' outbound rules to the instance's address, or to a group of the instance's interface.
fn lets_out(
    documents: &Documents,
    question: &Question,
    dialled: &Dialled<'_>,
    endpoint: &Endpoint,
    rules: Rules,
) -> Says {
    if rules.is(Wrong::EndpointLetsEverythingOut) {
        return Says::Yes;
    }
    let Some(address) = dialled.address else { return Says::Maybe };
    let members = |group: &str| if dialled.interface.groups.iter().any(|g| g == group) { Says::Yes } else { Says::No };
    security_group::admits(
        documents,
        &endpoint.groups,
        |group| &group.outbound,
        Some(address),
        question.port,
        members,
        rules,
    )
}

/// The network ACL of its subnet, to the instance's port and back.
fn border(asked: &Asked<'_>, endpoint: &Endpoint, reply_port: u16) -> Option<Says> {
    let Asked { documents, question, dialled, rules, .. } = *asked;
    if endpoint.subnet == dialled.interface.subnet {
        return None;
    }
    let (Some(address), Some(acl)) = (dialled.address, network_acl::of(documents, &endpoint.subnet, rules)) else {
        return Some(Says::Maybe);
    };
    let out = network_acl::lets(acl, true, address, question.port, rules);
    Some(super::worse(out, network_acl::lets(acl, false, address, reply_port, rules)))
}

/// An endpoint of a VPC that a route joins to this one, where it does not keep the client's address. Whether the route leads to just
/// that VPC no document tells.
fn may_serve_from_elsewhere(documents: &Documents, dialled: &Dialled<'_>, rules: Rules) -> bool {
    let is_one = |endpoint: &Endpoint| {
        let usable = matches!(
            endpoint.state.as_str(),
            "create-complete" | "update-in-progress" | "update-complete" | "update-failed"
        );
        usable && !endpoint.keeps_client_address
    };
    if !documents.endpoints.iter().flatten().any(is_one) {
        return false;
    }
    let Some(table) = route::of_subnet(documents, &dialled.interface.subnet, rules) else { return true };
    table.routes.iter().any(|route| route.state == "active" && route::joins_another_vpc(route))
}
