//! EC2 Instance Connect Endpoints: the way to an instance without a public address.
//!
//! Source: EC2 User Guide, "Connect to your instances using EC2 Instance Connect Endpoint" and its page on security groups.

mod choice;

use std::net::IpAddr;

use eic_doctor_proto::{Attempt, HopDecision, Via, Why};
use ipnet::IpNet;

use crate::facts::{AwsFacts, InstanceConnectEndpoint, NetworkInterface};
use crate::path::cidr::Cover;
use crate::path::network_acl::{self, Direction};
use crate::path::ports::{Ports, RETURN};
use crate::path::source::{NoSource, Origin, Source};
use crate::path::{Decided, address, need, security_group};

pub use choice::{NoEndpoint, choose, is_in_vpc_of, of};

/// The states in which the AWS CLI uses an endpoint.
const USABLE: [&str; 4] = ["create-complete", "update-in-progress", "update-complete", "update-failed"];

/// Ports that tunnels are known to lead to.
const TUNNELLED: [u16; 2] = [22, 3389];

/// Instance types that an endpoint which keeps the client's address does not reach (EC2 User Guide, "Limitations").
const WITHOUT_CLIENT_IP: [&str; 9] = ["c1.", "cg1.", "cg2.", "g1.", "hi1.", "m1.", "m2.", "m3.", "t1."];

pub fn is_usable(endpoint: &InstanceConnectEndpoint) -> bool {
    endpoint.state.as_deref().is_some_and(|state| USABLE.contains(&state))
}

/// Whom the instance sees: the endpoint's own interfaces, or the client where the endpoint keeps its address.
pub fn source(
    facts: &AwsFacts,
    attempt: &Attempt,
    endpoint: &InstanceConnectEndpoint,
    dialled: Option<IpAddr>,
) -> Result<Source, NoSource> {
    if endpoint.preserve_client_ip == Some(true) {
        let source = attempt.source.ok_or(NoSource::NotGiven)?;
        return Ok(Source { nets: vec![source.trunc()], origin: Origin::Given });
    }
    let id = endpoint.instance_connect_endpoint_id.clone().unwrap_or_default();
    let unknown = |why: String| Err(NoSource::Unknown(Why::new(why)));
    let interfaces =
        need(&facts.endpoint_interfaces, "the endpoint's network interfaces").map_err(NoSource::Unknown)?;
    let is_its = |interface: &&NetworkInterface| {
        interface.network_interface_id.as_ref().is_some_and(|id| endpoint.network_interface_ids.contains(id))
    };
    let addresses = interfaces.iter().filter(is_its).flat_map(|interface| {
        let v6 = interface.ipv6_addresses.iter().filter_map(|address| address.ipv6_address.as_deref());
        interface.private_ip_address.as_deref().into_iter().chain(v6)
    });
    let is_ipv4 = !matches!(dialled, Some(IpAddr::V6(_)));
    let nets: Vec<IpNet> = addresses
        .filter_map(|address| address.parse::<IpAddr>().ok())
        .filter(|address| address.is_ipv4() == is_ipv4)
        .map(IpNet::from)
        .collect();
    if nets.is_empty() {
        return unknown(format!("no address of the family is known of {id}'s network interfaces"));
    }
    Ok(Source { nets, origin: Origin::Endpoint(id) })
}

/// What the judges below share, or what they say before they can look.
struct Sight<'a> {
    endpoint: &'a InstanceConnectEndpoint,
    id: String,
    interface: &'a NetworkInterface,
    address: IpAddr,
}

fn sight<'a>(facts: &'a AwsFacts, attempt: &Attempt) -> Result<Sight<'a>, Decided> {
    let unknown = |why: Why| Decided::unknown("", why);
    let instance = need(&facts.instance, "the instance").map_err(unknown)?;
    match attempt.via {
        Via::Endpoint => {}
        Via::Auto => {
            return Err(unknown(Why::new("which way would be taken is not known without the instance's addresses")));
        }
        Via::Browser | Via::Public | Via::Private => {
            return Err(Decided::new("", HopDecision::NotApplicable, "this way does not lead through an endpoint"));
        }
    }
    let dialled = address::dialled(instance, attempt).map_err(|why| unknown(Why::new(why)))?;
    match of(facts, attempt, dialled.interface) {
        Err(NoEndpoint::Unknown(why)) => Err(unknown(why)),
        Err(NoEndpoint::Missing(rule)) => Err(Decided::new("", HopDecision::Blocked, rule)),
        Ok(endpoint) => Ok(Sight {
            endpoint,
            id: endpoint.instance_connect_endpoint_id.clone().unwrap_or_default(),
            interface: dialled.interface,
            address: dialled.address,
        }),
    }
}

/// What is judged once there is an endpoint says nothing where there is none.
fn sight_of_one<'a>(facts: &'a AwsFacts, attempt: &Attempt) -> Result<Sight<'a>, Decided> {
    sight(facts, attempt).map_err(|decided| match decided.decision {
        HopDecision::Blocked => Decided::new("", HopDecision::NotApplicable, decided.rule),
        _ => decided,
    })
}

pub fn judge_exists(facts: &AwsFacts, attempt: &Attempt) -> Decided {
    match sight(facts, attempt) {
        Ok(sight) => {
            let place = sight.endpoint.subnet_id.as_deref().unwrap_or("a subnet that is not told");
            Decided::new(sight.id, HopDecision::Allowed, format!("in {place}"))
        }
        Err(decided) => decided,
    }
}

pub fn judge_state(facts: &AwsFacts, attempt: &Attempt) -> Decided {
    let sight = match sight_of_one(facts, attempt) {
        Ok(sight) => sight,
        Err(decided) => return decided,
    };
    let Some(state) = sight.endpoint.state.as_deref() else {
        return Decided::unknown(sight.id, Why::new("the endpoint's state is not told"));
    };
    if is_usable(sight.endpoint) {
        // AWS's older page and the service's own error say that only these two are served; the present page does not.
        if !TUNNELLED.contains(&attempt.port) {
            let why = format!("whether an endpoint opens a tunnel to port {} is not documented", attempt.port);
            return Decided::unknown(sight.id, Why::new(why));
        }
        return Decided::new(sight.id, HopDecision::Allowed, state);
    }
    let message = sight.endpoint.state_message.as_deref().filter(|message| !message.is_empty());
    let message = message.map(|message| format!(": {message}")).unwrap_or_default();
    let rule = format!("{} is in state `{state}`{message}", sight.id);
    Decided::new(sight.id, HopDecision::Blocked, rule)
}

/// The family of the address, and what an endpoint that keeps the client's address cannot reach.
pub fn judge_address_type(facts: &AwsFacts, attempt: &Attempt) -> Decided {
    let sight = match sight_of_one(facts, attempt) {
        Ok(sight) => sight,
        Err(decided) => return decided,
    };
    let kind = sight.endpoint.ip_address_type.as_deref().unwrap_or("ipv4");
    let (address, id) = (sight.address, sight.id);
    let offers = match kind {
        "dualstack" => true,
        "ipv4" => address.is_ipv4(),
        "ipv6" => address.is_ipv6(),
        other => return Decided::unknown(id, Why::new(format!("the address type `{other}` is not known here"))),
    };
    if !offers {
        let rule = format!("{id} is of type `{kind}` and does not reach {address}");
        return Decided::new(id, HopDecision::Blocked, rule);
    }
    if sight.endpoint.preserve_client_ip == Some(true) {
        let instance_type = facts.instance.known().and_then(|instance| instance.instance_type.as_deref());
        let is_old = instance_type.is_some_and(|kind| WITHOUT_CLIENT_IP.iter().any(|old| kind.starts_with(old)));
        let what = if is_old {
            format!("with {}", instance_type.unwrap_or_default())
        } else if address.is_ipv6() {
            String::from("with IPv6")
        } else if !is_in_vpc_of(sight.endpoint, sight.interface) {
            format!(
                "into another VPC than its own, {}",
                sight.endpoint.vpc_id.as_deref().unwrap_or("which is not told")
            )
        } else {
            String::new()
        };
        if !what.is_empty() {
            let rule = format!("{id} keeps the client's address, which does not work {what}");
            return Decided::new(id, HopDecision::Blocked, rule);
        }
    }
    Decided::new(id, HopDecision::Allowed, format!("`{kind}`, and {address} is dialled"))
}

/// Outbound rules alone: an endpoint's inbound rules are ignored.
pub fn judge_security_group(facts: &AwsFacts, attempt: &Attempt) -> Decided {
    let sight = match sight_of_one(facts, attempt) {
        Ok(sight) => sight,
        Err(decided) => return decided,
    };
    let groups: Vec<&str> = sight.endpoint.security_group_ids.iter().map(String::as_str).collect();
    if groups.is_empty() {
        return Decided::unknown("", Why::new(format!("the security groups of {} are not told", sight.id)));
    }
    let own: Vec<&str> = sight.interface.groups.iter().filter_map(|group| group.group_id.as_deref()).collect();
    security_group::judge_outbound(facts, groups, sight.address, attempt.port, &own)
}

/// Both directions at the border of the endpoint's subnet; nothing where the instance is in that subnet.
pub fn judge_network_acl(facts: &AwsFacts, attempt: &Attempt) -> Decided {
    let sight = match sight_of_one(facts, attempt) {
        Ok(sight) => sight,
        Err(decided) => return decided,
    };
    let Some(subnet) = sight.endpoint.subnet_id.as_deref() else {
        return Decided::unknown("", Why::new(format!("the subnet of {} is not told", sight.id)));
    };
    if Some(subnet) == sight.interface.subnet_id.as_deref() {
        let rule = format!("the instance is in the endpoint's own subnet {subnet}, so it meets no network ACL");
        return Decided::new("", HopDecision::NotApplicable, rule);
    }
    let acl = match network_acl::acl_of(facts, subnet) {
        Ok(acl) => acl,
        Err(why) => return Decided::unknown("", why),
    };
    let id = acl.network_acl_id.clone().unwrap_or_default();
    let instance = [IpNet::from(sight.address)];
    let (mut partly, mut not_at_all) = (Vec::new(), Vec::new());
    for (direction, ports) in through_network_acl(attempt) {
        let what = match direction {
            Direction::Egress => format!("tcp/{} to {}", attempt.port, sight.address),
            Direction::Ingress => format!("replies of {}, tcp/{}-{}", sight.address, ports.from, ports.to),
        };
        match network_acl::entries(acl, direction).map(|entries| entries.cover(&instance, ports)) {
            Ok(Cover::All) => {}
            Ok(Cover::Partial) => partly.push(what),
            Ok(Cover::None) => not_at_all.push(what),
            Err(why) => return Decided::unknown(id, why),
        }
    }
    if !not_at_all.is_empty() {
        let rule = format!("{id} of the endpoint's subnet does not let {} through", not_at_all.join(" and "));
        return Decided::new(id, HopDecision::Blocked, rule);
    }
    if !partly.is_empty() {
        let rule = format!("{id} of the endpoint's subnet lets only a part of {} through", partly.join(" and "));
        return Decided::new(id, HopDecision::Partial, rule);
    }
    let rule = format!("lets tcp/{} to {} and back through", attempt.port, sight.address);
    Decided::new(id, HopDecision::Allowed, rule)
}

/// What a connection needs of the network ACL of the endpoint's subnet: the port outbound, the replies inbound.
pub fn through_network_acl(attempt: &Attempt) -> [(Direction, Ports); 2] {
    let port = Ports { from: attempt.port, to: attempt.port };
    [(Direction::Egress, port), (Direction::Ingress, RETURN)]
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;
    use serde_json::{Value, json};

    use super::*;
    use crate::facts::Instance;

    fn facts(endpoints: Value) -> AwsFacts {
        let instance = json!({
            "InstanceId": "i-0123456789abcdef0", "InstanceType": "m3.large",
            "NetworkInterfaces": [{ "VpcId": "vpc-1", "SubnetId": "subnet-1", "PrivateIpAddress": "10.0.1.10" }],
        });
        AwsFacts {
            instance: Fact::Known(serde_json::from_value(instance).unwrap()),
            instance_connect_endpoints: Fact::Known(serde_json::from_value(endpoints).unwrap()),
            ..AwsFacts::default()
        }
    }

    fn endpoint(id: &str, subnet: &str, state: &str) -> Value {
        json!({ "InstanceConnectEndpointId": id, "VpcId": "vpc-1", "SubnetId": subnet, "State": state })
    }

    fn through(port: u16) -> Attempt {
        Attempt { via: Via::Endpoint, port, ..Attempt::usual() }
    }

    #[test]
    fn the_one_in_the_instances_subnet_is_taken_first_and_never_one_that_cannot_be_used() {
        for (endpoints, chosen) in [
            (
                json!([
                    endpoint("eice-1", "subnet-2", "create-complete"),
                    endpoint("eice-2", "subnet-1", "update-failed")
                ]),
                "eice-2",
            ),
            (
                json!([
                    endpoint("eice-1", "subnet-2", "create-complete"),
                    endpoint("eice-2", "subnet-1", "delete-in-progress")
                ]),
                "eice-1",
            ),
            (json!([endpoint("eice-1", "subnet-2", "create-in-progress")]), "eice-1"),
        ] {
            assert_eq!(judge_exists(&facts(endpoints), &through(22)).id, chosen);
        }
    }

    fn with_routes(mut facts: AwsFacts, routes: Value) -> AwsFacts {
        let table = json!([{ "RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{ "SubnetId": "subnet-1" }], "Routes": routes }]);
        facts.route_tables = Fact::Known(serde_json::from_value(table).unwrap());
        facts
    }

    fn of_another_vpc(keeps: bool) -> Value {
        json!([{ "InstanceConnectEndpointId": "eice-3", "VpcId": "vpc-2", "SubnetId": "subnet-3", "State": "create-complete",
            "PreserveClientIp": keeps, "SecurityGroupIds": ["sg-9"], "NetworkInterfaceIds": ["eni-9"] }])
    }

    #[test]
    fn one_of_another_vpc_may_serve_only_where_a_route_leads_to_other_vpcs() {
        let local = json!([{ "DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active" }]);
        let joined =
            json!([{ "DestinationCidrBlock": "10.9.0.0/16", "VpcPeeringConnectionId": "pcx-1", "State": "active" }]);
        for (keeps, routes, decision) in [
            (false, Some(&local), HopDecision::Blocked),
            (false, Some(&joined), HopDecision::Unknown),
            (true, Some(&joined), HopDecision::Blocked),
            (false, None, HopDecision::Unknown),
        ] {
            let facts = facts(of_another_vpc(keeps));
            let facts = routes.map_or_else(|| facts.clone(), |routes| with_routes(facts.clone(), routes.clone()));
            assert_eq!(judge_exists(&facts, &through(22)).decision, decision, "{keeps} {routes:?}");
        }
        assert_eq!(judge_exists(&facts(json!([])), &through(22)).decision, HopDecision::Blocked);
    }

    #[test]
    fn the_one_that_is_named_is_taken_wherever_it_stands() {
        let named = |id: &str| Attempt { endpoint: Some(id.to_owned()), ..through(22) };
        let own = endpoint("eice-1", "subnet-1", "create-complete");
        let mut all = of_another_vpc(false);
        all.as_array_mut().unwrap().push(own);
        assert_eq!(judge_exists(&facts(all.clone()), &through(22)).id, "eice-1");
        assert_eq!(judge_exists(&facts(all.clone()), &named("eice-3")).id, "eice-3");
        assert_eq!(judge_exists(&facts(all), &named("eice-4")).decision, HopDecision::Blocked);
        // The client's address is kept within the endpoint's own VPC only.
        let mut keeps = facts(of_another_vpc(true));
        keeps.instance = keeps.instance.map(|instance| Instance { instance_type: Some("t3.micro".into()), ..instance });
        let decided = judge_address_type(&keeps, &named("eice-3"));
        assert!(decided.decision == HopDecision::Blocked && decided.rule.contains("vpc-2"), "{decided:?}");
    }

    #[test]
    fn from_another_vpc_replies_need_a_route_and_a_groups_members_are_known_over_a_peering_alone() {
        let attempt = Attempt { endpoint: Some("eice-3".into()), ..through(22) };
        let mut facts = facts(of_another_vpc(false));
        let interface = json!([{ "NetworkInterfaceId": "eni-9", "PrivateIpAddress": "10.9.0.5" }]);
        facts.endpoint_interfaces = Fact::Known(serde_json::from_value(interface).unwrap());
        for (target, route, members) in [
            (json!({ "VpcPeeringConnectionId": "pcx-1" }), HopDecision::Allowed, 1),
            (json!({ "TransitGatewayId": "tgw-1" }), HopDecision::Allowed, 0),
            (json!({ "NatGatewayId": "nat-1" }), HopDecision::Blocked, 0),
        ] {
            let mut to = json!({ "DestinationCidrBlock": "10.9.0.0/16", "State": "active" });
            to.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
            let facts = with_routes(facts.clone(), json!([to]));
            assert_eq!(crate::path::route_table::judge(&facts, &attempt).decision, route, "{target}");
            assert_eq!(crate::path::way(&facts, &attempt).unwrap().source_groups.len(), members, "{target}");
        }
    }

    #[test]
    fn another_port_than_the_two_that_are_known_to_work_leaves_the_answer_open() {
        let facts = facts(json!([endpoint("eice-1", "subnet-1", "create-complete")]));
        assert_eq!(judge_state(&facts, &through(22)).decision, HopDecision::Allowed);
        assert_eq!(judge_state(&facts, &through(2222)).decision, HopDecision::Unknown);
    }

    #[test]
    fn an_endpoint_that_keeps_the_clients_address_reaches_no_old_instance_type() {
        let mut keeps = endpoint("eice-1", "subnet-1", "create-complete");
        keeps["PreserveClientIp"] = true.into();
        assert_eq!(judge_address_type(&facts(json!([keeps])), &through(22)).decision, HopDecision::Blocked);
        let own = endpoint("eice-1", "subnet-1", "create-complete");
        assert_eq!(judge_address_type(&facts(json!([own])), &through(22)).decision, HopDecision::Allowed);
    }
}
