//! EC2 Instance Connect Endpoints: the way to an instance without a public address.
//!
//! Source: EC2 User Guide, "Connect to your instances using EC2 Instance Connect Endpoint" and its page on security groups; the choice of
//! an endpoint: aws-cli v2, `ec2-instance-connect ssh` and `open-tunnel`.

use std::net::IpAddr;

use eic_doctor_proto::{Attempt, HopDecision, Via, Why};
use ipnet::IpNet;

use crate::facts::{AwsFacts, InstanceConnectEndpoint, NetworkInterface};
use crate::path::cidr::Cover;
use crate::path::network_acl::{self, Direction};
use crate::path::ports::{Ports, RETURN};
use crate::path::source::{NoSource, Origin, Source};
use crate::path::{Decided, address, need, security_group};

/// The states in which the AWS CLI uses an endpoint.
const USABLE: [&str; 4] = ["create-complete", "update-in-progress", "update-complete", "update-failed"];

/// Ports that tunnels are known to lead to.
const TUNNELLED: [u16; 2] = [22, 3389];

/// Instance types that an endpoint which keeps the client's address does not reach (EC2 User Guide, "Limitations").
const WITHOUT_CLIENT_IP: [&str; 9] = ["c1.", "cg1.", "cg2.", "g1.", "hi1.", "m1.", "m2.", "m3.", "t1."];

pub fn is_usable(endpoint: &InstanceConnectEndpoint) -> bool {
    endpoint.state.as_deref().is_some_and(|state| USABLE.contains(&state))
}

/// The endpoint that the AWS CLI would take for this interface: in its VPC and usable, in its subnet before others. Where none is
/// usable, the one that is there.
pub fn choose<'a>(
    endpoints: &'a [InstanceConnectEndpoint],
    interface: &NetworkInterface,
) -> Option<&'a InstanceConnectEndpoint> {
    let in_vpc =
        || endpoints.iter().filter(|endpoint| endpoint.vpc_id.is_some() && endpoint.vpc_id == interface.vpc_id);
    let usable = || in_vpc().filter(|endpoint| is_usable(endpoint));
    usable()
        .find(|endpoint| endpoint.subnet_id == interface.subnet_id)
        .or_else(|| usable().next())
        .or_else(|| in_vpc().next())
}

/// The endpoint that leads to the interface; `None` where its VPC has none.
pub fn of<'a>(facts: &'a AwsFacts, interface: &NetworkInterface) -> Result<Option<&'a InstanceConnectEndpoint>, Why> {
    let endpoints = need(&facts.instance_connect_endpoints, "the EC2 Instance Connect Endpoints")?;
    Ok(choose(endpoints, interface))
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
    let vpc = dialled.interface.vpc_id.as_deref().unwrap_or("the instance's VPC");
    match of(facts, dialled.interface) {
        Err(why) => Err(unknown(why)),
        Ok(None) => {
            let rule = format!("{vpc} has no EC2 Instance Connect Endpoint");
            Err(Decided::new("", HopDecision::Blocked, rule))
        }
        Ok(Some(endpoint)) => Ok(Sight {
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
        if address.is_ipv6() || is_old {
            let what = if is_old { instance_type.unwrap_or_default() } else { "IPv6" };
            let rule = format!("{id} keeps the client's address, which does not work with {what}");
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
    let port = attempt.port;
    let mut partly = None;
    for (direction, ports, what) in [
        (Direction::Egress, Ports { from: port, to: port }, format!("tcp/{port} to {}", sight.address)),
        (Direction::Ingress, RETURN, format!("replies of {}, tcp/{}-{}", sight.address, RETURN.from, RETURN.to)),
    ] {
        let cover = match network_acl::entries(acl, direction) {
            Ok(entries) => entries.cover(&instance, ports),
            Err(why) => return Decided::unknown(id, why),
        };
        match cover {
            Cover::All => {}
            Cover::Partial => {
                partly = Some(format!("{id} of the endpoint's subnet lets only a part of {what} through"))
            }
            Cover::None => {
                let rule = format!("{id} of the endpoint's subnet does not let {what} through");
                return Decided::new(id, HopDecision::Blocked, rule);
            }
        }
    }
    match partly {
        Some(rule) => Decided::new(id, HopDecision::Partial, rule),
        None => {
            Decided::new(id, HopDecision::Allowed, format!("lets tcp/{port} to {} and back through", sight.address))
        }
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;
    use serde_json::{Value, json};

    use super::*;

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
        let elsewhere =
            json!([{ "InstanceConnectEndpointId": "eice-3", "VpcId": "vpc-2", "State": "create-complete" }]);
        assert_eq!(judge_exists(&facts(elsewhere), &through(22)).decision, HopDecision::Blocked);
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
