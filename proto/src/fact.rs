//! A fact is known, absent, unreadable (why) or not gathered. Never `bool`, never `Option` where `None` could mean two things.

use serde::{Deserialize, Serialize};

use crate::untrusted::visible;
use crate::verdict::Verdict;

/// One thing that a gatherer looked for.
///
/// In JSON: `{"known": …}`, `"absent"`, `{"unreadable": {"reason": "…"}}`, `"not-gathered"` (also when the field is missing).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact<T> {
    Known(T),
    /// Looked, and it is not there.
    Absent,
    /// Looked, and could not see.
    Unreadable(Why),
    /// Nobody looked.
    #[default]
    NotGathered,
}

/// Why a fact could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// `permission denied`, `timed out after 1 s`, …
    pub reason: String,
    /// The IAM action that the caller lacks, `ec2:DescribeSecurityGroups`, where that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_action: Option<String>,
}

impl Why {
    pub fn new(reason: impl AsRef<str>) -> Self {
        Self { reason: visible(reason.as_ref()).into_owned(), missing_action: None }
    }

    pub fn not_permitted(action: &str) -> Self {
        Self { reason: format!("the credentials may not call {action}"), missing_action: Some(action.to_owned()) }
    }
}

impl<T> Fact<T> {
    pub fn unreadable(reason: impl AsRef<str>) -> Self {
        Self::Unreadable(Why::new(reason))
    }

    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unreadable(_) | Self::NotGathered => None,
        }
    }

    /// The value, or the verdict `unknown` that names `what` and says why. For facts whose absence answers nothing.
    ///
    /// `what` reads before a colon: `sshd's effective configuration`.
    pub fn need(&self, what: &str) -> Result<&T, Verdict> {
        self.present(what)?.ok_or_else(|| Verdict::unknown(format!("{what}: there is none")))
    }

    /// `Some` when known, `None` when absent, or the verdict `unknown` when nobody could look. For facts whose absence is an answer.
    pub fn present(&self, what: &str) -> Result<Option<&T>, Verdict> {
        match self {
            Self::Known(value) => Ok(Some(value)),
            Self::Absent => Ok(None),
            Self::Unreadable(why) => Err(Verdict::Unknown {
                why: format!("{what}: {}", why.reason),
                missing_action: why.missing_action.clone(),
                evidence: Vec::new(),
            }),
            Self::NotGathered => Err(Verdict::unknown(format!("{what}: not gathered"))),
        }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(value) => Fact::Known(f(value)),
            Self::Absent => Fact::Absent,
            Self::Unreadable(why) => Fact::Unreadable(why),
            Self::NotGathered => Fact::NotGathered,
        }
    }

    pub fn as_ref(&self) -> Fact<&T> {
        match self {
            Self::Known(value) => Fact::Known(value),
            Self::Absent => Fact::Absent,
            Self::Unreadable(why) => Fact::Unreadable(why.clone()),
            Self::NotGathered => Fact::NotGathered,
        }
    }
}

impl<T, E: std::fmt::Display> From<Result<Option<T>, E>> for Fact<T> {
    fn from(looked: Result<Option<T>, E>) -> Self {
        match looked {
            Ok(Some(value)) => Self::Known(value),
            Ok(None) => Self::Absent,
            Err(error) => Self::unreadable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_states_survive_json() {
        let facts: [Fact<u16>; 4] =
            [Fact::Known(22), Fact::Absent, Fact::unreadable("permission denied"), Fact::NotGathered];
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(text, r#"[{"known":22},"absent",{"unreadable":{"reason":"permission denied"}},"not-gathered"]"#);
        assert_eq!(serde_json::from_str::<[Fact<u16>; 4]>(&text).unwrap(), facts);
    }

    #[test]
    fn a_refused_call_becomes_unknown_with_the_missing_action() {
        let fact: Fact<u16> = Fact::Unreadable(Why::not_permitted("ec2:DescribeSubnets"));
        let Err(Verdict::Unknown { missing_action, .. }) = fact.need("subnet") else { panic!("not unknown") };
        assert_eq!(missing_action.as_deref(), Some("ec2:DescribeSubnets"));
    }
}
