//! Facts of one instance to what a fleet's report says of it. Pure.

use std::collections::BTreeSet;

use eic_doctor_proto::{Attempt, CheckResult, Connectable, Counts, Selection, Status, judge};

use crate::commands::report::subject;
use crate::facts::Facts;
use crate::fleet::{InstanceReport, Range, Reached};
use crate::gather::fleet::FromOutside;
use crate::{checks, path};

pub(super) struct Judge<'a> {
    attempt: &'a Attempt,
    selection: &'a Selection,
    actions: BTreeSet<&'static str>,
    leaves_unknown: bool,
    ranges: &'a [Range],
    /// What is inside is told by agents.
    sees_inside: bool,
}

impl<'a> Judge<'a> {
    pub(super) fn new(attempt: &'a Attempt, selection: &'a Selection, ranges: &'a [Range]) -> Self {
        // What is inside the instances is the same for all of them, so that one look at nothing tells it.
        let nothing = Facts { os: FromOutside::facts(), ..Facts::default() };
        let aws: BTreeSet<&str> =
            checks::aws_entries(&nothing.aws, attempt).iter().map(|entry| entry.about().id).collect();
        let inside = judge(checks::entries(&nothing, attempt), selection);
        let inside = inside.iter().filter(|result| !aws.contains(result.id.as_str()));
        let leaves_unknown = inside.filter(|result| result.required).any(|result| result.status == Status::Unknown);
        Self { attempt, selection, actions: actions(selection, &["aws."]), leaves_unknown, ranges, sees_inside: false }
    }

    /// Judges the inside too, and what must agree.
    pub(super) fn with_insides(self) -> Self {
        Self { actions: actions(self.selection, &["aws.", "both."]), leaves_unknown: false, sees_inside: true, ..self }
    }

    /// Whether a check that was asked for, or one that it needs, reads the answer of this action.
    pub(super) fn reads(&self, action: &str) -> bool {
        self.actions.contains(action)
    }

    /// Something that a connection needs and that is not left out on purpose cannot be seen from outside.
    pub(super) fn leaves_unknown(&self) -> bool {
        self.leaves_unknown
    }

    pub(super) fn instance(&self, facts: &Facts) -> InstanceReport {
        let attempt = path::resolve(self.attempt, &facts.aws.instance);
        let results = match self.sees_inside {
            true => judge(checks::entries(facts, &path::with_known_sources(&facts.aws, &attempt)), self.selection),
            false => judge(checks::aws_entries(&facts.aws, &attempt), self.selection),
        };
        let failed = results.iter().filter(|result| result.status == Status::Fail);
        let root_causes: Vec<String> = failed.map(|result| result.id.clone()).collect();
        let counts = Counts::of(&results);
        let is_told = |result: &CheckResult| matches!(result.status, Status::Fail | Status::Warn | Status::Unknown);
        let connectable = match (self.sees_inside, root_causes.is_empty()) {
            (true, _) => Connectable::of(&results),
            // Of a half of the catalogue nothing follows but what fails.
            (false, true) => Connectable::Unknown,
            (false, false) => Connectable::No,
        };
        let (findings, others) = results.into_iter().partition(is_told);
        InstanceReport {
            subject: subject(facts),
            connectable,
            inside_confirmed: None,
            root_causes,
            network: path::evaluate(&facts.aws, &attempt).answer,
            reach: self.reach(facts),
            counts,
            findings,
            others,
        }
    }

    fn reach(&self, facts: &Facts) -> Vec<Reached> {
        if self.ranges.is_empty() {
            return Vec::new();
        }
        let reach = path::Reach::of(&facts.aws, self.attempt);
        let reached = |range: &Range| Reached { answer: reach.answer(&[range.source]), range: range.clone() };
        self.ranges.iter().map(reached).collect()
    }
}

/// What the checks of these families read.
fn actions(selection: &Selection, families: &[&str]) -> BTreeSet<&'static str> {
    let abouts = checks::abouts();
    let is_of = |id: &&str| families.iter().any(|family| id.starts_with(family));
    let mut wanted: BTreeSet<&str> =
        abouts.iter().map(|about| about.id).filter(|id| is_of(id) && selection.takes(id)).collect();
    // In the catalogue's order a need stands before what needs it, so one way back finds the needs of needs.
    for about in abouts.iter().rev() {
        if wanted.contains(about.id) {
            wanted.extend(about.needs);
        }
    }
    let read = abouts.iter().filter(|about| wanted.contains(about.id));
    read.flat_map(|about| about.actions.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, PathAnswer, Via};

    use super::*;

    fn only(id: &str) -> Selection {
        Selection { only: vec![id.to_owned()], skip: Vec::new() }
    }

    #[test]
    fn an_instance_is_never_connectable_from_outside_alone() {
        let attempt = Attempt::usual();
        let selection = Selection::default();
        let judge = Judge::new(&attempt, &selection, &[]);
        assert!(judge.leaves_unknown());
        assert_eq!(judge.instance(&Facts::default()).connectable, Connectable::Unknown);
    }

    #[test]
    fn with_the_inside_that_an_agent_told_an_instance_is_connectable_and_without_it_unknown() {
        let world = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/worlds/al2023-public");
        let mut facts = crate::gather::recorded::read_world(&world, None).unwrap();
        let source = Some("203.0.113.7/32".parse().unwrap());
        let (attempt, selection) = (Attempt { via: Via::Public, source, ..Attempt::usual() }, Selection::default());
        let judge = Judge::new(&attempt, &selection, &[]).with_insides();
        assert!(!judge.leaves_unknown());
        let whole = judge.instance(&facts);
        assert_eq!(whole.connectable, Connectable::Yes, "{:?}", whole.findings);
        facts.os = Fact::unreadable("nothing was heard from the instance's agent since then");
        let silent = judge.instance(&facts);
        assert_eq!((silent.connectable, silent.root_causes.len()), (Connectable::Unknown, 0));
        assert!(
            silent
                .findings
                .iter()
                .any(|finding| finding.id.starts_with("os.") && finding.why.contains("nothing was heard"))
        );
    }

    #[test]
    fn what_is_inside_leaves_nothing_unknown_where_only_awss_side_is_asked_for() {
        assert!(!Judge::new(&Attempt::usual(), &only("aws"), &[]).leaves_unknown());
    }

    #[test]
    fn only_what_the_chosen_checks_read_is_asked_for() {
        let (attempt, selection) = (Attempt::usual(), only("aws.network"));
        let judge = Judge::new(&attempt, &selection, &[]);
        assert!(judge.reads("ec2:DescribeSecurityGroups"));
        assert!(!judge.reads("iam:SimulatePrincipalPolicy"));
        assert!(!judge.reads("ssm:DescribeInstanceInformation"));
    }

    #[test]
    fn each_range_is_answered_as_if_it_alone_were_asked_about() {
        let world = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/worlds/al2023-public");
        let facts = crate::gather::recorded::read_world(&world, None).unwrap();
        let range = |source: &str| Range { source: source.parse().unwrap(), name: None };
        let ranges = ["192.0.2.0/24", "18.202.216.48/29", "18.202.216.0/24", "2001:db8::/64"].map(range);
        let (attempt, selection) = (Attempt { via: Via::Public, ..Attempt::usual() }, only("aws"));
        let said = Judge::new(&attempt, &selection, &ranges).instance(&facts).reach;
        let alone = ranges.clone().map(|range| {
            let attempt = Attempt { source: Some(range.source), ..attempt.clone() };
            path::evaluate(&facts.aws, &path::resolve(&attempt, &facts.aws.instance)).answer
        });
        assert_eq!(said.iter().map(|reached| reached.answer).collect::<Vec<_>>(), alone);
        assert!(alone.contains(&PathAnswer::Allowed) && alone.contains(&PathAnswer::Partial), "{alone:?}");
    }
}
