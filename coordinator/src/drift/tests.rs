use std::collections::BTreeMap;

use eic_doctor_proto::{CheckResult, Evidence, Status};

use super::held::testing::result;
use super::{Change, Held, State, advance, confirm, fingerprint, silent, unseen};
use crate::store::{Half, Millis};

const ID: &str = "os.sshd.running";

/// What is told of one check whose runs, a second apart, have these statuses.
fn told(hold: u32, statuses: &[Status]) -> Vec<(Millis, Status, Status)> {
    let mut held = Held::default();
    let mut told = Vec::new();
    for (at, status) in (1..).zip(statuses) {
        let changes;
        (held, changes) = advance(held, &[result(ID, *status)], at, hold);
        told.extend(changes.into_iter().map(|change| (change.told_at, change.was, change.is.status)));
    }
    told
}

use Status::{Blocked, Fail, NotApplicable, Ok as Well, Unknown, Warn};

#[test]
fn a_change_is_told_after_as_many_equal_runs_as_hold_says() {
    assert_eq!(told(1, &[Well, Fail]), [(2, Well, Fail)]);
    assert_eq!(told(2, &[Well, Fail]), []);
    assert_eq!(told(2, &[Well, Fail, Fail, Fail, Fail]), [(3, Well, Fail)]);
    assert_eq!(told(3, &[Well, Fail, Fail, Fail]), [(4, Well, Fail)]);
    assert_eq!(told(2, &[Well, Unknown, Unknown]), [(3, Well, Unknown)]);
    assert_eq!(told(2, &[Fail, Fail, NotApplicable, NotApplicable]), [(4, Fail, NotApplicable)]);
}

#[test]
fn a_flap_is_never_told() {
    assert_eq!(told(2, &[Well, Fail, Well, Fail, Well, Fail, Well]), []);
    assert_eq!(told(3, &[Well, Fail, Fail, Warn, Fail, Fail, Unknown, Well]), []);
}

#[test]
fn one_good_run_clears() {
    assert_eq!(told(3, &[Well, Fail, Fail, Fail, Well]), [(4, Well, Fail), (5, Fail, Well)]);
}

#[test]
fn the_first_state_is_where_drift_is_counted_from_and_is_not_told() {
    assert_eq!(told(2, &[Fail, Fail, Fail]), []);
    assert_eq!(told(2, &[Fail, Fail, Well]), [(3, Fail, Well)]);
    // Not yet held: an instance that was seen while it booted.
    assert_eq!(told(2, &[Fail, Well, Well]), []);
}

#[test]
fn a_blocked_check_keeps_what_was_held_and_only_its_blocker_is_told() {
    assert_eq!(told(2, &[Well, Blocked, Blocked, Blocked, Well]), []);
    assert_eq!(told(2, &[Well, Blocked, Blocked, Fail, Fail]), [(5, Well, Fail)]);
    // Runs that were interrupted are not equal runs in a row.
    assert_eq!(told(2, &[Well, Fail, Blocked, Fail]), []);
}

#[test]
fn a_change_says_since_when_and_what() {
    let mut broken = result(ID, Fail);
    broken.why = "no process of sshd listens".to_owned();
    broken.evidence.push(Evidence::new("pid 12 is gone", "/proc"));
    let (held, _) = advance(Held::default(), &[result(ID, Well)], 100, 2);
    let (held, changes) = advance(held, std::slice::from_ref(&broken), 200, 2);
    assert_eq!(changes, []);
    let mut again = broken.clone();
    again.evidence = vec![Evidence::new("pid 13 is gone", "/proc")];
    let (_, changes) = advance(held, &[again], 300, 2);
    let expected = Change { check_id: ID.to_owned(), was: Well, is: broken, since: 200, told_at: 300 };
    assert_eq!(changes, [expected]);
}

#[test]
fn the_same_status_with_other_evidence_is_told() {
    let on_port = |port: u16| {
        let mut result = result("os.sshd.port", Fail);
        result.why = format!("sshd listens on port {port}");
        result
    };
    let (held, _) = advance(Held::default(), &[on_port(2222)], 1, 1);
    let (held, changes) = advance(held, &[on_port(2222)], 2, 1);
    assert_eq!(changes, []);
    let (_, changes) = advance(held, &[on_port(2223)], 3, 1);
    let told: Vec<_> = changes.iter().map(|change| (change.was, change.is.why.as_str())).collect();
    assert_eq!(told, [(Fail, "sshd listens on port 2223")]);
}

#[test]
fn checks_that_come_and_go_with_a_version_of_the_catalogue_are_no_drift() {
    let of = |ids: &[usize], status| -> Vec<CheckResult> {
        ids.iter().map(|n| result(&format!("os.area.check-{n}"), status)).collect()
    };
    let (held, _) = advance(Held::default(), &of(&[1, 2, 3], Well), 1, 2);
    let mut newer = of(&[2, 3], Well);
    newer.extend(of(&[4, 5], Fail));
    let mut held = held;
    for at in 2..6 {
        let changes;
        (held, changes) = advance(held, &newer, at, 2);
        assert_eq!(changes, [], "run {at}");
    }
    let (held, changes) = advance(held, &of(&[1, 2, 3], Well), 6, 2);
    assert_eq!(changes, []);
    assert_eq!(held, advance(Held::default(), &of(&[1, 2, 3], Well), 1, 2).0, "nothing of the others is kept");
}

#[test]
fn another_version_that_words_a_finding_otherwise_tells_nothing() {
    let worded = |why: &str| {
        let mut result = result(ID, Fail);
        result.why = why.to_owned();
        result
    };
    let (mut held, _) = advance(Held::default(), &[worded("it is down")], 1, 1);
    held.writer ^= 1;
    let (held, changes) = advance(held, &[worded("it does not run")], 2, 1);
    assert_eq!(changes, []);
    let (_, changes) = advance(held, &[worded("it was never there")], 3, 1);
    assert_eq!(changes.len(), 1, "with the same version it is told");
}

#[test]
fn a_report_that_says_unchanged_is_a_run() {
    let (held, _) = advance(Held::default(), &[result(ID, Well)], 1, 3);
    let (held, _) = advance(held, &[result(ID, Fail)], 2, 3);
    let (held, changes) = confirm(held, 3, 3);
    assert_eq!(changes, []);
    let (held, changes) = confirm(held, 4, 3);
    let told: Vec<_> =
        changes.iter().map(|change| (change.was, change.is.status, change.since, change.told_at)).collect();
    assert_eq!(told, [(Well, Fail, 2, 4)]);
    let (again, changes) = confirm(held.clone(), 5, 3);
    assert_eq!((again, changes), (held, vec![]));
}

#[test]
fn silence_is_told_once_for_the_half_and_ends_once() {
    let runs = [result(ID, Well), result("os.sshd.port", Fail)];
    let (held, _) = advance(Held::default(), &runs, 1000, 1);
    let (held, change) = silent(held, Half::Os, 1000, 9000);
    let change = change.unwrap();
    assert_eq!((change.check_id.as_str(), change.was, change.is.status), ("os", Well, Unknown));
    assert_eq!((change.since, change.told_at), (1000, 9000));
    assert!(held.is_silent());
    let (held, change) = silent(held, Half::Os, 1000, 10_000);
    assert_eq!(change, None);
    for (held, changes) in [advance(held.clone(), &runs, 11_000, 1), confirm(held, 11_000, 1)] {
        let told: Vec<_> = changes.iter().map(|c| (c.check_id.as_str(), c.was, c.is.status, c.since)).collect();
        assert_eq!(told, [("os", Unknown, Well, 11_000)]);
        assert!(!held.is_silent());
        let (_, changes) = advance(held, &runs, 12_000, 1);
        assert_eq!(changes, []);
    }
}

#[test]
fn what_broke_in_a_silence_is_told_after_it_and_runs_before_it_do_not_count() {
    let (held, _) = advance(Held::default(), &[result("aws.instance.running", Well)], 1, 2);
    let (held, _) = advance(held, &[result("aws.instance.running", Fail)], 2, 2);
    let (held, _) = silent(held, Half::Aws, 2, 50);
    let (held, changes) = advance(held, &[result("aws.instance.running", Fail)], 60, 2);
    let told: Vec<_> = changes.iter().map(|change| change.check_id.as_str()).collect();
    assert_eq!(told, ["aws"]);
    let (_, changes) = advance(held, &[result("aws.instance.running", Fail)], 70, 2);
    let told: Vec<_> = changes.iter().map(|change| (change.check_id.as_str(), change.since)).collect();
    assert_eq!(told, [("aws.instance.running", 60)]);
}

#[test]
fn one_id_that_comes_twice_counts_once() {
    let (held, _) = advance(Held::default(), &[result(ID, Well), result(ID, Fail)], 1, 1);
    let (_, changes) = advance(held, &[result(ID, Well), result(ID, Fail)], 2, 1);
    assert_eq!(changes, []);
}

/// The definition, word by word, over the whole history: a state is held when it is ok, or when the last `hold` runs all had it.
fn held_after(history: &[State], hold: usize) -> Option<State> {
    let mut held = None;
    for end in 1..=history.len() {
        let last = history[end - 1];
        let streak = end >= hold && history[end - hold..end].iter().all(|state| *state == last);
        if last.status != Blocked && (last.status == Well || streak) {
            held = Some(last);
        }
    }
    held
}

#[test]
fn any_sequence_of_runs_tells_what_the_definition_says() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut told, mut of_blob) = (0, 0);
    for sequence in 0..400 {
        let hold = 1 + random.below(4);
        let mut held = Held::default();
        let mut history: BTreeMap<String, Vec<State>> = BTreeMap::new();
        let mut last: Vec<CheckResult> = Vec::new();
        for at in 1..=40_u64 {
            let is_confirmed = !last.is_empty() && random.below(3) == 0;
            if !is_confirmed {
                last = (0..4).map(|check| random.result(check)).collect();
                last.retain(|_| random.below(12) != 0);
            }
            let before: BTreeMap<_, _> =
                history.iter().map(|(id, states)| (id.clone(), held_after(states, hold))).collect();
            history.retain(|id, _| last.iter().any(|result| result.id == *id));
            let mut expected = Vec::new();
            for result in &last {
                let states = history.entry(result.id.clone()).or_default();
                states.push(fingerprint(result));
                let is_new = states.len() == 1;
                let was = if is_new { None } else { before.get(&result.id).copied().flatten() };
                match (was, held_after(states, hold)) {
                    (Some(was), Some(is)) if was != is => expected.push((result.id.clone(), was.status, is)),
                    _ => {}
                }
            }
            let changes;
            let hold = u32::try_from(hold).unwrap();
            (held, changes) = if is_confirmed { confirm(held, at, hold) } else { advance(held, &last, at, hold) };
            let mut got: Vec<_> =
                changes.iter().map(|change| (change.check_id.clone(), change.was, fingerprint(&change.is))).collect();
            // What a confirmed run tells comes in the order of the compact state.
            got.sort_by(|a, b| a.0.cmp(&b.0));
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(got, expected, "sequence {sequence}, run {at}");
            told += got.len();
            let back = Held::from_bytes(&held.to_bytes()).unwrap();
            of_blob += usize::from(back == held);
            held = back;
        }
    }
    assert_eq!(of_blob, 400 * 40);
    assert!(told > 2000, "only {told} changes were told: the sequences show nothing");
}

/// The same numbers at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    fn result(&mut self, check: usize) -> CheckResult {
        let status = [Well, Well, Fail, Fail, Warn, Unknown, Blocked, NotApplicable][self.below(8)];
        let mut result = result(&format!("os.area.check-{check}"), status);
        result.why = format!("port {}", self.below(2));
        // Masked, so it makes no other state.
        result.evidence.push(Evidence::new(format!("{} s", self.below(100)), "clock"));
        result
    }
}

/// Runs that could not look, a second apart from 10 s on; what is told of each.
fn refused(held: Held, hold: u32, runs: u64) -> (Held, Vec<Option<Change>>) {
    let mut held = held;
    let mut told = Vec::new();
    for at in 10..10 + runs {
        let change;
        (held, change) = unseen(held, Half::Aws, "not allowed", at, hold);
        told.push(change);
    }
    (held, told)
}

#[test]
fn what_cannot_be_looked_at_is_told_once_as_often_as_a_change_has_to_be_seen_and_says_why() {
    let (held, _) = advance(Held::default(), &[result(ID, Well)], 1, 3);
    let (held, told) = refused(held, 3, 6);
    assert_eq!(told.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, true, false, false, false]);
    let change = told[2].clone().unwrap();
    assert_eq!((change.was, change.is.status, change.since, change.told_at), (Well, Unknown, 10, 12));
    assert!(change.is.why.contains("not allowed"), "{}", change.is.why);
    assert_eq!(Held::from_bytes(&held.to_bytes()), Ok(held.clone()));
    let (held, told) = advance(held, &[result(ID, Well)], 20, 3);
    assert_eq!(told.iter().map(|change| (change.was, change.is.status)).collect::<Vec<_>>(), [(Unknown, Well)]);
    assert!(!held.is_silent());
}

#[test]
fn a_refusal_between_two_looks_is_a_blip_and_keeps_what_waits() {
    let (held, _) = advance(Held::default(), &[result(ID, Well)], 1, 2);
    let (held, _) = advance(held, &[result(ID, Fail)], 2, 2);
    let (held, told) = refused(held, 2, 1);
    assert_eq!(told, [None]);
    let (held, told) = advance(held, &[result(ID, Fail)], 20, 2);
    assert_eq!(told.len(), 1, "the second run that saw it");
    assert_eq!(refused(held, 2, 1).1, [None], "a look in between begins the count anew");
}

#[test]
fn where_nothing_was_ever_seen_nothing_is_lost_and_nothing_is_told() {
    let (held, told) = refused(Held::default(), 2, 5);
    assert!(told.iter().all(Option::is_none) && !held.is_silent());
    let (_, told) = advance(held, &[result(ID, Fail)], 20, 2);
    assert_eq!(told, []);
}
