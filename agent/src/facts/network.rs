//! The instance's own addresses and routes.

use std::net::IpAddr;

use eic_doctor_proto::{Fact, Untrusted};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkFacts {
    /// Of both families, without those of the loopback interface and those of the link alone (`fe80::`).
    pub addresses: Fact<Vec<OwnAddress>>,
    /// `ip rule`, in the kernel's order.
    pub rules: Fact<Vec<RoutingRule>>,
    /// `ip route show table all`, without local, broadcast and multicast ones.
    pub routes: Fact<Vec<Route>>,
    /// Absent when no interface is of the driver `ena`, which alone counts it.
    pub link_local_allowance: Fact<LinkLocalAllowance>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnAddress {
    pub interface: Untrusted,
    /// With the length of its subnet's prefix.
    pub address: IpNet,
}

/// A rule of `ip rule`. A condition that is not named holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingRule {
    pub family: AddressFamily,
    pub priority: u32,
    /// The conditions must not hold together.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_not: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpNet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<IpNet>,
    /// `lo`: only what this host sends itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_interface: Option<Untrusted>,
    /// A packet of a socket that is bound to this interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_interface: Option<Untrusted>,
    /// The packet's mark, under this mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<(u32, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<(u32, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ports: Option<(u16, u16)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_ports: Option<(u16, u16)>,
    /// Routes whose prefix is not longer than this are passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress_prefix_length: Option<u32>,
    pub action: RuleAction,
    /// A condition that this version does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_understood: Option<Untrusted>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressFamily {
    Ipv4,
    Ipv6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleAction {
    /// 253 is `default`, 254 `main`, 255 `local`.
    Lookup(u32),
    /// The next rule of this priority.
    Goto(u32),
    Nop,
    /// `unreachable`, `blackhole`, `prohibit`: the packet is not sent.
    Refuse,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub table: u32,
    pub destination: IpNet,
    pub kind: RouteKind,
    /// Where it leads out; more than one when it has several next hops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Untrusted>,
    /// The next hop, where there is one and only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    #[serde(default)]
    pub metric: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteKind {
    Unicast,
    /// `unreachable`, `blackhole`, `prohibit`: the packet is not sent.
    Refuse,
    /// The next rule is asked.
    Throw,
}

/// What the driver of an interface counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkLocalAllowance {
    pub interface: Untrusted,
    /// `linklocal_allowance_exceeded`: packets to DNS, IMDS and the time service that AWS dropped since the interface came up.
    pub exceeded: u64,
}
