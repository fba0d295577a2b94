//! The internet gateway by which a public source comes in: it must be attached to the instance's VPC.
//!
//! Source: VPC User Guide, "Internet gateways"; EC2 API, `InternetGatewayAttachment`: an attached gateway is `available`.

use eic_doctor_proto::{Attempt, HopDecision, Via, Why};

use crate::facts::{AwsFacts, InternetGateway};
use crate::path::cidr::AddressSet;
use crate::path::route_table::{self, Portion, Routes, Target};
use crate::path::{Decided, Way, block_public_access, need, way};

pub fn judge(facts: &AwsFacts, attempt: &Attempt) -> Decided {
    if let Err(why) = need(&facts.instance, "the instance") {
        return Decided::unknown("", why);
    }
    if matches!(attempt.via, Via::Private | Via::Endpoint) {
        return Decided::new("", HopDecision::NotApplicable, "this way does not lead through an internet gateway");
    }
    let way = match way(facts, attempt) {
        Ok(way) => way,
        Err(why) => return Decided::unknown("", why),
    };
    let gateways = match need(&facts.internet_gateways, "the internet gateways") {
        Ok(gateways) => gateways,
        Err(why) => return Decided::unknown("", why),
    };
    let vpc = way.interface.vpc_id.as_deref();
    let attached = gateways.iter().find(|gateway| is_attached(gateway, vpc));
    let attached = attached.and_then(|gateway| gateway.internet_gateway_id.as_deref());
    let mut serves = None;
    let mut fails = None;
    // A part of the source whose route names no gateway comes in by whichever the VPC has.
    for named in named_by_routes(facts, &way) {
        match named.or(attached) {
            Some(id) if attachment(facts, id, vpc) == Some(true) => serves = Some(id),
            Some(id) => fails = Some((id, state(gateways, id, vpc.unwrap_or_default()))),
            None => fails = Some(("", format!("no internet gateway is attached to {}", vpc.unwrap_or_default()))),
        }
    }
    match (serves, fails) {
        (Some(id), None) => Decided::new(id, HopDecision::Allowed, format!("attached to {}", vpc.unwrap_or_default())),
        (None, None) => Decided::unknown("", Why::new("the source is empty")),
        // A participant of a shared VPC need not see the owner's gateways.
        (_, Some((id, rule))) if block_public_access::owner_of_shared_subnet(facts, &way).is_some() => {
            Decided::unknown(id, Why::new(format!("{rule}; the subnet is shared, and its owner's may be out of view")))
        }
        (Some(_), Some((id, rule))) => Decided::new(id, HopDecision::Partial, rule),
        (None, Some((id, rule))) => Decided::new(id, HopDecision::Blocked, rule),
    }
}

/// The part of the source that comes in by a gateway that is attached, where that can be told.
pub fn serves(facts: &AwsFacts, way: &Way<'_>) -> Option<AddressSet> {
    let routes = Routes::of(facts, route_table::table(facts, way).ok()?).ok()?;
    let vpc = way.interface.vpc_id.as_deref();
    let any = facts.internet_gateways.known()?.iter().any(|gateway| is_attached(gateway, vpc));
    let mut served = AddressSet::default();
    for portion in routes.portions(&way.source.as_ref().ok()?.nets) {
        let named = gateway_of(&routes, &portion);
        if named.map_or(any, |id| attachment(facts, id, vpc) == Some(true)) {
            served.add_all(&portion.addresses);
        }
    }
    Some(served)
}

/// Of each part of the source the gateway that its route leads to; `None` where that is none, or not told.
fn named_by_routes<'a>(facts: &'a AwsFacts, way: &Way<'a>) -> Vec<Option<&'a str>> {
    let (Ok(table), Ok(source)) = (route_table::table(facts, way), &way.source) else { return vec![None] };
    let Ok(routes) = Routes::of(facts, table) else { return vec![None] };
    let portions = routes.portions(&source.nets);
    portions.into_iter().map(|portion| gateway_of(&routes, &portion)).collect()
}

fn gateway_of<'a>(routes: &Routes<'a>, portion: &Portion<'a>) -> Option<&'a str> {
    let matched = portion.matched.filter(|_| routes.is_certain(portion))?;
    match route_table::target(matched.route) {
        Target::InternetGateway(id) => Some(id),
        _ => None,
    }
}

/// The gateway that the route to the source, or to the internet where no source is given, leads to.
pub fn named_by_route<'a>(facts: &'a AwsFacts, way: &Way<'a>) -> Option<&'a str> {
    let table = route_table::table(facts, way).ok()?;
    let internet = match way.dialled {
        Some(std::net::IpAddr::V6(_)) => "::/0",
        _ => "0.0.0.0/0",
    };
    let nets = match &way.source {
        Ok(source) => source.nets.clone(),
        Err(_) => vec![internet.parse().ok()?],
    };
    let routes = Routes::of(facts, table).ok()?;
    routes.portions(&nets).iter().find_map(|portion| gateway_of(&routes, portion))
}

/// Whether the gateway is attached to the VPC; `None` where the gateways are not known.
pub fn attachment(facts: &AwsFacts, id: &str, vpc: Option<&str>) -> Option<bool> {
    let gateways = facts.internet_gateways.known()?;
    let gateway = gateways.iter().find(|gateway| gateway.internet_gateway_id.as_deref() == Some(id));
    Some(gateway.is_some_and(|gateway| is_attached(gateway, vpc)))
}

fn is_attached(gateway: &InternetGateway, vpc: Option<&str>) -> bool {
    gateway.attachments.iter().any(|attachment| {
        attachment.vpc_id.as_deref() == vpc && matches!(attachment.state.as_deref(), Some("available" | "attached"))
    })
}

fn state(gateways: &[InternetGateway], id: &str, vpc: &str) -> String {
    let Some(gateway) = gateways.iter().find(|gateway| gateway.internet_gateway_id.as_deref() == Some(id)) else {
        return format!("{id}, which the route names, is not among the internet gateways that may be seen");
    };
    match gateway.attachments.first() {
        None => format!("{id} is attached to no VPC"),
        Some(attachment) if attachment.vpc_id.as_deref() == Some(vpc) => {
            format!("{id} is {} at {vpc}", attachment.state.as_deref().unwrap_or("in no known state"))
        }
        Some(attachment) => {
            format!("{id} is attached to {}, not to {vpc}", attachment.vpc_id.as_deref().unwrap_or("another VPC"))
        }
    }
}
