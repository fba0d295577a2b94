//! One report for a timer: nothing stays.

use prost::Message as _;

use eic_doctor_proto::wire::v1::SubmitReportResponse;

use super::agent::{Agent, AgentError, call};
use super::grpc::{Connection, Meaning};
use super::pass::Pass;
use super::submission::{self, Acknowledged};
use crate::identity::Name;

const SUBMIT: &str = "/eic_doctor.v1.AgentService/SubmitReport";

/// Enrols where it has to, renews where it is time, looks, and sends. What could not be sent is kept for the next time.
pub async fn report_once(agent: &mut Agent<'_>) -> Result<(), AgentError> {
    let pass = agent.look().await?;
    let sent = send(agent, &pass).await;
    if sent.is_err() {
        agent.spool(&pass)?;
    }
    sent
}

async fn send(agent: &mut Agent<'_>, pass: &Pass) -> Result<(), AgentError> {
    let had_certificate = !agent.has_to_enrol();
    if !had_certificate {
        agent.enrol().await?;
    }
    match under_certificate(agent, pass).await {
        // The coordinator knows this certificate no longer, or TLS did not take it: another one may help, once.
        Err(error) if had_certificate && error.meaning() == Meaning::NotAllowed => {
            agent.outside.say(&format!("{}; the agent enrols anew", super::agent::chain(&error)));
            agent.enrol().await?;
            under_certificate(agent, pass).await
        }
        sent => sent,
    }
}

async fn under_certificate(agent: &mut Agent<'_>, pass: &Pass) -> Result<(), AgentError> {
    let mut connection = agent.connect().await?;
    if let Some(spooled) = agent.spooled() {
        submit(agent, &mut connection, &spooled, None).await?;
        agent.state.remove(Name::Spool)?;
    }
    let held = Acknowledged::read(&agent.state);
    let mut acknowledged = submit(agent, &mut connection, pass, held.as_ref()).await?;
    if acknowledged.is_none() && held.is_some() {
        // It does not hold that one any more.
        acknowledged = submit(agent, &mut connection, pass, None).await?;
    }
    match acknowledged {
        Some(acknowledged) if Some(&acknowledged) != held.as_ref() => acknowledged.write(&agent.state)?,
        Some(_) => {}
        None => agent.state.remove(Name::Acknowledged)?,
    }
    if agent.until_renewal().is_zero() {
        // The report has arrived; there is time for another try.
        if let Err(error) = agent.renew(&mut connection).await {
            agent.outside.say(&super::agent::chain(&error));
        }
    }
    Ok(())
}

async fn submit(
    agent: &mut Agent<'_>,
    connection: &mut Connection,
    pass: &Pass,
    held: Option<&Acknowledged>,
) -> Result<Option<Acknowledged>, AgentError> {
    let mut answer = try_submit(agent, connection, pass, held).await;
    if let Err(error) = &answer
        && error.meaning() == Meaning::Replayed
    {
        // A state folder of yesterday was put back: the clock is further than any number of then.
        agent.sequence.skip_to(agent.outside.unix_ms());
        answer = try_submit(agent, connection, pass, held).await;
    }
    answer
}

async fn try_submit(
    agent: &mut Agent<'_>,
    connection: &mut Connection,
    pass: &Pass,
    held: Option<&Acknowledged>,
) -> Result<Option<Acknowledged>, AgentError> {
    let sequence = agent.sequence.next(&agent.state)?;
    let (request, full) = submission::request(pass, sequence, held);
    let answer = connection.call(SUBMIT, &request).await.map_err(call("send the report"))?;
    let answer = SubmitReportResponse::decode(answer).unwrap_or_default();
    let full_at = if full { Some(pass.gathered_at_ms) } else { held.map(|held| held.full_at_ms) };
    Ok(submission::acknowledged(pass.fingerprint, full_at.unwrap_or(0), &answer.digest)
        .filter(|_| answer.sequence == sequence))
}
