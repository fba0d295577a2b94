//! Prints how many network verdicts (one source, one instance) a core gives in a second: asked of what was decided beforehand, and each
//! worked out alone by `evaluate`, in the same run; and what it costs to judge again after one security group has changed.
//!
//! Figures to compare, not a test: nothing here fails because a machine is slow. That both give the same answers is a test.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and one that cannot go on panics")]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use eic_doctor::facts::AwsFacts;
use eic_doctor::gather::recorded::read_world;
use eic_doctor::path::{Reach, evaluate};
use eic_doctor_proto::{Attempt, Fact, Via};
use ipnet::IpNet;
use serde_json::{Value, json};

const INSTANCES: usize = 256;
const SOURCES: usize = 1024;

fn main() {
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/worlds/al2023-public");
    let facts = with_many_rules(read_world(&world, None).unwrap().aws);
    let attempt = Attempt { via: Via::Public, ..Attempt::usual() };
    let sources: Vec<IpNet> = (0..SOURCES).map(source).collect();

    // As many tables as instances, so that no cache holds just the one that is asked.
    let fleet: Vec<Reach> = (0..INSTANCES).map(|_| Reach::of(&facts, &attempt)).collect();
    let beforehand = per_second(INSTANCES * SOURCES, || {
        for source in &sources {
            for instance in &fleet {
                black_box(instance.answer(std::slice::from_ref(black_box(source))));
            }
        }
    });
    let alone = per_second(SOURCES, || {
        for source in &sources {
            black_box(evaluate(&facts, &Attempt { source: Some(*source), ..attempt.clone() }));
        }
    });
    let mut fleet = fleet;
    let all =
        1e3 / per_second(1, || fleet.iter_mut().for_each(|reach| *reach = Reach::of(black_box(&facts), &attempt)));
    // Every group is in a sixteenth of the instances.
    let changed = 1e3
        / per_second(1, || {
            fleet.iter_mut().step_by(16).for_each(|reach| *reach = Reach::of(black_box(&facts), &attempt))
        });

    let build = if cfg!(debug_assertions) { "an unoptimised build" } else { "an optimised build" };
    println!("network verdicts per second and core, in {build}; 60 rules, 42 network ACL entries, 41 routes");
    println!("  decided beforehand     {beforehand:>14.0}   (goal: 1,000,000)");
    println!("  each worked out alone  {alone:>14.0}   (1 : {:.0})", beforehand / alone);
    println!("deciding {INSTANCES} instances beforehand, for every source");
    println!("  all of them            {all:>11.1} ms");
    println!("  after one of 16 groups has changed, those in it  {changed:.1} ms   (1 : {:.1})", all / changed);
}

/// Runs for a second at least.
fn per_second(of_one_run: usize, mut run: impl FnMut()) -> f64 {
    run();
    let begin = Instant::now();
    let mut runs = 0;
    while begin.elapsed() < Duration::from_secs(1) {
        run();
        runs += 1;
    }
    (runs * of_one_run) as f64 / begin.elapsed().as_secs_f64()
}

/// Anywhere in IPv4, the same every time.
fn source(index: usize) -> IpNet {
    let number = u32::try_from(index).unwrap().wrapping_mul(0x9E37_79B1);
    IpNet::from(std::net::IpAddr::V4(Ipv4Addr::from(number)))
}

/// As many as AWS allows a security group by default, and two dozen times as many entries and routes as a new VPC has.
fn with_many_rules(mut facts: AwsFacts) -> AwsFacts {
    let net = |index: u32| format!("{}/16", Ipv4Addr::from(index.wrapping_mul(0x0433_0000)));
    let rules: Value = (0..60)
        .map(|i| json!({ "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{ "CidrIp": net(i) }] }))
        .collect();
    let entries: Value = (0..40_u32)
        .map(|i| {
            let action = if i % 2 == 0 { "deny" } else { "allow" };
            json!({ "RuleNumber": i + 1, "Egress": i % 4 > 1, "RuleAction": action, "Protocol": "6",
                "PortRange": { "From": 0, "To": 65535 }, "CidrBlock": net(i + 30) })
        })
        .chain([false, true].map(|egress| json!({ "RuleNumber": 100, "Egress": egress, "RuleAction": "allow", "Protocol": "-1", "CidrBlock": "0.0.0.0/0" })))
        .collect();
    let routes: Value = (0..40)
        .map(|i| json!({ "DestinationCidrBlock": net(i + 50), "TransitGatewayId": "tgw-0a1b2c3d4e5f60718", "State": "active" }))
        .chain([json!({ "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-0a1b2c3d4e5f60718", "State": "active" })])
        .collect();
    if let (Fact::Known(groups), Fact::Known(acls), Fact::Known(tables)) =
        (&mut facts.security_groups, &mut facts.network_acls, &mut facts.route_tables)
    {
        groups.iter_mut().for_each(|group| group.ip_permissions = serde_json::from_value(rules.clone()).unwrap());
        acls.iter_mut().for_each(|acl| acl.entries = serde_json::from_value(entries.clone()).unwrap());
        tables.iter_mut().for_each(|table| table.routes = serde_json::from_value(routes.clone()).unwrap());
    }
    facts
}
