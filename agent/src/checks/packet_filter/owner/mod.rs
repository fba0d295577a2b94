//! Whose a rule is, as its names tell, and how that program lets one source in.

use eic_doctor_proto::Command;
use ipnet::IpNet;

use crate::checks::source::shown;
use crate::facts::{Chain, Field, Rule, TableFamily, Test, Value};

use super::{Passage, Place};

mod firewalld;

pub use firewalld::panics;

/// A program that bans addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ban {
    /// And the jail, where its name tells.
    Fail2ban(Option<String>),
    CrowdSec,
    Sshguard,
}

impl Ban {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fail2ban(_) => "fail2ban",
            Self::CrowdSec => "CrowdSec",
            Self::Sshguard => "sshguard",
        }
    }

    /// Takes the ban of one address back, where that program's own command does.
    pub fn lift(&self, net: &IpNet) -> Option<Command> {
        match self {
            Self::Fail2ban(jail) => {
                Some(Command::new("fail2ban-client").args(["set", jail.as_deref()?, "unbanip"]).arg(shown(net)))
            }
            Self::CrowdSec if net.prefix_len() == net.max_prefix_len() => {
                Some(Command::new("cscli").args(["decisions", "delete", "--ip"]).arg(shown(net)))
            }
            Self::CrowdSec => Some(Command::new("cscli").args(["decisions", "delete", "--range"]).arg(shown(net))),
            Self::Sshguard => None,
        }
    }
}

/// By the names that the actions of these programs give (fail2ban `action.d/iptables.conf`, `nftables.conf`, `iptables-ipset.conf`;
/// CrowdSec's `cs-firewall-bouncer`; sshguard's `sshg-fw-*`).
pub fn ban(chain: &Chain, rule: &Rule) -> Option<Ban> {
    let name = chain.name.raw();
    for stem in ["f2b-", "fail2ban-"] {
        if let Some(jail) = name.strip_prefix(stem).filter(|_| name != "f2b-chain") {
            return Some(Ban::Fail2ban(plain(jail)));
        }
    }
    let sets = rule.tests.iter().filter_map(|test| match test {
        Test::In { set, .. } => Some(set.raw()),
        _ => None,
    });
    for set in sets {
        for stem in ["addr-set-", "addr6-set-"] {
            if let Some(jail) = set.strip_prefix(stem).filter(|_| chain.table.raw().starts_with("f2b-")) {
                return Some(Ban::Fail2ban(plain(jail)));
            }
        }
        if let Some(jail) = set.strip_prefix("f2b-") {
            // The set for IPv6 is called so with a 6 behind.
            let jail = if chain.family == TableFamily::Ip6 { jail.strip_suffix('6').unwrap_or(jail) } else { jail };
            return Some(Ban::Fail2ban(plain(jail)));
        }
        if set.starts_with("crowdsec") {
            return Some(Ban::CrowdSec);
        }
    }
    match (chain.table.raw(), name) {
        (table, _) if table.starts_with("f2b-") => Some(Ban::Fail2ban(None)),
        (table, chain) if table.starts_with("crowdsec") || chain.starts_with("CROWDSEC") => Some(Ban::CrowdSec),
        ("sshguard", _) | (_, "sshguard") => Some(Ban::Sshguard),
        _ => None,
    }
}

/// What an address that a rule bans is written as in the rule or in its set.
pub fn banned<'a>(place: &Place<'a>) -> Vec<&'a Value> {
    let Place { ruleset, chain, .. } = place;
    let mut values = Vec::new();
    for test in place.rule.into_iter().flat_map(|rule| &rule.tests) {
        match test {
            Test::Is { field: Field::SourceAddress, any_of } => values.extend(any_of),
            Test::In { set, .. } => {
                let is_named = |found: &&crate::facts::AddressSet| {
                    found.name == *set && (found.table.raw().is_empty() || found.table == chain.table)
                };
                let elements = ruleset.sets.iter().find(is_named).and_then(|set| set.elements.known());
                values.extend(elements.into_iter().flatten().flatten());
            }
            _ => {}
        }
    }
    values
}

/// How one source is let in where this place refused it, and what to look at afterwards. `None`: by hand alone.
pub struct Opening {
    pub command: Command,
    /// What to do so that it is still there after the next boot, or what else it does; empty where there is nothing to say.
    pub more: &'static str,
    pub verify: String,
}

pub fn open(place: &Place<'_>, passage: Passage, net: &IpNet, port: u16) -> Option<Opening> {
    let port = port.to_string();
    let is_ipv4 = net.addr().is_ipv4();
    match place.base.program.raw() {
        _ if firewalld::is_panic(place.base) => Some(firewalld::end_of_panic()),
        _ if is_ufw(place) && passage != Passage::Reply => ufw(place, net, &port),
        _ if firewalld::is_its(place) && passage != Passage::Reply => Some(firewalld::open(place, net, &port)),
        "nft" => {
            let family = match place.base.family {
                TableFamily::Ip => "ip",
                TableFamily::Ip6 => "ip6",
                TableFamily::Inet => "inet",
                TableFamily::Netdev => "netdev",
            };
            let (table, chain) = (plain(place.base.table.raw())?, plain(place.base.name.raw())?);
            let (address, end) = if passage == Passage::Reply { ("daddr", "sport") } else { ("saddr", "dport") };
            let command = Command::new("nft")
                .args(["insert", "rule", family, &table, &chain, if is_ipv4 { "ip" } else { "ip6" }, address])
                .arg(shown(net))
                .args(["tcp", end, &port, "accept"]);
            let verify = Command::new("nft").args(["list", "chain", family, &table, &chain]).to_string();
            Some(Opening {
                command,
                more: "put the rule into the file that loads the others (`/etc/nftables.conf`) too",
                verify,
            })
        }
        program => {
            let known =
                ["iptables", "ip6tables", "iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"];
            let program = known.into_iter().find(|known| *known == program)?;
            let (table, chain) = (plain(place.base.table.raw())?, plain(place.base.name.raw())?);
            let mut command = Command::new(program);
            if table != "filter" {
                command = command.args(["-t", &table]);
            }
            let (address, end) = if passage == Passage::Reply { ("-d", "--sport") } else { ("-s", "--dport") };
            let command =
                command.args(["-I", &chain, address]).arg(shown(net)).args(["-p", "tcp", end, &port, "-j", "ACCEPT"]);
            let verify = Command::new(program).args(["-t", &table, "-S", &chain]).to_string();
            let more =
                "save the rules too (`netfilter-persistent save`, `service iptables save` or what loads them at boot)";
            Some(Opening { command, more, verify })
        }
    }
}

/// The program that the words name: `ufw`, `firewalld`, `nftables`, `iptables`.
pub fn name(place: &Place<'_>) -> &'static str {
    match place.base.program.raw() {
        _ if is_ufw(place) => "ufw",
        _ if firewalld::is_its(place) || firewalld::is_panic(place.base) => "firewalld",
        "nft" => "nftables",
        program if program.starts_with("ip6") => "ip6tables",
        _ => "iptables",
    }
}

/// Its own chains, or the policy of the chain that it hangs them in.
fn is_ufw(place: &Place<'_>) -> bool {
    let is_ufws = |chain: &Chain| chain.name.raw().starts_with("ufw-") || chain.name.raw().starts_with("ufw6-");
    is_ufws(place.chain)
        || (place.rule.is_none()
            && place.ruleset.chains.iter().any(|chain| is_beside(place.base, chain) && is_ufws(chain)))
}

fn ufw(place: &Place<'_>, net: &IpNet, port: &str) -> Option<Opening> {
    if !is_in_reach(place) {
        return None;
    }
    let mut command = Command::new("ufw");
    // The first rule that matches decides, so it must stand before the one that refuses.
    if is_users_own(place) {
        command = command.arg("prepend");
    }
    let command = command.args(["allow", "from"]).arg(shown(net)).args(["to", "any", "port", port, "proto", "tcp"]);
    Some(Opening { command, more: "", verify: "ufw status numbered".to_owned() })
}

/// What stands in before.rules comes before every rule that `ufw` adds.
fn is_in_reach(place: &Place<'_>) -> bool {
    let chain = place.chain.name.raw();
    is_users_own(place)
        || place.rule.is_none()
        || ["-skip-to-policy-input", "-reject-input"].iter().any(|end| chain.ends_with(end))
}

fn is_users_own(place: &Place<'_>) -> bool {
    place.chain.name.raw().ends_with("-user-input")
}

/// Where a rule stands that its program has no order for, and how that is loaded.
pub fn file(place: &Place<'_>) -> Option<&'static str> {
    match place.base.family {
        _ if !is_ufw(place) || is_in_reach(place) => None,
        TableFamily::Ip6 => Some("in `/etc/ufw/before6.rules`, then `ufw reload`"),
        _ => Some("in `/etc/ufw/before.rules`, then `ufw reload`"),
    }
}

fn is_beside(base: &Chain, other: &Chain) -> bool {
    other.family == base.family && other.table == base.table
}

/// A name that may stand in a command.
fn plain(name: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins_well && name.len() <= 64 && name.chars().all(is_plain)).then(|| name.to_owned())
}
