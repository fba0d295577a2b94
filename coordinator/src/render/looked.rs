//! What formats with one record for each check need to know around it, whether it comes from a check or from a fleet.

use std::io;

use eic_doctor_proto::{Attempt, CheckResult, Report, Subject, Tool};
use ring::digest::{SHA256, digest};
use serde_json::json;

use crate::commands::partition_of;
use crate::fleet::{InstanceReport, RunReport};

/// One instance, as it was looked at.
#[derive(Clone, Copy, Debug)]
pub struct Looked<'a> {
    pub tool: &'a Tool,
    pub subject: &'a Subject,
    pub attempt: &'a Attempt,
    /// RFC 3339, UTC.
    pub started: &'a str,
}

/// Where the instance stands, all of it known.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub partition: &'static str,
    pub account: &'a str,
    pub region: &'a str,
    pub instance: &'a str,
}

impl<'a> Looked<'a> {
    pub fn of_check(report: &'a Report) -> Self {
        Self { tool: &report.tool, subject: &report.subject, attempt: &report.attempt, started: &report.started }
    }

    pub fn of_fleet(run: &'a RunReport, instance: &'a InstanceReport) -> Self {
        Self { tool: &run.tool, subject: &instance.subject, attempt: &run.attempt, started: &run.started }
    }

    /// # Errors
    ///
    /// `format` cannot speak of an instance whose account, Region or id nobody knows.
    pub fn place(&self, format: &str) -> io::Result<Place<'a>> {
        let known = |value: &'a Option<String>, name: &str| {
            let missing = || io::Error::other(format!("{format} names the {name}, and it is not known"));
            value.as_deref().ok_or_else(missing)
        };
        let region = known(&self.subject.region, "Region")?;
        Ok(Place {
            partition: partition_of(region),
            account: known(&self.subject.account_id, "account")?,
            region,
            instance: known(&self.subject.instance_id, "instance")?,
        })
    }

    /// What is the same whenever the same check is asked about the same instance and attempt, and differs otherwise.
    pub fn id(&self, place: &Place<'_>, result: &CheckResult) -> String {
        format!("{}/eic-doctor/{}/{}", place.arn(), attempt_id(self.attempt), result.id)
    }
}

/// 16 hexadecimal digits that stand for what was asked.
pub fn attempt_id(attempt: &Attempt) -> String {
    let asked =
        json!([attempt.os_user, attempt.principal, attempt.via, attempt.source, attempt.port, attempt.endpoint,]);
    let digest = digest(&SHA256, asked.to_string().as_bytes());
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Place<'_> {
    /// The ARN of the instance.
    pub fn arn(&self) -> String {
        format!("arn:{}:ec2:{}:{}:instance/{}", self.partition, self.region, self.account, self.instance)
    }
}
