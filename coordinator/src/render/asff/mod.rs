//! AWS Security Finding Format: what Security Hub's `BatchImportFindings` takes, a line of at most 100 findings each.
//!
//! `fail` is `FAILED`, `warn` is `WARNING`, `ok` is `PASSED`; what nobody could look at or what is blocked is `NOT_AVAILABLE` with the
//! reason, and what does not arise is archived. Every check is told each time under the same id, so that what was mended passes.
//! Source: Security Hub API Reference, `AwsSecurityFinding`; Security Hub User Guide, "AWS Security Finding Format (ASFF)".

mod finding;

use std::io::{self, Write};

use eic_doctor_proto::{CheckResult, Report};
use serde::Serialize;

pub use finding::{Finding, Resource};

use super::looked::Looked;

/// Findings of one call (Security Hub API Reference, `BatchImportFindings`).
pub const BATCH: usize = 100;

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut batches = Batches::default();
    batches.add(&Looked::of_check(report), &report.results, out)?;
    batches.end(out)
}

/// Findings that are written as soon as a batch is full.
#[derive(Default)]
pub struct Batches {
    waiting: Vec<Finding>,
}

impl Batches {
    pub fn add<'r>(
        &mut self,
        looked: &Looked<'_>,
        results: impl IntoIterator<Item = &'r CheckResult>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for result in results {
            self.waiting.push(Finding::of(looked, result)?);
            if self.waiting.len() == BATCH {
                self.put(out)?;
            }
        }
        Ok(())
    }

    pub fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.waiting.is_empty() { Ok(()) } else { self.put(out) }
    }

    fn put(&mut self, out: &mut dyn Write) -> io::Result<()> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Batch {
            findings: Vec<Finding>,
        }
        serde_json::to_writer(&mut *out, &Batch { findings: std::mem::take(&mut self.waiting) })?;
        writeln!(out)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Finding, Looked};
    use crate::render::testing::located;

    /// One of a check that fails.
    pub(crate) fn finding() -> Finding {
        let report = located();
        Finding::of(&Looked::of_check(&report), &report.results[2]).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::render::testing::{located, text_of};

    fn written(report: &Report) -> Vec<Value> {
        text_of(|out| write(report, out)).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn findings(report: &Report) -> Vec<Value> {
        written(report).iter().flat_map(|batch| batch["Findings"].as_array().unwrap().clone()).collect()
    }

    #[test]
    fn each_status_is_one_that_security_hub_knows() {
        let statuses: Vec<String> = findings(&located())
            .iter()
            .map(|finding| {
                let word = |value: &Value| value.as_str().unwrap().to_owned();
                format!(
                    "{} {} {}",
                    word(&finding["Compliance"]["Status"]),
                    word(&finding["Severity"]["Label"]),
                    word(&finding["RecordState"])
                )
            })
            .collect();
        let expected = [
            "PASSED INFORMATIONAL ACTIVE",
            "WARNING LOW ACTIVE",
            "FAILED MEDIUM ACTIVE",
            "NOT_AVAILABLE INFORMATIONAL ACTIVE",
            "NOT_AVAILABLE INFORMATIONAL ACTIVE",
            "NOT_AVAILABLE INFORMATIONAL ARCHIVED",
        ];
        assert_eq!(statuses, expected);
    }

    #[test]
    fn the_id_stays_when_the_result_changes_and_differs_with_the_attempt() {
        let ids = |report: &Report| findings(report).iter().map(|finding| finding["Id"].clone()).collect::<Vec<_>>();
        let before = located();
        let mut mended = before.clone();
        mended.results[2].status = eic_doctor_proto::Status::Ok;
        mended.results[2].remedy = None;
        mended.started = "2026-11-29T06:00:00Z".to_owned();
        assert_eq!(ids(&mended), ids(&before));
        let mut other = before.clone();
        other.attempt.port = 2222;
        assert!(ids(&other).iter().all(|id| !ids(&before).contains(id)));
    }

    #[test]
    fn a_batch_is_what_one_call_takes() {
        let mut report = located();
        let one = report.results[0].clone();
        report.results = vec![one; BATCH + 1];
        let sizes =
            written(&report).iter().map(|batch| batch["Findings"].as_array().unwrap().len()).collect::<Vec<_>>();
        assert_eq!(sizes, [BATCH, 1]);
    }

    #[test]
    fn a_long_text_is_cut_and_a_long_command_is_left_out_rather_than_cut() {
        let mut report = located();
        let failed = &mut report.results[2];
        failed.why = "ä".repeat(5_000);
        failed.remedy.as_mut().unwrap().command = Some("x".repeat(3_000));
        let found = findings(&report);
        assert_eq!(found[2]["Description"].as_str().unwrap().chars().count(), 1024);
        assert_eq!(found[2]["ProductFields"].get("eic-doctor/command"), None);
        assert!(!found[2]["Remediation"]["Recommendation"]["Text"].as_str().unwrap().contains("xx"));
        assert_eq!(found[1]["ProductFields"]["eic-doctor/command"], "aws ec2 mend");
    }

    #[test]
    fn an_instance_whose_account_nobody_knows_is_no_empty_list() {
        let mut report = located();
        report.subject.account_id = None;
        let refused = write(&report, &mut Vec::new()).unwrap_err();
        assert_eq!(refused.to_string(), "ASFF names the account, and it is not known");
    }
}
