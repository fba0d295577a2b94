//! What the report says when AWS refuses, throttles, or does not answer.

use serde_json::{Value, json};

use crate::lab::{Run, Scenario, lab, run};

/// An instance without a machine behind it, whose access key's calls obey these rules.
fn with_rules(rules: Value) -> Scenario {
    let scenario = lab().scenario(json!({ "machine": false, "ssm": false }));
    lab().control("POST", "/aws", &json!({ "access_key": scenario.get("access_key"), "rules": rules }));
    scenario
}

fn check(scenario: &Scenario, arguments: &[&str]) -> Run {
    scenario.check(&[&["--via", "browser"], arguments].concat())
}

#[test]
fn with_credentials_that_may_call_nothing_each_check_names_the_missing_permission() {
    let scenario = with_rules(json!([{ "action": "*", "answer": "refuse" }]));
    let found = check(&scenario, &[]);
    let report = found.report();
    assert_eq!((found.code, &report["connectable"]), (4, &json!("unknown")), "{}", found.findings());
    for result in report["results"].as_array().unwrap() {
        let id = result["id"].as_str().unwrap();
        assert!(["unknown", "not-applicable"].contains(&result["status"].as_str().unwrap()), "{result}");
        if id.starts_with("aws.") {
            assert_eq!(result["status"], "unknown", "{result}");
            assert!(result["missing_action"].is_string(), "{id}: {}", result["why"]);
        }
    }
}

#[test]
fn with_only_describe_instances_everything_else_is_unknown() {
    let rules = json!([{ "action": "*", "answer": "refuse", "except": ["ec2:DescribeInstances"] }]);
    let scenario = with_rules(rules);
    let found = check(&scenario, &[]);
    assert_eq!(found.code, 3, "{}", found.findings());
    assert_eq!(found.result("aws.instance.running")["status"], "ok");
    for id in ["aws.network.security-group-ingress", "aws.network.route-to-source", "aws.iam.send-ssh-public-key"] {
        assert_eq!(found.result(id)["status"], "unknown", "{id}");
    }
    let missing = found.result("aws.network.security-group-ingress");
    assert_eq!(missing["missing_action"], "ec2:DescribeSecurityGroups");
}

#[test]
fn each_refused_call_alone_costs_its_own_answer_only() {
    for (action, id) in [
        ("ec2:DescribeSecurityGroups", "aws.network.security-group-ingress"),
        ("ec2:DescribeNetworkAcls", "aws.network.network-acl-inbound"),
        ("ec2:DescribeRouteTables", "aws.network.route-to-source"),
        ("ec2:DescribeInternetGateways", "aws.network.internet-gateway"),
        ("ec2:DescribeVpcBlockPublicAccessOptions", "aws.network.block-public-access"),
        ("iam:SimulatePrincipalPolicy", "aws.iam.send-ssh-public-key"),
        ("ec2:DescribeInstanceStatus", "aws.instance.status-checks"),
        ("ssm:DescribeInstanceInformation", "aws.ssm.managed-node"),
    ] {
        let rules = json!([{ "action": action, "answer": "refuse" }]);
        let scenario = with_rules(rules);
        let result = check(&scenario, &["--os-facts", "none"]).result(id);
        assert_eq!((&result["status"], &result["missing_action"]), (&json!("unknown"), &json!(action)), "{result}");
    }
}

#[test]
fn a_call_that_is_throttled_for_a_moment_is_made_again() {
    let rules = json!([{ "action": "ec2:DescribeSecurityGroups", "answer": "throttle", "times": 2 }]);
    let scenario = with_rules(rules);
    assert_eq!(check(&scenario, &[]).result("aws.network.security-group-ingress")["status"], "ok");
}

#[test]
fn a_page_of_html_is_no_verdict() {
    let rules = json!([{ "action": "iam:SimulatePrincipalPolicy", "answer": "http-500" }]);
    let scenario = with_rules(rules);
    let result = check(&scenario, &[]).result("aws.iam.send-ssh-public-key");
    assert_eq!(result["status"], "unknown", "{result}");
}

#[test]
fn when_the_time_for_the_run_is_up_what_is_missing_is_unknown() {
    let rules = json!([{ "action": "ec2:DescribeRouteTables", "answer": "delay", "ms": 20_000 }]);
    let scenario = with_rules(rules);
    let found = check(&scenario, &["--timeout", "3s"]);
    assert_eq!((found.code, &found.report()["complete"]), (3, &json!(false)), "{}", found.findings());
    assert_eq!(found.result("aws.network.route-to-source")["status"], "unknown");
    assert_eq!(found.result("aws.network.security-group-ingress")["status"], "ok");
}

#[test]
fn an_instance_that_is_not_there_is_nothing_checked() {
    let scenario = lab().scenario(json!({ "machine": false, "ssm": false }));
    let found = scenario.doctor(&["check", "i-0123456789abcdef0", "--via", "browser"]);
    assert_eq!(found.code, 4, "{}{}", found.stdout, found.stderr);
    assert!(found.stderr.contains("i-0123456789abcdef0") || found.stdout.contains("i-0123456789abcdef0"));
}

#[test]
fn without_credentials_nothing_is_checked_and_one_message_says_so() {
    let mut command = crate::lab::doctor();
    command.args(["check", "i-0123456789abcdef0", "--region", "eu-west-1"]);
    let found = run(command);
    assert_eq!((found.code, found.stdout.as_str()), (4, ""), "{}", found.stderr);
    assert!(found.stderr.contains("credentials"), "{}", found.stderr);
}
