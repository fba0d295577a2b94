//! The instance's own addresses and routes.

use std::collections::HashMap;
use std::time::Duration;

use eic_doctor_proto::{Fact, Untrusted};

use crate::facts::{AddressFamily, LinkLocalAllowance, NetworkFacts, Route, RouteKind};
use crate::parse::{self, Parsed};

use super::host::{Host, NetlinkTable, Run};

/// Each prints at once.
const TIMEOUT: Duration = Duration::from_secs(2);
const ADDRESSES: usize = 256;
const RULES: usize = 256;
const ROUTES: usize = 512;

/// Names of interfaces by number.
type Names = HashMap<u32, Untrusted>;

pub(super) fn gather_network(host: &dyn Host) -> NetworkFacts {
    let names = host.netlink(NetlinkTable::Interfaces).map(|bytes| parse::parse_netlink_interfaces(&bytes).value);
    // The kernel is asked; where only a recording is at hand, what `ip` printed.
    let addresses = match with_names(host, NetlinkTable::Addresses, &names, parse::parse_netlink_addresses) {
        Fact::NotGathered => printed(host, "ip-address", &["-o", "addr", "show"], parse::parse_ip_address),
        found => found,
    };
    let rules = match host.netlink(NetlinkTable::Rules) {
        Fact::NotGathered => join(
            printed(host, "ip-rule", &["-4", "rule", "show"], |bytes| parse::parse_ip_rule(bytes, AddressFamily::Ipv4)),
            printed(host, "ip-6-rule", &["-6", "rule", "show"], |bytes| {
                parse::parse_ip_rule(bytes, AddressFamily::Ipv6)
            }),
        ),
        found => whole(found.map(|bytes| parse::parse_netlink_rules(&bytes))),
    };
    let routes = match with_names(host, NetlinkTable::Routes, &names, parse::parse_netlink_routes) {
        Fact::NotGathered => join(
            printed(host, "ip-route", &["-4", "route", "show", "table", "all"], |bytes| {
                parse::parse_ip_route(bytes, AddressFamily::Ipv4)
            }),
            printed(host, "ip-6-route", &["-6", "route", "show", "table", "all"], |bytes| {
                parse::parse_ip_route(bytes, AddressFamily::Ipv6)
            }),
        ),
        found => found,
    };
    NetworkFacts {
        link_local_allowance: gather_link_local_allowance(host, &routes),
        addresses: at_most(ADDRESSES, "addresses", addresses),
        rules: at_most(RULES, "routing rules", rules),
        routes: at_most(ROUTES, "routes", routes),
    }
}

fn with_names<T>(
    host: &dyn Host,
    table: NetlinkTable,
    names: &Fact<Names>,
    parse: fn(&[u8], &Names) -> Parsed<Vec<T>>,
) -> Fact<Vec<T>> {
    match names {
        Fact::Known(names) => whole(host.netlink(table).map(|bytes| parse(&bytes, names))),
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::unreadable(format!("the interfaces' names: {}", why.reason)),
        Fact::NotGathered => Fact::NotGathered,
    }
}

/// A table of which a line was not understood could lack just the line that matters.
fn whole<T>(parsed: Fact<Parsed<Vec<T>>>) -> Fact<Vec<T>> {
    match parsed {
        Fact::Known(Parsed { value, not_understood }) => match not_understood.first() {
            None => Fact::Known(value),
            Some(line) => Fact::unreadable(format!("not understood: {line}")),
        },
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

fn printed<T>(
    host: &dyn Host,
    name: &'static str,
    arguments: &[&str],
    parse: impl Fn(&[u8]) -> Parsed<Vec<T>>,
) -> Fact<Vec<T>> {
    match host.run(&Run::new(name, "ip", TIMEOUT).args(arguments.iter().copied())) {
        Fact::Known(ran) if ran.status == Some(0) => whole(Fact::Known(parse(&ran.stdout))),
        Fact::Known(ran) => Fact::unreadable(ran.reason(&format!("`ip {}`", arguments.join(" ")))),
        Fact::Absent => Fact::unreadable("there is no `ip`"),
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

/// Both or neither: with one family missing the other could not be told from all.
fn join<T>(first: Fact<Vec<T>>, second: Fact<Vec<T>>) -> Fact<Vec<T>> {
    match (first, second) {
        (Fact::Known(mut all), Fact::Known(more)) => {
            all.extend(more);
            Fact::Known(all)
        }
        (Fact::Known(_), other) | (other, _) => other,
    }
}

fn at_most<T>(limit: usize, what: &str, found: Fact<Vec<T>>) -> Fact<Vec<T>> {
    match found {
        Fact::Known(found) if found.len() > limit => {
            Fact::unreadable(format!("there are {} {what}; at most {limit} are kept", found.len()))
        }
        other => other,
    }
}

/// Of the interface that the default route leads out by, which is the one that the metadata service is reached by, as a rule.
fn gather_link_local_allowance(host: &dyn Host, routes: &Fact<Vec<Route>>) -> Fact<LinkLocalAllowance> {
    let names = match host.list("/sys/class/net") {
        Fact::Known(names) => names,
        Fact::Absent => return Fact::unreadable("/sys is not mounted"),
        Fact::Unreadable(why) => return Fact::Unreadable(why),
        Fact::NotGathered => return Fact::NotGathered,
    };
    let is_ena = |name: &&String| {
        let driver = host.link(&format!("/sys/class/net/{name}/device/driver"));
        driver.known().is_some_and(|driver| driver.rsplit('/').next() == Some("ena"))
    };
    let of_ena: Vec<&String> = names.iter().filter(is_ena).collect();
    let is_default = |name: &str| {
        let leads_out = |route: &&Route| {
            route.kind == RouteKind::Unicast
                && route.destination.prefix_len() == 0
                && route.interfaces.iter().any(|interface| interface.raw() == name)
        };
        routes.known().is_some_and(|routes| routes.iter().find(leads_out).is_some())
    };
    let Some(interface) = of_ena.iter().find(|name| is_default(name)).or_else(|| of_ena.first()) else {
        return Fact::Absent;
    };
    match host.run(&Run::new("ethtool", "ethtool", TIMEOUT).args(["-S", interface.as_str()])) {
        Fact::Known(ran) if ran.status == Some(0) => {
            match parse::parse_ethtool_statistics(&ran.stdout).value {
                Some(exceeded) => Fact::Known(LinkLocalAllowance { interface: interface.as_str().into(), exceeded }),
                // Drivers before 2.2.10 do not count it.
                None => Fact::unreadable("this version of the driver does not count it"),
            }
        }
        Fact::Known(ran) => Fact::unreadable(ran.reason("`ethtool -S`")),
        Fact::Absent => Fact::unreadable("there is no `ethtool`"),
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}
