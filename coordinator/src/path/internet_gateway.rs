//! The internet gateway by which a public source comes in: it must be attached to the instance's VPC.
//!
//! Source: VPC User Guide, "Internet gateways"; EC2 API, `InternetGatewayAttachment`: an attached gateway is `available`.

use eic_doctor_proto::{Attempt, HopDecision, Via};

use crate::facts::{AwsFacts, InternetGateway};
use crate::path::route_table::{self, Routes, Target};
use crate::path::{Decided, Way, need, way};

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
    if let Some(id) = named_by_route(facts, &way) {
        return match attachment(facts, id, vpc) {
            Some(true) => Decided::new(id, HopDecision::Allowed, format!("attached to {}", vpc.unwrap_or_default())),
            _ => Decided::new(id, HopDecision::Blocked, state(gateways, id, vpc.unwrap_or_default())),
        };
    }
    // No route names one: then it is at least told whether the VPC has one.
    match gateways.iter().find(|gateway| is_attached(gateway, vpc)) {
        Some(gateway) => {
            let id = gateway.internet_gateway_id.clone().unwrap_or_default();
            Decided::new(id, HopDecision::Allowed, format!("attached to {}", vpc.unwrap_or_default()))
        }
        None => {
            let rule = format!("no internet gateway is attached to {}", vpc.unwrap_or_default());
            Decided::new("", HopDecision::Blocked, rule)
        }
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
    let portions = Routes::of(facts, table).ok()?.portions(&nets);
    portions.into_iter().filter_map(|portion| portion.matched).find_map(|matched| {
        match route_table::target(matched.route) {
            Target::InternetGateway(id) => Some(id),
            _ => None,
        }
    })
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
