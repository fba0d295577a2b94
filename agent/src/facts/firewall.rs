//! What filters packets to sshd on the instance itself, and what its own access files say.

use std::net::IpAddr;

use eic_doctor_proto::{Fact, Untrusted};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FirewallFacts {
    /// nf_tables, also the part that iptables keeps in it; absent when no chain of it could keep a packet from sshd.
    pub nf_tables: Fact<Ruleset>,
    /// The older ip_tables and ip6_tables of the kernel; absent when they have no table.
    pub ip_tables: Fact<Ruleset>,
    pub hosts_access: HostsAccessFacts,
}

/// Rules in one form, whoever listed them: chains that packets to sshd or its replies come by, with what hangs on them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ruleset {
    pub chains: Vec<Chain>,
    pub sets: Vec<AddressSet>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    pub family: TableFamily,
    pub table: Untrusted,
    pub name: Untrusted,
    /// The program that changes this chain: `nft`, `iptables`, `ip6tables-legacy`, …
    pub program: Untrusted,
    /// Where the kernel comes by, for a base chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    #[serde(default)]
    pub rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableFamily {
    Ip,
    Ip6,
    Inet,
    Netdev,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    pub hook: Hook,
    pub priority: i32,
    /// The policy: what becomes of a packet that no rule decides.
    pub drops: bool,
    /// Of type `nat`: sees only the first packet of a connection.
    #[serde(default)]
    pub is_nat: bool,
    /// The interfaces that it is bound to; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Untrusted>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    Ingress,
    Prerouting,
    Input,
    Output,
    Postrouting,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// nft's handle, or the place in its chain from 1.
    pub number: u64,
    /// As the program lists it, at most 200 characters.
    pub text: Untrusted,
    /// All must hold.
    pub tests: Vec<Test>,
    pub target: Target,
    /// It changes the packet's or the connection's mark.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub marks: bool,
    /// It takes the packet out of connection tracking.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub untracks: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// The field is one of these, or none of these.
    Is {
        field: Field,
        any_of: Vec<Value>,
    },
    IsNot {
        field: Field,
        any_of: Vec<Value>,
    },
    /// The fields together are one of these, or none of these.
    Are {
        fields: Vec<Field>,
        any_of: Vec<Vec<Value>>,
    },
    AreNot {
        fields: Vec<Field>,
        any_of: Vec<Vec<Value>>,
    },
    /// The fields together are in a set of this name, or not.
    In {
        fields: Vec<Field>,
        set: Untrusted,
    },
    NotIn {
        fields: Vec<Field>,
        set: Untrusted,
    },
    /// What holds as long as nothing unusual happens (a rate is kept, the source is routed): true or false.
    Usually(bool),
    /// Nobody can tell from here.
    NotUnderstood(Untrusted),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// 4 or 6.
    Family,
    SourceAddress,
    DestinationAddress,
    /// The transport protocol's number.
    Protocol,
    SourcePort,
    DestinationPort,
    /// The bits of this mask.
    TcpFlags(u8),
    InputInterface,
    OutputInterface,
    ConnectionState,
    /// `original` or `reply`.
    ConnectionDirection,
    /// `dnat`, `snat`, …
    ConnectionStatus,
    /// Of the packet or of its connection, the bits of this mask.
    Mark(u32),
    /// `local`, `unicast`, `broadcast`, `multicast`.
    SourceType,
    DestinationType,
    /// `unicast`, `broadcast`, `multicast`: to whom the frame was sent.
    PacketType,
    /// The user id that a socket belongs to.
    SocketUser,
}

/// In JSON a text: `10.0.0.0/8`, `10.0.0.1-10.0.0.9`, `#22-80`, `=established`, `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Value {
    Net(IpNet),
    /// From the first to the last, both included.
    Addresses(IpAddr, IpAddr),
    /// Ports, protocols, flags, marks, user ids: from the first to the last.
    Numbers(u32, u32),
    /// A word, or the name of an interface; a name that ends with `*` stands for all that begin so.
    Word(Untrusted),
    Any,
    NotUnderstood(Untrusted),
}

impl From<Value> for String {
    fn from(value: Value) -> Self {
        match value {
            Value::Net(net) => net.to_string(),
            Value::Addresses(first, last) => format!("{first}-{last}"),
            Value::Numbers(first, last) => format!("#{first}-{last}"),
            Value::Word(word) => format!("={}", word.raw()),
            Value::Any => "*".to_owned(),
            Value::NotUnderstood(text) => format!("?{}", text.raw()),
        }
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        let known = || {
            if text == "*" {
                return Some(Value::Any);
            }
            if let Some(word) = text.strip_prefix('=') {
                return Some(Value::Word(word.into()));
            }
            if let Some(numbers) = text.strip_prefix('#') {
                let (first, last) = numbers.split_once('-')?;
                return Some(Value::Numbers(first.parse().ok()?, last.parse().ok()?));
            }
            if let Some((first, last)) = text.split_once('-') {
                return Some(Value::Addresses(first.parse().ok()?, last.parse().ok()?));
            }
            text.parse().ok().map(Value::Net)
        };
        let not_understood = || Value::NotUnderstood(text.strip_prefix('?').unwrap_or(&text).into());
        known().unwrap_or_else(not_understood)
    }
}

/// A set of nft in one of its tables, or one of ipset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressSet {
    /// Empty for ipset's, which belong to no table.
    pub table: Untrusted,
    pub family: TableFamily,
    pub name: Untrusted,
    /// Each with a value for each field. Unreadable when there are too many.
    pub elements: Fact<Vec<Vec<Value>>>,
    /// The set has more; those that are about the attempt's source or about EC2 Instance Connect's ranges are all here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_more: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The next rule.
    #[default]
    Continue,
    Accept,
    Drop,
    Reject,
    Return,
    Jump(Untrusted),
    Goto(Untrusted),
    /// Another port or address is dialled instead (`redirect`, `dnat`, `tproxy`).
    Redirect,
    /// A program decides, or something that is not understood.
    Unknown,
}

/// hosts_access(5). Only lines about sshd, or about every daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostsAccessFacts {
    /// `/etc/hosts.allow`
    pub allow: Fact<Vec<AccessLine>>,
    /// `/etc/hosts.deny`
    pub deny: Fact<Vec<AccessLine>>,
    /// Whether sshd's program names libwrap among its libraries. Looked for only where there are lines.
    pub sshd_reads_them: Fact<bool>,
    /// Files that those lines name in the place of clients.
    pub lists: Vec<AccessList>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessLine {
    /// From 1.
    pub line: u32,
    pub daemons: Vec<Untrusted>,
    pub clients: Vec<Untrusted>,
    /// What follows the second colon, split at further ones.
    pub options: Vec<Untrusted>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessList {
    pub path: Untrusted,
    pub clients: Fact<Vec<Untrusted>>,
}
