//! The healthy instance, by every way, and the login that proves it.

use crate::lab::{Scenario, lab, run};
use serde_json::json;

#[test]
fn a_healthy_instance_is_connectable_by_all_three_ways_and_a_real_login_works() {
    let scenario = Scenario::healthy();
    assert!(!scenario.login(false), "a login without a pushed key must be refused");
    assert!(scenario.login(true), "a login with a pushed key must work");
    let private = scenario.private_source();
    for way in [
        ["--via", "browser"].as_slice(),
        &["--via", "public", "--source", "203.0.113.7/32"],
        &["--via", "private", "--source", &private],
    ] {
        let run = scenario.check(way);
        run.expect(0, "yes", &[]);
        assert_eq!(run.report()["path"]["answer"], "allowed", "{way:?}");
        assert_eq!(run.stderr, "");
    }
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

#[test]
fn a_session_of_a_role_with_a_path_is_looked_up_as_that_role() {
    let scenario = Scenario::healthy();
    let session = &scenario.facts["connector_credentials"];
    let check = || {
        let mut command = scenario.command(&["check", scenario.id(), "--via", "browser", "--output", "json"]);
        command
            .env("AWS_ACCESS_KEY_ID", session["access_key"].as_str().unwrap())
            .env("AWS_SECRET_ACCESS_KEY", session["secret_key"].as_str().unwrap())
            .env("AWS_SESSION_TOKEN", session["session_token"].as_str().unwrap());
        run(command)
    };
    let found = check();
    found.expect(0, "yes", &[]);
    assert_eq!(found.result("aws.iam.principal")["evidence"][0]["seen"], scenario.get("role_arn"));
    scenario.fault("iam-osuser-mismatch");
    check().expect(1, "no", &["aws.iam.send-ssh-public-key"]);
}

#[test]
fn the_calls_of_one_check_are_few_and_two_round_trips_deep() {
    let scenario = Scenario::healthy();
    let key = scenario.get("access_key");
    lab().control("DELETE", &format!("/aws/calls?access_key={key}"), &json!(null));
    scenario.check(&["--via", "browser"]).expect(0, "yes", &[]);
    let calls = lab().control("GET", &format!("/aws/calls?access_key={key}"), &json!(null));
    let mut operations: Vec<&str> =
        calls.as_array().unwrap().iter().map(|call| call["operation"].as_str().unwrap()).collect();
    // How often the command is asked about depends on how long it runs.
    operations.retain(|operation| *operation != "GetCommandInvocation");
    operations.sort_unstable();
    // Ahead of the rules that may name them are asked: the two families' lists, those of S3 and DynamoDB, and at most eight of the
    // account's own, which other tests of this lab may just have made.
    let (lists, mut others): (Vec<&str>, Vec<&str>) =
        operations.into_iter().partition(|operation| *operation == "GetManagedPrefixListEntries");
    assert!((2..=12).contains(&lists.len()), "{}", lists.len());
    // For the push, and for what the client looks up: the two have no resource in common.
    let simulations = others.iter().filter(|operation| **operation == "SimulatePrincipalPolicy").count();
    assert_eq!(simulations, 2, "{others:?}");
    others.dedup_by(|one, other| one == other && *one == "SimulatePrincipalPolicy");
    let once: std::collections::BTreeSet<&str> = others.iter().copied().collect();
    assert_eq!(others.len(), once.len(), "{others:?}");
}

#[test]
fn a_check_of_awss_side_alone_sends_no_command_to_the_instance() {
    let scenario = lab().scenario(json!({ "machine": false }));
    let key = scenario.get("access_key");
    let found = scenario.check(&["--via", "browser", "--only", "aws.network"]);
    assert_eq!((found.code, found.report()["path"]["answer"].as_str()), (0, Some("allowed")), "{}", found.findings());
    let calls = lab().control("GET", &format!("/aws/calls?access_key={key}"), &json!(null)).to_string();
    assert!(!calls.contains("SendCommand") && calls.contains("DescribeSecurityGroups"), "{calls}");
}
