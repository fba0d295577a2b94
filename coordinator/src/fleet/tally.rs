//! Counts instances by what was found. What it holds grows with the checks and the places, not with the instances.

use std::collections::BTreeMap;

use eic_doctor_proto::{CheckResult, Connectable, Exit, FailOn, PathAnswer, Status};

use super::document::{Cause, InstanceReport, Missing, PlaceReport, Range, ReachCount, SummaryReport};

/// Instances named for each cause.
const EXAMPLES: usize = 5;

#[derive(Debug, Default)]
pub struct Tally {
    places: Vec<PlaceReport>,
    root_causes: BTreeMap<String, Cause>,
    warnings: BTreeMap<String, Cause>,
    unknown: BTreeMap<String, Cause>,
    missing: Vec<Missing>,
    reach: Vec<ReachCount>,
    is_anything_checked: bool,
    is_needed_unknown: bool,
}

impl Tally {
    /// The ranges whose answers will be counted, in the order in which each instance tells of them.
    pub fn with_ranges(ranges: &[Range]) -> Self {
        let count = |range: &Range| ReachCount { range: range.clone(), allowed: 0, partial: 0, blocked: 0, unknown: 0 };
        Self { reach: ranges.iter().map(count).collect(), ..Self::default() }
    }

    /// Another account and Region; the number is its name for the calls below.
    pub fn place(&mut self, account_id: Option<String>, region: String) -> usize {
        self.places.push(PlaceReport {
            account_id,
            region,
            instances: 0,
            connectable_no: 0,
            connectable_unknown: 0,
            connectable_yes: 0,
            complete: false,
        });
        self.places.len() - 1
    }

    pub fn complete(&mut self, place: usize) {
        if let Some(place) = self.places.get_mut(place) {
            place.complete = true;
        }
    }

    pub fn miss(&mut self, missing: Missing) {
        self.missing.push(missing);
    }

    /// What nobody looks at from outside is needed too, unless the user left it out.
    pub fn leave_unknown(&mut self) {
        self.is_needed_unknown = true;
    }

    pub fn instances(&self) -> usize {
        self.places.iter().map(|place| place.instances).sum()
    }

    pub fn add(&mut self, place: usize, instance: &InstanceReport) {
        if let Some(place) = self.places.get_mut(place) {
            place.instances += 1;
            match instance.connectable {
                Connectable::No => place.connectable_no += 1,
                Connectable::Unknown => place.connectable_unknown += 1,
                Connectable::Yes => place.connectable_yes += 1,
            }
        }
        let counts = &instance.counts;
        self.is_anything_checked |= counts.ok + counts.warn + counts.fail > 0;
        self.is_needed_unknown |= instance.network == PathAnswer::Partial;
        for (count, reached) in self.reach.iter_mut().zip(&instance.reach) {
            *match reached.answer {
                PathAnswer::Allowed => &mut count.allowed,
                PathAnswer::Partial => &mut count.partial,
                PathAnswer::Blocked => &mut count.blocked,
                PathAnswer::Unknown => &mut count.unknown,
            } += 1;
        }
        let id = instance.subject.instance_id.as_deref().unwrap_or_default();
        for finding in &instance.findings {
            let causes = match finding.status {
                Status::Fail => &mut self.root_causes,
                Status::Warn => &mut self.warnings,
                _ => &mut self.unknown,
            };
            count(causes, finding, id);
            self.is_needed_unknown |= finding.required && finding.status == Status::Unknown;
        }
    }

    /// The exit code over all instances together.
    pub fn exit(&self, fail_on: FailOn, allow_unknown: bool) -> Exit {
        let failed = !self.root_causes.is_empty() || (fail_on == FailOn::Warn && !self.warnings.is_empty());
        match () {
            () if failed => Exit::Failed,
            () if !self.is_anything_checked => Exit::NothingChecked,
            () if (self.is_needed_unknown || !self.missing.is_empty()) && !allow_unknown => Exit::Unknown,
            () => Exit::Healthy,
        }
    }

    pub fn summary(self) -> SummaryReport {
        let sum = |of: fn(&PlaceReport) -> usize| self.places.iter().map(of).sum();
        SummaryReport {
            complete: self.missing.is_empty(),
            instances: sum(|place| place.instances),
            connectable_no: sum(|place| place.connectable_no),
            connectable_unknown: sum(|place| place.connectable_unknown),
            connectable_yes: sum(|place| place.connectable_yes),
            root_causes: most_frequent_first(self.root_causes),
            warnings: most_frequent_first(self.warnings),
            unknown: most_frequent_first(self.unknown),
            reach: self.reach,
            places: self.places,
            not_looked_at: self.missing,
            calls: Vec::new(),
        }
    }
}

fn count(causes: &mut BTreeMap<String, Cause>, finding: &CheckResult, instance_id: &str) {
    let cause = causes.entry(finding.id.clone()).or_insert_with(|| Cause {
        id: finding.id.clone(),
        title: finding.title.clone(),
        instances: 0,
        examples: Vec::new(),
        why: finding.why.clone(),
        missing_action: finding.missing_action.clone(),
    });
    cause.instances += 1;
    if cause.examples.len() < EXAMPLES {
        cause.examples.push(instance_id.to_owned());
    }
}

fn most_frequent_first(causes: BTreeMap<String, Cause>) -> Vec<Cause> {
    let mut causes: Vec<Cause> = causes.into_values().collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.instances));
    causes
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Counts, Subject};

    use super::*;

    fn instance(id: usize, status: Status, required: bool) -> InstanceReport {
        let finding: CheckResult = serde_json::from_value(serde_json::json!({
            "id": "aws.x", "title": "t", "status": status, "evidence": [], "remedy": null, "blocked_by": [], "why": "w",
            "doc": "", "required": required,
        }))
        .unwrap();
        let findings = if status == Status::Ok { Vec::new() } else { vec![finding] };
        InstanceReport {
            subject: Subject { instance_id: Some(format!("i-{id}")), ..Subject::default() },
            connectable: if status == Status::Fail { Connectable::No } else { Connectable::Unknown },
            inside_confirmed: None,
            root_causes: Vec::new(),
            network: PathAnswer::Allowed,
            reach: Vec::new(),
            counts: Counts { ok: 1, ..Counts::default() },
            findings,
            others: Vec::new(),
        }
    }

    fn exit(statuses: &[(Status, bool)]) -> Exit {
        let mut tally = Tally::default();
        let place = tally.place(None, "eu-west-1".into());
        for (index, (status, required)) in statuses.iter().enumerate() {
            tally.add(place, &instance(index, *status, *required));
        }
        tally.exit(FailOn::Fail, false)
    }

    #[test]
    fn one_failure_outweighs_what_is_unknown_over_all_instances() {
        assert_eq!(exit(&[(Status::Ok, true), (Status::Unknown, true), (Status::Fail, true)]), Exit::Failed);
        assert_eq!(exit(&[(Status::Ok, true), (Status::Unknown, true)]), Exit::Unknown);
        assert_eq!(exit(&[(Status::Ok, true), (Status::Unknown, false)]), Exit::Healthy);
        assert_eq!(exit(&[]), Exit::NothingChecked);
    }

    #[test]
    fn an_account_that_was_not_looked_at_is_unknown_and_a_fleet_without_instances_is_nothing_checked() {
        let missing =
            || Missing { account_id: None, region: None, instance_id: None, why: "w".into(), missing_action: None };
        let mut tally = Tally::default();
        tally.miss(missing());
        assert_eq!(tally.exit(FailOn::Fail, true), Exit::NothingChecked);
        let place = tally.place(None, "eu-west-1".into());
        tally.add(place, &instance(0, Status::Ok, true));
        assert_eq!((tally.exit(FailOn::Fail, false), tally.exit(FailOn::Fail, true)), (Exit::Unknown, Exit::Healthy));
    }

    #[test]
    fn a_cause_counts_all_and_names_a_few() {
        let mut tally = Tally::default();
        let place = tally.place(None, "eu-west-1".into());
        (0..20).for_each(|id| tally.add(place, &instance(id, Status::Fail, true)));
        let summary = tally.summary();
        assert_eq!((summary.root_causes[0].instances, summary.root_causes[0].examples.len()), (20, 5));
        assert_eq!((summary.instances, summary.connectable_no, summary.places[0].connectable_no), (20, 20, 20));
    }
}
