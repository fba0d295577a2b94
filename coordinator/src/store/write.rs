//! What one transaction writes, the same for every database: rows of instances, and changes with who is to be told.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::carry::{Kept, Loaded, Place, Run};
use super::columns::{bytes_32, half, is_name, millis, number, state};
use super::outlook::Outlook;
use super::queue::{Answers, Call};
use super::{Half, NotStored, StoreError, StoredChange, Submission};
use crate::drift::{Change, Held};

/// Which places a transaction is about, in the order in which they are locked; true: their drift is carried forward in any case.
pub(super) type Places = BTreeMap<Place, bool>;

pub(super) fn places(calls: &[Call]) -> Places {
    let mut places = Places::new();
    for submission in calls.iter().flat_map(|call| &call.batch).filter(|one| is_name(&one.instance_id)) {
        let is_full = !matches!(submission.content, super::Content::Unchanged(_));
        *places.entry((submission.instance_id.clone(), submission.half)).or_default() |= is_full;
    }
    places
}

/// Instance, half; the agent's state and key; a row of `runs`; the state of drift; the half's outlook: verdict, findings, silence.
pub(super) type LoadedRow = (
    String,
    String,
    Option<String>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<i64>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<i64>,
    Option<Vec<u8>>,
    Option<String>,
    Option<String>,
    Option<i64>,
);

pub(super) fn kept_of_row<'a>(row: LoadedRow) -> Result<(Place, Kept<'a>), StoreError> {
    let (verdict, findings, is_silent) = (row.12, row.13, row.14);
    let (id, half_word, agent_state, key, received, digest, confirmed, sequence, sequence_key, silent, waits, held, ..) =
        row;
    let agent = match (agent_state, key) {
        (Some(word), Some(key)) => Some((state(&word)?, bytes_32("an agent's key", &key)?)),
        _ => None,
    };
    let run = match (received, confirmed, sequence) {
        (Some(received), Some(confirmed), Some(sequence)) => Some(Run {
            received_at: millis(received),
            digest: digest.map(|digest| bytes_32("the digest of a report", &digest)).transpose()?,
            confirmed_at: millis(confirmed),
            sequence: sequence.cast_unsigned(),
            sequence_key: sequence_key.map(|key| bytes_32("an agent's key", &key)).transpose()?,
            is_silent: silent == Some(1),
            waits: waits == Some(1),
        }),
        _ => None,
    };
    // What a newer version holds, or what is damaged, is begun anew: no drift is told of it, and no report is refused for it.
    let held = held.map(|bytes| Held::from_bytes(&bytes).unwrap_or_default());
    let outlook = match (verdict, findings) {
        (Some(verdict), Some(findings)) => Some(Outlook::from_columns(&verdict, &findings, is_silent == Some(1))?),
        _ => None,
    };
    Ok(((id, half(&half_word)?), Kept { agent, run, held, outlook, ..Kept::default() }))
}

/// The rows of instances that have to be written.
#[derive(Default)]
pub(super) struct Writes<'a> {
    pub runs: Vec<(&'a Place, &'a Run)>,
    pub reports: Vec<(&'a Place, Cow<'a, [u8]>)>,
    pub states: Vec<(&'a Place, Cow<'a, [u8]>)>,
    /// With whether what is counted of the findings changed.
    pub outlooks: Vec<(&'a Place, &'a Outlook, bool)>,
}

impl<'a> Writes<'a> {
    pub fn of(loaded: &'a Loaded<'_>) -> Self {
        let mut writes = Self::default();
        for (place, kept) in loaded.iter().filter(|(_, kept)| kept.is_written) {
            writes.runs.extend(kept.run.as_ref().map(|run| (place, run)));
            writes.reports.extend(kept.new_report.map(|report| (place, Cow::Borrowed(report))));
            let held = kept.held.as_ref().filter(|_| kept.is_held_written);
            writes.states.extend(held.map(|held| (place, Cow::Owned(held.to_bytes()))));
            let outlook = kept.outlook.as_ref().filter(|_| kept.is_outlook_written);
            writes.outlooks.extend(outlook.map(|outlook| (place, outlook, kept.are_findings_written)));
        }
        writes
    }
}

/// The changes of one transaction, and who is to be told of each.
#[derive(Default)]
pub(super) struct Told {
    pub changes: Vec<StoredChange>,
    targets: Vec<(usize, String)>,
}

/// For each call, for each of its reports: how many of the changes are its own.
pub(super) type Counted = Vec<Vec<Result<usize, NotStored>>>;

impl Told {
    pub fn add(&mut self, instance_id: &str, half: Half, changes: Vec<Change>, targets: &[String]) {
        for change in changes {
            self.targets.extend(targets.iter().map(|target| (self.changes.len(), target.clone())));
            self.changes.push(StoredChange { number: 0, instance_id: instance_id.to_owned(), half, change });
        }
    }

    /// Carries every report of every call, in order.
    pub fn carry_all<'a>(
        &mut self,
        loaded: &mut Loaded<'a>,
        calls: &'a [Call],
        carry: impl Fn(&mut Loaded<'a>, &'a Submission, u32) -> Result<Vec<Change>, NotStored>,
    ) -> Counted {
        let mut one = |call: &'a Call, submission: &'a Submission| {
            // No instance has such an id, so no agent has enrolled for it.
            if !is_name(&submission.instance_id) {
                return Err(NotStored::UnknownAgent);
            }
            let changes = carry(loaded, submission, call.hold)?;
            let many = changes.len();
            self.add(&submission.instance_id, submission.half, changes, &call.targets);
            Ok(many)
        };
        calls.iter().map(|call| call.batch.iter().map(|submission| one(call, submission)).collect()).collect()
    }

    /// Numbers the changes in their order.
    pub fn number_from(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for (change, number) in self.changes.iter_mut().zip(numbers) {
            change.number = number;
        }
    }

    /// Change, target, and when the delivery is due: at once.
    pub fn deliveries(&self) -> Vec<(i64, &str, i64)> {
        self.targets
            .iter()
            .filter_map(|(index, target)| {
                let change = self.changes.get(*index)?;
                Some((number(change.number), target.as_str(), number(change.change.told_at)))
            })
            .collect()
    }

    /// Hands each report its own changes.
    pub fn answers(self, counted: Counted) -> Vec<Answers> {
        let mut changes = self.changes.into_iter();
        let mut own = |many: usize| changes.by_ref().take(many).collect();
        counted.into_iter().map(|call| call.into_iter().map(|one| one.map(&mut own)).collect()).collect()
    }
}
