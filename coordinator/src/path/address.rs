//! Which of the instance's addresses a way dials, and which network interface has it.

use std::net::IpAddr;

use eic_doctor_proto::{Attempt, Via};
use ipnet::IpNet;

use crate::facts::{Instance, NetworkInterface, NetworkInterfaceAssociation, PrivateIpAddress};
use crate::path::cidr::is_same_family;

/// The address that is dialled and the network interface that has it.
#[derive(Clone, Copy, Debug)]
pub struct Dialled<'a> {
    pub address: IpAddr,
    pub interface: &'a NetworkInterface,
}

/// The address that the attempt dials, or why there is none.
///
/// Source: a public IPv4 address belongs to one private address of one network interface, and that interface's subnet, security
/// groups and routes decide (EC2 User Guide, "Amazon EC2 instance IP addressing"). Where a way leaves the choice, it is the one of
/// `aws ec2-instance-connect ssh --connection-type direct`: public IPv4, then IPv6; and of its endpoint way: private IPv4, then IPv6.
pub fn dialled<'a>(instance: &'a Instance, attempt: &Attempt) -> Result<Dialled<'a>, String> {
    // Through an endpoint the client comes by HTTPS, so its own family chooses nothing.
    let source = attempt.source.filter(|_| !matches!(attempt.via, Via::Browser | Via::Endpoint));
    let is_public = matches!(attempt.via, Via::Browser | Via::Public);
    let mut candidates = if is_public { public(instance) } else { private(instance) };
    if let Some(address) = attempt.address {
        candidates.retain(|candidate| candidate.address == address);
        let found = candidates.first().copied().ok_or_else(|| not_dialled(instance, address, is_public))?;
        return match source {
            Some(source) if !is_same_family(&source, address) => {
                Err(format!("{source} is {}, the address {address} is not", family(&source)))
            }
            _ => Ok(found),
        };
    }
    let kind = if is_public { "public" } else { "private" };
    let Some(source) = source else {
        let none = || format!("the instance has no {kind} address; it has {}", listing(instance));
        return candidates.first().copied().ok_or_else(none);
    };
    candidates.iter().find(|candidate| is_same_family(&source, candidate.address)).copied().ok_or_else(|| {
        // An IPv6 address is neither called public nor private.
        let kind = if matches!(source, IpNet::V6(_)) { String::new() } else { format!("{kind} ") };
        format!("the instance has no {kind}{} address; it has {}", family(&source), listing(instance))
    })
}

/// The private address that the internet gateway turns this public one into; any other address is what it is.
pub fn behind(interface: &NetworkInterface, address: IpAddr) -> IpAddr {
    let is_public = |association: Option<&NetworkInterfaceAssociation>| {
        association.and_then(|association| association.public_ip.as_deref()?.parse().ok()) == Some(address)
    };
    let of_private = interface
        .private_ip_addresses
        .iter()
        .find(|private| is_public(private.association.as_ref()))
        .and_then(|private| private.private_ip_address.as_deref());
    let primary = interface.private_ip_address.as_deref().filter(|_| address.is_ipv4());
    of_private.or(primary).and_then(|text| text.parse().ok()).unwrap_or(address)
}

/// The primary network interface: device index 0, else the first one.
pub fn primary(instance: &Instance) -> Option<&NetworkInterface> {
    let is_primary = |interface: &&NetworkInterface| {
        interface.attachment.as_ref().is_some_and(|attachment| attachment.device_index == Some(0))
    };
    instance.network_interfaces.iter().find(is_primary).or_else(|| instance.network_interfaces.first())
}

/// Public IPv4 addresses, the one that EC2 names first before the others, then IPv6 addresses.
pub fn public(instance: &Instance) -> Vec<Dialled<'_>> {
    let mut found = Vec::new();
    for interface in in_order(instance) {
        let of_private = interface.private_ip_addresses.iter().filter_map(|address| address.association.as_ref());
        let associations = interface.association.iter().chain(of_private);
        for public_ip in associations.filter_map(|association| association.public_ip.as_deref()) {
            add(&mut found, public_ip, interface);
        }
    }
    if let (Some(public_ip), Some(interface)) = (instance.public_ip_address.as_deref(), primary(instance)) {
        add(&mut found, public_ip, interface);
    }
    put_first(&mut found, instance.public_ip_address.as_deref());
    found.extend(ipv6(instance));
    found
}

/// Private IPv4 addresses, the primary one first, then IPv6 addresses.
pub fn private(instance: &Instance) -> Vec<Dialled<'_>> {
    let mut found = Vec::new();
    for interface in in_order(instance) {
        let others = interface.private_ip_addresses.iter();
        let others = others.filter_map(|PrivateIpAddress { private_ip_address, .. }| private_ip_address.as_ref());
        for private_ip in interface.private_ip_address.iter().chain(others) {
            add(&mut found, private_ip, interface);
        }
    }
    put_first(&mut found, instance.private_ip_address.as_deref());
    found.extend(ipv6(instance));
    found
}

fn ipv6(instance: &Instance) -> Vec<Dialled<'_>> {
    let mut found = Vec::new();
    for interface in in_order(instance) {
        for address in interface.ipv6_addresses.iter().filter_map(|address| address.ipv6_address.as_ref()) {
            add(&mut found, address, interface);
        }
    }
    put_first(&mut found, instance.ipv6_address.as_deref());
    found
}

/// By device index, in whatever order EC2 lists them.
fn in_order(instance: &Instance) -> Vec<&NetworkInterface> {
    let mut interfaces: Vec<&NetworkInterface> = instance.network_interfaces.iter().collect();
    interfaces.sort_by_key(|interface| interface.attachment.as_ref().and_then(|a| a.device_index).unwrap_or(i32::MAX));
    interfaces
}

fn add<'a>(found: &mut Vec<Dialled<'a>>, address: &str, interface: &'a NetworkInterface) {
    // What is no address at all cannot be dialled.
    let Ok(address) = address.parse() else { return };
    if found.iter().all(|known| known.address != address) {
        found.push(Dialled { address, interface });
    }
}

fn put_first(found: &mut [Dialled<'_>], address: Option<&str>) {
    let Some(Ok(address)) = address.map(str::parse::<IpAddr>) else { return };
    found.sort_by_key(|known| known.address != address);
}

fn not_dialled(instance: &Instance, address: IpAddr, is_public: bool) -> String {
    let others = if is_public { private(instance) } else { public(instance) };
    if others.iter().any(|other| other.address == address) {
        let (is, wants) = if is_public { ("private", "public") } else { ("public", "private") };
        format!("{address} is a {is} address of the instance, and this way dials a {wants} one")
    } else {
        format!("{address} is no address of the instance; it has {}", listing(instance))
    }
}

fn listing(instance: &Instance) -> String {
    let mut all: Vec<IpAddr> = public(instance).into_iter().chain(private(instance)).map(|d| d.address).collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() {
        return String::from("none at all");
    }
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn family(net: &IpNet) -> &'static str {
    match net {
        IpNet::V4(_) => "IPv4",
        IpNet::V6(_) => "IPv6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn instance() -> Instance {
        serde_json::from_value(json!({
            "InstanceId": "i-0123456789abcdef0",
            "PrivateIpAddress": "10.0.1.10",
            "PublicIpAddress": "198.51.100.20",
            "Ipv6Address": "2001:db8::20",
            "NetworkInterfaces": [
                {
                    "NetworkInterfaceId": "eni-2", "Attachment": { "DeviceIndex": 1 }, "PrivateIpAddress": "10.0.2.10",
                    "PrivateIpAddresses": [
                        { "PrivateIpAddress": "10.0.2.10", "Primary": true },
                        { "PrivateIpAddress": "10.0.2.11", "Association": { "PublicIp": "198.51.100.21" } }
                    ]
                },
                {
                    "NetworkInterfaceId": "eni-1", "Attachment": { "DeviceIndex": 0 }, "PrivateIpAddress": "10.0.1.10",
                    "Association": { "PublicIp": "198.51.100.20" }, "Ipv6Addresses": [{ "Ipv6Address": "2001:db8::20" }]
                }
            ]
        }))
        .unwrap()
    }

    fn found(
        instance: &Instance,
        via: Via,
        source: Option<&str>,
        address: Option<&str>,
    ) -> Result<(String, String), String> {
        let attempt = Attempt {
            via,
            source: source.map(|text| text.parse().unwrap()),
            address: address.map(|text| text.parse().unwrap()),
            ..Attempt::usual()
        };
        dialled(instance, &attempt)
            .map(|d| (d.address.to_string(), d.interface.network_interface_id.clone().unwrap_or_default()))
    }

    #[test]
    fn each_way_dials_its_own_kind_of_address_on_the_interface_that_has_it() {
        let instance = instance();
        let on = |address: &str, interface: &str| Ok((address.to_owned(), interface.to_owned()));
        assert_eq!(found(&instance, Via::Public, None, None), on("198.51.100.20", "eni-1"));
        assert_eq!(found(&instance, Via::Public, Some("2001:db8:1::/64"), None), on("2001:db8::20", "eni-1"));
        assert_eq!(found(&instance, Via::Private, Some("10.9.0.0/16"), None), on("10.0.1.10", "eni-1"));
        assert_eq!(found(&instance, Via::Public, None, Some("198.51.100.21")), on("198.51.100.21", "eni-2"));
        assert_eq!(found(&instance, Via::Private, None, Some("10.0.2.11")), on("10.0.2.11", "eni-2"));
        // A browser's source is the Region's range, whatever the attempt says.
        assert_eq!(found(&instance, Via::Browser, Some("2001:db8::/32"), None), on("198.51.100.20", "eni-1"));
    }

    #[test]
    fn an_address_that_cannot_be_dialled_is_told_from_one_that_is_not_there() {
        let instance = instance();
        let why = |via, source, address| found(&instance, via, source, address).unwrap_err();
        assert!(why(Via::Public, None, Some("10.0.1.10")).contains("is a private address"));
        assert!(why(Via::Private, None, Some("198.51.100.20")).contains("is a public address"));
        assert!(why(Via::Public, None, Some("192.0.2.1")).contains("is no address of the instance"));
        assert!(why(Via::Public, Some("2001:db8::/64"), Some("198.51.100.20")).contains("is IPv6"));
        let bare = Instance::default();
        assert!(found(&bare, Via::Public, None, None).unwrap_err().contains("none at all"));
    }
}
