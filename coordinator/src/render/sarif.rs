//! SARIF 2.1.0, for code scanning and whatever reads it.
//!
//! `fail` is level `error`, `warn` level `warning`; by default only these are written, and only rules that have results. `sarif-all`
//! writes the others too: `ok` as kind `pass`, `unknown` and `blocked` as `open`, `not-applicable` as `notApplicable`.
//! Source: OASIS, Static Analysis Results Interchange Format 2.1.0, §3.27.9 (kind) and §3.27.10 (level).

use std::io::{self, Write};

use eic_doctor_proto::{About, CheckResult, Report, Status};
use serde_json::{Value, json};

use super::looked::attempt_id;
use super::{evidence, instance};
use crate::checks;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Whether results that are no findings are written too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Findings,
    All,
}

pub fn write(report: &Report, extent: Extent, out: &mut dyn Write) -> io::Result<()> {
    let results: Vec<&CheckResult> =
        report.results.iter().filter(|result| extent == Extent::All || result.status.is_finding()).collect();
    let abouts = checks::abouts();
    let rules: Vec<Value> = results.iter().map(|result| rule(result, &abouts)).collect();
    let results: Vec<Value> = results.iter().enumerate().map(|(index, result)| one(report, result, index)).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": report.tool.name, "semanticVersion": report.tool.version, "rules": rules,
            }},
            // Each attempt is a category of its own to code scanning: one upload does not close the alerts of another. §3.17.3
            "automationDetails": { "id": format!("eic-doctor/{}/{}/", place(report), attempt_id(&report.attempt)) },
            "invocations": [{
                // A run that was cut short lists only a part of what it would have found.
                "executionSuccessful": report.complete, "startTimeUtc": report.started,
            }],
            "results": results,
            "properties": { "connectable": report.connectable, "rootCauses": report.root_causes },
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn rule(result: &CheckResult, abouts: &[&About]) -> Value {
    let mut rule = json!({ "id": result.id, "shortDescription": { "text": result.title } });
    if let (Some(about), Value::Object(fields)) = (abouts.iter().find(|about| about.id == result.id), &mut rule) {
        let manual =
            about.doc.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n");
        let first = manual.trim().lines().next().unwrap_or_default().to_owned();
        fields.insert("fullDescription".to_owned(), json!({ "text": first }));
        fields.insert("help".to_owned(), json!({ "text": manual.trim(), "markdown": manual.trim() }));
    }
    rule
}

fn one(report: &Report, result: &CheckResult, rule_index: usize) -> Value {
    let (kind, level) = match result.status {
        Status::Fail => ("fail", "error"),
        Status::Warn => ("fail", "warning"),
        Status::Ok => ("pass", "none"),
        Status::Unknown | Status::Blocked => ("open", "none"),
        Status::NotApplicable => ("notApplicable", "none"),
    };
    let why = if result.why.is_empty() { &result.title } else { &result.why };
    let mut text = vec![why.clone()];
    text.extend(evidence(result));
    if let Some(remedy) = &result.remedy {
        text.push(format!("To mend: {}", remedy.text));
        text.extend(remedy.command.clone());
    }
    let instance = instance(report);
    json!({
        "ruleId": result.id,
        "ruleIndex": rule_index,
        "kind": kind,
        "level": level,
        "message": { "text": literal(&text.join("\n")) },
        // Code scanning wants a file: the instance stands for it.
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": place(report) } },
            "logicalLocations": [{ "fullyQualifiedName": instance, "kind": "resource" }],
        }],
        // The same finding for the same attempt is the same alert, whatever its words say today.
        "partialFingerprints": { "checkAndAttempt/v1": format!("{}:{instance}:{}", result.id, attempt_id(&report.attempt)) },
    })
}

fn place(report: &Report) -> String {
    let region = report.subject.region.as_deref().unwrap_or("region");
    let name = report.subject.instance_id.as_deref().unwrap_or("instance");
    format!("ec2/{region}/{name}")
}

/// Text that is neither a placeholder (§3.11.5) nor an embedded link (§3.11.6), whatever a host puts into it.
fn literal(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}").replace("](", "\\](")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing::report;

    fn written(extent: Extent) -> Value {
        let mut out = Vec::new();
        write(&report(), extent, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    fn kinds(document: &Value) -> Vec<String> {
        let results = document["runs"][0]["results"].as_array().unwrap();
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        results.iter().map(|result| format!("{} {}", word(&result["kind"]), word(&result["level"]))).collect()
    }

    #[test]
    fn findings_alone_by_default_and_the_rest_when_asked_for() {
        let findings = written(Extent::Findings);
        assert_eq!(kinds(&findings), ["fail warning", "fail error"]);
        assert_eq!(findings["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().len(), 2);
        let all = written(Extent::All);
        let expected = ["pass none", "fail warning", "fail error", "open none", "open none", "notApplicable none"];
        assert_eq!(kinds(&all), expected);
    }

    #[test]
    fn what_a_host_says_is_neither_a_link_nor_a_placeholder() {
        let mut report = report();
        report.results[2].why = "[log in](https://evil.example) {0}".to_owned();
        let mut out = Vec::new();
        write(&report, Extent::Findings, &mut out).unwrap();
        let document: Value = serde_json::from_slice(&out).unwrap();
        let texts: Vec<&str> = document["runs"][0]["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["message"]["text"].as_str().unwrap())
            .collect();
        assert!(texts.iter().any(|text| text.contains("[log in\\](https://evil.example) {{0}}")), "{texts:?}");
    }

    #[test]
    fn another_attempt_is_another_alert() {
        let of = |port: u16| {
            let mut report = report();
            report.attempt.port = port;
            let mut out = Vec::new();
            write(&report, Extent::Findings, &mut out).unwrap();
            let run = serde_json::from_slice::<Value>(&out).unwrap()["runs"][0].take();
            (run["automationDetails"]["id"].clone(), run["results"][0]["partialFingerprints"].clone())
        };
        assert_eq!(of(22), of(22));
        assert!(of(22).0 != of(2222).0 && of(22).1 != of(2222).1);
    }

    #[test]
    fn each_result_points_at_its_rule() {
        let all = written(Extent::All);
        let run = &all["runs"][0];
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
    }
}
