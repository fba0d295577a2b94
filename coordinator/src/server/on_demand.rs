//! A check that an operator asks of an instance now, whichever way the operator came.

use std::time::Duration;

use eic_doctor_proto::wire::v1;
use eic_doctor_proto::{Attempt, visible};
use tonic::{Code, Status};

use super::core::Core;
use super::live::AskError;
use super::metrics::OutcomeWord;
use super::routing;
use super::status::{later, of_ask, of_store};
use crate::store::AgentRecord;

/// What an instance is given where nobody says otherwise: the agent's own default.
pub(super) const BUDGET: Duration = Duration::from_secs(10);

/// The report of the instance's agent, which looks now.
pub(super) async fn check(
    core: &Core,
    operator: &str,
    id: &str,
    attempt: &Attempt,
    budget: Duration,
) -> Result<v1::AgentReport, Status> {
    let Ok(_permit) = core.checks.try_acquire() else {
        core.metrics.check(OutcomeWord::TurnedAway);
        let message = format!("{} checks are under way, as many as may be", core.config.limits.checks);
        return Err(later(Code::ResourceExhausted, message, Duration::from_secs(5)));
    };
    core.log.line(&format!("{operator} asks {id} to check itself"));
    let asked = routing::ask(core, id, attempt, budget).await;
    core.metrics.check(match &asked {
        Ok(_) => OutcomeWord::Ok,
        Err(_) => OutcomeWord::Failed,
    });
    match asked {
        Ok(report) => Ok(report),
        Err(AskError::NotHere(_)) => {
            // Says whether the instance is known at all.
            let record = record(core, id).await?;
            let seen = match record.last_seen {
                Some(seen) => format!("it was last heard of {} s ago", core.now().saturating_sub(seen) / 1_000),
                None => "it was never heard of since it enrolled".to_owned(),
            };
            let message = format!("the agent of {id} is not connected: {seen}");
            Err(later(Code::Unavailable, message, Duration::from_secs(30)))
        }
        Err(error) => Err(of_ask(&error)),
    }
}

/// The agent's record, or that there is none.
pub(super) async fn record(core: &Core, instance_id: &str) -> Result<AgentRecord, Status> {
    let record = core.store.agent(instance_id).await.map_err(|error| {
        core.ill(&error);
        of_store(&error)
    })?;
    record.ok_or_else(|| not_enrolled(instance_id))
}

pub(super) fn not_enrolled(instance_id: &str) -> Status {
    Status::not_found(format!("no agent has enrolled for {}", visible(instance_id)))
}
