//! firewalld: its zones, in a table of its own or in iptables' tables, and its panic.

use eic_doctor_proto::Command;
use ipnet::IpNet;

use crate::checks::packet_filter::Place;
use crate::checks::source::shown;
use crate::facts::{Chain, Ruleset};

use super::{Opening, is_beside, plain};

/// The chains that firewalld hangs its zones in, in iptables' tables; in those of nftables it has a table of its own.
const ZONES: &str = "INPUT_ZONES";

/// Its table or its chains, or what ends the chain that it hangs them in.
pub(super) fn is_its(place: &Place<'_>) -> bool {
    let Place { ruleset, base, chain, rule } = place;
    if base.program.raw() == "nft" {
        return base.table.raw() == "firewalld";
    }
    let is_of_zones = chain.name.raw().starts_with("IN_") || rule.is_none_or(|rule| rule.tests.is_empty());
    let has_zones = |other: &Chain| is_beside(base, other) && other.name.raw() == ZONES;
    is_of_zones && ruleset.chains.iter().any(has_zones)
}

pub(super) fn open(place: &Place<'_>, net: &IpNet, port: &str) -> Opening {
    let family = if net.addr().is_ipv4() { "ipv4" } else { "ipv6" };
    let name = place.chain.name.raw();
    // A rule that denies stands before those that allow, unless these have a priority (firewalld.richlanguage(5)).
    let is_denied = name.ends_with("_deny") || name.ends_with("_pre");
    let priority = if is_denied { "priority=\"-32768\" " } else { "" };
    let rule = format!(
        "--add-rich-rule=rule {priority}family=\"{family}\" source address=\"{}\" port port=\"{port}\" protocol=\"tcp\" accept",
        shown(net)
    );
    let mut command = Command::new("firewall-cmd").arg("--permanent");
    let mut verify = Command::new("firewall-cmd");
    if let Some(zone) = zone(name).or_else(|| only_zone(place)) {
        command = command.arg(format!("--zone={zone}"));
        verify = verify.arg(format!("--zone={zone}"));
    }
    let command = command.arg(rule).and(Command::new("firewall-cmd").arg("--reload"));
    Opening { command, more: "", verify: verify.arg("--list-all").to_string() }
}

/// `filter_IN_public_deny`, or `IN_public_deny` in iptables' tables → `public`.
fn zone(chain: &str) -> Option<String> {
    let zone = chain.strip_prefix("filter_").unwrap_or(chain).strip_prefix("IN_")?;
    let zone = Some(zone).filter(|zone| !zone.starts_with("policy_"))?;
    let zone =
        ["_pre", "_log", "_deny", "_allow", "_post"].iter().find_map(|end| zone.strip_suffix(end)).unwrap_or(zone);
    plain(zone)
}

fn only_zone(place: &Place<'_>) -> Option<String> {
    let chains = place.ruleset.chains.iter().filter(|chain| is_beside(place.base, chain));
    let mut zones: Vec<String> = chains.filter_map(|chain| zone(chain.name.raw())).collect();
    zones.sort_unstable();
    zones.dedup();
    zones.pop().filter(|_| zones.is_empty())
}

/// While `firewall-cmd --panic-on` holds, a table of its own drops all that comes and goes.
pub(super) fn is_panic(base: &Chain) -> bool {
    base.table.raw() == "firewalld_policy_drop"
}

/// Nothing gets in or out, IMDS's answers neither.
pub fn panics(ruleset: &Ruleset) -> bool {
    ruleset.chains.iter().any(is_panic)
}

pub(super) fn end_of_panic() -> Opening {
    let order = |option| Command::new("firewall-cmd").arg(option);
    let more = "this ends firewalld's panic mode, for everybody";
    Opening { command: order("--panic-off"), more, verify: order("--query-panic").to_string() }
}
