//! What a fleet's run has found so far.

use std::collections::BTreeSet;

use super::interrupted::Open;
use super::progress::Progress;
use crate::fleet::{Missing, Tally};
use crate::render::fleet::Stream;

/// What all accounts and Regions write to, one after the other.
pub(super) struct Found<'a> {
    pub tally: Tally,
    pub stream: Stream<'a>,
    pub progress: Progress<'a>,
    /// Of the instances that were named, those that were not seen yet.
    pub unseen: BTreeSet<String>,
    pub open: Open,
    /// Findings that were to be sent to Security Hub, and those that it took.
    pub sent: usize,
    pub taken: usize,
}

impl Found<'_> {
    pub(super) fn miss(&mut self, missing: Missing) {
        let place = [&missing.account_id, &missing.region, &missing.instance_id];
        let place: Vec<&str> = place.into_iter().flatten().map(String::as_str).collect();
        self.progress.notice(&format!("not looked at: {}: {}", place.join(" "), missing.why));
        self.tally.miss(missing);
    }

    /// Accounts, Regions and instances that the run ended without.
    pub(super) fn not_come_to(&mut self, signal: Option<&str>) {
        for (account_id, region) in std::mem::take(&mut self.open).left() {
            let why = format!("interrupted by {} before all of it was seen", signal.unwrap_or("an error"));
            self.miss(Missing { account_id, region: Some(region), instance_id: None, why, missing_action: None });
        }
        for id in std::mem::take(&mut self.unseen) {
            let why = signal.map_or_else(
                || "no such instance was seen".to_owned(),
                |signal| format!("interrupted by {signal} before it was seen"),
            );
            self.miss(Missing { account_id: None, region: None, instance_id: Some(id), why, missing_action: None });
        }
    }
}
