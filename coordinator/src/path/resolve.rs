//! The way that `aws ec2-instance-connect ssh` would choose.

use std::net::IpAddr;

use eic_doctor_proto::{Attempt, Fact, Via};

use crate::facts::Instance;
use crate::path::address;

/// The attempt with `auto` turned into a way, and with the address that the way implies. An attempt stays as it is where the instance
/// is not known.
///
/// Source: aws-cli v2, `ec2-instance-connect ssh` with `--connection-type auto`: a public IPv4 address is dialled; else a private IPv4
/// address through an endpoint; else an IPv6 address is dialled. A source that was given decides before that: whoever comes from an
/// IPv6 address dials one.
pub fn resolve(attempt: &Attempt, instance: &Fact<Instance>) -> Attempt {
    let mut resolved = attempt.clone();
    let Fact::Known(instance) = instance else { return resolved };
    if resolved.via == Via::Auto {
        resolved.via = match attempt.address {
            Some(address) => by_address(instance, address),
            None => by_choice(instance, attempt),
        };
    }
    if let Ok(dialled) = address::dialled(instance, &resolved) {
        resolved.address = Some(dialled.address);
    }
    resolved
}

fn by_address(instance: &Instance, address: IpAddr) -> Via {
    let is_public = address::public(instance).iter().any(|known| known.address == address);
    let is_private = address::private(instance).iter().any(|known| known.address == address);
    if is_private && !is_public { Via::Private } else { Via::Public }
}

fn by_choice(instance: &Instance, attempt: &Attempt) -> Via {
    let has = |is_wanted: fn(IpAddr) -> bool, addresses: Vec<address::Dialled<'_>>| {
        addresses.iter().any(|known| is_wanted(known.address))
    };
    let comes_by_ipv6 = attempt.source.is_some_and(|source| source.addr().is_ipv6());
    if comes_by_ipv6 || has(|address| address.is_ipv4(), address::public(instance)) {
        Via::Public
    } else if has(|address| address.is_ipv4(), address::private(instance)) {
        Via::Endpoint
    } else {
        Via::Public
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resolved(instance: serde_json::Value, attempt: &Attempt) -> (Via, Option<String>) {
        let instance = serde_json::from_value(instance).unwrap();
        let resolved = resolve(attempt, &Fact::Known(instance));
        (resolved.via, resolved.address.map(|address| address.to_string()))
    }

    #[test]
    fn auto_is_what_the_aws_cli_would_choose() {
        let usual = Attempt::usual();
        let public = json!({ "NetworkInterfaces": [{ "PrivateIpAddress": "10.0.0.5", "Association": { "PublicIp": "198.51.100.20" } }] });
        let private = json!({ "NetworkInterfaces": [{ "PrivateIpAddress": "10.0.0.5", "Ipv6Addresses": [{ "Ipv6Address": "2001:db8::5" }] }] });
        let ipv6 = json!({ "NetworkInterfaces": [{ "Ipv6Addresses": [{ "Ipv6Address": "2001:db8::5" }] }] });
        assert_eq!(resolved(public, &usual), (Via::Public, Some("198.51.100.20".into())));
        assert_eq!(resolved(private.clone(), &usual), (Via::Endpoint, Some("10.0.0.5".into())));
        assert_eq!(resolved(ipv6, &usual), (Via::Public, Some("2001:db8::5".into())));
        let by_ipv6 = Attempt { source: Some("2001:db8:1::/64".parse().unwrap()), ..Attempt::usual() };
        assert_eq!(resolved(private.clone(), &by_ipv6), (Via::Public, Some("2001:db8::5".into())));
        let by_address = Attempt { address: Some("10.0.0.5".parse().unwrap()), ..Attempt::usual() };
        assert_eq!(resolved(private, &by_address).0, Via::Private);
    }

    #[test]
    fn without_the_instance_nothing_is_chosen() {
        assert_eq!(resolve(&Attempt::usual(), &Fact::NotGathered), Attempt::usual());
    }
}
