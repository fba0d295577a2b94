//! The inside of instances as the store has it of their agents.

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_agent::report::rfc3339;
use eic_doctor_proto::Fact;
use eic_doctor_proto::wire::facts_from_wire;
use futures_util::StreamExt as _;

use crate::gather::chain;
use crate::gather::fleet::Inside;
use crate::server::agent::unpacked;
use crate::store::{Half, SharedStore, StoredReport};

/// Reports that are read at the same time.
const AT_ONCE: usize = 8;

pub(super) struct Stored<'a>(pub &'a SharedStore);

impl Inside for Stored<'_> {
    async fn of_page(&self, ids: &[String]) -> Vec<Fact<OsFacts>> {
        let read = async |id: &String| match self.0.last_report(id, Half::Os).await {
            Ok(Some(report)) => facts(&report),
            Ok(None) => Fact::unreadable("the instance's agent has not reported yet"),
            Err(error) => Fact::unreadable(chain(&error)),
        };
        futures_util::stream::iter(ids).map(read).buffered(AT_ONCE).collect().await
    }
}

/// What was found inside, if it still tells how it is there.
fn facts(stored: &StoredReport) -> Fact<OsFacts> {
    if stored.is_silent {
        let since = rfc3339(stored.confirmed_at / 1_000);
        return Fact::unreadable(format!("nothing was heard from the instance's agent since {since}"));
    }
    match unpacked(&stored.report).and_then(|report| report.facts).map(facts_from_wire) {
        Some(Ok(facts)) => Fact::Known(facts),
        Some(Err(error)) => Fact::unreadable(chain(&error)),
        None => Fact::unreadable("the stored report of the instance's agent is damaged"),
    }
}
