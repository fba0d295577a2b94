//! What one report does to what is stored of its instance: pure, the same for every database.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use eic_doctor_proto::Status;

use super::outlook::Outlook;
use super::{AgentState, Content, Half, KeyId, Millis, NotStored, Submission};
use crate::drift::{self, Change, Held};

/// An instance's half.
pub(super) type Place = (String, Half);

/// What is stored of one place, and what has yet to be written of it.
#[derive(Debug, Default)]
pub(super) struct Kept<'a> {
    pub agent: Option<(AgentState, KeyId)>,
    /// None before the first report.
    pub run: Option<Run>,
    /// Read only where it is needed: see [`Run::waits`].
    pub held: Option<Held>,
    /// Read only where it may change: with a full report, and around a silence.
    pub outlook: Option<Outlook>,
    pub is_written: bool,
    pub new_report: Option<&'a [u8]>,
    pub is_held_written: bool,
    pub is_outlook_written: bool,
    pub are_findings_written: bool,
}

impl Kept<'_> {
    fn look(&mut self, outlook: Outlook) {
        let before = self.outlook.take().unwrap_or_default();
        self.is_outlook_written |= before != outlook;
        self.are_findings_written |= before.counted() != outlook.counted();
        self.outlook = Some(outlook);
    }
}

/// A row of `runs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub received_at: Millis,
    pub digest: Option<[u8; 32]>,
    pub confirmed_at: Millis,
    pub sequence: u64,
    pub sequence_key: Option<KeyId>,
    pub is_silent: bool,
    /// A run that finds nothing new still carries drift forward.
    pub waits: bool,
}

impl Run {
    /// The last sequence that `key` sent.
    pub fn sequence_of(&self, key: &KeyId) -> u64 {
        if self.sequence_key.as_ref() == Some(key) { self.sequence } else { 0 }
    }
}

/// Everything of one transaction.
pub(super) type Loaded<'a> = BTreeMap<Place, Kept<'a>>;

/// Takes reports in their order; a report sees what the ones before it left.
pub(super) fn carry<'a>(
    loaded: &mut Loaded<'a>,
    submission: &'a Submission,
    hold: u32,
) -> Result<Vec<Change>, NotStored> {
    let kept = loaded.entry((submission.instance_id.clone(), submission.half)).or_default();
    let mut run = kept.run.clone().unwrap_or_default();
    if let Some((key, sequence)) = &submission.from {
        let (state, enrolled) = kept.agent.as_ref().ok_or(NotStored::UnknownAgent)?;
        if *state == AgentState::Revoked {
            return Err(NotStored::Revoked);
        }
        if enrolled != key {
            return Err(NotStored::OtherKey);
        }
        let last = run.sequence_of(key);
        if *sequence <= last {
            return Err(NotStored::Replayed { sequence: *sequence, last });
        }
        (run.sequence, run.sequence_key) = (*sequence, Some(*key));
    }
    let at = submission.received_at;
    let changes = match &submission.content {
        Content::Full { report, digest, results } => {
            let held = kept.held.take().unwrap_or_default();
            let (held, changes) = drift::advance(held, results, at, hold);
            // The same bytes are there already.
            kept.new_report = (run.digest != Some(*digest)).then_some(report.as_slice()).or(kept.new_report);
            (run.received_at, run.digest) = (at, Some(*digest));
            kept.held = Some(held);
            kept.is_held_written = true;
            kept.look(Outlook::of(results));
            changes
        }
        Content::NotSeen { report, digest, why } => {
            let (held, change) = drift::unseen(kept.held.take().unwrap_or_default(), submission.half, why, at, hold);
            (run.received_at, run.digest) = (at, Some(*digest));
            kept.new_report = Some(report);
            kept.held = Some(held);
            kept.is_held_written = true;
            if change.is_some() {
                kept.look(Outlook { verdict: Some(Status::Unknown), ..Outlook::default() });
            }
            change.into_iter().collect()
        }
        Content::Unchanged(digest) => {
            if run.digest.as_ref() != Some(digest) {
                return Err(NotStored::OtherDigest);
            }
            if let Some(outlook) = kept.outlook.clone() {
                kept.look(Outlook { is_silent: false, ..outlook });
            }
            match kept.held.take() {
                Some(before) => {
                    let (held, changes) = drift::confirm(before.clone(), at, hold);
                    kept.is_held_written |= held != before;
                    kept.held = Some(held);
                    changes
                }
                None => Vec::new(),
            }
        }
    };
    if kept.run.is_none() || !matches!(submission.content, Content::NotSeen { .. }) {
        run.confirmed_at = at;
    }
    if let Some(held) = &kept.held {
        (run.is_silent, run.waits) = (held.is_silent(), held.waits());
    }
    kept.run = Some(run);
    kept.is_written = true;
    Ok(changes)
}

/// What silence does to it. None: it is silent already, or was never heard.
pub(super) fn silence(kept: &mut Kept<'_>, half: Half, at: Millis) -> Option<Change> {
    let run = kept.run.as_mut()?;
    let (held, change) = drift::silent(kept.held.take().unwrap_or_default(), half, run.confirmed_at, at);
    (run.is_silent, run.waits) = (held.is_silent(), held.waits());
    kept.held = Some(held);
    (kept.is_written, kept.is_held_written) = (true, true);
    let outlook = kept.outlook.clone().unwrap_or_default();
    kept.look(Outlook { is_silent: true, ..outlook });
    change
}
