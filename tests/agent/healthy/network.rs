use eic_doctor_proto::Fact;

use super::*;

/// The same on every healthy instance: one interface, one route out.
pub fn fill(facts: &mut OsFacts) {
    let own = |address: &str| OwnAddress { interface: "ens5".into(), address: address.parse().expect("a net") };
    facts.network.addresses = Fact::Known(vec![own("10.0.1.5/24"), own("2001:db8:1::5/128")]);
    let rule = |family, priority, table| RoutingRule {
        family,
        priority,
        is_not: false,
        from: None,
        to: None,
        input_interface: None,
        output_interface: None,
        mark: None,
        users: None,
        protocol: None,
        source_ports: None,
        destination_ports: None,
        suppress_prefix_length: None,
        action: RuleAction::Lookup(table),
        not_understood: None,
    };
    facts.network.rules = Fact::Known(vec![
        rule(AddressFamily::Ipv4, 0, 255),
        rule(AddressFamily::Ipv4, 32_766, 254),
        rule(AddressFamily::Ipv4, 32_767, 253),
        rule(AddressFamily::Ipv6, 0, 255),
        rule(AddressFamily::Ipv6, 32_766, 254),
    ]);
    let route = |destination: &str, gateway: Option<&str>, metric| Route {
        table: 254,
        destination: destination.parse().expect("a net"),
        kind: RouteKind::Unicast,
        interfaces: vec!["ens5".into()],
        gateway: gateway.map(|gateway| gateway.parse().expect("an address")),
        metric,
    };
    facts.network.routes = Fact::Known(vec![
        route("0.0.0.0/0", Some("10.0.1.1"), 512),
        route("10.0.1.0/24", None, 512),
        route("2001:db8:1::/64", None, 512),
        route("::/0", Some("fe80::1"), 512),
    ]);
    facts.network.link_local_allowance = Fact::Known(LinkLocalAllowance { interface: "ens5".into(), exceeded: 0 });
}
