//! A refusal: who was refused, what, by which rule, and whether it is the agent or the coordinator that falls short.

use std::fmt;
use std::time::Duration;

/// The rules' names, in the order in which they are held. `README.md` beside this file says what each asks.
pub const RULES: [&str; 16] = [
    "agent-version",
    "identity-document",
    "region-certificate",
    "identity-signature",
    "certificate-request",
    "proof",
    "account",
    "instance",
    "instance-state",
    "instance-account",
    "stale-document",
    "private-address",
    "caller-identity",
    "other-place",
    "revoked",
    "other-key",
];

/// Which gRPC code a refusal has. "You may not" and "I am ill" are never the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `INVALID_ARGUMENT`: it is no enrolment request at all.
    Malformed,
    /// `UNAUTHENTICATED`: what should prove who asks does not.
    NotProven,
    /// `PERMISSION_DENIED`: it is proven who asks, and they may not.
    NotAllowed,
    /// `UNAVAILABLE`: the coordinator lacks what it needs in order to answer.
    CannotTell,
}

/// Told to the agent and to the log, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The instance as it calls itself, or what is known of it.
    pub who: String,
    /// What was seen.
    pub what: String,
    /// The rule's name, which documentation and metrics use.
    pub rule: &'static str,
    pub kind: Kind,
    /// Before this has gone, nothing can have changed.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(who: &str, kind: Kind, rule: &'static str, what: impl Into<String>) -> Refusal {
        debug_assert!(RULES.contains(&rule), "{rule} is not listed");
        // Parts of it come from the agent before it has proven anything.
        let what = eic_doctor_proto::visible(&what.into()).into_owned();
        Refusal { who: who.to_owned(), what, rule, kind, retry_after: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is refused by the rule `{}`: {}", self.who, self.rule, self.what)
    }
}

impl std::error::Error for Refusal {}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::RULES;

    #[test]
    fn every_rule_is_explained_in_its_order() {
        let rows = include_str!("README.md").lines().filter_map(|line| line.strip_prefix("| `"));
        let explained: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
        assert_eq!(explained, RULES);
    }
}
