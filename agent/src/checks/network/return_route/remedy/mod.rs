//! What brings the replies back to their interface.

use std::net::IpAddr;

use eic_doctor_proto::{Command, Remedy};
use ipnet::IpNet;

use super::way::{Reply, Way};
use crate::checks::source::{Source, shown};
use crate::facts::{OwnAddress, Route};

/// A table that nobody uses by chance, and a priority before everybody's.
const OWN_TABLE: &str = "22022";
const OWN_PRIORITY: &str = "22";

pub(super) fn remedy(own: &OwnAddress, reply: &Reply<'_>, way: &Way<'_>, source: &Source) -> Remedy {
    let address = own.address.addr();
    let verify = match source.nets.first() {
        Some(net) => Command::new("ip")
            .args(["route", "get"])
            .arg(net.addr().to_string())
            .args(["from", &address.to_string()])
            .to_string(),
        None => "ip rule; ip route show table all".to_owned(),
    };
    let ip = || if address.is_ipv4() { Command::new("ip") } else { Command::new("ip").arg("-6") };
    if let Reply::Refused(Some(route)) = reply {
        let command =
            ip().args(["route", "del"]).arg(shown(&route.destination)).args(["table", &route.table.to_string()]);
        return Remedy::by_command(
            "Delete the route, as root on the instance, and let nothing set it again",
            &command,
            verify,
        );
    }
    let keep = "keep it in the network's configuration (netplan, NetworkManager, `amazon-ec2-net-utils`) too";
    let text = format!("Let replies from this address leave by its own interface, as root on the instance; {keep}");
    let Some((interface, router)) = plain(own.interface.raw()).zip(router(own, way)) else {
        return Remedy::by_hand(text, verify);
    };
    let hop = |command: Command| command.args(["via", &router.to_string(), "dev", interface]);
    if matches!(reply, Reply::NoRoute) {
        let text = format!("Set the default route again, as root on the instance; {keep}");
        return Remedy::by_command(text, &hop(ip().args(["route", "add", "default"])), verify);
    }
    let command = hop(ip().args(["route", "replace", "default"])).args(["table", OWN_TABLE]).and(ip().args([
        "rule",
        "add",
        "from",
        &address.to_string(),
        "lookup",
        OWN_TABLE,
        "priority",
        OWN_PRIORITY,
    ]));
    Remedy::by_command(text, &command, verify)
}

/// The next hop that the interface already uses, else the VPC's router, which has the first address of each IPv4 subnet.
fn router(own: &OwnAddress, way: &Way<'_>) -> Option<IpAddr> {
    let is_its = |route: &&Route| {
        route.interfaces.as_slice() == std::slice::from_ref(&own.interface)
            && route.destination.addr().is_ipv4() == own.address.addr().is_ipv4()
    };
    if let Some(gateway) = way.routes.iter().filter(is_its).find_map(|route| route.gateway) {
        return Some(gateway);
    }
    match own.address {
        IpNet::V4(net) if net.prefix_len() <= 28 => net.hosts().next().map(IpAddr::from),
        _ => None,
    }
}

/// The name of an interface that may stand in a command.
fn plain(name: &str) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    (name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() < 16 && name.chars().all(is_plain))
        .then_some(name)
}
