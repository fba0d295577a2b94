//! What is inside the instance is judged by where the connection comes from as AWS's side knows it.

use eic_doctor::facts::Facts;
use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::{Attempt, Fact, Status, Via};
use serde_json::{Value, json};

use crate::support::{named, results};

const CHECK: &str = "os.sshd.user-allowed";

/// sshd lets in only whom `allow_users` names.
fn with_allow_users(mut facts: Facts, allow_users: &str) -> Facts {
    let Fact::Known(os) = &facts.os else { panic!("no OS facts") };
    let mut os: Value = serde_json::to_value(os).unwrap();
    os["sshd"]["effective"]["known"]["keywords"]["allowusers"] = json!([allow_users]);
    facts.os = Fact::Known(serde_json::from_value::<OsFacts>(os).unwrap());
    facts
}

fn status(facts: &Facts, attempt: &Attempt) -> Status {
    results(facts, attempt).into_iter().find(|result| result.id == CHECK).unwrap().status
}

#[test]
fn a_range_that_aws_has_added_since_is_not_let_in_by_the_published_one() {
    let world = named("al2023-public");
    let attempt = Attempt { via: Via::Browser, source: None, ..world.attempt() };
    let mut facts = with_allow_users(world.facts, "ec2-user@18.202.216.48/29");
    assert_eq!(status(&facts, &attempt), Status::Ok);
    let list = "pl-0a1b2c3d4e5f60718";
    let mut put = |cidrs: &[&str]| {
        let entries: Value = cidrs.iter().map(|cidr| json!({ "Cidr": cidr })).collect();
        facts.aws.prefix_list_entries.insert(list.to_owned(), Fact::Known(serde_json::from_value(entries).unwrap()));
        status(&facts, &attempt)
    };
    // Some of its users are let in and others are not.
    assert_eq!(put(&["18.202.216.48/29", "192.0.2.0/29"]), Status::Unknown);
    assert_eq!(put(&["192.0.2.0/29"]), Status::Fail);
}

#[test]
fn whoever_comes_through_an_endpoint_has_the_endpoints_address() {
    let world = named("endpoint");
    let attempt = world.attempt();
    assert_eq!((attempt.via, attempt.source), (Via::Endpoint, None));
    let interfaces = world.facts.aws.endpoint_interfaces.known().unwrap();
    let own = interfaces[0].private_ip_address.clone().unwrap();
    let asked = |allow_users: &str| status(&with_allow_users(world.facts.clone(), allow_users), &attempt);
    assert_eq!(asked(&format!("{}@{own}", attempt.os_user.as_str())), Status::Ok);
    assert_eq!(asked(&format!("{}@198.51.100.7", attempt.os_user.as_str())), Status::Fail);
}
