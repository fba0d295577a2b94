//! By which of the instance's interfaces, and at which of its addresses, an attempt's packets arrive.

use std::net::IpAddr;

use eic_doctor_proto::Attempt;

use crate::facts::{OsFacts, OwnAddress};

use super::source;

/// Interfaces that programs make on a host for its own containers, virtual machines and tunnels; no interface of EC2 is called so.
const MADE_HERE: [&str; 24] = [
    "lo",
    "docker",
    "br-",
    "veth",
    "virbr",
    "vnet",
    "cni",
    "flannel",
    "cali",
    "cilium",
    "lxc",
    "lxd",
    "podman",
    "kube-",
    "nodelocaldns",
    "weave",
    "dummy",
    "tun",
    "tap",
    "wg",
    "tailscale",
    "zt",
    "gre",
    "sit",
];

#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// Where one is known, the packets arrive at one of these; empty when nobody knows.
    pub addresses: Vec<&'a OwnAddress>,
}

/// A public IPv4 address is not the instance's own but is translated on the way, so it says nothing of the interface.
pub fn of<'a>(facts: &'a OsFacts, attempt: &Attempt) -> Arrival<'a> {
    let all = facts.network.addresses.known().map(Vec::as_slice).unwrap_or_default();
    if let Some(dialled) = all.iter().find(|own| Some(own.address.addr()) == attempt.address) {
        return Arrival { addresses: vec![dialled] };
    }
    let is_ipv4 = source::is_ipv4(attempt);
    let is_outer = |own: &&OwnAddress| own.address.addr().is_ipv4() == is_ipv4 && !is_made_here(own.interface.raw());
    Arrival { addresses: all.iter().filter(is_outer).collect() }
}

pub fn is_made_here(interface: &str) -> bool {
    MADE_HERE.iter().any(|stem| interface == *stem || (*stem != "lo" && interface.starts_with(stem)))
}

impl Arrival<'_> {
    pub fn interfaces(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.addresses.iter().map(|own| own.interface.raw()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub fn destinations(&self) -> Vec<IpAddr> {
        self.addresses.iter().map(|own| own.address.addr()).collect()
    }
}
