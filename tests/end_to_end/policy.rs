//! The printed policy is enough, and the README's table says what each of its actions costs when it is missing.

use eic_doctor::commands::policy;
use serde_json::{Value, json};

use crate::lab::{Scenario, lab};

/// From here on the scenario's own access key is answered by these rules.
fn rule(scenario: &Scenario, rules: Value) {
    lab().control("POST", "/aws", &json!({ "access_key": scenario.get("access_key"), "rules": rules }));
}

#[test]
fn with_the_printed_policy_and_nothing_else_every_check_is_made() {
    let scenario = Scenario::healthy();
    let granted: Vec<&str> = policy::actions().into_iter().chain(["sts:GetCallerIdentity"]).collect();
    rule(&scenario, json!([{ "action": "*", "answer": "refuse", "except": granted }]));
    scenario.check(&["--via", "browser"]).expect(0, "yes", &[]);
}

/// A row may name more than this picture asks for: an address is only looked up where a source is somebody else's interface.
#[test]
fn nothing_turns_unknown_without_a_permission_but_what_the_table_says() {
    let scenario = lab().scenario(json!({ "machine": false }));
    let table = policy::table();
    let mut costly = 0;
    for row in table.lines().skip(2) {
        let [action, told] = row.trim_matches(['|', ' ']).split(" | ").collect::<Vec<_>>().try_into().unwrap();
        let action = action.trim_matches('`');
        let way = if action == "ec2:DescribeInstanceConnectEndpoints" { "endpoint" } else { "browser" };
        rule(&scenario, json!([{ "action": action, "answer": "refuse" }]));
        let report = scenario.check(&["--via", way, "--os-facts", "none"]).report();
        let results = report["results"].as_array().unwrap().iter();
        let unknown: Vec<&str> = results
            .filter(|result| result["status"] == "unknown" && result["missing_action"] == *action)
            .map(|result| result["id"].as_str().unwrap())
            .collect();
        let untold = unknown.iter().filter(|id| !told.contains(&format!("`{id}`")));
        if told != "everything that hangs on the instance" {
            assert_eq!(untold.collect::<Vec<_>>(), Vec::<&&str>::new(), "without {action}; the table says {told}");
        }
        costly += usize::from(!unknown.is_empty());
    }
    assert!(costly >= 10, "only {costly} permissions cost anything");
}
