//! All results of one run on one instance, and the one overall answer.

use serde::{Deserialize, Serialize};

use crate::attempt::Attempt;
use crate::check::About;
use crate::evidence::Evidence;
use crate::path::PathReport;
use crate::remedy::Remedy;
use crate::status::Status;
use crate::untrusted::visible;
use crate::verdict::Verdict;

/// Identifies the shape of the JSON document. Within v1 fields are added, never renamed.
pub const SCHEMA: &str = "https://eic-doctor.dev/schema/report/v1";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    pub schema: String,
    pub tool: Tool,
    pub scope: Scope,
    pub subject: Subject,
    pub attempt: Attempt,
    /// RFC 3339, UTC.
    pub started: String,
    /// `false` when the run was cut short by `--timeout`; what was not looked at is `unknown`.
    pub complete: bool,
    pub connectable: Connectable,
    /// Ids of the checks that fail and are not blocked by others.
    pub root_causes: Vec<String>,
    pub counts: Counts,
    /// Every check, ok ones too, in the catalogue's order.
    pub results: Vec<CheckResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathReport>,
    /// Where OS facts came from, or why there are none; the like for other couriers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tool {
    pub name: String,
    pub version: String,
}

/// What the answer speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// AWS's side and the instance: the whole way.
    Whole,
    /// The instance's operating system alone, as the agent sees it by itself.
    OperatingSystem,
}

/// The instance that the report is about; AWS's values as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subject {
    pub instance_id: Option<String>,
    pub name: Option<String>,
    pub account_id: Option<String>,
    pub region: Option<String>,
    pub availability_zone: Option<String>,
    pub vpc_id: Option<String>,
    pub subnet_id: Option<String>,
    pub image_id: Option<String>,
    pub platform: Option<String>,
    pub operating_system: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Connectable {
    Yes,
    No,
    Unknown,
}

impl Connectable {
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    pub total: usize,
    pub ok: usize,
    pub warn: usize,
    pub fail: usize,
    pub unknown: usize,
    pub blocked: usize,
    pub not_applicable: usize,
}

impl Connectable {
    /// Over the whole catalogue. `yes` only if everything that a connection needs was really looked at.
    pub fn of(results: &[CheckResult]) -> Self {
        let not_made =
            |result: &CheckResult| result.required && (result.status == Status::Unknown || result.was_left_out());
        if results.iter().any(|result| result.status == Status::Fail) {
            Self::No
        } else if results.iter().any(not_made) || !results.iter().any(|result| result.status.was_checked()) {
            Self::Unknown
        } else {
            Self::Yes
        }
    }
}

impl Counts {
    pub fn of(results: &[CheckResult]) -> Self {
        let count = |status| results.iter().filter(|result| result.status == status).count();
        Self {
            total: results.len(),
            ok: count(Status::Ok),
            warn: count(Status::Warn),
            fail: count(Status::Fail),
            unknown: count(Status::Unknown),
            blocked: count(Status::Blocked),
            not_applicable: count(Status::NotApplicable),
        }
    }

    pub fn by_status(&self) -> [(Status, usize); 6] {
        [
            (Status::Ok, self.ok),
            (Status::Warn, self.warn),
            (Status::Fail, self.fail),
            (Status::Unknown, self.unknown),
            (Status::Blocked, self.blocked),
            (Status::NotApplicable, self.not_applicable),
        ]
    }
}

/// One check's result in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckResult {
    pub id: String,
    pub title: String,
    pub status: Status,
    pub evidence: Vec<Evidence>,
    pub remedy: Option<Remedy>,
    /// Ids of the needs that failed or are blocked themselves.
    pub blocked_by: Vec<String>,
    /// What is wrong, or why it is unknown or not applicable. Empty when ok.
    pub why: String,
    /// The IAM action that the caller lacks, where that is why it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_action: Option<String>,
    /// The command that prints the check's manual.
    pub doc: String,
    /// A connection needs what this check looks at.
    pub required: bool,
}

impl CheckResult {
    pub(crate) fn from_verdict(about: &About, verdict: Verdict) -> Self {
        let mut result = Self::bare(about, Status::Unknown);
        match verdict {
            Verdict::Ok { evidence } => {
                result.status = Status::Ok;
                result.evidence = evidence;
            }
            Verdict::Warn(finding) => {
                result.status = Status::Warn;
                (result.why, result.evidence, result.remedy) = (finding.why, finding.evidence, Some(finding.remedy));
            }
            Verdict::Fail(finding) => {
                result.status = Status::Fail;
                (result.why, result.evidence, result.remedy) = (finding.why, finding.evidence, Some(finding.remedy));
            }
            Verdict::Unknown { why, missing_action, evidence } => {
                (result.why, result.missing_action, result.evidence) =
                    (visible(&why).into_owned(), missing_action.map(|action| visible(&action).into_owned()), evidence);
            }
            Verdict::NotApplicable { why } => {
                result.status = Status::NotApplicable;
                result.why = visible(&why).into_owned();
            }
        }
        result
    }

    pub(crate) fn blocked(about: &About, blocked_by: Vec<String>) -> Self {
        Self { why: format!("needs {}", blocked_by.join(", ")), blocked_by, ..Self::bare(about, Status::Blocked) }
    }

    pub(crate) fn left_out(about: &About, why: &str) -> Self {
        Self { why: why.to_owned(), ..Self::bare(about, Status::NotApplicable) }
    }

    fn bare(about: &About, status: Status) -> Self {
        Self {
            id: about.id.to_owned(),
            title: about.title.to_owned(),
            status,
            evidence: Vec::new(),
            remedy: None,
            blocked_by: Vec::new(),
            why: String::new(),
            missing_action: None,
            doc: format!("eic-doctor explain {}", about.id),
            required: about.required,
        }
    }

    fn was_left_out(&self) -> bool {
        self.status == Status::NotApplicable && self.why.starts_with("left out by --")
    }
}

impl Report {
    /// Puts a report together. `connectable`, the root causes and the counts follow from the results alone:
    /// `no` when a check fails; else `unknown` when a check that a connection needs is unknown, was left out or did not exist;
    /// else `yes`.
    pub fn of(
        tool: Tool,
        scope: Scope,
        subject: Subject,
        attempt: Attempt,
        started: String,
        results: Vec<CheckResult>,
    ) -> Self {
        let root_causes: Vec<String> =
            results.iter().filter(|result| result.status == Status::Fail).map(|result| result.id.clone()).collect();
        let connectable = Connectable::of(&results);
        Self {
            schema: SCHEMA.to_owned(),
            tool,
            scope,
            subject,
            attempt,
            started,
            complete: true,
            connectable,
            root_causes,
            counts: Counts::of(&results),
            results,
            path: None,
            notes: Vec::new(),
        }
    }

    /// Adds the network's answer. Where a part of the source is let in and a part is not, the answer differs from address to address.
    #[must_use]
    pub fn with_path(mut self, path: PathReport) -> Self {
        if path.is_open_by_parts() && self.connectable == Connectable::Yes {
            self.connectable = Connectable::Unknown;
        }
        self.path = Some(path);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, Finding, Selection, judge};

    const fn about(id: &'static str, required: bool) -> About {
        About { id, title: "t", doc: "", needs: &[], actions: &[], runbook: &[], required, file: "" }
    }
    static NEEDED: About = about("os.a.needed", true);
    static EXTRA: About = about("os.a.extra", false);

    fn answer(needed: Verdict, extra: Verdict, selection: &Selection) -> (Connectable, Vec<String>) {
        let results = judge(vec![Entry::new(&NEEDED, || needed), Entry::new(&EXTRA, || extra)], selection);
        let tool = Tool { name: "t".into(), version: "0".into() };
        let report = Report::of(tool, Scope::Whole, Subject::default(), Attempt::usual(), String::new(), results);
        (report.connectable, report.root_causes)
    }

    fn ok() -> Verdict {
        Verdict::ok("x", "y")
    }

    #[test]
    fn yes_needs_every_required_check_to_have_been_made() {
        let all = Selection::default();
        assert_eq!(answer(ok(), ok(), &all).0, Connectable::Yes);
        assert_eq!(answer(ok(), Verdict::unknown("w"), &all).0, Connectable::Yes);
        assert_eq!(answer(Verdict::unknown("w"), ok(), &all).0, Connectable::Unknown);
        let skip = Selection { skip: vec!["os.a.needed".into()], only: vec![] };
        assert_eq!(answer(ok(), ok(), &skip).0, Connectable::Unknown);
    }

    #[test]
    fn a_failure_outweighs_what_is_unknown_and_is_the_root_cause() {
        let fail = Verdict::fail(Finding::new("broken", Remedy::by_hand("mend", "look")));
        let (connectable, causes) = answer(Verdict::unknown("w"), fail, &Selection::default());
        assert_eq!((connectable, causes), (Connectable::No, vec!["os.a.extra".to_owned()]));
    }

    #[test]
    fn nothing_checked_is_not_success() {
        let (connectable, _) =
            answer(Verdict::not_applicable("w"), Verdict::not_applicable("w"), &Selection::default());
        assert_eq!(connectable, Connectable::Unknown);
    }
}
