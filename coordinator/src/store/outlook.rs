//! What the fleet is counted by: the verdict on one half of an instance, and its findings. Pure.

use eic_doctor_proto::{CheckResult, Status};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::columns::{damaged, shown};

/// One check that warns or fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub check_id: String,
    pub status: Status,
}

/// What is known of one half. None of it is of a silent instance, and all of it is kept until it is heard again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outlook {
    /// None: nobody looked yet.
    pub verdict: Option<Status>,
    /// In the order of the report.
    pub findings: Vec<Finding>,
    pub is_silent: bool,
}

impl Outlook {
    /// `fail` outweighs `unknown`, which counts where a connection needs the check, and that outweighs `warn`.
    pub fn of(results: &[CheckResult]) -> Self {
        let any = |is: fn(&CheckResult) -> bool| results.iter().any(is);
        let verdict = if any(|result| result.status == Status::Fail) {
            Status::Fail
        } else if any(|result| result.required && result.status == Status::Unknown)
            || !any(|result| result.status.was_checked())
        {
            Status::Unknown
        } else if any(|result| result.status == Status::Warn) {
            Status::Warn
        } else {
            Status::Ok
        };
        let findings = results.iter().filter(|result| result.status.is_finding());
        let findings = findings.map(|result| Finding { check_id: shown(&result.id), status: result.status }).collect();
        Self { verdict: Some(verdict), findings, is_silent: false }
    }

    pub fn from_columns(verdict: &str, findings: &str, is_silent: bool) -> Result<Self, StoreError> {
        let verdict = Status::ALL.into_iter().find(|status| status.word() == verdict);
        Ok(Self { verdict, findings: findings_of_column(findings)?, is_silent })
    }

    pub fn verdict_column(&self) -> &'static str {
        self.verdict.map_or("", Status::word)
    }

    pub fn findings_column(&self) -> String {
        serde_json::to_string(&self.findings).expect("ids and words have a form in JSON")
    }

    /// What stands in the table of findings.
    pub fn counted(&self) -> &[Finding] {
        if self.is_silent { &[] } else { &self.findings }
    }
}

pub(super) fn findings_of_column(text: &str) -> Result<Vec<Finding>, StoreError> {
    serde_json::from_str(text).map_err(|_| damaged("an instance's findings"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::testing::result;

    fn verdict(results: &[CheckResult]) -> Option<Status> {
        Outlook::of(results).verdict
    }

    #[test]
    fn the_worst_result_decides_and_nothing_checked_is_unknown() {
        let of = |status| result("os.sshd.port", status);
        let beside = |status| CheckResult { required: false, ..of(status) };
        assert_eq!(verdict(&[of(Status::Ok), of(Status::NotApplicable)]), Some(Status::Ok));
        assert_eq!(verdict(&[of(Status::Ok), of(Status::Warn)]), Some(Status::Warn));
        assert_eq!(verdict(&[of(Status::Warn), of(Status::Unknown)]), Some(Status::Unknown));
        assert_eq!(verdict(&[of(Status::Warn), beside(Status::Unknown)]), Some(Status::Warn));
        assert_eq!(verdict(&[of(Status::Unknown), of(Status::Fail), of(Status::Blocked)]), Some(Status::Fail));
        assert_eq!(verdict(&[of(Status::NotApplicable)]), Some(Status::Unknown));
        assert_eq!(verdict(&[]), Some(Status::Unknown));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let outlook =
            Outlook::of(&[result("os.a", Status::Fail), result("os.b", Status::Ok), result("os.c", Status::Warn)]);
        assert_eq!(outlook.findings.len(), 2);
        let read = Outlook::from_columns(outlook.verdict_column(), &outlook.findings_column(), false);
        assert_eq!(read.unwrap(), outlook);
        assert_eq!(Outlook::from_columns("", "[]", false).unwrap(), Outlook::default());
    }
}
