//! What the pure function of a check says.

use crate::evidence::Evidence;
use crate::remedy::Remedy;
use crate::untrusted::visible;

/// A check's answer from facts alone. Whether it is `blocked` is decided by [`crate::judge`], not by the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok { evidence: Vec<Evidence> },
    Warn(Finding),
    Fail(Finding),
    Unknown { why: String, missing_action: Option<String>, evidence: Vec<Evidence> },
    NotApplicable { why: String },
}

/// What is wrong, the evidence for it, and what to do. The type demands a remedy of every `warn` and `fail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// One line: `sg-0a1b2c3d has no inbound rule for tcp/22 from 203.0.113.7/32 (3 rules read)`.
    pub why: String,
    pub evidence: Vec<Evidence>,
    pub remedy: Remedy,
}

impl Finding {
    pub fn new(why: impl AsRef<str>, remedy: Remedy) -> Self {
        Self { why: visible(why.as_ref()).into_owned(), evidence: Vec::new(), remedy }
    }

    #[must_use]
    pub fn seen(mut self, seen: impl AsRef<str>, at: impl AsRef<str>) -> Self {
        self.evidence.push(Evidence::new(seen, at));
        self
    }

    #[must_use]
    pub fn with(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

impl Verdict {
    pub fn ok(seen: impl AsRef<str>, at: impl AsRef<str>) -> Self {
        Self::Ok { evidence: vec![Evidence::new(seen, at)] }
    }

    pub fn warn(finding: Finding) -> Self {
        Self::Warn(finding)
    }

    pub fn fail(finding: Finding) -> Self {
        Self::Fail(finding)
    }

    pub fn unknown(why: impl AsRef<str>) -> Self {
        Self::Unknown { why: visible(why.as_ref()).into_owned(), missing_action: None, evidence: Vec::new() }
    }

    pub fn not_applicable(why: impl AsRef<str>) -> Self {
        Self::NotApplicable { why: visible(why.as_ref()).into_owned() }
    }

    /// Adds what was seen on the way to any verdict but `not-applicable`.
    #[must_use]
    pub fn seen(mut self, seen: impl AsRef<str>, at: impl AsRef<str>) -> Self {
        match &mut self {
            Self::Ok { evidence } | Self::Unknown { evidence, .. } => evidence.push(Evidence::new(seen, at)),
            Self::Warn(finding) | Self::Fail(finding) => finding.evidence.push(Evidence::new(seen, at)),
            Self::NotApplicable { .. } => {}
        }
        self
    }
}
