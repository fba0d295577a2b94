//! The six statuses of a check's result.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a check says about one instance and one attempt. "I could not look" is never [`Status::Ok`] and never [`Status::Fail`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Looked, and it is so.
    Ok,
    /// Works today, will or may not tomorrow.
    Warn,
    /// A connection cannot work.
    Fail,
    /// We could not look, and the result says why.
    Unknown,
    /// A need failed, and the result says which.
    Blocked,
    /// The question does not arise here, and the result says why.
    NotApplicable,
}

impl Status {
    pub const ALL: [Status; 6] = [Self::Ok, Self::Warn, Self::Fail, Self::Unknown, Self::Blocked, Self::NotApplicable];

    /// The word in JSON, `--fail-on` and the check reference.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Blocked => "blocked",
            Self::NotApplicable => "not-applicable",
        }
    }

    /// A finding is what a person must read: `warn` or `fail`.
    pub fn is_finding(self) -> bool {
        matches!(self, Self::Warn | Self::Fail)
    }

    /// Somebody looked: the result rests on facts that were seen.
    pub fn was_checked(self) -> bool {
        matches!(self, Self::Ok | Self::Warn | Self::Fail)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
