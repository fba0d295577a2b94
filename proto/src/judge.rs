//! Runs the checks in their order and decides what is blocked. Pure: the entries hold their facts.

use std::collections::HashMap;

use crate::check::About;
use crate::report::CheckResult;
use crate::status::Status;
use crate::untrusted::visible;
use crate::verdict::Verdict;

/// A check bound to its facts.
pub struct Entry<'a> {
    about: &'static About,
    more_needs: &'static [&'static str],
    verdict: Box<dyn FnOnce() -> Verdict + 'a>,
}

impl<'a> Entry<'a> {
    pub fn new(about: &'static About, verdict: impl FnOnce() -> Verdict + 'a) -> Self {
        Self { about, more_needs: &[], verdict: Box::new(verdict) }
    }

    /// Needs beyond those that the check declares: what it hangs on when it is judged beside checks that it does not know of.
    #[must_use]
    pub fn also_needs(mut self, needs: &'static [&'static str]) -> Self {
        self.more_needs = needs;
        self
    }

    pub fn about(&self) -> &'static About {
        self.about
    }
}

/// What `--only` and `--skip` say: ids, or prefixes that end at a dot.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub only: Vec<String>,
    pub skip: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    #[error("`--only {}` matches no check; `eic-doctor explain` lists them", visible(.0))]
    OnlyMatchesNothing(String),
    #[error("`--skip {}` matches no check; `eic-doctor explain` lists them", visible(.0))]
    SkipMatchesNothing(String),
}

impl Selection {
    /// Each pattern with its retired id replaced by the present one, or the first pattern that matches no check.
    pub fn resolve<'a>(
        &self,
        ids: impl Iterator<Item = &'a str> + Clone,
        retired: &[(&str, &str)],
    ) -> Result<Self, SelectionError> {
        let resolve = |pattern: &String| {
            let current = retired.iter().find(|(old, _)| old == pattern).map_or(pattern.as_str(), |(_, new)| *new);
            ids.clone().any(|id| matches(current, id)).then(|| current.to_owned())
        };
        let only = self
            .only
            .iter()
            .map(|pattern| resolve(pattern).ok_or_else(|| SelectionError::OnlyMatchesNothing(pattern.clone())));
        let skip = self
            .skip
            .iter()
            .map(|pattern| resolve(pattern).ok_or_else(|| SelectionError::SkipMatchesNothing(pattern.clone())));
        Ok(Self { only: only.collect::<Result<_, _>>()?, skip: skip.collect::<Result<_, _>>()? })
    }

    /// Whether the check is judged for its own sake.
    pub fn takes(&self, id: &str) -> bool {
        self.leaves_out(id).is_none()
    }

    /// Why `id` is left out, or `None` when it is in.
    pub fn leaves_out(&self, id: &str) -> Option<&'static str> {
        if self.skip.iter().any(|pattern| matches(pattern, id)) {
            Some("left out by --skip")
        } else if !self.only.is_empty() && !self.only.iter().any(|pattern| matches(pattern, id)) {
            Some("left out by --only")
        } else {
            None
        }
    }
}

/// `pattern` is the id, or a prefix of it that ends where a dot follows.
fn matches(pattern: &str, id: &str) -> bool {
    id.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || pattern.ends_with('.'))
}

/// Judges every entry in order. A check with a need that failed or is itself blocked is `blocked` and names those needs;
/// an `unknown` need does not block.
///
/// A check that `--skip` leaves out is not judged and blocks nothing. One that `--only` leaves out is judged, so that it can
/// still block what is asked for, but its result says only that it was left out.
pub fn judge(entries: Vec<Entry<'_>>, selection: &Selection) -> Vec<CheckResult> {
    let mut standing: HashMap<&'static str, Status> = HashMap::with_capacity(entries.len());
    let mut results = Vec::with_capacity(entries.len());
    for entry in entries {
        let about = entry.about;
        let left_out = selection.leaves_out(about.id);
        let is_skipped = left_out.is_some_and(|why| why.ends_with("--skip"));
        let blocked_by: Vec<String> = about
            .needs
            .iter()
            .chain(entry.more_needs)
            .filter(|need| matches!(standing.get(*need), Some(Status::Fail | Status::Blocked)))
            .map(|need| (*need).to_owned())
            .collect();
        let result = if is_skipped {
            CheckResult::left_out(about, "left out by --skip")
        } else if blocked_by.is_empty() {
            CheckResult::from_verdict(about, (entry.verdict)())
        } else {
            CheckResult::blocked(about, blocked_by)
        };
        standing.insert(about.id, result.status);
        results.push(match left_out {
            Some(why) if !is_skipped => CheckResult::left_out(about, why),
            _ => result,
        });
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Finding, Remedy};

    const fn about(id: &'static str, needs: &'static [&'static str]) -> About {
        About { id, title: "t", doc: "", needs, actions: &[], runbook: &[], required: true, file: "" }
    }
    static A: About = about("os.a.one", &[]);
    static B: About = about("os.a.two", &["os.a.one"]);
    static C: About = about("os.b.three", &["os.a.two"]);
    static D: About = about("os.b.four", &[]);

    fn failing() -> Verdict {
        Verdict::fail(Finding::new("broken", Remedy::by_hand("mend it", "look")))
    }

    fn statuses(first: Verdict, selection: &Selection) -> Vec<(Status, String)> {
        let entries = vec![
            Entry::new(&A, move || first),
            Entry::new(&B, || Verdict::ok("x", "y")),
            Entry::new(&C, || Verdict::ok("x", "y")),
        ];
        judge(entries, selection).into_iter().map(|r| (r.status, r.blocked_by.join(" "))).collect()
    }

    #[test]
    fn one_broken_thing_is_one_failure_and_the_rest_is_blocked_by_it() {
        let expected = [
            (Status::Fail, String::new()),
            (Status::Blocked, "os.a.one".to_owned()),
            (Status::Blocked, "os.a.two".to_owned()),
        ];
        assert_eq!(statuses(failing(), &Selection::default()), expected);
    }

    #[test]
    fn a_need_that_the_check_does_not_know_of_blocks_it_too() {
        let entries = vec![Entry::new(&A, failing), Entry::new(&D, || Verdict::ok("x", "y")).also_needs(&["os.a.one"])];
        let found: Vec<_> =
            judge(entries, &Selection::default()).into_iter().map(|r| (r.status, r.blocked_by)).collect();
        assert_eq!(found[1], (Status::Blocked, vec!["os.a.one".to_owned()]));
    }

    #[test]
    fn an_unknown_need_does_not_block() {
        let found = statuses(Verdict::unknown("permission denied"), &Selection::default());
        assert_eq!(found[1].0, Status::Ok);
    }

    #[test]
    fn a_skipped_check_blocks_nothing() {
        let skip = Selection { skip: vec!["os.a.one".to_owned()], ..Selection::default() };
        let found: Vec<_> = statuses(failing(), &skip).into_iter().map(|(status, _)| status).collect();
        assert_eq!(found, [Status::NotApplicable, Status::Ok, Status::Ok]);
    }

    #[test]
    fn a_check_outside_only_still_blocks_the_one_inside() {
        let only = Selection { only: vec!["os.a.two".to_owned()], ..Selection::default() };
        let found: Vec<_> = statuses(failing(), &only).into_iter().map(|(status, _)| status).collect();
        assert_eq!(found, [Status::NotApplicable, Status::Blocked, Status::NotApplicable]);
    }

    #[test]
    fn a_prefix_ends_at_a_dot() {
        assert!(matches("os.a", "os.a.one"));
        assert!(matches("os.a.", "os.a.one"));
        assert!(!matches("os.a.on", "os.a.one"));
        assert!(!matches("os.a.one.x", "os.a.one"));
    }

    #[test]
    fn a_retired_id_still_selects() {
        let only = Selection { only: vec!["os.old".to_owned()], ..Selection::default() };
        let resolved = only.resolve(["os.a.one"].into_iter(), &[("os.old", "os.a.one")]).unwrap();
        assert_eq!(resolved.only, ["os.a.one"]);
        assert!(only.resolve(["os.a.one"].into_iter(), &[]).is_err());
    }
}
