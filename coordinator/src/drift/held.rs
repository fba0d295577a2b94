//! What is held of each check of one instance's half, and how a run carries it forward.

use std::collections::BTreeMap;

use eic_doctor_proto::{CheckResult, Status};

use super::fingerprint::{State, fingerprint, key, writer};
use crate::store::{Half, Millis};

/// A check is in another state than was told before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// A check's id; or `os` or `aws`, which stand for every check of that half, when nobody looks any more or somebody does again.
    pub check_id: String,
    pub was: Status,
    pub is: CheckResult,
    /// When it was first seen so.
    pub since: Millis,
    /// When it had been seen so often enough.
    pub told_at: Millis,
}

/// The state of drift of one instance and half. Kept as one [blob](Held::to_bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub(super) writer: u32,
    /// Since when every check is unknown, as nothing is heard.
    pub(super) silent: Option<(Half, Millis)>,
    /// By [`key`] of the check's id.
    pub(super) checks: BTreeMap<u64, Check>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// None until a first state was seen often enough.
    pub held: Option<State>,
    /// What the last run saw, if that is not what is held.
    pub next: Option<Next>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub state: State,
    pub runs: u32,
    pub since: Millis,
    /// As it was first seen.
    pub result: CheckResult,
}

impl Default for Held {
    fn default() -> Self {
        Self { writer: writer(), silent: None, checks: BTreeMap::new() }
    }
}

impl Held {
    pub fn is_silent(&self) -> bool {
        self.silent.is_some()
    }

    /// The runs that could not look count no longer.
    fn forget_unseen(&mut self) {
        for half in Half::ALL {
            self.checks.remove(&key(half.word()));
        }
    }

    /// Whether [`confirm`] would change it.
    pub fn waits(&self) -> bool {
        self.is_silent() || self.checks.values().any(|check| check.next.is_some())
    }
}

/// Takes one run's results. A check that `results` does not hold any more is forgotten: what this version or this instance has no such
/// check for is no drift.
pub fn advance(held: Held, results: &[CheckResult], at: Millis, hold: u32) -> (Held, Vec<Change>) {
    let mut changes: Vec<Change> = heard(&held, at).into_iter().collect();
    let is_reworded = held.writer != writer();
    let mut before = held.checks;
    let mut now = Held::default();
    for result in results {
        let key = key(&result.id);
        if now.checks.contains_key(&key) {
            continue;
        }
        let mut check = before.remove(&key).unwrap_or(Check { held: None, next: None });
        let state = fingerprint(result);
        if is_reworded {
            check.reword(state);
        }
        changes.extend(check.see(state, result, at, hold));
        now.checks.insert(key, check);
    }
    (now, changes)
}

/// Takes one run that found what the run before it found.
pub fn confirm(held: Held, at: Millis, hold: u32) -> (Held, Vec<Change>) {
    let mut changes: Vec<Change> = heard(&held, at).into_iter().collect();
    let mut held = held;
    held.silent = None;
    held.forget_unseen();
    for check in held.checks.values_mut() {
        if let Some(next) = check.next.take() {
            changes.extend(check.count(next, at, hold));
        }
    }
    (held, changes)
}

/// Nothing was heard of the half since `since`: told once, until it is heard again. A run that has yet to be confirmed is void.
pub fn silent(held: Held, half: Half, since: Millis, at: Millis) -> (Held, Option<Change>) {
    let why = match half {
        Half::Os => "nothing was heard from the instance's agent since then: each of its checks is unknown",
        Half::Aws => "the coordinator has not looked at the instance since then: each of its checks is unknown",
    };
    fall_silent(held, half, why, since, at)
}

/// One run that could not look at the half at all. As often as a change has to be seen it is silence, with its reason; and where
/// nothing was ever seen, nothing is lost, so nothing is told.
pub fn unseen(held: Held, half: Half, why: &str, at: Millis, hold: u32) -> (Held, Option<Change>) {
    if held.is_silent() {
        return (held, None);
    }
    let mut held = held;
    let waiting = held.checks.remove(&key(half.word())).and_then(|check| check.next);
    let result = CheckResult { why: why.to_owned(), ..of_half(half, Status::Unknown) };
    let state = fingerprint(&result);
    let mut next = waiting.unwrap_or(Next { state, runs: 0, since: at, result });
    next.runs = next.runs.saturating_add(1);
    if next.runs >= hold && !held.checks.is_empty() {
        let why = format!("the coordinator cannot look at the instance: {why}; each of its checks is unknown");
        return fall_silent(held, half, &why, next.since, at);
    }
    held.checks.insert(key(half.word()), Check { held: None, next: Some(next) });
    (held, None)
}

fn fall_silent(held: Held, half: Half, why: &str, since: Millis, at: Millis) -> (Held, Option<Change>) {
    if held.is_silent() {
        return (held, None);
    }
    let mut held = held;
    held.silent = Some((half, since));
    held.forget_unseen();
    held.checks.values_mut().for_each(|check| check.next = None);
    let is = CheckResult { why: why.to_owned(), ..of_half(half, Status::Unknown) };
    (held, Some(Change { check_id: half.word().to_owned(), was: Status::Ok, is, since, told_at: at }))
}

/// That a silence has ended.
fn heard(held: &Held, at: Millis) -> Option<Change> {
    let (half, _) = held.silent?;
    let is = of_half(half, Status::Ok);
    Some(Change { check_id: half.word().to_owned(), was: Status::Unknown, is, since: at, told_at: at })
}

/// The result that stands for every check of the half.
pub fn of_half(half: Half, status: Status) -> CheckResult {
    CheckResult {
        id: half.word().to_owned(),
        title: match half {
            Half::Os => "the instance's agent reports",
            Half::Aws => "the coordinator looks at the instance",
        }
        .to_owned(),
        status,
        evidence: Vec::new(),
        remedy: None,
        blocked_by: Vec::new(),
        why: String::new(),
        missing_action: None,
        doc: String::new(),
        required: true,
    }
}

impl Check {
    /// One run's state.
    fn see(&mut self, state: State, result: &CheckResult, at: Millis, hold: u32) -> Option<Change> {
        let next = self.next.take();
        if state.status == Status::Blocked || self.held == Some(state) {
            return None;
        }
        let next = match next {
            Some(next) if next.state == state => next,
            _ => Next { state, runs: 0, since: at, result: result.clone() },
        };
        self.count(next, at, hold)
    }

    /// One more run that saw `next`: it is held now, or waits.
    fn count(&mut self, mut next: Next, at: Millis, hold: u32) -> Option<Change> {
        next.runs = next.runs.saturating_add(1);
        if next.runs < hold && next.state.status != Status::Ok {
            self.next = Some(next);
            return None;
        }
        let was = self.held.replace(next.state)?.status;
        Some(Change { check_id: next.result.id.clone(), was, is: next.result, since: next.since, told_at: at })
    }

    /// Another version may word the same finding otherwise: with the same status it is the same.
    fn reword(&mut self, state: State) {
        let known = [self.held.as_mut(), self.next.as_mut().map(|next| &mut next.state)];
        known.into_iter().flatten().filter(|known| known.status == state.status).for_each(|known| *known = state);
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    pub fn result(id: &str, status: Status) -> CheckResult {
        CheckResult { id: id.to_owned(), title: format!("title of {id}"), ..of_half(Half::Os, status) }
    }
}
