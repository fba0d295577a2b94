//! What is inside the instances of a fleet, where somebody can tell it.

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_agent::report::rfc3339;
use eic_doctor_proto::Fact;
use eic_doctor_proto::wire::{facts_from_wire, v1};

use crate::gather::refused::chain;

/// Brings what is inside: a page of instances at a time, in their order.
pub trait Inside {
    fn of_page(&self, ids: &[String]) -> impl Future<Output = Vec<Fact<OsFacts>>>;
}

/// What an agent's last report tells of how it is there now.
pub fn reported(report: Option<v1::AgentReport>, is_silent: bool, confirmed_at_ms: u64) -> Fact<OsFacts> {
    if is_silent {
        let since = rfc3339(confirmed_at_ms / 1_000);
        return Fact::unreadable(format!("nothing was heard from the instance's agent since {since}"));
    }
    match report.and_then(|report| report.facts).map(facts_from_wire) {
        Some(Ok(facts)) => Fact::Known(facts),
        Some(Err(error)) => Fact::unreadable(chain(&error)),
        None => Fact::unreadable("the stored report of the instance's agent holds no facts"),
    }
}

/// Nobody brings it.
#[derive(Clone, Copy, Debug)]
pub struct FromOutside;

impl FromOutside {
    pub fn facts() -> Fact<OsFacts> {
        Fact::unreadable("a fleet is looked at from outside")
    }
}

impl Inside for FromOutside {
    async fn of_page(&self, ids: &[String]) -> Vec<Fact<OsFacts>> {
        ids.iter().map(|_| Self::facts()).collect()
    }
}
