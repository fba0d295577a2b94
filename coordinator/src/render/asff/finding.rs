//! One check's result on one instance as an `AwsSecurityFinding`. Lengths are those of the API Reference.

use std::collections::BTreeMap;
use std::io;

use eic_doctor_proto::{CheckResult, Status};
use serde::Serialize;

use crate::render::evidence;
use crate::render::looked::{Looked, Place};

/// Evidence told one by one; `ProductFields` takes 50 pairs in all.
const EVIDENCE: usize = 20;
/// Those that the API has a word for; of a resource elsewhere it is left out, and the ARN tells.
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];
/// Characters of a value in `ProductFields`.
const FIELD: usize = 2_048;

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Finding {
    pub schema_version: &'static str,
    pub id: String,
    pub product_arn: String,
    pub product_name: &'static str,
    pub generator_id: String,
    pub aws_account_id: String,
    pub region: String,
    pub types: Vec<String>,
    pub created_at: String,
    pub updated_at: String,
    pub severity: Severity,
    pub title: String,
    pub description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
    pub product_fields: BTreeMap<String, String>,
    pub resources: Vec<Resource>,
    pub compliance: Compliance,
    pub record_state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Severity {
    pub label: &'static str,
    /// Our own word.
    pub original: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Remediation {
    pub recommendation: Recommendation,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Recommendation {
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resource {
    #[serde(rename = "Type")]
    pub kind: &'static str,
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<&'static str>,
    pub region: String,
    pub details: ResourceDetails,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourceDetails {
    pub aws_ec2_instance: Ec2Instance,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Ec2Instance {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Compliance {
    pub status: &'static str,
}

impl Finding {
    /// # Errors
    ///
    /// The account, the Region or the id of the instance is not known.
    pub fn of(looked: &Looked<'_>, result: &CheckResult) -> io::Result<Self> {
        let place = looked.place("ASFF")?;
        let (compliance, severity) = match result.status {
            Status::Fail => ("FAILED", "MEDIUM"),
            Status::Warn => ("WARNING", "LOW"),
            Status::Ok => ("PASSED", "INFORMATIONAL"),
            Status::Unknown | Status::Blocked | Status::NotApplicable => ("NOT_AVAILABLE", "INFORMATIONAL"),
        };
        Ok(Self {
            schema_version: "2018-10-08",
            id: cut(&looked.id(&place, result), 512),
            product_arn: format!(
                "arn:{}:securityhub:{}:{account}:product/{account}/default",
                place.partition,
                place.region,
                account = place.account
            ),
            product_name: "EIC Doctor",
            generator_id: format!("eic-doctor/{}", result.id),
            aws_account_id: place.account.to_owned(),
            region: place.region.to_owned(),
            types: vec![kind(&result.id).to_owned()],
            created_at: looked.started.to_owned(),
            updated_at: looked.started.to_owned(),
            severity: Severity { label: severity, original: result.status.word() },
            title: cut(&result.title, 256),
            description: cut(&description(result), 1_024),
            remediation: remediation(result),
            product_fields: product_fields(looked, result),
            resources: vec![resource(looked, &place)],
            compliance: Compliance { status: compliance },
            record_state: if result.status == Status::NotApplicable { "ARCHIVED" } else { "ACTIVE" },
        })
    }
}

/// `namespace/category/classifier` (Security Hub User Guide, "Types taxonomy for ASFF").
fn kind(id: &str) -> &'static str {
    if id.starts_with("aws.network.") || id.starts_with("aws.endpoint.") {
        "Software and Configuration Checks/AWS Security Best Practices/Network Reachability"
    } else {
        "Software and Configuration Checks/AWS Security Best Practices"
    }
}

fn description(result: &CheckResult) -> String {
    let why = if result.why.is_empty() { &result.title } else { &result.why };
    let lines: Vec<String> = std::iter::once(why.clone()).chain(evidence(result)).collect();
    lines.join("; ")
}

/// The sentence, and the command as long as there is room for all of it: half a command is worse than none.
fn remediation(result: &CheckResult) -> Option<Remediation> {
    let remedy = result.remedy.as_ref()?;
    let with_command = remedy.command.as_ref().map(|command| format!("{}: {command}", remedy.text));
    let text = with_command.filter(|text| text.chars().count() <= 512).unwrap_or_else(|| cut(&remedy.text, 512));
    Some(Remediation { recommendation: Recommendation { text } })
}

fn product_fields(looked: &Looked<'_>, result: &CheckResult) -> BTreeMap<String, String> {
    let attempt = looked.attempt;
    let remedy = result.remedy.as_ref();
    let told = [
        ("check", Some(result.id.clone())),
        ("status", Some(result.status.word().to_owned())),
        ("os-user", Some(attempt.os_user.to_string())),
        ("via", Some(attempt.via.word().to_owned())),
        ("port", Some(attempt.port.to_string())),
        ("source", attempt.source.map(|source| source.to_string())),
        ("principal", attempt.principal.clone()),
        ("command", remedy.and_then(|remedy| remedy.command.clone())),
        ("verify", remedy.map(|remedy| remedy.verify.clone())),
        ("missing-action", result.missing_action.clone()),
        ("blocked-by", Some(result.blocked_by.join(", "))),
    ];
    let told = told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let seen = result.evidence.iter().take(EVIDENCE).enumerate();
    let seen =
        seen.map(|(index, one)| (format!("evidence/{}", index + 1), cut(&format!("{} ({})", one.seen, one.at), FIELD)));
    let fits = |value: &String| !value.trim().is_empty() && value.chars().count() <= FIELD;
    told.chain(seen)
        .filter(|(_, value)| fits(value))
        .map(|(name, value)| (format!("eic-doctor/{name}"), value))
        .collect()
}

fn resource(looked: &Looked<'_>, place: &Place<'_>) -> Resource {
    let subject = looked.subject;
    Resource {
        kind: "AwsEc2Instance",
        id: place.arn(),
        partition: PARTITIONS.contains(&place.partition).then_some(place.partition),
        region: place.region.to_owned(),
        details: ResourceDetails {
            aws_ec2_instance: Ec2Instance {
                image_id: subject.image_id.clone(),
                vpc_id: subject.vpc_id.clone(),
                subnet_id: subject.subnet_id.clone(),
            },
        },
    }
}

/// At most so many characters; what is cut ends in an ellipsis.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
