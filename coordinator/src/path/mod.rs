//! Pure: can a packet from this source reach this port, and can the reply get back, hop by hop?
//!
//! Each element of the way is a file with one `judge`: it looks at that element alone, so everything that blocks is found, also behind
//! something else that blocks. The checks of `checks/network/` and the `path` of the report both read these answers.

pub mod address;
pub mod block_public_access;
pub mod cidr;
pub mod endpoint;
pub mod internet_gateway;
pub mod network_acl;
pub mod ports;
pub mod prefix_list;
pub mod published;
pub mod reach;
mod resolve;
pub mod route_table;
pub mod security_group;
pub mod source;

use std::net::IpAddr;

use eic_doctor_proto::{Attempt, Fact, Hop, HopDecision, PathAnswer, PathReport, Via, Why};

use crate::facts::{AwsFacts, Instance, NetworkInterface};
use crate::path::cidr::{AddressSet, Cover};
use crate::path::endpoint::NoEndpoint;
use crate::path::source::{NoSource, Source};

pub use reach::Reach;
pub use resolve::resolve;

/// What one element says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// AWS's id of the element, several joined by a comma, or empty where it is not known.
    pub id: String,
    pub decision: HopDecision,
    /// The rule that decided, or why nothing could be decided.
    pub rule: String,
    /// The IAM action that the caller lacks, where that is why.
    pub missing_action: Option<String>,
}

/// What every element must know of the attempt.
pub struct Way<'a> {
    pub interface: &'a NetworkInterface,
    /// `None` when the instance has no address of the way's kind; then the primary network interface is looked at.
    pub dialled: Option<IpAddr>,
    pub source: Result<Source, NoSource>,
    /// Security groups that the source is a member of, where that is known: those of the endpoint.
    pub source_groups: Vec<&'a str>,
    pub is_private: bool,
    /// Through an endpoint of another VPC, so that replies need a route to that one.
    pub is_from_other_vpc: bool,
    /// Through an endpoint in the interface's own subnet, whatever address it comes with.
    pub is_from_own_subnet: bool,
    pub port: u16,
}

/// The whole way, hop by hop. It stops at nothing: every element that blocks is listed.
pub fn evaluate(facts: &AwsFacts, attempt: &Attempt) -> PathReport {
    let dialled = facts.instance.known().and_then(|instance| address::dialled(instance, attempt).ok());
    let source = match way(facts, attempt) {
        Ok(way) => way.source,
        Err(why) => Err(NoSource::Unknown(why)),
    };
    let mut elements = vec![
        ("address", "inbound", judge_address(facts, attempt)),
        ("internet-gateway", "inbound", internet_gateway::judge(facts, attempt)),
        ("block-public-access", "inbound", block_public_access::judge(facts, attempt)),
        ("network-acl", "inbound", network_acl::judge(facts, attempt, network_acl::Direction::Ingress)),
        ("security-group", "inbound", security_group::judge(facts, attempt)),
        ("network-acl", "outbound", network_acl::judge(facts, attempt, network_acl::Direction::Egress)),
        ("route-table", "outbound", route_table::judge(facts, attempt)),
    ];
    if attempt.via == Via::Endpoint {
        elements.push(("endpoint", "outbound", endpoint::judge_exists(facts, attempt)));
        elements.push(("endpoint-state", "outbound", endpoint::judge_state(facts, attempt)));
        elements.push(("endpoint-address-type", "outbound", endpoint::judge_address_type(facts, attempt)));
        elements.push(("endpoint-security-group", "outbound", endpoint::judge_security_group(facts, attempt)));
        elements.push(("endpoint-network-acl", "outbound", endpoint::judge_network_acl(facts, attempt)));
    }
    let hops: Vec<Hop> =
        elements.into_iter().map(|(element, direction, decided)| hop(element, direction, decided)).collect();
    let answer = match answer(&hops) {
        PathAnswer::Partial => together(facts, attempt, &hops),
        answer => answer,
    };
    PathReport {
        answer,
        source: source.map(|source| source.nets.iter().map(ToString::to_string).collect()).unwrap_or_default(),
        address: dialled.map(|dialled| dialled.address.to_string()),
        network_interface: dialled.and_then(|dialled| dialled.interface.network_interface_id.clone()),
        port: attempt.port,
        hops,
    }
}

/// Whether the instance has the address that the way dials.
pub fn judge_address(facts: &AwsFacts, attempt: &Attempt) -> Decided {
    let instance = match need(&facts.instance, "the instance") {
        Ok(instance) => instance,
        Err(why) => return Decided::unknown(String::new(), why),
    };
    if attempt.via == Via::Auto {
        return Decided::unknown(String::new(), undecided());
    }
    match address::dialled(instance, attempt) {
        Ok(dialled) => Decided::new(id_of(dialled.interface), HopDecision::Allowed, dialled.address.to_string()),
        Err(why) => Decided::new(address::primary(instance).map(id_of).unwrap_or_default(), HopDecision::Blocked, why),
    }
}

/// What every element must know, or why none can be judged.
///
/// Through an endpoint the source is the endpoint, so its elements are those of a connection inside the VPC.
pub fn way<'a>(facts: &'a AwsFacts, attempt: &Attempt) -> Result<Way<'a>, Why> {
    let instance: &Instance = need(&facts.instance, "the instance")?;
    match attempt.via {
        Via::Auto => return Err(undecided()),
        Via::Browser | Via::Public | Via::Private | Via::Endpoint => {}
    }
    let dialled = address::dialled(instance, attempt).ok();
    let interface = dialled
        .map(|dialled| dialled.interface)
        .or_else(|| address::primary(instance))
        .ok_or_else(|| Why::new("the instance's answer lists no network interface"))?;
    let dialled = dialled.map(|dialled| dialled.address);
    if attempt.via == Via::Endpoint {
        let endpoint = endpoint::of(facts, attempt, interface).map_err(|none| match none {
            NoEndpoint::Missing(_) => Why::new("there is no endpoint to come through"),
            NoEndpoint::Unknown(why) => why,
        })?;
        let source = endpoint::source(facts, attempt, endpoint, dialled);
        let is_its_vpc = endpoint::is_in_vpc_of(endpoint, interface);
        // A rule may name a group of a peered VPC; over a transit gateway only where that is switched on (VPC User Guide,
        // "Security group referencing").
        let are_members_known = is_its_vpc || route_table::is_by_peering(facts, interface, &source);
        return Ok(Way {
            interface,
            dialled,
            source,
            source_groups: endpoint
                .security_group_ids
                .iter()
                .filter(|_| are_members_known)
                .map(String::as_str)
                .collect(),
            is_private: true,
            is_from_other_vpc: !is_its_vpc,
            is_from_own_subnet: endpoint.subnet_id.is_some() && endpoint.subnet_id == interface.subnet_id,
            port: attempt.port,
        });
    }
    Ok(Way {
        interface,
        dialled,
        source: source::of(facts, attempt, dialled),
        source_groups: Vec::new(),
        is_private: attempt.via == Via::Private,
        is_from_other_vpc: false,
        is_from_own_subnet: false,
        port: attempt.port,
    })
}

/// The attempt with the sources that the instance sees, for what is judged inside it: the Region's range as it is today and not as it
/// was published when the agent was built, or the endpoint's own addresses.
pub fn with_known_sources(facts: &AwsFacts, attempt: &Attempt) -> Attempt {
    let source = way(facts, attempt).ok().and_then(|way| way.source.ok());
    Attempt { known_sources: source.map(|source| source.nets).unwrap_or_default(), ..attempt.clone() }
}

impl Decided {
    pub fn new(id: impl Into<String>, decision: HopDecision, rule: impl Into<String>) -> Self {
        Self { id: id.into(), decision, rule: rule.into(), missing_action: None }
    }

    pub fn unknown(id: impl Into<String>, why: Why) -> Self {
        Self { id: id.into(), decision: HopDecision::Unknown, rule: why.reason, missing_action: why.missing_action }
    }
}

impl From<Cover> for HopDecision {
    fn from(cover: Cover) -> Self {
        match cover {
            Cover::All => Self::Allowed,
            Cover::Partial => Self::Partial,
            Cover::None => Self::Blocked,
        }
    }
}

/// The value, or why it cannot be had. `what` reads before a colon.
pub fn need<'a, T>(fact: &'a Fact<T>, what: &str) -> Result<&'a T, Why> {
    match fact {
        Fact::Known(value) => Ok(value),
        Fact::Absent => Err(Why::new(format!("{what}: there is none"))),
        Fact::Unreadable(why) => {
            Err(Why { missing_action: why.missing_action.clone(), ..Why::new(format!("{what}: {}", why.reason)) })
        }
        Fact::NotGathered => Err(Why::new(format!("{what}: not gathered"))),
    }
}

pub(crate) fn id_of(interface: &NetworkInterface) -> String {
    interface.network_interface_id.clone().unwrap_or_default()
}

fn undecided() -> Why {
    Why::new("which way would be taken is not known without the instance's addresses")
}

fn hop(element: &str, direction: &str, decided: Decided) -> Hop {
    let Decided { id, decision, rule, .. } = decided;
    Hop {
        element: element.to_owned(),
        id: eic_doctor_proto::visible(&id).into_owned(),
        direction: direction.to_owned(),
        decision,
        rule: eic_doctor_proto::visible(&rule).into_owned(),
    }
}

/// What elements that each let a part of the source through let through together: a part, or nothing.
fn together(facts: &AwsFacts, attempt: &Attempt, hops: &[Hop]) -> PathAnswer {
    let Ok(way) = way(facts, attempt) else { return PathAnswer::Partial };
    let Ok(source) = &way.source else { return PathAnswer::Partial };
    let mut certainly: AddressSet = source.nets.iter().collect();
    let mut perhaps = certainly.clone();
    for hop in hops.iter().filter(|hop| hop.decision == HopDecision::Partial) {
        let through = match (hop.element.as_str(), hop.direction.as_str()) {
            ("internet-gateway", _) => internet_gateway::serves(facts, &way),
            ("security-group", _) => security_group::lets_in(facts, &way),
            ("network-acl", "inbound") => network_acl::lets_through(facts, &way, network_acl::Direction::Ingress),
            ("network-acl", _) => network_acl::lets_through(facts, &way, network_acl::Direction::Egress),
            ("route-table", _) => {
                if let Some(reached) = route_table::reached(facts, &way, &source.nets) {
                    perhaps = perhaps.take(&reached.perhaps);
                    certainly = certainly.take(&reached.certainly);
                }
                continue;
            }
            _ => None,
        };
        if let Some(through) = through {
            perhaps = perhaps.take(&through);
            certainly = certainly.take(&through);
        }
    }
    match (certainly.is_empty(), perhaps.is_empty()) {
        (_, true) => PathAnswer::Blocked,
        (true, false) => PathAnswer::Unknown,
        (false, false) => PathAnswer::Partial,
    }
}

/// One element that blocks is enough; one that is not known leaves the answer open.
fn answer(hops: &[Hop]) -> PathAnswer {
    let any = |decision| hops.iter().any(|hop| hop.decision == decision);
    if any(HopDecision::Blocked) {
        PathAnswer::Blocked
    } else if any(HopDecision::Unknown) {
        PathAnswer::Unknown
    } else if any(HopDecision::Partial) {
        PathAnswer::Partial
    } else {
        PathAnswer::Allowed
    }
}
