//! The resident agent, asked through the coordinator that holds its stream.

use std::time::Duration;

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::wire::{facts_from_wire, v1};
use eic_doctor_proto::{Attempt, visible};

use crate::gather::budget::Budget;
use crate::gather::refused::{Answer, Refused, RefusedKind, chain};
use crate::operator::{Coordinator, connect};

/// As `--timeouts` of the agent itself: what is not looked at by then is unknown.
const BUDGET: Duration = Duration::from_secs(10);
/// For the list of what is awaited.
const ACTION: &str = "the agent's coordinator";

/// The facts, or why there are none.
pub(super) async fn ask(
    budget: &Budget,
    coordinator: &Coordinator,
    instance_id: &str,
    attempt: &Attempt,
) -> Result<OsFacts, String> {
    let asked = budget.ask(ACTION, facts(coordinator, instance_id, attempt)).await;
    asked.map_err(|refused| visible(&refused.to_string()).into_owned())
}

async fn facts(coordinator: &Coordinator, instance_id: &str, attempt: &Attempt) -> Answer<OsFacts> {
    let refused = |text: String| Refused::new(ACTION, RefusedKind::Ill, text);
    let mut client = connect(coordinator).await.map_err(|error| refused(chain(&error)))?;
    let request = v1::InstanceCheckRequest {
        instance_id: instance_id.to_owned(),
        attempt: Some(attempt.into()),
        budget_ms: u64::try_from(BUDGET.as_millis()).unwrap_or(u64::MAX),
    };
    let report = client.check_instance(request).await.map_err(|status| refused(status.message().to_owned()))?;
    let facts = report.into_inner().report.and_then(|report| report.facts);
    let facts = facts.ok_or_else(|| refused("its report holds no facts".to_owned()))?;
    facts_from_wire(facts).map_err(|error| refused(chain(&error)))
}
