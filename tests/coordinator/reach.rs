//! What was decided beforehand for every source is what is decided when asked about one.

use std::net::IpAddr;

use eic_doctor::facts::AwsFacts;
use eic_doctor::path::{Reach, evaluate, resolve};
use eic_doctor_proto::{Attempt, Via};
use ipnet::IpNet;

use crate::support::worlds;

/// Both ends of everything that is near any CIDR in the facts, and a stride through all there is.
fn sources(facts: &AwsFacts) -> Vec<IpNet> {
    let mut numbers: Vec<(bool, u128)> = (0..8).map(|n| (false, n << 29)).collect();
    numbers.extend((0..8).map(|n| (true, n << 125)));
    let AwsFacts { security_groups, network_acls, route_tables, subnets, prefix_list_entries, .. } = facts;
    let named = format!("{security_groups:?}{network_acls:?}{route_tables:?}{subnets:?}{prefix_list_entries:?}");
    for text in named.split('"').filter(|text| text.contains(['.', ':'])) {
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let Ok(net) = net else { continue };
        for address in [net.network(), net.broadcast()] {
            let (is_v6, number, last) = match address {
                IpAddr::V4(v4) => (false, u128::from(u32::from(v4)), u128::from(u32::MAX)),
                IpAddr::V6(v6) => (true, u128::from(v6), u128::MAX),
            };
            numbers.extend([number.saturating_sub(1), number, number.saturating_add(1).min(last)].map(|n| (is_v6, n)));
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    let address = |(is_v6, number): (bool, u128)| match is_v6 {
        true => IpNet::from(IpAddr::V6(number.into())),
        false => IpNet::from(IpAddr::V4(u32::try_from(number).unwrap().into())),
    };
    numbers.into_iter().map(address).collect()
}

#[test]
fn every_address_fares_as_it_does_when_it_is_asked_about_alone() {
    let mut answers = [0; 4];
    // The recorded ones differ in ids and in what is not the network's.
    for world in worlds().into_iter().filter(|world| !world.name.starts_with("recorded-")) {
        let facts = &world.facts.aws;
        let sources = sources(facts);
        for via in [Via::Auto, Via::Public, Via::Private, Via::Endpoint] {
            let attempt = Attempt { via, source: None, address: None, ..world.attempt() };
            let reach = Reach::of(facts, &attempt);
            for source in &sources {
                let attempt = Attempt { source: Some(*source), ..attempt.clone() };
                let asked = evaluate(facts, &resolve(&attempt, &facts.instance)).answer;
                assert_eq!(reach.answer(&[*source]), asked, "{} {via} {source}", world.name);
                answers[asked as usize] += 1;
            }
        }
    }
    assert!(
        answers.iter().sum::<i32>() > 3_000 && answers.iter().filter(|count| **count > 0).count() >= 3,
        "{answers:?}"
    );
}
