//! One stream: reports and answers out; acknowledgements, checks and farewells in.

use std::collections::VecDeque;
use std::time::Duration;

use eic_doctor_proto::Attempt;
use eic_doctor_proto::wire::v1::{
    CheckRequest, CoordinatorMessage, SubmitReportResponse, coordinator_message::Message,
};
use prost::Message as _;

use crate::identity::Name;

use super::agent::{Agent, AgentError, call, chain};
use super::backoff::{Backoff, between};
use super::grpc::{CallError, Connection, Meaning, Receiver, Sender};
use super::outside::{Later, Outside};
use super::pass::Pass;
use super::resident::{Schedule, Stop, millis, stopped};
use super::submission::{self, Acknowledged};

const CONNECT: &str = "/eic_doctor.v1.AgentService/Connect";
/// Between the beginnings of two looks, whoever asks for them.
const FLOOR_MS: u64 = 1_000;
/// Checks that wait for their turn; more are answered without a report.
const QUEUE: usize = 4;
const BUDGET: std::ops::RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(30);
const REQUEST_ID_LIMIT: usize = 128;
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);
/// For the coordinator to end its side when we end ours.
const FAREWELL_MS: u64 = 3_000;

const LONGEST_ABSENCE: Duration = Duration::from_secs(24 * 3600);

/// How a stream came to a good end.
#[derive(Debug)]
pub(super) enum Ended {
    Stopped,
    /// When to open the next one, as [`Outside::elapsed_ms`].
    ComeBackAt(u64),
}

/// Who asked for a look.
enum Job {
    Report,
    Check { request_id: String, attempt: Box<Attempt>, budget: Duration },
}

/// A report on its way.
struct Sent {
    sequence: u64,
    at: u64,
    fingerprint: [u8; 32],
    full_at_ms: u64,
    spooled: bool,
}

pub(super) struct Session {
    /// Kept open as long as the stream is.
    connection: Connection,
    sender: Sender,
    receiver: Receiver,
    acknowledged: Option<Acknowledged>,
    sent: Option<Sent>,
    jobs: VecDeque<Job>,
    /// When the last look began.
    looked_at: Option<u64>,
}

/// A look that is being made; when it began, and for whom.
type Looking<'a> = Later<'a, (Job, Result<Pass, String>)>;

enum Event {
    Stop,
    Looked(Job, Result<Pass, String>),
    Came(CoordinatorMessage),
    Due,
    Renew,
    Late,
}

impl Session {
    pub async fn open(agent: &Agent<'_>) -> Result<Self, AgentError> {
        let mut connection = agent.connect().await?;
        let (sender, receiver) = connection.stream(CONNECT).await.map_err(call("open the stream"))?;
        let acknowledged = None;
        Ok(Self { connection, sender, receiver, acknowledged, sent: None, jobs: VecDeque::new(), looked_at: None })
    }

    pub async fn converse(
        mut self,
        agent: &mut Agent<'_>,
        schedule: &mut Schedule,
        backoff: &mut Backoff,
        mut stop: Stop,
    ) -> Result<Ended, AgentError> {
        let outside = agent.outside;
        let settings = agent.settings;
        if let Some(spooled) = agent.spooled() {
            self.send(agent, &spooled, true).await?;
        }
        let mut looking: Option<Looking<'_>> = None;
        loop {
            if looking.is_none()
                && let Some(job) = self.next_job()
            {
                let floor = self.looked_at.map_or(0, |looked_at| looked_at.saturating_add(FLOOR_MS));
                let begin_at = floor.max(outside.elapsed_ms());
                self.looked_at = Some(begin_at);
                looking = Some(look(outside, job, begin_at, &settings.attempt, settings.budget));
            }
            let report_waits = self.sent.is_some() || self.jobs.iter().any(|job| matches!(job, Job::Report));
            let event = tokio::select! {
                biased;
                () = stopped(&mut stop) => Event::Stop,
                message = self.receiver.next() => match message.map_err(call("hear the coordinator"))? {
                    Some(message) => Event::Came(
                        CoordinatorMessage::decode(message)
                            .map_err(|_| call("hear the coordinator")(CallError::NotGrpc("its message is no `CoordinatorMessage`")))?,
                    ),
                    // A coordinator that ends a stream without a word is on its way down.
                    None => return Ok(come_back(outside, backoff.next(false, None, outside.chance()))),
                },
                (job, pass) = async { match looking.as_mut() { Some(looking) => looking.await, None => std::future::pending().await } } => {
                    Event::Looked(job, pass)
                }
                () = outside.until(schedule.report_at), if !report_waits && looking.is_none() => Event::Due,
                () = outside.until(schedule.renew_at), if self.sent.is_none() && self.jobs.is_empty() && looking.is_none() => Event::Renew,
                () = outside.until(self.sent.as_ref().map_or(u64::MAX, |sent| sent.at + millis(ACKNOWLEDGED_WITHIN))), if self.sent.is_some() => {
                    Event::Late
                }
            };
            match event {
                Event::Stop => {
                    self.end(outside).await;
                    return Ok(Ended::Stopped);
                }
                Event::Due => self.jobs.push_back(Job::Report),
                Event::Looked(job, pass) => {
                    looking = None;
                    self.looked(agent, schedule, job, pass).await?;
                }
                Event::Came(message) => match message.message {
                    Some(Message::Check(check)) => self.asked(check).await?,
                    Some(Message::Acknowledged(response)) => {
                        backoff.forget();
                        self.was_acknowledged(agent, schedule, &response)?;
                    }
                    Some(Message::ComeBackAfterMs(after)) => {
                        let after = Duration::from_millis(after).min(LONGEST_ABSENCE);
                        // From when it is told, and a tenth later at most: a fleet that was sent away does not come back at once.
                        let ended = come_back(outside, between(after, after + after / 10, outside.chance()));
                        self.end(outside).await;
                        return Ok(ended);
                    }
                    // A word that this version does not know.
                    None => {}
                },
                Event::Late => return Err(AgentError::NotAcknowledged(ACKNOWLEDGED_WITHIN)),
                Event::Renew => match agent.renew(&mut self.connection).await {
                    Ok(_) => {
                        schedule.renewed(agent);
                        self.change_over(agent).await?;
                    }
                    Err(error) if error.meaning() == Meaning::NotAllowed => return Err(error),
                    Err(error) => {
                        schedule.not_renewed(agent, error.retry_after());
                        outside.say(&chain(&error));
                        if agent.has_to_enrol() {
                            return Err(error);
                        }
                    }
                },
            }
        }
    }

    fn next_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    async fn asked(&mut self, check: CheckRequest) -> Result<(), AgentError> {
        let CheckRequest { request_id, attempt, budget_ms } = check;
        if request_id.len() > REQUEST_ID_LIMIT {
            return Ok(());
        }
        let attempt = attempt.and_then(|attempt| Attempt::try_from(attempt).ok());
        match attempt {
            Some(attempt) if self.jobs.len() < QUEUE => {
                let budget = Duration::from_millis(budget_ms).clamp(*BUDGET.start(), *BUDGET.end());
                self.jobs.push_back(Job::Check { request_id, attempt: Box::new(attempt), budget });
                Ok(())
            }
            // No attempt of this closed set, or one too many.
            _ => self.answer(&request_id, None).await,
        }
    }

    async fn answer(&mut self, request_id: &str, report: Option<&[u8]>) -> Result<(), AgentError> {
        let message = submission::answer_message(request_id, report);
        self.sender.send(&message).await.map_err(call("answer a check"))
    }

    async fn looked(
        &mut self,
        agent: &mut Agent<'_>,
        schedule: &mut Schedule,
        job: Job,
        pass: Result<Pass, String>,
    ) -> Result<(), AgentError> {
        if let Err(why) = &pass {
            agent.outside.say(&format!("look at this instance: {why}"));
        }
        match (job, pass) {
            (Job::Check { request_id, .. }, pass) => {
                self.answer(&request_id, pass.ok().as_ref().map(|pass| pass.report.as_slice())).await
            }
            (Job::Report, Err(_)) => {
                schedule.reported(agent, agent.outside.elapsed_ms(), None);
                Ok(())
            }
            (Job::Report, Ok(pass)) => match self.send(agent, &pass, false).await {
                Ok(()) => Ok(()),
                Err(error) => {
                    agent.spool(&pass)?;
                    schedule.reported(agent, agent.outside.elapsed_ms(), None);
                    Err(error)
                }
            },
        }
    }

    async fn send(&mut self, agent: &mut Agent<'_>, pass: &Pass, spooled: bool) -> Result<(), AgentError> {
        let sequence = agent.sequence.next(&agent.state)?;
        let held = self.acknowledged.as_ref().filter(|_| !spooled);
        let (request, full) = submission::request(pass, sequence, held);
        let full_at_ms = match held {
            Some(held) if !full => held.full_at_ms,
            _ => pass.gathered_at_ms,
        };
        let at = agent.outside.elapsed_ms();
        // Before the coordinator has it for certain it is kept: a stream may break after the sending.
        if full && !spooled {
            agent.spool(pass)?;
        }
        self.sent = Some(Sent { sequence, at, fingerprint: pass.fingerprint, full_at_ms, spooled });
        self.sender.send(&submission::report_message(&request)).await.map_err(call("send a report"))
    }

    fn was_acknowledged(
        &mut self,
        agent: &Agent<'_>,
        schedule: &mut Schedule,
        response: &SubmitReportResponse,
    ) -> Result<(), AgentError> {
        let Some(sent) = self.sent.take_if(|sent| sent.sequence == response.sequence) else { return Ok(()) };
        self.acknowledged = submission::acknowledged(sent.fingerprint, sent.full_at_ms, &response.digest);
        if self.acknowledged.is_some() || sent.spooled {
            agent.state.remove(Name::Spool)?;
        }
        if !sent.spooled {
            // Nothing told: none is told by an agent's own interval; "again, in full" is told by no digest.
            let told = Duration::from_millis(response.next_report_after_ms);
            let told = (!told.is_zero() || self.acknowledged.is_none()).then_some(told);
            schedule.reported(agent, sent.at, told);
        }
        Ok(())
    }

    /// To the new certificate: first the new stream, then the end of the old one, so that the coordinator can always reach the agent.
    async fn change_over(&mut self, agent: &Agent<'_>) -> Result<(), AgentError> {
        let mut next = Self::open(agent).await?;
        next.receiver.begun().await.map_err(call("open the stream"))?;
        let mut old = std::mem::replace(self, next);
        self.looked_at = old.looked_at;
        for check in old.end(agent.outside).await {
            self.asked(check).await?;
        }
        Ok(())
    }

    /// Lets the coordinator see the end, so that it need not wonder. What it asked meanwhile.
    async fn end(&mut self, outside: &dyn Outside) -> Vec<CheckRequest> {
        self.sender.end();
        let until = outside.elapsed_ms().saturating_add(FAREWELL_MS);
        let mut asked = Vec::new();
        let ended = async {
            while let Ok(Some(message)) = self.receiver.next().await {
                if let Ok(CoordinatorMessage { message: Some(Message::Check(check)) }) =
                    CoordinatorMessage::decode(message)
                    && asked.len() < QUEUE
                {
                    asked.push(check);
                }
            }
        };
        tokio::select! {
            () = ended => {}
            () = outside.until(until) => {}
        }
        asked
    }
}

pub(super) fn come_back(outside: &dyn Outside, after: Duration) -> Ended {
    Ended::ComeBackAt(outside.elapsed_ms().saturating_add(millis(after)))
}

/// One at a time, and never faster than the floor.
fn look<'a>(outside: &'a dyn Outside, job: Job, begin_at: u64, attempt: &'a Attempt, budget: Duration) -> Looking<'a> {
    Box::pin(async move {
        outside.until(begin_at).await;
        let pass = match &job {
            Job::Report => outside.look(attempt, budget).await,
            Job::Check { attempt, budget, .. } => outside.look(attempt, *budget).await,
        };
        (job, pass)
    })
}
