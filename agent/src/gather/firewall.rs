//! What filters packets to sshd on the instance itself.
//!
//! The kernel says first which chains there are; a program is run only where one of them could refuse anything.

use std::time::Duration;

use eic_doctor_proto::{Attempt, Fact, ranges};
use ipnet::IpNet;

use crate::facts::{AddressSet, Field, FirewallFacts, Hook, Rule, Ruleset, TableFamily, Target, Test, Value};
use crate::parse::{self, ListedChain, NftListing};

use super::host::{Host, NetlinkTable, Ran, Run};
use super::hosts_access;

/// Each prints at once.
const TIMEOUT: Duration = Duration::from_secs(2);
const RULES: usize = 4_000;
/// Elements that are kept of one set, of which those about the attempt come first.
const ELEMENTS: usize = 256;
const IPTABLES_TABLES: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];
const IPTABLES_CHAINS: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

pub(super) fn gather_firewall(host: &dyn Host, attempt: &Attempt) -> FirewallFacts {
    FirewallFacts {
        nf_tables: bounded(gather_nf_tables(host), attempt),
        ip_tables: bounded(gather_ip_tables(host), attempt),
        hosts_access: hosts_access::gather_hosts_access(host, attempt),
    }
}

// What nf_tables has.

fn gather_nf_tables(host: &dyn Host) -> Fact<Ruleset> {
    if !may_have_nf_tables(host) {
        return Fact::Absent;
    }
    let chains =
        match host.netlink(NetlinkTable::PacketFilterChains).map(|bytes| parse::parse_netlink_chains(&bytes).value) {
            Fact::Absent => return Fact::Absent,
            Fact::Unreadable(why) => return Fact::Unreadable(why),
            Fact::Known(chains) if !chains.iter().any(may_refuse) => return Fact::Absent,
            found => found,
        };
    // What iptables keeps in nf_tables, only iptables lists in full.
    let is_iptables = |chain: &&ListedChain| is_iptables_chain(chain);
    let of_iptables = chains.known().map(|chains| chains.iter().filter(is_iptables).collect::<Vec<_>>());
    let families: Vec<TableFamily> = match &of_iptables {
        Some(chains) => {
            FAMILIES.into_iter().filter(|family| chains.iter().any(|chain| chain.family == number(*family))).collect()
        }
        None => FAMILIES.to_vec(),
    };
    let are_all_iptables =
        chains.known().is_some_and(|chains| chains.iter().filter(|chain| may_refuse(chain)).all(is_iptables_chain));
    if are_all_iptables && let Fact::Known(ruleset) = iptables_in_nf_tables(host, &families) {
        return Fact::Known(ruleset);
    }
    let NftListing { mut ruleset, opaque } = match nft(host) {
        Fact::Known(listing) => listing,
        // A recording without `nft` may still have the rules of iptables, and then those are all.
        Fact::Absent if chains == Fact::NotGathered => return iptables_in_nf_tables(host, &FAMILIES),
        Fact::Absent => return Fact::unreadable("there is no `nft` to list the kernel's rules"),
        Fact::Unreadable(why) => return Fact::Unreadable(why),
        Fact::NotGathered => return Fact::NotGathered,
    };
    // Where iptables does not answer, what nft could not print is left to the judge.
    if !opaque.is_empty() {
        let families: Vec<TableFamily> =
            FAMILIES.into_iter().filter(|family| opaque.iter().any(|(of, _)| of == family)).collect();
        if let Fact::Known(listed) = iptables_in_nf_tables(host, &families) {
            let is_relisted = |family: TableFamily, table: &str| {
                families.contains(&family)
                    && listed.chains.iter().any(|chain| chain.family == family && chain.table.raw() == table)
            };
            ruleset.chains.retain(|chain| !is_relisted(chain.family, chain.table.raw()));
            ruleset.chains.extend(listed.chains);
            ruleset.sets.extend(listed.sets);
        }
    }
    Fact::Known(ruleset)
}

const FAMILIES: [TableFamily; 2] = [TableFamily::Ip, TableFamily::Ip6];

/// `NFPROTO_…` of linux/netfilter.h.
fn number(family: TableFamily) -> u8 {
    match family {
        TableFamily::Inet => 1,
        TableFamily::Ip => 2,
        TableFamily::Netdev => 5,
        TableFamily::Ip6 => 10,
    }
}

/// To ask the kernel for a table of a module that is not there would load it.
fn may_have_nf_tables(host: &dyn Host) -> bool {
    // NETLINK_NETFILTER is 12; its own socket stands in the list as soon as there is somebody to answer.
    if let Fact::Known(sockets) = host.read("/proc/net/netlink") {
        let is_netfilter = |line: &str| line.split_whitespace().nth(1) == Some("12");
        if !String::from_utf8_lossy(&sockets).lines().any(is_netfilter) {
            return false;
        }
    }
    // No list of modules: everything is built in.
    let Fact::Known(modules) = host.read("/proc/modules") else { return true };
    if String::from_utf8_lossy(&modules).lines().any(|line| line.starts_with("nf_tables ")) {
        return true;
    }
    let Fact::Known(release) = host.read("/proc/sys/kernel/osrelease") else { return true };
    let release = String::from_utf8_lossy(release.trim_ascii()).into_owned();
    host.contains(&format!("/lib/modules/{release}/modules.builtin"), "/nf_tables.ko")
        .known()
        .is_some_and(|found| *found)
}

/// A base chain of the ways in and out that has a rule or drops by itself.
fn may_refuse(chain: &ListedChain) -> bool {
    // linux/netfilter.h: 2 is forwarding; a device's hooks are 0 and 1.
    const FORWARD: u32 = 2;
    const OUTPUT: u32 = 3;
    const POSTROUTING: u32 = 4;
    let is_ours = [TableFamily::Inet, TableFamily::Ip, TableFamily::Ip6, TableFamily::Netdev]
        .into_iter()
        .any(|family| number(family) == chain.family);
    let Some(hook) = chain.hook.filter(|_| is_ours) else { return false };
    // Address translation sees no replies.
    let is_for_others = chain.is_nat && matches!(hook, OUTPUT | POSTROUTING);
    hook != FORWARD && !is_for_others && (chain.drops || chain.uses > 0)
}

fn is_iptables_chain(chain: &ListedChain) -> bool {
    FAMILIES.into_iter().any(|family| number(family) == chain.family)
        && IPTABLES_TABLES.contains(&chain.table.as_str())
        && (chain.hook.is_none() || IPTABLES_CHAINS.contains(&chain.name.as_str()))
}

fn nft(host: &dyn Host) -> Fact<NftListing> {
    let listed = listing(host.run(&Run::new("nft", "nft", TIMEOUT).args(["-j", "list", "ruleset"])), false);
    match listed {
        // Sets of thousands of addresses are left out then.
        Fact::Unreadable(why) if why.reason.starts_with("it printed more") => {
            let terse = Run::new("nft-terse", "nft", TIMEOUT).args(["-j", "-t", "list", "ruleset"]);
            match listing(host.run(&terse), true) {
                Fact::Known(listing) => Fact::Known(listing),
                _ => Fact::unreadable(format!("`nft -j list ruleset`: {}", why.reason)),
            }
        }
        other => other,
    }
}

fn listing(ran: Fact<Ran>, is_terse: bool) -> Fact<NftListing> {
    match ran {
        Fact::Known(ran) if ran.status == Some(0) => {
            let parsed = parse::parse_nft(&ran.stdout, is_terse);
            match (parsed.value, parsed.not_understood.first()) {
                (Some(listing), None) => Fact::Known(listing),
                (Some(_), Some(object)) => {
                    Fact::unreadable(format!("`nft -j` printed what is not understood: {object}"))
                }
                // Older versions are built without JSON.
                (None, _) => Fact::unreadable("this `nft` does not print JSON"),
            }
        }
        Fact::Known(ran) => Fact::unreadable(ran.reason("`nft -j list ruleset`")),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

fn iptables_in_nf_tables(host: &dyn Host, families: &[TableFamily]) -> Fact<Ruleset> {
    let mut all = Ruleset::default();
    for family in families {
        let (names, plain): (_, &str) = match family {
            TableFamily::Ip6 => (["ip6tables-nft-save", "ip6tables-save"], "ip6tables"),
            _ => (["iptables-nft-save", "iptables-save"], "iptables"),
        };
        // The plain name may lead to the program of the older tables.
        let is_plain = !links_to(host, plain, "legacy");
        let program = if is_plain { plain.to_owned() } else { format!("{plain}-nft") };
        match save(host, *family, &names, &program) {
            Fact::Known(ruleset) => all.chains.extend(ruleset.chains),
            other => return other,
        }
    }
    all.sets = ipsets(host, &all);
    Fact::Known(all)
}

fn links_to(host: &dyn Host, program: &str, kind: &str) -> bool {
    host.link(&format!("/etc/alternatives/{program}")).known().is_some_and(|target| target.contains(kind))
}

/// The first of these programs that is there; a recording calls it by the first name.
fn save(host: &dyn Host, family: TableFamily, names: &[&'static str; 2], program: &str) -> Fact<Ruleset> {
    let [recorded, plain] = names;
    let mut ran = host.run(&Run::new(recorded, *recorded, TIMEOUT));
    if ran == Fact::Absent {
        match host.run(&Run::new(plain, *plain, TIMEOUT)) {
            Fact::NotGathered => {}
            found => ran = found,
        }
    }
    match ran {
        Fact::Known(ran) if ran.status == Some(0) => {
            let parsed = parse::parse_iptables_save(&ran.stdout, family, program);
            match parsed.not_understood.first() {
                None => Fact::Known(parsed.value),
                Some(line) => Fact::unreadable(format!("`{recorded}` printed what is not understood: {line}")),
            }
        }
        Fact::Known(ran) => Fact::unreadable(ran.reason(&format!("`{recorded}`"))),
        Fact::Absent => Fact::unreadable(format!("there is no `{plain}` to list the kernel's rules")),
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

// The older tables.

fn gather_ip_tables(host: &dyn Host) -> Fact<Ruleset> {
    let mut all = Ruleset::default();
    let mut has_any = false;
    let families = [
        (TableFamily::Ip, "/proc/net/ip_tables_names", ["iptables-legacy-save", "iptables-save"], "iptables"),
        (TableFamily::Ip6, "/proc/net/ip6_tables_names", ["ip6tables-legacy-save", "ip6tables-save"], "ip6tables"),
    ];
    for (family, tables, names, plain) in families {
        let tables = match host.read(tables) {
            Fact::Known(tables) => String::from_utf8_lossy(&tables).into_owned(),
            Fact::Absent => continue,
            Fact::Unreadable(why) => return Fact::unreadable(format!("{tables}: {}", why.reason)),
            Fact::NotGathered => return Fact::NotGathered,
        };
        if tables.trim().is_empty() {
            continue;
        }
        has_any = true;
        let program = if links_to(host, plain, "nft") { format!("{plain}-legacy") } else { plain.to_owned() };
        match save(host, family, &names, &program) {
            // The plain name may lead to the program of nf_tables, which does not list these.
            Fact::Known(ruleset) => {
                let is_listed = |table: &str| ruleset.chains.iter().any(|chain| chain.table.raw() == table);
                if let Some(missing) =
                    tables.split_whitespace().find(|table| IPTABLES_TABLES.contains(table) && !is_listed(table))
                {
                    return Fact::unreadable(format!("`{}` does not list the table {missing}", names[1]));
                }
                all.chains.extend(ruleset.chains);
            }
            other => return other,
        }
    }
    all.sets = ipsets(host, &all);
    if has_any { Fact::Known(all) } else { Fact::Absent }
}

/// The sets of ipset, where a rule asks for one. Without them the rule is not decided.
fn ipsets(host: &dyn Host, ruleset: &Ruleset) -> Vec<AddressSet> {
    let asks = |test: &Test| matches!(test, Test::In { .. } | Test::NotIn { .. });
    if !ruleset.chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.tests).any(asks) {
        return Vec::new();
    }
    match host.run(&Run::new("ipset", "ipset", TIMEOUT).args(["save"])) {
        Fact::Known(ran) if ran.status == Some(0) => parse::parse_ipset_save(&ran.stdout).value,
        _ => Vec::new(),
    }
}

// What is kept.

/// Only what a packet to sshd, or its reply, can come by; nothing left: absent.
fn bounded(found: Fact<Ruleset>, attempt: &Attempt) -> Fact<Ruleset> {
    let Fact::Known(mut ruleset) = found else { return found };
    ruleset.chains.retain(|chain| {
        let is_for_others = |hook: Hook| matches!(hook, Hook::Output | Hook::Postrouting);
        chain.base.as_ref().is_none_or(|base| !(base.is_nat && is_for_others(base.hook)))
    });
    for chain in &mut ruleset.chains {
        chain.rules.retain(matters);
    }
    // An empty chain says nothing, nor does a rule that jumps to one; then perhaps another is empty.
    loop {
        let before = ruleset.chains.len();
        ruleset.chains.retain(|chain| !chain.rules.is_empty() || chain.base.as_ref().is_some_and(|base| base.drops));
        let reached = reached(&ruleset);
        let mut index = 0;
        ruleset.chains.retain(|_| {
            index += 1;
            reached.get(index - 1) == Some(&true)
        });
        let names: Vec<_> =
            ruleset.chains.iter().map(|chain| (chain.family, chain.table.clone(), chain.name.clone())).collect();
        for chain in &mut ruleset.chains {
            let (family, table) = (chain.family, chain.table.clone());
            chain.rules.retain(|rule| match &rule.target {
                Target::Jump(name) if !rule.marks && !rule.untracks => {
                    names.iter().any(|(of, at, found)| *of == family && *at == table && found == name)
                }
                _ => true,
            });
        }
        if ruleset.chains.len() == before {
            break;
        }
    }
    if ruleset.chains.is_empty() {
        return Fact::Absent;
    }
    let rules: usize = ruleset.chains.iter().map(|chain| chain.rules.len()).sum();
    if rules > RULES {
        return Fact::unreadable(format!("there are {rules} rules; at most {RULES} are kept"));
    }
    let named: Vec<_> = ruleset
        .chains
        .iter()
        .flat_map(|chain| &chain.rules)
        .flat_map(|rule| &rule.tests)
        .filter_map(|test| match test {
            Test::In { set, .. } | Test::NotIn { set, .. } => Some(set.clone()),
            _ => None,
        })
        .collect();
    ruleset.sets.retain(|set| named.contains(&set.name));
    for set in &mut ruleset.sets {
        bound_elements(set, attempt);
    }
    Fact::Known(ruleset)
}

/// A rule that only counts or logs, or is for another protocol, decides nothing about sshd's packets.
fn matters(rule: &Rule) -> bool {
    const TCP: u32 = 6;
    let is_other_protocol = |test: &Test| match test {
        Test::Is { field: Field::Protocol, any_of } => any_of.iter().all(|value| match value {
            Value::Numbers(first, last) => !(*first..=*last).contains(&TCP),
            _ => false,
        }),
        _ => false,
    };
    (rule.target != Target::Continue || rule.marks || rule.untracks) && !rule.tests.iter().any(is_other_protocol)
}

/// Which chains a packet can come to.
fn reached(ruleset: &Ruleset) -> Vec<bool> {
    let mut reached: Vec<bool> = ruleset.chains.iter().map(|chain| chain.base.is_some()).collect();
    let mut waiting: Vec<usize> = (0..reached.len()).filter(|index| reached.get(*index) == Some(&true)).collect();
    while let Some(chain) = waiting.pop().and_then(|index| ruleset.chains.get(index)) {
        for rule in &chain.rules {
            let (Target::Jump(name) | Target::Goto(name)) = &rule.target else { continue };
            let is_named = |other: &crate::facts::Chain| {
                other.family == chain.family && other.table == chain.table && other.name == *name
            };
            let Some(index) = ruleset.chains.iter().position(is_named) else { continue };
            if let Some(reached) = reached.get_mut(index).filter(|reached| !**reached) {
                *reached = true;
                waiting.push(index);
            }
        }
    }
    reached
}

/// Of a long list, what is about this attempt's source or the ranges of EC2 Instance Connect.
fn bound_elements(set: &mut AddressSet, attempt: &Attempt) {
    let Fact::Known(elements) = &mut set.elements else { return };
    if elements.len() <= ELEMENTS {
        return;
    }
    let wanted: Vec<IpNet> = attempt.source.into_iter().chain(ranges::all()).collect();
    let is_wanted = |value: &Value| match value {
        Value::Net(net) => wanted.iter().any(|wanted| wanted.contains(net) || net.contains(wanted)),
        Value::Addresses(first, last) => {
            wanted.iter().any(|wanted| wanted.network() <= *last && *first <= wanted.broadcast())
        }
        Value::Numbers(..) | Value::Word(_) => false,
        Value::Any | Value::NotUnderstood(_) => true,
    };
    let before = elements.len();
    elements.retain(|values| values.iter().any(is_wanted));
    if elements.len() > ELEMENTS {
        set.elements = Fact::unreadable(format!("it has {before} elements"));
    } else {
        set.has_more = true;
    }
}
