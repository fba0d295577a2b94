use std::net::IpAddr;

use eic_doctor_proto::{Attempt, Evidence, Finding, Remedy, Verdict, Via, check};

use crate::facts::{Facts, Instance, NetworkInterface};
use crate::path::address;

check! {
    /// The address that is dialled is one that the operating system has configured.
    ///
    /// ## Why it matters
    ///
    /// An address that EC2 gives to a network interface is the operating system's only when it is configured there. The first private
    /// IPv4 address comes by DHCP; a secondary private address, the addresses of a second network interface and an IPv6 address often
    /// do not: that is the work of `amazon-ec2-net-utils` on Amazon Linux and of `netplan` or NetworkManager elsewhere. Packets
    /// to an address that is not configured reach the instance and are dropped: the client waits until `Connection timed out`, although
    /// security group, routes and sshd are all well. An Elastic IP address stands for one private address, and that one is meant here.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instances --instance-ids INSTANCE_ID --query
    /// 'Reservations[].Instances[].NetworkInterfaces[].[PrivateIpAddresses,Ipv6Addresses]'`; on the instance `ip -brief address`
    ///
    /// ## How to mend
    ///
    /// Configure the address on the instance (`ip address add ADDRESS/PREFIX dev INTERFACE` until the next boot; `netplan`,
    /// NetworkManager or `amazon-ec2-net-utils` for good), switch DHCPv6 or router advertisements on for IPv6, or dial another address
    /// (`--address`).
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Secondary IP addresses for your EC2 instances": configure the operating system
    /// - EC2 User Guide, "Multiple network interfaces for your Amazon EC2 instances"
    pub static CHECK: Facts = {
        id: "both.network.address",
        title: "the operating system has the address that is dialled",
        needs: ["aws.instance.address"],
        actions: ["ec2:DescribeInstances"],
        judge: judge,
    }
}

const API: &str = "ec2:DescribeInstances";
const INSIDE: &str = "ip addr";

fn judge(facts: &Facts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let instance = facts.aws.instance.need("the instance")?;
    if attempt.via == Via::Auto {
        return Err(Verdict::unknown("which way would be taken is not known without the instance's addresses"));
    }
    let dialled = address::dialled(instance, attempt).map_err(Verdict::unknown)?;
    let os = facts.os.need("facts of the instance")?;
    let configured = os.network.addresses.need("the addresses that the operating system has")?;
    let Some(private) = private_of(dialled.interface, dialled.address) else {
        return Err(Verdict::unknown(format!("which private address {} stands for is not told", dialled.address)));
    };
    let meant = if private == dialled.address {
        private.to_string()
    } else {
        format!("{}, which stands for {private}", dialled.address)
    };
    if let Some(own) = configured.iter().find(|own| own.address.addr() == private) {
        let seen = format!("{private} on {}", own.interface);
        return Ok(Verdict::ok(seen, INSIDE).seen(meant, API));
    }
    let has: Vec<String> = configured.iter().map(|own| format!("{} on {}", own.address, own.interface)).collect();
    let has = if has.is_empty() { "no address at all".to_owned() } else { has.join(", ") };
    // A gatherer in a container sees the container's addresses and none of EC2's.
    if !all_of(instance).iter().any(|known| configured.iter().any(|own| own.address.addr() == *known)) {
        let why = "the OS facts show none of the addresses that EC2 knows, so they may come from a network namespace of their own";
        return Err(Verdict::unknown(why).seen(has, INSIDE));
    }
    let why = format!("the operating system has not configured the address that is dialled: {meant}");
    let remedy = Remedy::by_hand(
        format!(
            "Configure {private} on the instance, for good in netplan, NetworkManager or amazon-ec2-net-utils, or dial an address that \
             it has (`--address`)"
        ),
        "`ip -brief address` on the instance shows it",
    );
    let id = dialled.interface.network_interface_id.as_deref().unwrap_or("a network interface");
    let finding = Finding::new(why, remedy).seen(format!("{private} belongs to {id}"), API);
    Ok(Verdict::fail(finding.with([Evidence::new(has, INSIDE)])))
}

/// The address of the interface that packets to `dialled` carry when they arrive: a public IPv4 address is translated.
fn private_of(interface: &NetworkInterface, dialled: IpAddr) -> Option<IpAddr> {
    let parse = |text: &Option<String>| text.as_deref()?.parse::<IpAddr>().ok();
    let own = interface.private_ip_addresses.iter().map(|address| &address.private_ip_address);
    let v6 = interface.ipv6_addresses.iter().map(|address| &address.ipv6_address);
    if own.chain([&interface.private_ip_address]).chain(v6).any(|address| parse(address) == Some(dialled)) {
        return Some(dialled);
    }
    let translated = interface.private_ip_addresses.iter().find(|address| {
        address.association.as_ref().and_then(|association| parse(&association.public_ip)) == Some(dialled)
    });
    match translated {
        Some(address) => parse(&address.private_ip_address),
        None => {
            let public = interface.association.as_ref().and_then(|association| parse(&association.public_ip));
            parse(&interface.private_ip_address).filter(|_| public == Some(dialled))
        }
    }
}

/// Every address that EC2 has given to the instance and that its operating system could have.
fn all_of(instance: &Instance) -> Vec<IpAddr> {
    address::private(instance).into_iter().map(|known| known.address).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_public_address_stands_for_the_private_one_that_it_is_associated_with() {
        let interface: NetworkInterface = serde_json::from_value(json!({
            "PrivateIpAddress": "10.0.1.10", "Association": { "PublicIp": "198.51.100.20" },
            "PrivateIpAddresses": [
                { "PrivateIpAddress": "10.0.1.10", "Primary": true, "Association": { "PublicIp": "198.51.100.20" } },
                { "PrivateIpAddress": "10.0.1.11", "Association": { "PublicIp": "198.51.100.21" } },
            ],
            "Ipv6Addresses": [{ "Ipv6Address": "2001:db8::20" }],
        }))
        .unwrap();
        for (dialled, private) in [
            ("198.51.100.20", Some("10.0.1.10")),
            ("198.51.100.21", Some("10.0.1.11")),
            ("10.0.1.11", Some("10.0.1.11")),
            ("2001:db8::20", Some("2001:db8::20")),
            ("198.51.100.22", None),
        ] {
            let found = private_of(&interface, dialled.parse().unwrap()).map(|address| address.to_string());
            assert_eq!(found.as_deref(), private, "{dialled}");
        }
        let brief: NetworkInterface = serde_json::from_value(json!({
            "PrivateIpAddress": "10.0.1.10", "Association": { "PublicIp": "198.51.100.20" },
        }))
        .unwrap();
        assert_eq!(private_of(&brief, "198.51.100.20".parse().unwrap()), Some("10.0.1.10".parse().unwrap()));
    }
}
