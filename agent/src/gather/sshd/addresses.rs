//! The machine's own addresses, from files of `/proc/net`: sshd tells `Match LocalAddress` which of them a connection came in on.

use std::net::IpAddr;

use eic_doctor_proto::Fact;

use crate::facts::LocalAddress;
use crate::gather::host::Host;
use crate::parse::{self, Ipv4Route};

pub(in crate::gather) fn gather_addresses(host: &dyn Host) -> Fact<Vec<LocalAddress>> {
    let mut addresses = match ipv4(host) {
        Fact::Known(addresses) => addresses,
        Fact::Absent => Vec::new(),
        other => return other,
    };
    match ipv6(host) {
        Fact::Known(more) => addresses.extend(more),
        // A kernel without IPv6.
        Fact::Absent => {}
        other => return other,
    }
    Fact::Known(addresses)
}

fn ipv4(host: &dyn Host) -> Fact<Vec<LocalAddress>> {
    let routes = host.read("/proc/net/route").map(|bytes| parse::parse_proc_route(&bytes).value);
    host.read("/proc/net/fib_trie").map(|bytes| {
        let local = |address: std::net::Ipv4Addr| {
            let interface = routes.known().and_then(|routes| {
                let on_link = routes.iter().filter(|route| route.to.prefix_len() > 0 && route.to.contains(&address));
                on_link.max_by_key(|route| route.to.prefix_len()).map(|route| route.interface.as_str())
            });
            let interface = if address.is_loopback() { "lo" } else { interface.unwrap_or_default() };
            let is_default = |route: &&Ipv4Route| route.to.prefix_len() == 0 && route.interface == interface;
            let default_route =
                routes.as_ref().map(|routes| routes.iter().filter(is_default).map(|route| route.metric).min());
            LocalAddress {
                address: IpAddr::V4(address),
                interface: interface.into(),
                default_route: flat(default_route),
                is_device: is_device(host, interface),
            }
        };
        parse::parse_fib_trie(&bytes).value.into_iter().map(local).collect()
    })
}

fn ipv6(host: &dyn Host) -> Fact<Vec<LocalAddress>> {
    let routes = host.read("/proc/net/ipv6_route").map(|bytes| parse::parse_proc_ipv6_route(&bytes).value);
    host.read("/proc/net/if_inet6").map(|bytes| {
        let local = |(interface, address): (String, std::net::Ipv6Addr)| {
            let default_route = routes
                .as_ref()
                .map(|routes| routes.iter().filter(|(name, _)| *name == interface).map(|(_, metric)| *metric).min());
            LocalAddress {
                address: IpAddr::V6(address),
                default_route: flat(default_route),
                is_device: is_device(host, &interface),
                interface: interface.into(),
            }
        };
        parse::parse_if_inet6(&bytes).value.into_iter().map(local).collect()
    })
}

fn flat(metric: Fact<Option<u32>>) -> Fact<u32> {
    match metric {
        Fact::Known(Some(metric)) => Fact::Known(metric),
        Fact::Known(None) | Fact::Absent => Fact::Absent,
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}

/// The kernel links an interface to its device, where it has one.
fn is_device(host: &dyn Host, interface: &str) -> Fact<bool> {
    let is_name = !interface.is_empty() && !interface.contains('/') && !interface.starts_with('.');
    if !is_name {
        return Fact::Absent;
    }
    match host.file_state(&format!("/sys/class/net/{interface}/device")).state {
        Fact::Known(_) => Fact::Known(true),
        Fact::Absent => Fact::Known(false),
        Fact::Unreadable(why) => Fact::Unreadable(why),
        Fact::NotGathered => Fact::NotGathered,
    }
}
