//! Internet gateways, the route tables at them, and VPC Block Public Access.

use super::documents::Documents;
use super::route::{candidates, of_subnet};
use super::wrong::{Rules, Wrong};
use super::{Asked, Piece, Says};

/// Attached to this VPC: the gateway that replies are sent to, or, where they are sent to none, any.
pub fn internet_gateway(asked: &Asked<'_>, piece: Piece) -> Option<Says> {
    if !asked.is_public {
        return None;
    }
    let Asked { documents, rules, .. } = *asked;
    let Some(gateways) = &documents.gateways else { return Some(Says::Maybe) };
    let attached: Vec<&str> = gateways
        .iter()
        .filter(|gateway| {
            gateway.attachments.iter().any(|(state, vpc)| {
                let is_here = *vpc == documents.vpc || rules.is(Wrong::GatewayOfAnyVpc);
                let stands = state == "available" || state == "attached" || rules.is(Wrong::DetachedGateway);
                is_here && stands
            })
        })
        .map(|gateway| gateway.id.as_str())
        .collect();
    let named = piece.address.and_then(|address| {
        let table = of_subnet(documents, &asked.dialled.interface.subnet, rules)?;
        let routes = candidates(documents, table, address, rules);
        let (key, id) = &routes.first().copied().flatten()?.target;
        (*key == "GatewayId" && id.starts_with("igw-") && routes.len() == 1).then_some(id.as_str())
    });
    let ways: Vec<&str> = match named {
        Some(id) => attached.into_iter().filter(|attached| *attached == id).collect(),
        None => attached,
    };
    if ways.is_empty() {
        // A participant of a shared VPC need not see the owner's gateway.
        return Some(if is_shared(asked) { Says::Maybe } else { Says::No });
    }
    Some(Says::Yes)
}

/// A route table at the gateway sends what is for the instance elsewhere than straight to it.
pub fn is_turned_away(asked: &Asked<'_>) -> bool {
    let Asked { documents, rules, dialled, .. } = *asked;
    let Some(to) = dialled.private.filter(|_| asked.is_public) else { return false };
    if rules.is(Wrong::GatewayTableIgnored) {
        return false;
    }
    let here = documents.tables.iter().flatten().filter(|table| table.vpc == documents.vpc);
    here.filter(|table| table.gateways.iter().any(|gateway| gateway.starts_with("igw-"))).any(|table| {
        candidates(documents, table, to, rules).into_iter().flatten().any(|route| route.target.1 != "local")
    })
}

pub fn is_shared(asked: &Asked<'_>) -> bool {
    let subnet = of_interface(asked.documents, &asked.dialled.interface.subnet);
    let owner = subnet.and_then(|subnet| subnet.owner.as_ref());
    owner.zip(asked.documents.owner.as_ref()).is_some_and(|(of_subnet, of_instance)| of_subnet != of_instance)
}

fn of_interface<'a>(documents: &'a Documents, id: &str) -> Option<&'a super::documents::Subnet> {
    documents.subnets.as_ref()?.iter().find(|subnet| subnet.id == id)
}

/// Off, or this subnet or its VPC is excluded in both directions.
pub fn block_public_access(asked: &Asked<'_>, _: Piece) -> Option<Says> {
    let Asked { documents, rules, .. } = *asked;
    if asked.question.via == "private" {
        return None;
    }
    let Some((mode, state)) = &documents.block_mode else { return Some(Says::Maybe) };
    if state == "update-in-progress" {
        return Some(Says::Maybe);
    }
    if !asked.is_public {
        // Whether it bears on an endpoint is not documented.
        return (mode != "off").then_some(Says::Maybe);
    }
    // In a shared subnet the owner's setting counts, which a participant cannot read.
    if is_shared(asked) {
        return Some(Says::Maybe);
    }
    match mode.as_str() {
        "off" => return Some(Says::Yes),
        "block-ingress" if rules.is(Wrong::BlockIngressBlocksNothing) => return Some(Says::Yes),
        "block-bidirectional" | "block-ingress" => {}
        _ => return Some(Says::Maybe),
    }
    let Some(exclusions) = &documents.exclusions else { return Some(Says::Maybe) };
    Some(excluded(documents, &asked.dialled.interface.subnet, exclusions, rules))
}

fn excluded(documents: &Documents, subnet: &str, exclusions: &[super::documents::Exclusion], rules: Rules) -> Says {
    let mut best = Says::No;
    for exclusion in exclusions {
        let name = exclusion.resource.rsplit('/').next().unwrap_or_default();
        // One that is being updated may be on its way to another mode.
        let is_updated = exclusion.state == "update-in-progress";
        let admits = exclusion.mode == "allow-bidirectional" || is_updated || rules.is(Wrong::EgressExclusionAdmits);
        if !admits || (name != subnet && name != documents.vpc) || rules.is(Wrong::ExclusionsIgnored) {
            continue;
        }
        match exclusion.state.as_str() {
            "create-complete" | "update-complete" => return Says::Yes,
            "create-failed" | "delete-complete" | "disable-complete" if rules.is(Wrong::ExclusionThatIsGone) => {
                return Says::Yes;
            }
            "create-failed" | "delete-complete" | "disable-complete" => {}
            _ => best = Says::Maybe,
        }
    }
    best
}
