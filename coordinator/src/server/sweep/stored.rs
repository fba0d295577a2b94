//! The inside of instances as the store has it of their agents.

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::Fact;
use futures_util::StreamExt as _;

use crate::gather::chain;
use crate::gather::fleet::{Inside, reported};
use crate::server::packed::unpacked;
use crate::store::{Half, SharedStore};

/// Reports that are read at the same time.
const AT_ONCE: usize = 8;

pub(super) struct Stored<'a>(pub &'a SharedStore);

impl Inside for Stored<'_> {
    async fn of_page(&self, ids: &[String]) -> Vec<Fact<OsFacts>> {
        let read = async |id: &String| match self.0.last_report(id, Half::Os).await {
            Ok(Some(stored)) => reported(unpacked(&stored.report), stored.is_silent, stored.confirmed_at),
            Ok(None) => Fact::unreadable("the instance's agent has not reported yet"),
            Err(error) => Fact::unreadable(chain(&error)),
        };
        futures_util::stream::iter(ids).map(read).buffered(AT_ONCE).collect().await
    }
}
