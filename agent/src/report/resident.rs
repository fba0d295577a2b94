//! The resident agent: one stream to the coordinator, reports on an interval, checks when asked, and back again after whatever breaks.

use std::time::Duration;

use tokio::sync::watch;

use super::agent::{Agent, AgentError, Settings, chain};
use super::backoff::{Backoff, between};
use super::grpc::Meaning;
use super::outside::Outside;
use super::stream::{Ended, Session, come_back};

/// Nothing that the coordinator tells makes an agent report more often.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Becomes `true` when the agent has to end.
pub type Stop = watch::Receiver<bool>;

/// What goes on from one stream to the next. Times are [`super::Outside::elapsed_ms`].
pub(super) struct Schedule {
    pub report_at: u64,
    pub renew_at: u64,
    pub interval: Duration,
}

impl Schedule {
    /// The wait until the next report, as told or as configured, spread. What was told holds until something else is, also while the
    /// coordinator is away: who goes by the configuration then would be silent for longer than the coordinator waits.
    pub fn reported(&mut self, agent: &Agent<'_>, at: u64, told: Option<Duration>) {
        if let Some(told) = told.filter(|told| !told.is_zero()) {
            self.interval = told;
        }
        let base = told.unwrap_or(self.interval).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        let spread = base / 100 * u32::from(agent.settings.jitter_percent);
        let wait = between(base.saturating_sub(spread), base + spread, agent.outside.chance());
        self.report_at = at.saturating_add(millis(wait));
    }

    /// At half of the certificate's life, or up to a tenth of it earlier, so that a fleet of one age does not renew at once.
    pub fn renewed(&mut self, agent: &Agent<'_>) {
        let half = agent.until_renewal();
        let wait = between(half - half / 10, half, agent.outside.chance());
        self.renew_at = agent.outside.elapsed_ms().saturating_add(millis(wait));
    }

    /// The next try falls into what is left of the certificate's life, four times at least.
    pub fn not_renewed(&mut self, agent: &Agent<'_>, told: Option<Duration>) {
        let wait = (agent.until_end() / 4).max(Duration::from_secs(1)).max(told.unwrap_or_default());
        self.renew_at = agent.outside.elapsed_ms().saturating_add(millis(wait));
    }
}

/// Until `stop`, or until something is wrong that only someone on this machine can mend.
pub async fn run_resident(settings: &Settings, outside: &dyn Outside, mut stop: Stop) -> Result<(), AgentError> {
    let mut failures = Failures::default();
    // At boot the metadata service may come up after us.
    let mut agent = loop {
        match Agent::open(settings, outside).await {
            Ok(agent) => break agent,
            Err(error) if error.is_ours() => return Err(error),
            Err(error) => {
                let back_at = failures.add(outside, &error);
                tokio::select! {
                    () = outside.until(back_at) => {}
                    () = stopped(&mut stop) => return Ok(()),
                }
            }
        }
    };
    // The first report at once: who starts an agent wants to see it.
    let mut schedule = Schedule { report_at: outside.elapsed_ms(), renew_at: u64::MAX, interval: settings.interval };
    loop {
        let back_at = match once(&mut agent, &mut schedule, &mut failures.backoff, stop.clone()).await {
            Ok(Ended::Stopped) => return Ok(()),
            Ok(Ended::ComeBackAt(at)) => {
                failures.said.clear();
                at
            }
            Err(error) if error.is_ours() => return Err(error),
            Err(error) => failures.add(outside, &error),
        };
        while outside.elapsed_ms() < back_at {
            // What is due meanwhile is looked at and kept.
            tokio::select! {
                () = outside.until(back_at.min(schedule.report_at)) => {}
                () = stopped(&mut stop) => return Ok(()),
            }
            let at = outside.elapsed_ms();
            if at >= schedule.report_at && at < back_at {
                match agent.look().await {
                    Ok(pass) => agent.spool(&pass)?,
                    Err(error) => outside.say(&chain(&error)),
                }
                schedule.reported(&agent, at, None);
            }
        }
    }
}

#[derive(Default)]
struct Failures {
    backoff: Backoff,
    /// The same words every five minutes would fill the log.
    said: String,
}

impl Failures {
    /// When to try again.
    fn add(&mut self, outside: &dyn Outside, error: &AgentError) -> u64 {
        let refused = error.meaning() == Meaning::NotAllowed;
        let now = outside.elapsed_ms();
        let wait = self.backoff.next(refused, error.retry_after(), outside.chance());
        let text = chain(error);
        if text != self.said {
            outside.say(&format!("{text}; the next try is in {} ms", wait.as_millis()));
            self.said = text;
        }
        now.saturating_add(millis(wait))
    }
}

/// One stream from its beginning to its end.
async fn once(
    agent: &mut Agent<'_>,
    schedule: &mut Schedule,
    backoff: &mut Backoff,
    mut stop: Stop,
) -> Result<Ended, AgentError> {
    let session = tokio::select! {
        session = begin(agent, schedule) => session,
        () = stopped(&mut stop) => return Ok(Ended::Stopped),
    };
    let ended = match session {
        Ok(session) => session.converse(agent, schedule, backoff, stop.clone()).await,
        Err(error) => Err(error),
    };
    match ended {
        Err(error) if error.meaning() == Meaning::NotAllowed && !error.is_of_enrolment() => {
            agent.outside.say(&format!("{}; the agent enrols anew", chain(&error)));
            tokio::select! {
                enrolled = agent.enrol() => enrolled?,
                () = stopped(&mut stop) => return Ok(Ended::Stopped),
            };
            schedule.renewed(agent);
            // The way is known to work; but one that is refused again and again must not enrol in a circle.
            Ok(come_back(agent.outside, backoff.next(true, error.retry_after(), agent.outside.chance())))
        }
        ended => ended,
    }
}

async fn begin(agent: &mut Agent<'_>, schedule: &mut Schedule) -> Result<Session, AgentError> {
    if agent.has_to_enrol() {
        agent.enrol().await?;
        agent.outside.say(&format!("enrolled as {}", agent.instance().instance_id));
        schedule.renewed(agent);
    }
    if schedule.renew_at == u64::MAX {
        schedule.renewed(agent);
    }
    Session::open(agent).await
}

pub(super) async fn stopped(stop: &mut Stop) {
    // A sender that has gone will never say so.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
