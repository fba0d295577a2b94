//! Which endpoint an attempt goes through.
//!
//! Source: aws-cli v2, `ec2-instance-connect ssh` and `open-tunnel`: usable endpoints of the instance's VPC, one in its subnet before
//! others; or the one that is named. EC2 User Guide, "EC2 Instance Connect Endpoint": a named one may stand in another VPC that a
//! peering connection or a transit gateway joins, as long as it does not keep the client's address.

use eic_doctor_proto::{Attempt, Why};

use super::is_usable;
use crate::facts::{AwsFacts, InstanceConnectEndpoint, NetworkInterface};
use crate::path::route_table::{self, Target};
use crate::path::{need, route_table::is_active};

/// Why an attempt goes through no endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEndpoint {
    /// There is none.
    Missing(String),
    /// It is not known whether one serves.
    Unknown(Why),
}

/// The endpoint that is `named`; else the one that the AWS CLI would take for this interface: in its VPC and usable, in its subnet
/// before others. Where none is usable, the one that is there.
pub fn choose<'a>(
    endpoints: &'a [InstanceConnectEndpoint],
    interface: &NetworkInterface,
    named: Option<&str>,
) -> Option<&'a InstanceConnectEndpoint> {
    if let Some(named) = named {
        return endpoints.iter().find(|endpoint| endpoint.instance_connect_endpoint_id.as_deref() == Some(named));
    }
    let in_vpc = || endpoints.iter().filter(|endpoint| is_in_vpc_of(endpoint, interface));
    let usable = || in_vpc().filter(|endpoint| is_usable(endpoint));
    usable()
        .find(|endpoint| endpoint.subnet_id == interface.subnet_id)
        .or_else(|| usable().next())
        .or_else(|| in_vpc().next())
}

pub fn is_in_vpc_of(endpoint: &InstanceConnectEndpoint, interface: &NetworkInterface) -> bool {
    endpoint.vpc_id.is_some() && endpoint.vpc_id == interface.vpc_id
}

/// The endpoint that leads to the interface.
pub fn of<'a>(
    facts: &'a AwsFacts,
    attempt: &Attempt,
    interface: &NetworkInterface,
) -> Result<&'a InstanceConnectEndpoint, NoEndpoint> {
    let endpoints =
        need(&facts.instance_connect_endpoints, "the EC2 Instance Connect Endpoints").map_err(NoEndpoint::Unknown)?;
    if let Some(endpoint) = choose(endpoints, interface, attempt.endpoint.as_deref()) {
        return Ok(endpoint);
    }
    let vpc = interface.vpc_id.as_deref().unwrap_or("the instance's VPC");
    if let Some(named) = &attempt.endpoint {
        return Err(NoEndpoint::Missing(format!("this account has no endpoint {named} in the Region")));
    }
    match elsewhere(facts, endpoints, interface) {
        Some(why) => Err(NoEndpoint::Unknown(Why::new(format!("{vpc} has no EC2 Instance Connect Endpoint; {why}")))),
        None => Err(NoEndpoint::Missing(format!("{vpc} has no EC2 Instance Connect Endpoint"))),
    }
}

/// Why one of another VPC might serve: the subnet has a route to other VPCs. Whether such a route leads to just that one is known only
/// of an endpoint that is named.
fn elsewhere(facts: &AwsFacts, endpoints: &[InstanceConnectEndpoint], interface: &NetworkInterface) -> Option<String> {
    let other = endpoints.iter().find(|endpoint| is_usable(endpoint) && endpoint.preserve_client_ip != Some(true))?;
    let id = other.instance_connect_endpoint_id.as_deref().unwrap_or("one");
    let vpc = other.vpc_id.as_deref().unwrap_or("another VPC");
    let serves = |by: &str| format!("{id} in {vpc} may serve, {by}: name it by `--endpoint`");
    match route_table::table_of(facts, interface) {
        Err(why) => Some(serves(&format!("which hangs on the routes ({})", why.reason))),
        Ok(table) => {
            table.routes.iter().filter(|route| is_active(route)).find_map(|route| match route_table::target(route) {
                Target::Private(_) => Some(serves(&format!("as there is a route {}", route_table::words(route)))),
                _ => None,
            })
        }
    }
}
