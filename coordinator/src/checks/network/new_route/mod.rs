//! The routes that lead replies to a public source through the VPC's internet gateway, which is made where the VPC has none.

use std::collections::BTreeSet;

use eic_doctor_proto::{Attempt, Command, Via};
use ipnet::IpNet;

use super::known;
use crate::checks::command::{aws, id};
use crate::facts::{AwsFacts, InternetGateway, RouteTable};
use crate::path::internet_gateway;
use crate::path::route_table::{self, Portion, Routes, Target, is_active};

/// The shell variable that holds the id of a gateway that the command itself makes.
const GATEWAY: &str = "gateway";

/// `None` where no route can be added for this source.
pub(super) fn through_gateway(facts: &AwsFacts, attempt: &Attempt) -> Option<Command> {
    if matches!(attempt.via, Via::Private | Via::Endpoint) || is_within_vpc(facts, attempt) {
        return None;
    }
    let (way, source) = known(facts, attempt)?;
    let table = route_table::table(facts, &way).ok()?;
    let table_id = id(table.route_table_id.as_deref())?;
    let vpc = way.interface.vpc_id.as_deref();
    let attached = |gateway: &&InternetGateway| {
        let id = gateway.internet_gateway_id.as_deref().unwrap_or_default();
        internet_gateway::attachment(facts, id, vpc) == Some(true)
    };
    let gateway = match facts.internet_gateways.known()?.iter().find(attached) {
        Some(gateway) => Some(id(gateway.internet_gateway_id.as_deref())?),
        None => None,
    };
    let mut destinations = BTreeSet::new();
    for net in &source.nets {
        let leads_through = |portion: &Portion<'_>| {
            portion.matched.is_some_and(|matched| {
                let target = route_table::target(matched.route);
                let is_through = matches!(target, Target::InternetGateway(named) if gateway == Some(named));
                is_through && is_active(matched.route)
            })
        };
        for portion in Routes::of(facts, table).ok()?.portions(std::slice::from_ref(net)) {
            // A route within the source decides before one to all of the source.
            let within = portion.matched.map(|matched| matched.destination).filter(|within| net.contains(within));
            if !leads_through(&portion) {
                destinations.insert(within.unwrap_or(*net));
            }
        }
    }
    let routes = destinations.iter().map(|destination| {
        let route = to(facts, table, table_id, destination).arg("--gateway-id");
        match gateway {
            Some(gateway) => route.arg(gateway),
            None => route.variable(GATEWAY),
        }
    });
    let routes = routes.reduce(Command::and)?;
    Some(match gateway {
        Some(_) => routes,
        None => new_gateway(facts, id(vpc)?).and(routes),
    })
}

/// Whether the source is, in part, an address of the VPC itself.
///
/// Source: VPC User Guide, "Route table concepts": a route of the VPC's own addresses can lead to no internet gateway.
pub(super) fn is_within_vpc(facts: &AwsFacts, attempt: &Attempt) -> bool {
    let Some((way, source)) = known(facts, attempt) else { return false };
    let Ok(table) = route_table::table(facts, &way) else { return false };
    let Ok(routes) = Routes::of(facts, table) else { return false };
    let is_local = |portion: &Portion<'_>| {
        portion.matched.is_some_and(|matched| matched.route.gateway_id.as_deref() == Some("local"))
    };
    routes.portions(&source.nets).iter().any(is_local)
}

fn to(facts: &AwsFacts, table: &RouteTable, table_id: &str, destination: &IpNet) -> Command {
    let text = destination.to_string();
    let is_there = table.routes.iter().any(|route| {
        let cidr = route.destination_cidr_block.as_deref().or(route.destination_ipv6_cidr_block.as_deref());
        cidr.and_then(|cidr| cidr.parse::<IpNet>().ok()) == Some(*destination)
    });
    let operation = if is_there { "replace-route" } else { "create-route" };
    let flag = match destination {
        IpNet::V4(_) => "--destination-cidr-block",
        IpNet::V6(_) => "--destination-ipv6-cidr-block",
    };
    aws(facts, "ec2", operation).args(["--route-table-id", table_id, flag, &text])
}

fn new_gateway(facts: &AwsFacts, vpc: &str) -> Command {
    let make = aws(facts, "ec2", "create-internet-gateway")
        .args(["--query", "InternetGateway.InternetGatewayId", "--output", "text"])
        .into_variable(GATEWAY);
    let attach =
        aws(facts, "ec2", "attach-internet-gateway").args(["--vpc-id", vpc, "--internet-gateway-id"]).variable(GATEWAY);
    make.and(attach)
}
