//! Findings reach Security Hub, and the same finding the next time is the same.

use serde_json::{Value, json};

use crate::lab::{Scenario, lab};

fn scenario(rules: Value) -> Scenario {
    let scenario = lab().scenario(json!({ "machine": false, "ssm": false }));
    lab().control("POST", "/aws", &json!({ "access_key": scenario.get("access_key"), "rules": rules }));
    scenario
}

fn findings(scenario: &Scenario) -> Vec<Value> {
    let answer = scenario.aws(&["securityhub", "get-findings", "--output", "json"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let of_this = |finding: &&Value| finding["Resources"][0]["Id"].as_str().unwrap().ends_with(scenario.id());
    answer["Findings"].as_array().unwrap().iter().filter(of_this).cloned().collect()
}

#[test]
fn findings_that_are_sent_again_are_the_same_findings() {
    let scenario = scenario(json!([]));
    let sent = ["--via", "browser", "--send-to-security-hub"];
    let found = scenario.check(&sent);
    let total = found.report()["results"].as_array().unwrap().len();
    let first = findings(&scenario);
    assert_eq!(first.len(), total, "{}", found.stderr);
    scenario.check(&sent);
    assert_eq!(findings(&scenario).len(), total);
    let fleet = scenario.doctor(&["fleet", "--instance-ids", scenario.id(), "--send-to-security-hub"]);
    assert!(!fleet.stderr.contains("Security Hub"), "{}", fleet.stderr);
    assert!(findings(&scenario).len() > total, "another attempt has findings of its own");
}

#[test]
fn whoever_may_not_send_is_told_so_after_the_report() {
    let scenario = scenario(json!([{ "action": "securityhub:BatchImportFindings", "answer": "refuse" }]));
    let found = scenario.check(&["--via", "browser", "--send-to-security-hub"]);
    let total = found.report()["results"].as_array().unwrap().len();
    assert_eq!(found.code, 5);
    assert!(found.stderr.contains(&format!("not sent to Security Hub: {total} findings")), "{}", found.stderr);
    assert!(found.stderr.contains(&format!("Security Hub has 0 of {total} findings")), "{}", found.stderr);
}
