//! The healthy instance, by every way, and the login that proves it.

use crate::lab::{Scenario, lab};
use serde_json::json;

#[test]
fn a_healthy_instance_is_connectable_by_all_three_ways_and_a_real_login_works() {
    let scenario = Scenario::healthy();
    assert!(!scenario.login(false), "a login without a pushed key must be refused");
    assert!(scenario.login(true), "a login with a pushed key must work");
    for way in [
        vec!["--via", "browser"],
        vec!["--via", "public", "--source", "203.0.113.7/32"],
        vec!["--via", "private", "--source", "10.0.0.77"],
    ] {
        let way: Vec<&str> =
            way.iter().map(|word| if *word == "10.0.0.77" { private_source(&scenario) } else { word }).collect();
        let run = scenario.check(&way);
        run.expect(0, "yes", &[]);
        assert_eq!(run.report()["path"]["answer"], "allowed", "{way:?}");
        assert_eq!(run.stderr, "");
    }
}

/// An address of the instance's own VPC.
fn private_source(scenario: &Scenario) -> &'static str {
    let octets: Vec<&str> = scenario.get("private_ip").split('.').collect();
    format!("{}.{}.0.9", octets[0], octets[1]).leak()
}

#[test]
fn without_an_agent_the_probe_script_brings_the_same_answer() {
    let scenario = lab().scenario(json!({}));
    let run = scenario.check(&["--via", "browser"]);
    run.expect(0, "yes", &[]);
    assert!(run.report()["notes"].to_string().contains("probe script"), "{}", run.report()["notes"]);
}

#[test]
fn without_a_source_the_report_lists_who_is_admitted() {
    let scenario = Scenario::healthy();
    let run = scenario.check(&["--via", "public"]);
    run.expect(3, "unknown", &[]);
    let path = run.report()["path"].clone();
    assert_eq!(path["answer"], "unknown");
    let hops = path["hops"].to_string();
    assert!(hops.contains("203.0.113.0/24"), "{hops}");
}

#[test]
fn the_runbooks_own_words_are_understood() {
    let scenario = Scenario::healthy();
    let run = scenario.doctor(&[
        "check",
        "--InstanceId",
        scenario.id(),
        "--Username",
        "ec2-user",
        "--EC2InstanceConnectRoleOrUser",
        scenario.get("role_arn"),
        "--SSHPort",
        "22",
        "--SourceNetworkType",
        "Public",
        "--SourceIpCIDR",
        "203.0.113.7/32",
        "--output",
        "json",
    ]);
    run.expect(0, "yes", &[]);
}

#[test]
fn the_human_report_goes_to_stdout_without_colour() {
    let scenario = Scenario::healthy();
    let run = scenario.doctor(&["check", scenario.id(), "--principal", scenario.get("role_arn"), "--via", "browser"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.ends_with("Connectable: yes\n"), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}'));
}
