//! `ip-ranges.json`, which AWS publishes at <https://ip-ranges.amazonaws.com/ip-ranges.json>: an address range of a service a line.

use serde::{Deserialize, Serialize};

/// With AWS's own field names. Only the service of EC2 Instance Connect is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpRanges {
    /// `2026-08-21-23-57-05`
    #[serde(rename = "createDate")]
    pub create_date: String,
    pub prefixes: Vec<Ipv4Prefix>,
    pub ipv6_prefixes: Vec<Ipv6Prefix>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv4Prefix {
    pub ip_prefix: String,
    pub region: String,
    pub service: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6Prefix {
    pub ipv6_prefix: String,
    pub region: String,
    pub service: String,
}
