//! What is known of each half of one instance's checks, as it was looked at last.

use eic_doctor_proto::wire::v1;

use super::core::judged;
use super::packed::unpacked;
use crate::store::{Half, SharedStore, StoreError, StoredReport};

pub(super) async fn of(store: &SharedStore, instance_id: &str) -> Result<Vec<v1::HalfReport>, StoreError> {
    let mut halves = Vec::new();
    for half in Half::ALL {
        if let Some(stored) = store.last_report(instance_id, half).await? {
            halves.push(report(half, &stored));
        }
    }
    Ok(halves)
}

fn report(half: Half, stored: &StoredReport) -> v1::HalfReport {
    v1::HalfReport {
        half: half.word().to_owned(),
        confirmed_at_ms: stored.confirmed_at,
        silent: stored.is_silent,
        results: results(half, stored).unwrap_or_default(),
    }
}

/// None: what is stored cannot be read.
fn results(half: Half, stored: &StoredReport) -> Option<Vec<v1::CheckResult>> {
    let report = unpacked(&stored.report)?;
    match half {
        // Today's rules, whatever was found by those of then.
        Half::Os => Some(judged(report, &stored.instance_id).ok()?.iter().map(Into::into).collect()),
        Half::Aws => Some(report.results),
    }
}
