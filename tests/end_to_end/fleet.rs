//! `eic-doctor fleet` over HTTP: exact findings, calls that do not grow with the instances, and what one failing part costs.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::lab::{Run, Scenario, lab, run};

/// Nobody else's instances are in this one.
const REGION: &str = "ap-southeast-2";
const EMPTY: &str = "sa-east-1";

fn machineless() -> Scenario {
    lab().scenario(json!({ "machine": false, "ssm": false, "region": REGION }))
}

fn fleet(scenario: &Scenario, instances: &[&Scenario], arguments: &[&str]) -> Run {
    let mut command = scenario.command(&["fleet", "--via", "public", "--source", "203.0.113.7", "--output", "json"]);
    command.args(["--principal", scenario.get("role_arn")]).args(arguments);
    if !instances.is_empty() {
        command.arg("--instance-ids").args(instances.iter().map(|instance| instance.id()));
    }
    run(command)
}

fn calls(scenario: &Scenario) -> Vec<Value> {
    let key = scenario.get("access_key");
    lab().control("GET", &format!("/aws/calls?access_key={key}"), &Value::Null).as_array().unwrap().clone()
}

fn rules(scenario: &Scenario, rules: Value) {
    lab().control("POST", "/aws", &json!({ "access_key": scenario.get("access_key"), "rules": rules }));
}

#[test]
fn the_broken_instance_is_named_with_its_cause_and_calls_do_not_grow_with_the_instances() {
    let (first, broken, third) = (machineless(), machineless(), machineless());
    broken.fault("sg-no-rule");
    let all = [&first, &broken, &third];
    let found = fleet(&first, &all, &["--only", "aws.network,aws.instance"]);
    let report = found.report();
    assert_eq!(found.code, 1, "{}{}", found.stdout, found.stderr);
    let instances = report["instances"].as_array().unwrap();
    assert_eq!(instances.len(), 3, "{}", found.stdout);
    for instance in instances {
        let (connectable, causes) = match &instance["subject"]["instance_id"] {
            id if id == broken.id() => ("no", json!(["aws.network.security-group-ingress"])),
            _ => ("unknown", json!([])),
        };
        assert_eq!((&instance["connectable"], &instance["root_causes"]), (&json!(connectable), &causes), "{instance}");
    }
    let cause = &report["summary"]["root_causes"][0];
    assert_eq!((&cause["instances"], &cause["examples"]), (&json!(1), &json!([broken.id()])), "{cause}");
    let of_three = calls(&first).len();
    let alone = fleet(&third, &[&third], &["--only", "aws.network,aws.instance"]);
    assert_eq!(alone.code, 0, "{}{}", alone.stdout, alone.stderr);
    println!("{of_three} calls for three instances, {} for one", calls(&third).len());
    assert!(of_three <= calls(&third).len() + 3, "{:?}", calls(&first));
    let pages = calls(&first).iter().filter(|call| call["operation"] == "DescribeInstances").count();
    assert_eq!(pages, 1);
}

#[test]
fn each_range_of_a_file_is_told_for_each_instance_beside_the_findings() {
    let (open, closed) = (machineless(), machineless());
    closed.fault("sg-no-rule");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "203.0.113.0/24 the office\n192.0.2.9\n2001:db8::/32 nobody's").unwrap();
    let path = file.path().to_str().unwrap();
    let found = fleet(&open, &[&open, &closed], &["--only", "aws.network", "--reach", path]);
    assert_eq!(found.code, 1, "{}{}", found.stdout, found.stderr);
    let report = found.report();
    for range in report["summary"]["reach"].as_array().unwrap() {
        // Each instance says what it says of the range alone, and the summary counts it.
        let source = range["source"].as_str().unwrap();
        let mut of_instances =
            std::collections::BTreeMap::from(["allowed", "partial", "blocked", "unknown"].map(|word| (word, 0)));
        for instance in report["instances"].as_array().unwrap() {
            let reached = instance["reach"].as_array().unwrap().iter().find(|reached| reached["source"] == source);
            *of_instances.get_mut(reached.unwrap()["answer"].as_str().unwrap()).unwrap() += 1;
        }
        of_instances.into_iter().for_each(|(word, count)| assert_eq!(range[word], json!(count), "{range}"));
    }
    let office = &report["summary"]["reach"][0];
    assert_eq!((&office["name"], &office["allowed"], &office["blocked"]), (&json!("the office"), &json!(1), &json!(1)));
    assert_eq!(fleet(&open, &[&open], &["--reach", "/dev/null"]).code, 2);
}

#[test]
fn from_outside_nobody_says_yes_and_what_is_inside_stays_unknown() {
    let scenario = machineless();
    let found = fleet(&scenario, &[&scenario], &["--skip", "aws.ssm,aws.iam"]);
    assert_eq!(found.code, 3, "{}{}", found.stdout, found.stderr);
    assert_eq!(found.report()["instances"][0]["connectable"], "unknown");
    assert_eq!(fleet(&scenario, &[&scenario], &["--skip", "aws.ssm,aws.iam", "--allow-unknown"]).code, 0);
}

#[test]
fn a_throttle_that_passes_is_counted_and_one_that_does_not_costs_its_region_only() {
    let scenario = machineless();
    rules(&scenario, json!([{ "action": "ec2:DescribeSecurityGroups", "answer": "throttle", "times": 2 }]));
    let found = fleet(&scenario, &[&scenario], &["--only", "aws.network"]);
    assert_eq!(found.code, 0, "{}{}", found.stdout, found.stderr);
    let report = found.report();
    let counted = report["summary"]["calls"].as_array().unwrap().iter();
    let throttled: Vec<_> = counted.filter(|calls| calls["throttled"] != 0).collect();
    assert_eq!(throttled.len(), 1, "{throttled:?}");
    assert_eq!(
        (&throttled[0]["action"], &throttled[0]["throttled"]),
        (&json!("ec2:DescribeSecurityGroups"), &json!(2))
    );
    rules(&scenario, json!([{ "action": "ec2:DescribeInstances", "answer": "throttle" }]));
    let found = fleet(&scenario, &[], &["--only", "aws.network", "--regions", REGION]);
    assert_eq!(found.code, 4, "{}{}", found.stdout, found.stderr);
    assert_eq!(found.report()["summary"]["not_looked_at"][0]["region"], REGION);
    assert!(found.stderr.contains(REGION) && found.stderr.contains("RequestLimitExceeded"), "{}", found.stderr);
}

#[test]
fn an_instance_that_is_nowhere_and_a_region_without_any_are_told() {
    let scenario = machineless();
    let gone = "i-0123456789abcdef0";
    let arguments = ["--only", "aws.network", "--regions", REGION, EMPTY, "--instance-ids", gone];
    let mut command = scenario.command(&["fleet", "--via", "public", "--source", "203.0.113.7", "--output", "json"]);
    command.args(arguments).arg(scenario.id());
    let found = run(command);
    assert_eq!(found.code, 3, "{}{}", found.stdout, found.stderr);
    let summary = &found.report()["summary"];
    assert_eq!((&summary["instances"], &summary["not_looked_at"][0]["instance_id"]), (&json!(1), &json!(gone)));
    let mut places: Vec<_> = summary["places"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| (place["region"].as_str(), place["instances"].as_u64()))
        .collect();
    places.sort_unstable();
    assert_eq!(places, [(Some(REGION), Some(1)), (Some(EMPTY), Some(0))]);
}

#[test]
fn an_account_that_lets_nobody_in_is_named_with_the_permission() {
    let scenario = machineless();
    let mut accounts = tempfile::NamedTempFile::new().unwrap();
    writeln!(accounts, "# the audit role of each\n210987654321").unwrap();
    let path = accounts.path().to_str().unwrap();
    rules(&scenario, json!([{ "action": "sts:AssumeRole", "answer": "refuse" }]));
    let found = fleet(&scenario, &[], &["--accounts", path, "--role-name", "audit"]);
    assert_eq!(found.code, 4, "{}{}", found.stdout, found.stderr);
    let missing = &found.report()["summary"]["not_looked_at"][0];
    assert_eq!(
        (&missing["account_id"], &missing["missing_action"]),
        (&json!("210987654321"), &json!("sts:AssumeRole"))
    );
    assert!(found.stderr.contains("210987654321"), "{}", found.stderr);
}

#[test]
fn a_role_for_every_call_is_assumed_once_and_no_other_credentials_are_used() {
    let scenario = machineless();
    let role = scenario.get("role_arn");
    let found = fleet(&scenario, &[&scenario], &["--only", "aws.network", "--assume-role", role, "--external-id", "x"]);
    assert_eq!(found.code, 0, "{}{}", found.stdout, found.stderr);
    assert_eq!(found.report()["summary"]["complete"], true);
    let own: Vec<_> = calls(&scenario).iter().map(|call| call["operation"].clone()).collect();
    assert_eq!(own, [json!("AssumeRole")]);
    rules(&scenario, json!([{ "action": "sts:AssumeRole", "answer": "refuse" }]));
    let refused = fleet(&scenario, &[&scenario], &["--only", "aws.network", "--assume-role", role]);
    assert_eq!((refused.code, refused.stdout.as_str()), (4, ""), "{}", refused.stderr);
    assert!(refused.stderr.contains(role), "{}", refused.stderr);
}

#[test]
fn what_is_told_of_the_principals_requests_settles_an_answer_that_hangs_on_it() {
    let scenario = machineless();
    let condition = json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } });
    let statement = json!([{ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition }]);
    let document = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
    scenario.aws(&[
        "iam",
        "put-role-policy",
        "--role-name",
        scenario.get("role_name"),
        "--policy-name",
        "connect",
        "--policy-document",
        &document,
    ]);
    let of_push = |arguments: &[&str]| {
        let only = ["--only", "aws.iam.send-ssh-public-key"];
        let report = fleet(&scenario, &[&scenario], &[&only, arguments].concat()).report();
        let findings = report["instances"][0]["findings"].as_array().unwrap().clone();
        findings.into_iter().map(|finding| finding["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of_push(&[]), ["unknown"]);
    assert!(of_push(&["--context", "aws:MultiFactorAuthPresent=true"]).is_empty());
    assert_eq!(of_push(&["--context", "aws:MultiFactorAuthPresent=false"]), ["fail"]);
}

#[test]
fn published_ranges_that_are_given_count_for_every_instance() {
    let scenario = machineless();
    rules(&scenario, json!([{ "action": "ec2:*ManagedPrefixList*", "answer": "refuse" }]));
    scenario.aws(&[
        "ec2",
        "authorize-security-group-ingress",
        "--group-id",
        scenario.get("sg_id"),
        "--protocol",
        "tcp",
        "--port",
        "22",
        "--cidr",
        "192.0.2.0/24",
    ]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ip-ranges.json");
    let judged = |range: &str| {
        let prefix = json!({ "ip_prefix": range, "region": REGION, "service": "EC2_INSTANCE_CONNECT", "network_border_group": REGION });
        let ranges =
            json!({ "syncToken": "1", "createDate": "2026-11-28-00-00-00", "prefixes": [prefix], "ipv6_prefixes": [] });
        std::fs::write(&file, ranges.to_string()).unwrap();
        let mut command = scenario.command(&[
            "fleet",
            "--via",
            "browser",
            "--output",
            "json",
            "--only",
            "aws.network.security-group-ingress",
        ]);
        command.args(["--ip-ranges", file.to_str().unwrap(), "--instance-ids", scenario.id()]);
        let found = run(command);
        found.report()["instances"][0]["network"].as_str().unwrap().to_owned()
    };
    assert_eq!(judged("192.0.2.8/29"), "allowed");
    // What the prefix lists of the rules hold may not be read.
    assert_eq!(judged("198.51.100.8/29"), "unknown");
}

#[test]
fn a_format_of_one_instances_checks_is_called_wrongly() {
    let mut command = crate::lab::doctor();
    command.args(["fleet", "--output", "junit"]);
    let found = run(command);
    assert_eq!((found.code, found.stdout.as_str()), (2, ""), "{}", found.stderr);
    assert!(found.stderr.contains("jsonl"), "{}", found.stderr);
}
