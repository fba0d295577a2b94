//! Where the connection comes from: the CIDR that was given, or the Region's EC2 Instance Connect range.

use std::net::IpAddr;

use eic_doctor_proto::{Attempt, Via, Why};
use ipnet::IpNet;

use crate::facts::AwsFacts;
use crate::path::{need, prefix_list, published};

/// The addresses that must be let in, all of one family, and how they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub nets: Vec<IpNet>,
    pub origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Given,
    /// The entries of the Region's managed prefix list of EC2 Instance Connect.
    PrefixList(String),
    /// Published by AWS on this day: the `ip-ranges.json` that was given, or the built-in table.
    Published(String),
    /// The network interfaces of an EC2 Instance Connect Endpoint.
    Endpoint(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSource {
    /// `public` and `private` without `--source`.
    NotGiven,
    Unknown(Why),
}

/// The source of the attempt, of the family of the address that is dialled.
///
/// Source: the console's browser client comes from the service's range of the Region: EC2 User Guide, "Prerequisites for EC2 Instance
/// Connect". Every prefix of the family has to be let in, for nobody knows which the service uses next.
pub fn of(facts: &AwsFacts, attempt: &Attempt, dialled: Option<IpAddr>) -> Result<Source, NoSource> {
    if attempt.via != Via::Browser {
        let source = attempt.source.ok_or(NoSource::NotGiven)?;
        return Ok(Source { nets: vec![source.trunc()], origin: Origin::Given });
    }
    let region = need(&facts.region, "the Region").map_err(NoSource::Unknown)?;
    let is_ipv4 = !matches!(dialled, Some(IpAddr::V6(_)));
    let of_family = |net: &IpNet| matches!(net, IpNet::V4(_)) == is_ipv4;
    if let Some(id) = prefix_list::instance_connect(facts, region, is_ipv4)
        && facts.prefix_list_entries.get(id).is_some_and(|entries| entries.known().is_some())
    {
        let mut nets = prefix_list::resolve(facts, id).map_err(NoSource::Unknown)?;
        nets.retain(of_family);
        // An empty list is a mishap of whoever published it, not a service without addresses.
        if !nets.is_empty() {
            return Ok(Source { nets, origin: Origin::PrefixList(id.to_owned()) });
        }
    }
    match published::of(facts, region).map(|published| (published.of_family(is_ipv4), published.date)) {
        Some((nets, date)) if !nets.is_empty() => Ok(Source { nets, origin: Origin::Published(date) }),
        _ => Err(NoSource::Unknown(Why::new(format!(
            "the range of EC2 Instance Connect in {region}: neither its managed prefix list nor the ranges published until {} tell",
            published::known_until(facts)
        )))),
    }
}

/// Whether the Region's range can be told at all, for either family.
pub fn has_range(facts: &AwsFacts, region: &str) -> bool {
    published::of(facts, region).is_some()
        || [true, false].into_iter().any(|is_ipv4| {
            prefix_list::instance_connect(facts, region, is_ipv4)
                .is_some_and(|id| prefix_list::resolve(facts, id).is_ok_and(|nets| !nets.is_empty()))
        })
}

impl Source {
    /// `203.0.113.7/32`, or the range and where it is known from.
    pub fn words(&self) -> String {
        let nets = self.nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match &self.origin {
            Origin::Given => nets,
            Origin::PrefixList(id) => format!("{nets} (prefix list {id})"),
            Origin::Endpoint(id) => format!("{nets} ({id})"),
            Origin::Published(date) => format!("{nets} (published {date})"),
        }
    }
}
