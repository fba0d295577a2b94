//! OCSF 1.7.0: an event of the class Compliance Finding (2003) for each check, one a line.
//!
//! `ok` is `Pass`, `warn` is `Warning`, `fail` is `Fail`; what nobody could look at, what is blocked and what does not arise is `Other`
//! with our own word. Source: Open Cybersecurity Schema Framework 1.7.0, class `compliance_finding`, profile `cloud`.

use std::io::{self, Write};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use eic_doctor_proto::{CheckResult, Report, Status};
use serde_json::{Value, json};

use super::evidence;
use super::looked::Looked;

const VERSION: &str = "1.7.0";
/// `class_uid` of Compliance Finding, in the category Findings (2).
const CLASS: u32 = 2003;
/// `activity_id` Create: a line tells what one run found, and knows nothing of earlier ones.
const CREATE: u32 = 1;

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    events(&Looked::of_check(report), &report.results, out)
}

pub fn events<'r>(
    looked: &Looked<'_>,
    results: impl IntoIterator<Item = &'r CheckResult>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for result in results {
        serde_json::to_writer(&mut *out, &event(looked, result)?)?;
        writeln!(out)?;
    }
    Ok(())
}

fn event(looked: &Looked<'_>, result: &CheckResult) -> io::Result<Value> {
    let place = looked.place("OCSF")?;
    let subject = looked.subject;
    let (status_id, status) = match result.status {
        Status::Ok => (1, "Pass"),
        Status::Warn => (2, "Warning"),
        Status::Fail => (3, "Fail"),
        other => (99, other.word()),
    };
    let (severity_id, severity) = match result.status {
        Status::Fail => (3, "Medium"),
        Status::Warn => (2, "Low"),
        _ => (1, "Informational"),
    };
    // 4 is Resolved: nothing is left to do. What does not arise and what is well are both that.
    let (state_id, state) = match result.status {
        Status::Ok | Status::NotApplicable => (4, "Resolved"),
        _ => (1, "New"),
    };
    let seen = evidence(result);
    let why = if result.why.is_empty() { &result.title } else { &result.why };
    let time = milliseconds(looked.started)?;
    let mut event = json!({
        "activity_id": CREATE, "activity_name": "Create",
        "category_uid": 2, "category_name": "Findings",
        "class_uid": CLASS, "class_name": "Compliance Finding",
        "type_uid": CLASS * 100 + CREATE, "type_name": "Compliance Finding: Create",
        "time": time,
        "severity_id": severity_id, "severity": severity,
        "status_id": state_id, "status": state,
        "message": why,
        "metadata": {
            "version": VERSION, "profiles": ["cloud"],
            "product": { "name": "EIC Doctor", "vendor_name": "EIC Doctor", "version": looked.tool.version },
        },
        "cloud": {
            "provider": "AWS", "region": place.region, "cloud_partition": place.partition,
            "account": { "uid": place.account, "type_id": 10, "type": "AWS Account" },
        },
        "finding_info": {
            "uid": looked.id(&place, result), "title": result.title, "desc": why, "created_time": time,
            "analytic": { "type_id": 1, "type": "Rule", "uid": result.id, "name": result.title },
        },
        "compliance": {
            "control": result.id, "standards": ["EC2 Instance Connect"],
            "status_id": status_id, "status": status, "status_details": if seen.is_empty() { vec![why.clone()] } else { seen },
        },
        "resources": [{
            "uid": place.arn(), "type": "AWS::EC2::Instance", "region": place.region, "cloud_partition": place.partition,
        }],
    });
    if let Some(zone) = &subject.availability_zone {
        event["cloud"]["zone"] = json!(zone);
    }
    if let Some(name) = &subject.name {
        event["resources"][0]["name"] = json!(name);
    }
    if let Some(remedy) = &result.remedy {
        let command = remedy.command.as_ref().map_or_else(String::new, |command| format!("\n{command}"));
        event["remediation"] = json!({ "desc": format!("{}{command}", remedy.text) });
    }
    Ok(event)
}

/// Since 1970, as OCSF's `timestamp_t` counts.
fn milliseconds(rfc3339: &str) -> io::Result<i64> {
    let time = DateTime::from_str(rfc3339, Format::DateTime).map_err(io::Error::other)?;
    time.to_millis().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing::located;

    #[test]
    fn each_status_is_one_that_ocsf_knows_or_our_own_word() {
        let mut out = Vec::new();
        write(&located(), &mut out).unwrap();
        let events: Vec<Value> =
            String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let statuses: Vec<String> = events
            .iter()
            .map(|event| format!("{} {}", event["compliance"]["status_id"], event["compliance"]["status"]))
            .collect();
        let expected =
            ["1 \"Pass\"", "2 \"Warning\"", "3 \"Fail\"", "99 \"unknown\"", "99 \"blocked\"", "99 \"not-applicable\""];
        assert_eq!(statuses, expected);
        // From `date -u -d 2026-11-28T06:00:00Z +%s`.
        assert_eq!(events[2]["time"], 1_795_845_600_000_i64);
        assert_eq!(events[2]["remediation"]["desc"], "Mend it\naws ec2 mend");
    }
}
