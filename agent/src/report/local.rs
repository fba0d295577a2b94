//! The report of the agent by itself: the operating system's half.

use eic_doctor_proto::{Attempt, CheckResult, Fact, Report, Scope, Subject, Tool};

use crate::facts::{ImdsAnswer, OsFacts};

/// `started` is RFC 3339; `complete` is false when the time for the run was up before everything was looked at.
pub fn local_report(
    facts: &OsFacts,
    attempt: &Attempt,
    results: Vec<CheckResult>,
    started: String,
    complete: bool,
) -> Report {
    let tool = Tool { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let report = Report::of(tool, Scope::OperatingSystem, subject(facts), attempt.clone(), started, results);
    Report { complete, ..report }
}

/// What the metadata service says of the instance, where it has the shape that AWS documents; never a guess.
fn subject(facts: &OsFacts) -> Subject {
    let imds = &facts.imds.as_root;
    Subject {
        instance_id: word(&imds.instance_id).filter(|id| is_instance_id(id)),
        region: word(&imds.region),
        availability_zone: word(&imds.availability_zone),
        operating_system: facts
            .system
            .os_release
            .known()
            .map(|release| release.pretty_name.to_string())
            .filter(|name| !name.is_empty()),
        ..Subject::default()
    }
}

/// The body of a good answer that is one plain word.
fn word(answer: &Fact<ImdsAnswer>) -> Option<String> {
    let answer = answer.known().filter(|answer| answer.status == 200)?;
    let word = answer.body.raw().trim();
    let is_plain = !word.is_empty() && word.len() <= 64 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_plain.then(|| word.to_owned())
}

fn is_instance_id(text: &str) -> bool {
    text.strip_prefix("i-")
        .is_some_and(|id| matches!(id.len(), 8 | 17) && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')))
}
