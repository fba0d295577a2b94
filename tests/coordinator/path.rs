//! The network's way: what a healthy world says after one thing about it was changed.

use eic_doctor::facts::{AwsFacts, NetworkAclEntry, PortRange, Route};
use eic_doctor::path::{evaluate, resolve};
use eic_doctor_proto::{Attempt, Fact, HopDecision, PathAnswer, Via};
use serde_json::{Value, json};

use crate::support::named;

/// Number, egress, action, protocol, ports, CIDR.
type Entry<'a> = (i32, bool, &'a str, &'a str, (i32, i32), &'a str);

struct Case {
    facts: AwsFacts,
    attempt: Attempt,
}

impl Case {
    fn healthy() -> Self {
        let world = named("al2023-public");
        Self { attempt: world.attempt(), facts: world.facts.aws }
    }

    fn of(name: &str) -> Self {
        let world = named(name);
        Self { attempt: world.attempt(), facts: world.facts.aws }
    }

    fn via(mut self, via: Via, source: &str) -> Self {
        self.attempt = Attempt { via, source: source.parse().ok(), address: None, ..self.attempt };
        self.attempt = resolve(&self.attempt, &self.facts.instance);
        self
    }

    /// The inbound rules of the one security group.
    fn rules(mut self, rules: Value) -> Self {
        known(&mut self.facts.security_groups)[0].ip_permissions = serde_json::from_value(rules).unwrap();
        self
    }

    fn entries(mut self, entries: &[Entry<'_>]) -> Self {
        known(&mut self.facts.network_acls)[0].entries = entries
            .iter()
            .map(|(number, egress, action, protocol, (from, to), cidr)| NetworkAclEntry {
                rule_number: Some(*number),
                egress: Some(*egress),
                rule_action: Some((*action).to_owned()),
                protocol: Some((*protocol).to_owned()),
                port_range: Some(PortRange { from: Some(*from), to: Some(*to) }),
                cidr_block: (!cidr.contains(':')).then(|| (*cidr).to_owned()),
                ipv6_cidr_block: cidr.contains(':').then(|| (*cidr).to_owned()),
            })
            .collect();
        self
    }

    fn routes(mut self, routes: Value) -> Self {
        let routes: Vec<Route> = serde_json::from_value(routes).unwrap();
        known(&mut self.facts.route_tables)[0].routes = routes;
        self
    }

    /// Decision and rule of the first hop of this element and direction.
    fn hop(&self, element: &str, direction: &str) -> (HopDecision, String) {
        let report = evaluate(&self.facts, &self.attempt);
        let hop = report.hops.into_iter().find(|hop| hop.element == element && hop.direction == direction).unwrap();
        (hop.decision, hop.rule)
    }

    fn group(&self) -> HopDecision {
        self.hop("security-group", "inbound").0
    }

    fn acl(&self, direction: &str) -> HopDecision {
        self.hop("network-acl", direction).0
    }

    fn route(&self) -> (HopDecision, String) {
        self.hop("route-table", "outbound")
    }
}

fn known<T>(fact: &mut Fact<T>) -> &mut T {
    let Fact::Known(value) = fact else { panic!("not known") };
    value
}

fn rule(protocol: &str, from: Value, to: Value, more: Value) -> Value {
    let mut rule = json!({ "IpProtocol": protocol, "FromPort": from, "ToPort": to });
    rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!([rule])
}

fn cidr(cidr: &str) -> Value {
    json!({ "IpRanges": [{ "CidrIp": cidr }] })
}

#[test]
fn a_security_group_rule_is_read_as_aws_means_it() {
    let group = |rules: Value| Case::healthy().rules(rules).group();
    let open = cidr("203.0.113.7/32");
    assert_eq!(group(rule("tcp", json!(22), json!(22), open.clone())), HopDecision::Allowed);
    assert_eq!(group(rule("6", json!(0), json!(65535), open.clone())), HopDecision::Allowed);
    // Protocol -1 is all ports, whatever the ports say.
    assert_eq!(group(rule("-1", json!(80), json!(80), open.clone())), HopDecision::Allowed);
    assert_eq!(group(rule("-1", json!(null), json!(null), open.clone())), HopDecision::Allowed);
    assert_eq!(group(rule("udp", json!(22), json!(22), open.clone())), HopDecision::Blocked);
    assert_eq!(group(rule("icmp", json!(-1), json!(-1), open.clone())), HopDecision::Blocked);
    assert_eq!(group(rule("50", json!(null), json!(null), open.clone())), HopDecision::Blocked);
    assert_eq!(group(rule("tcp", json!(23), json!(65535), open)), HopDecision::Blocked);
    assert_eq!(group(rule("tcp", json!(22), json!(22), cidr("hello"))), HopDecision::Unknown);
}

#[test]
fn the_whole_source_has_to_be_let_in_by_all_rules_together() {
    let group = |cidrs: &[&str]| {
        let ranges: Vec<Value> = cidrs.iter().map(|cidr| json!({ "CidrIp": cidr })).collect();
        let rules = rule("tcp", json!(22), json!(22), json!({ "IpRanges": ranges }));
        Case::healthy().via(Via::Public, "203.0.113.0/24").rules(rules).group()
    };
    assert_eq!(group(&["203.0.113.0/25", "203.0.113.128/25"]), HopDecision::Allowed);
    assert_eq!(group(&["203.0.113.0/25"]), HopDecision::Partial);
    assert_eq!(group(&["198.51.100.0/24"]), HopDecision::Blocked);
}

#[test]
fn a_prefix_list_that_cannot_be_resolved_leaves_the_answer_open_unless_another_rule_lets_all_in() {
    let lists = json!({ "PrefixListIds": [{ "PrefixListId": "pl-0123456789abcdef0" }] });
    let mut case = Case::healthy().rules(rule("tcp", json!(22), json!(22), lists));
    assert_eq!(case.group(), HopDecision::Unknown);
    let entries = Fact::Unreadable(eic_doctor_proto::Why::not_permitted("ec2:GetManagedPrefixListEntries"));
    case.facts.prefix_list_entries.insert("pl-0123456789abcdef0".into(), entries);
    let (decision, why) = case.hop("security-group", "inbound");
    assert_eq!(decision, HopDecision::Unknown);
    assert!(why.contains("ec2:GetManagedPrefixListEntries"), "{why}");
    known(&mut case.facts.security_groups)[0].ip_permissions[0].ip_ranges =
        serde_json::from_value(json!([{ "CidrIp": "0.0.0.0/0" }])).unwrap();
    assert_eq!(case.group(), HopDecision::Allowed);
    let entry = serde_json::from_value(json!([{ "Cidr": "203.0.113.0/24" }])).unwrap();
    case.facts.prefix_list_entries.insert("pl-0123456789abcdef0".into(), Fact::Known(entry));
    known(&mut case.facts.security_groups)[0].ip_permissions[0].ip_ranges.clear();
    assert_eq!(case.group(), HopDecision::Allowed);
}

#[test]
fn the_services_own_list_is_known_by_its_published_range_when_its_entries_may_not_be_read() {
    let mut case = Case::of("ubuntu-2204-browser");
    case.facts.prefix_list_entries.clear();
    assert_eq!(case.group(), HopDecision::Allowed);
    assert_eq!(evaluate(&case.facts, &case.attempt).source, ["18.202.216.48/29"]);
    case.facts.region = Fact::Known("ap-east-2".into());
    let (decision, why) = case.hop("security-group", "inbound");
    assert_eq!(decision, HopDecision::Unknown);
    assert!(why.contains("ap-east-2"), "{why}");
}

#[test]
fn members_of_a_group_may_come_from_private_addresses_only() {
    let rules =
        rule("tcp", json!(22), json!(22), json!({ "UserIdGroupPairs": [{ "GroupId": "sg-0b2c3d4e5f6071829" }] }));
    assert_eq!(Case::healthy().rules(rules.clone()).group(), HopDecision::Blocked);
    let private = Case::of("al2-private").rules(rules);
    let (decision, why) = private.hop("security-group", "inbound");
    assert_eq!(decision, HopDecision::Unknown);
    assert!(why.contains("sg-0b2c3d4e5f6071829"), "{why}");
}

#[test]
fn several_groups_count_together_and_one_that_was_not_answered_leaves_the_answer_open() {
    let mut case = Case::healthy().rules(json!([]));
    let interface = &mut known(&mut case.facts.instance).network_interfaces[0];
    let mut second = interface.groups[0].clone();
    second.group_id = Some("sg-0b2c3d4e5f6071829".into());
    interface.groups.push(second);
    assert_eq!(case.group(), HopDecision::Unknown);
    let groups = known(&mut case.facts.security_groups);
    let mut second = groups[0].clone();
    second.group_id = Some("sg-0b2c3d4e5f6071829".into());
    second.ip_permissions = serde_json::from_value(rule("tcp", json!(22), json!(22), cidr("203.0.113.7/32"))).unwrap();
    groups.push(second);
    let (decision, rule) = case.hop("security-group", "inbound");
    assert_eq!(decision, HopDecision::Allowed);
    assert!(rule.contains("by sg-0b2c3d4e5f6071829"), "{rule}");
}

#[test]
fn without_a_source_it_is_told_who_is_let_in_and_nobody_is_a_certain_answer() {
    let case = Case::of("no-source");
    let (decision, rule) = case.hop("security-group", "inbound");
    assert_eq!(decision, HopDecision::Unknown);
    assert!(rule.starts_with("no source given") && rule.contains("203.0.113.0/24 (office)"), "{rule}");
    assert_eq!(evaluate(&case.facts, &case.attempt).answer, PathAnswer::Unknown);
    assert_eq!(case.rules(json!([])).group(), HopDecision::Blocked);
}

#[test]
fn the_first_entry_that_matches_decides_and_families_do_not_mix() {
    const ALL: (i32, i32) = (0, 65535);
    let inbound = |entries: &[Entry<'_>]| Case::healthy().entries(entries).acl("inbound");
    assert_eq!(
        inbound(&[
            (200, false, "deny", "-1", ALL, "0.0.0.0/0"),
            (100, false, "allow", "6", (22, 22), "203.0.113.0/24")
        ]),
        HopDecision::Allowed
    );
    assert_eq!(
        inbound(&[(90, false, "deny", "-1", ALL, "203.0.113.0/28"), (100, false, "allow", "-1", ALL, "0.0.0.0/0")]),
        HopDecision::Blocked
    );
    assert_eq!(
        inbound(&[(90, false, "deny", "17", ALL, "0.0.0.0/0"), (100, false, "allow", "-1", ALL, "0.0.0.0/0")]),
        HopDecision::Allowed
    );
    assert_eq!(inbound(&[(100, false, "allow", "-1", ALL, "::/0")]), HopDecision::Blocked);
    assert_eq!(inbound(&[(100, true, "allow", "-1", ALL, "0.0.0.0/0")]), HopDecision::Blocked);
    assert_eq!(inbound(&[]), HopDecision::Blocked);
    assert_eq!(inbound(&[(100, false, "allow", "-1", ALL, "nonsense")]), HopDecision::Unknown);
    let half = [(90, false, "deny", "6", (22, 22), "203.0.113.0/25"), (100, false, "allow", "-1", ALL, "0.0.0.0/0")];
    assert_eq!(Case::healthy().via(Via::Public, "203.0.113.0/24").entries(&half).acl("inbound"), HopDecision::Partial);
}

#[test]
fn replies_need_every_ephemeral_port_whichever_entries_bring_them_together() {
    let outbound = |entries: &[Entry<'_>]| Case::healthy().entries(entries).acl("outbound");
    let all = "0.0.0.0/0";
    assert_eq!(outbound(&[(100, true, "allow", "6", (1024, 65535), all)]), HopDecision::Allowed);
    assert_eq!(
        outbound(&[(100, true, "allow", "6", (0, 40000), all), (110, true, "allow", "6", (40001, 65535), all)]),
        HopDecision::Allowed
    );
    assert_eq!(outbound(&[(100, true, "allow", "6", (32768, 65535), all)]), HopDecision::Partial);
    assert_eq!(outbound(&[(100, true, "allow", "6", (22, 22), all)]), HopDecision::Blocked);
    let hole = [(90, true, "deny", "6", (50000, 50000), all), (100, true, "allow", "-1", (0, 65535), all)];
    assert_eq!(outbound(&hole), HopDecision::Partial);
}

#[test]
fn what_stays_within_the_subnet_meets_no_network_acl() {
    let within = Case::of("al2-private").via(Via::Private, "10.0.1.77/32").entries(&[]);
    assert_eq!(
        (within.acl("inbound"), within.acl("outbound")),
        (HopDecision::NotApplicable, HopDecision::NotApplicable)
    );
    assert_eq!(evaluate(&within.facts, &within.attempt).answer, PathAnswer::Allowed);
    assert_eq!(Case::of("al2-private").entries(&[]).acl("inbound"), HopDecision::Blocked);
}

fn to(destination: &str, key: &str, target: &str, state: &str) -> Value {
    let mut route = json!({ "State": state, "Origin": "CreateRoute" });
    let family = if destination.starts_with("pl-") {
        "DestinationPrefixListId"
    } else if destination.contains(':') {
        "DestinationIpv6CidrBlock"
    } else {
        "DestinationCidrBlock"
    };
    route[family] = destination.into();
    route[key] = target.into();
    route
}

const GATEWAY: &str = "igw-0a1b2c3d4e5f60718";

#[test]
fn the_most_specific_route_decides_for_each_part_of_the_source() {
    let out = || to("0.0.0.0/0", "GatewayId", GATEWAY, "active");
    let tgw = |destination| to(destination, "TransitGatewayId", "tgw-0a1b2c3d4e5f60718", "active");
    let route = |routes: Value| Case::healthy().via(Via::Public, "203.0.113.0/24").routes(routes).route().0;
    assert_eq!(route(json!([tgw("198.51.100.0/24"), out()])), HopDecision::Allowed);
    assert_eq!(route(json!([tgw("203.0.0.0/16"), out()])), HopDecision::Blocked);
    assert_eq!(route(json!([tgw("203.0.113.128/25"), out()])), HopDecision::Partial);
    assert_eq!(route(json!([to("203.0.113.0/24", "NatGatewayId", "nat-1", "active"), out()])), HopDecision::Blocked);
    assert_eq!(route(json!([to("0.0.0.0/0", "NetworkInterfaceId", "eni-1", "active")])), HopDecision::Unknown);
    assert_eq!(route(json!([])), HopDecision::Blocked);
}

#[test]
fn of_equal_routes_a_static_one_wins_over_a_prefix_lists_and_that_over_a_propagated_one() {
    let list = "pl-0123456789abcdef0";
    let mut propagated = to("203.0.113.0/24", "GatewayId", "vgw-0a1b2c3d4e5f60718", "active");
    propagated["Origin"] = "EnableVgwRoutePropagation".into();
    let by_list = to(list, "GatewayId", GATEWAY, "active");
    let by_hand = to("203.0.113.0/24", "NatGatewayId", "nat-0a1b2c3d4e5f60718", "active");
    let mut case = Case::healthy().via(Via::Public, "203.0.113.0/24");
    let entries = serde_json::from_value(json!([{ "Cidr": "203.0.113.0/24" }])).unwrap();
    case.facts.prefix_list_entries.insert(list.into(), Fact::Known(entries));
    let case = case.routes(json!([propagated, by_list]));
    assert_eq!(case.route().0, HopDecision::Allowed);
    let case = case.routes(json!([propagated, by_list, by_hand]));
    assert_eq!(case.route().0, HopDecision::Blocked);
    let mut case = case.routes(json!([by_list]));
    case.facts.prefix_list_entries.clear();
    assert_eq!(case.route().0, HopDecision::Unknown);
    // A gateway endpoint's list holds nobody who connects.
    let case = case.routes(json!([
        to(list, "GatewayId", "vpce-0a1b2c3d4e5f60718", "active"),
        to("0.0.0.0/0", "GatewayId", GATEWAY, "active")
    ]));
    assert_eq!(case.route().0, HopDecision::Allowed);
}

#[test]
fn each_family_needs_its_own_way_out() {
    let v6 = |routes: Value| Case::of("ipv6-public").routes(routes).route().0;
    assert_eq!(v6(json!([to("::/0", "GatewayId", GATEWAY, "active")])), HopDecision::Allowed);
    assert_eq!(v6(json!([to("0.0.0.0/0", "GatewayId", GATEWAY, "active")])), HopDecision::Blocked);
    assert_eq!(
        v6(json!([to("::/0", "EgressOnlyInternetGatewayId", "eigw-0a1b2c3d4e5f60718", "active")])),
        HopDecision::Blocked
    );
}

#[test]
fn a_private_source_needs_a_private_route_whose_other_side_is_out_of_view() {
    let route = |routes: Value| Case::of("al2-private").via(Via::Private, "172.16.4.0/24").routes(routes).route();
    let (decision, rule) =
        route(json!([to("172.16.0.0/16", "VpcPeeringConnectionId", "pcx-0a1b2c3d4e5f60718", "active")]));
    assert_eq!(decision, HopDecision::Allowed);
    assert!(rule.contains("out of view"), "{rule}");
    assert_eq!(route(json!([to("0.0.0.0/0", "GatewayId", GATEWAY, "active")])).0, HopDecision::Blocked);
    assert_eq!(route(json!([to("0.0.0.0/0", "NatGatewayId", "nat-1", "active")])).0, HopDecision::Blocked);
    assert_eq!(
        route(json!([to("172.16.0.0/12", "GatewayId", "vgw-0a1b2c3d4e5f60718", "blackhole")])).0,
        HopDecision::Blocked
    );
    assert_eq!(
        route(json!([to("172.16.0.0/12", "GatewayId", "vpce-0a1b2c3d4e5f60718", "active")])).0,
        HopDecision::Unknown
    );
}

#[test]
fn a_subnet_without_a_table_of_its_own_has_the_main_one_and_one_that_may_not_be_seen_is_unknown() {
    let mut case = Case::healthy();
    known(&mut case.facts.route_tables)[0].associations.clear();
    let (decision, rule) = case.route();
    assert_eq!(decision, HopDecision::Blocked);
    assert!(rule.contains("rtb-0b2c3d4e5f6071829"), "{rule}");
    known(&mut case.facts.route_tables).clear();
    known(&mut case.facts.network_acls).clear();
    assert_eq!((case.route().0, case.acl("inbound")), (HopDecision::Unknown, HopDecision::Unknown));
}

#[test]
fn a_table_at_the_gateways_edge_that_sends_it_elsewhere_leaves_the_answer_open() {
    let mut case = Case::healthy();
    let tables = known(&mut case.facts.route_tables);
    let mut edge = tables[1].clone();
    edge.route_table_id = Some("rtb-0c3d4e5f60718293a".into());
    edge.associations = serde_json::from_value(json!([{ "GatewayId": GATEWAY }])).unwrap();
    tables.push(edge);
    assert_eq!(case.route().0, HopDecision::Allowed);
    let appliance = to("10.0.1.0/24", "NetworkInterfaceId", "eni-0b2c3d4e5f6071829", "active");
    known(&mut case.facts.route_tables)[2].routes.push(serde_json::from_value(appliance).unwrap());
    let (decision, rule) = case.route();
    assert_eq!(decision, HopDecision::Unknown);
    assert!(rule.contains("rtb-0c3d4e5f60718293a"), "{rule}");
}

#[test]
fn a_gateway_must_hang_on_this_vpc() {
    for (attachments, expected) in [
        (json!([{ "State": "available", "VpcId": "vpc-0a1b2c3d4e5f60718" }]), HopDecision::Allowed),
        (json!([{ "State": "attached", "VpcId": "vpc-0a1b2c3d4e5f60718" }]), HopDecision::Allowed),
        (json!([{ "State": "detaching", "VpcId": "vpc-0a1b2c3d4e5f60718" }]), HopDecision::Blocked),
        (json!([{ "State": "available", "VpcId": "vpc-0b2c3d4e5f6071829" }]), HopDecision::Blocked),
        (json!([]), HopDecision::Blocked),
    ] {
        let mut case = Case::healthy();
        known(&mut case.facts.internet_gateways)[0].attachments = serde_json::from_value(attachments).unwrap();
        assert_eq!(case.hop("internet-gateway", "inbound").0, expected);
        assert_eq!(case.route().0, HopDecision::Allowed);
    }
    let mut case = Case::healthy();
    known(&mut case.facts.internet_gateways).clear();
    assert_eq!(case.hop("internet-gateway", "inbound").0, HopDecision::Blocked);
}

#[test]
fn everything_that_blocks_is_listed_also_behind_something_else_that_blocks() {
    let case = Case::healthy().rules(json!([])).entries(&[]).routes(json!([]));
    let report = evaluate(&case.facts, &case.attempt);
    let blocked = report.hops.iter().filter(|hop| hop.decision == HopDecision::Blocked).count();
    assert_eq!((report.answer, blocked), (PathAnswer::Blocked, 4));
}

#[test]
fn elements_that_each_let_a_part_through_may_let_nothing_through_together() {
    let halves = |group: &str, acl: &str| {
        let case =
            Case::healthy().via(Via::Public, "203.0.113.0/24").rules(rule("tcp", json!(22), json!(22), cidr(group)));
        case.entries(&[(100, false, "allow", "6", (22, 22), acl), (100, true, "allow", "-1", (0, 65535), "0.0.0.0/0")])
    };
    let answer = |case: &Case| evaluate(&case.facts, &case.attempt);
    let same = answer(&halves("203.0.113.0/25", "203.0.113.0/25"));
    assert_eq!((same.answer, same.is_open_by_parts()), (PathAnswer::Partial, true));
    let opposite = answer(&halves("203.0.113.0/25", "203.0.113.128/25"));
    assert_eq!((opposite.answer, opposite.is_open_by_parts()), (PathAnswer::Blocked, true));
    assert!(opposite.hops.iter().all(|hop| hop.decision != HopDecision::Blocked));
}

#[test]
fn the_part_of_a_private_source_within_the_instances_own_subnet_meets_no_network_acl() {
    let mut case = Case::healthy().entries(&[]);
    let subnet = known(&mut case.facts.subnets)[0].cidr_block.clone().unwrap();
    let subnet: ipnet::IpNet = subnet.parse().unwrap();
    let around = subnet.supernet().unwrap().to_string();
    let inside = case.via(Via::Private, &subnet.to_string());
    assert_eq!(inside.acl("inbound"), HopDecision::NotApplicable);
    let mut partly = inside.via(Via::Private, &around);
    assert_eq!(partly.acl("inbound"), HopDecision::Partial);
    // Where the subnet's addresses are not known, nobody can say which part that is.
    partly.facts.subnets = Fact::NotGathered;
    assert_eq!(partly.acl("inbound"), HopDecision::Unknown);
}

#[test]
fn a_route_to_a_prefix_list_that_cannot_be_read_matters_only_where_it_leads_elsewhere() {
    let to = |target: &str, id: &str| {
        let routes = json!([
            { "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway_of_healthy(), "State": "active" },
            { "DestinationPrefixListId": "pl-0aaaaaaaaaaaaaaaa", target: id, "State": "active" },
        ]);
        Case::healthy().routes(routes).route()
    };
    assert_eq!(to("GatewayId", &gateway_of_healthy()).0, HopDecision::Allowed);
    let (decision, rule) = to("NatGatewayId", "nat-0123456789abcdef0");
    assert_eq!(decision, HopDecision::Unknown);
    assert!(rule.contains("pl-0aaaaaaaaaaaaaaaa"), "{rule}");
}

#[test]
fn a_gateway_that_the_owner_of_a_shared_subnet_may_hide_is_unknown() {
    let mut case = Case::healthy();
    known(&mut case.facts.internet_gateways).clear();
    assert_eq!(case.hop("internet-gateway", "inbound").0, HopDecision::Blocked);
    for subnet in known(&mut case.facts.subnets) {
        subnet.owner_id = Some("444455556666".to_owned());
    }
    assert_eq!(case.hop("internet-gateway", "inbound").0, HopDecision::Unknown);
}

fn gateway_of_healthy() -> String {
    let mut case = Case::healthy();
    known(&mut case.facts.internet_gateways)[0].internet_gateway_id.clone().unwrap()
}
