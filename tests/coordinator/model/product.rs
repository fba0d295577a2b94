//! The product's own answer to the same question about the same documents.

use std::fs;

use eic_doctor::facts::{AwsFacts, Reservation};
use eic_doctor::gather::recorded::read_world;
use eic_doctor::path;
use eic_doctor_proto::{Attempt, Fact, HopDecision, PathAnswer, PathReport, Via, Why};
use serde::de::DeserializeOwned;

use super::documents::Calls;
use super::{Answer, Decision, ELEMENTS, Element, Question};

/// The facts that the recorded reader makes of these documents, without the detour over files.
pub fn facts(calls: &Calls) -> AwsFacts {
    let reservations: Vec<Reservation> =
        serde_json::from_value(calls["ec2-describe-instances"]["Reservations"].clone()).unwrap();
    let reservation = reservations.into_iter().next().unwrap();
    let mut facts = AwsFacts {
        region: Fact::Known(calls["region"].as_str().unwrap().to_owned()),
        instance: reservation.instances.into_iter().next().map_or(Fact::Absent, Fact::Known),
        instance_owner_id: reservation.owner_id.map_or(Fact::NotGathered, Fact::Known),
        subnets: fact(calls, "ec2-describe-subnets", "Subnets"),
        security_groups: fact(calls, "ec2-describe-security-groups", "SecurityGroups"),
        network_acls: fact(calls, "ec2-describe-network-acls", "NetworkAcls"),
        route_tables: fact(calls, "ec2-describe-route-tables", "RouteTables"),
        internet_gateways: fact(calls, "ec2-describe-internet-gateways", "InternetGateways"),
        block_public_access: fact(calls, "ec2-describe-vpc-block-public-access-options", "VpcBlockPublicAccessOptions"),
        block_public_access_exclusions: fact(
            calls,
            "ec2-describe-vpc-block-public-access-exclusions",
            "VpcBlockPublicAccessExclusions",
        ),
        instance_connect_endpoints: fact(calls, "ec2-describe-instance-connect-endpoints", "InstanceConnectEndpoints"),
        endpoint_interfaces: fact(calls, "ec2-describe-network-interfaces", "NetworkInterfaces"),
        managed_prefix_lists: fact(calls, "ec2-describe-managed-prefix-lists", "PrefixLists"),
        ..AwsFacts::default()
    };
    for call in calls.keys() {
        if let Some(id) = call.strip_prefix("ec2-get-managed-prefix-list-entries.") {
            facts.prefix_list_entries.insert(id.to_owned(), fact(calls, call, "Entries"));
        }
    }
    facts
}

fn fact<T: DeserializeOwned>(calls: &Calls, call: &str, key: &str) -> Fact<T> {
    let Some(value) = calls.get(call) else { return Fact::NotGathered };
    if let Some(refusal) = value.get("EicDoctorUnreadable") {
        let action = refusal["MissingAction"].as_str().map(str::to_owned);
        return Fact::Unreadable(Why { missing_action: action, ..Why::new(refusal["Reason"].as_str().unwrap()) });
    }
    Fact::Known(serde_json::from_value(value[key].clone()).unwrap())
}

/// The same by way of a folder of files, as a user hands them over.
pub fn facts_of_files(calls: &Calls) -> AwsFacts {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("aws")).unwrap();
    for (call, value) in calls {
        let (name, text) = match call.as_str() {
            "region" => ("world.json".to_owned(), format!("{{\"region\": {value}}}")),
            _ => (format!("aws/{call}.json"), format!("{value:#}")),
        };
        fs::write(folder.path().join(name), text).unwrap();
    }
    read_world(folder.path(), None).unwrap().aws
}

pub fn attempt(question: &Question, facts: &AwsFacts) -> Attempt {
    let source = question.source.as_deref();
    let attempt = Attempt {
        via: question.via.parse::<Via>().unwrap(),
        source: source.map(|text| text.parse().or_else(|_| format!("{text}/32").parse()).unwrap()),
        address: question.address.as_deref().map(|text| text.parse().unwrap()),
        port: question.port,
        ..Attempt::usual()
    };
    path::resolve(&attempt, &facts.instance)
}

pub fn answer(report: &PathReport) -> Answer {
    let known = ELEMENTS.iter().map(|(element, _)| *element).chain([
        ("inbound", "address"),
        ("outbound", "endpoint"),
        ("outbound", "endpoint-state"),
        ("outbound", "endpoint-address-type"),
        ("outbound", "endpoint-security-group"),
        ("outbound", "endpoint-network-acl"),
    ]);
    let known: Vec<Element> = known.collect();
    let named = |direction: &str, element: &str| {
        let found = known.iter().find(|known| **known == (direction, element));
        *found.unwrap_or_else(|| panic!("the model knows no {direction} {element}"))
    };
    let elements = report.hops.iter().map(|hop| (named(&hop.direction, &hop.element), decision(hop.decision)));
    let verdict = match report.answer {
        PathAnswer::Allowed => Decision::Allowed,
        PathAnswer::Partial => Decision::Partial,
        PathAnswer::Blocked => Decision::Blocked,
        PathAnswer::Unknown => Decision::Unknown,
    };
    Answer { verdict, elements: elements.collect() }
}

fn decision(decision: HopDecision) -> Decision {
    match decision {
        HopDecision::Allowed => Decision::Allowed,
        HopDecision::Partial => Decision::Partial,
        HopDecision::Blocked => Decision::Blocked,
        HopDecision::Unknown => Decision::Unknown,
        HopDecision::NotApplicable => Decision::NotApplicable,
    }
}
