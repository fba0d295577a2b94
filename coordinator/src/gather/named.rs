//! What security groups and route tables name that is asked for besides. Pure.

use std::collections::BTreeSet;

use eic_doctor_proto::Fact;

use crate::facts::{InternetGateway, RouteTable, SecurityGroup};

/// The prefix lists of rules in both directions: an endpoint's group may let out to one.
pub fn lists_of_rules(groups: &Fact<Vec<SecurityGroup>>) -> BTreeSet<String> {
    let groups = groups.known().into_iter().flatten();
    let rules = groups.flat_map(|group| group.ip_permissions.iter().chain(&group.ip_permissions_egress));
    rules.flat_map(|rule| &rule.prefix_list_ids).filter_map(|list| list.prefix_list_id.clone()).collect()
}

pub fn lists_of_routes(tables: &Fact<Vec<RouteTable>>) -> BTreeSet<String> {
    let routes = tables.known().into_iter().flatten().flat_map(|table| &table.routes);
    routes.filter_map(|route| route.destination_prefix_list_id.clone()).collect()
}

/// The internet gateways attached to one of the VPCs, or named by a route.
pub fn gateways(all: Vec<InternetGateway>, vpcs: &[String], tables: &Fact<Vec<RouteTable>>) -> Vec<InternetGateway> {
    let routes = tables.known().into_iter().flatten().flat_map(|table| &table.routes);
    let named: BTreeSet<&str> = routes.filter_map(|route| route.gateway_id.as_deref()).collect();
    let is_relevant = |gateway: &InternetGateway| {
        let mut attached = gateway.attachments.iter().filter_map(|attachment| attachment.vpc_id.as_ref());
        attached.any(|vpc| vpcs.contains(vpc))
            || gateway.internet_gateway_id.as_deref().is_some_and(|id| named.contains(id))
    };
    all.into_iter().filter(is_relevant).collect()
}
