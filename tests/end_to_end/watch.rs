//! `eic-doctor check --watch` against an account that changes meanwhile.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::lab::lab;

#[test]
fn each_report_is_of_its_own_look_and_the_last_one_makes_the_exit_code() {
    let scenario = lab().scenario(json!({ "machine": false, "ssm": false }));
    let way = ["--via", "public", "--source", "203.0.113.7/32", "--os-facts", "none", "--only", "aws.network"];
    let mut command = scenario.command(&["check", scenario.id(), "--watch", "100ms", "--output", "jsonl"]);
    let mut child = command.args(way).stdout(Stdio::piped()).spawn().unwrap();
    let reports = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        line
    });
    // Of each report the one line that speaks of the group.
    let id = "aws.network.security-group-ingress";
    let mut said = reports.filter(|line| line["id"] == id).map(|line| line["status"].as_str().unwrap().to_owned());
    assert_eq!(said.next().as_deref(), Some("ok"));
    scenario.fault("sg-no-rule");
    assert_eq!(said.find(|status| status != "ok").as_deref(), Some("fail"));
    // Its reader goes away: the next report finds nobody.
    drop(said);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
