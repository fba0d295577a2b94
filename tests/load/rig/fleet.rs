//! Many agents at once: they come in, report at a rate or as fast as they are answered, and leave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tonic::Status;

use super::agent::{Agent, Ended, Order, Outside, Report};
use super::identity::Identity;
use super::wire::Wire;

/// Of an agent that is not let in: a second, spread over two more, or as told.
const PAUSE: Duration = Duration::from_secs(1);
const SPREAD_MS: u64 = 2_000;

pub struct Fleet {
    agents: Arc<Vec<Agent>>,
    report: Arc<Report>,
    pub wire: Arc<Wire>,
    /// One for each agent that is in, in their order.
    orders: Vec<mpsc::Sender<Order>>,
    conversations: JoinSet<Ended>,
}

/// How a fleet came in.
#[derive(Debug)]
pub struct Returned {
    pub took: Duration,
    /// Connections, those that came to nothing included.
    pub tries: usize,
    /// Agents that were told "you may not".
    pub refused: Vec<Status>,
}

/// How long each waited for what it wanted, and how many got nothing.
#[derive(Debug, Default)]
pub struct Waits {
    waits: Vec<Duration>,
    pub lost: usize,
    pub took: Duration,
}

impl Waits {
    pub fn count(&self) -> usize {
        self.waits.len()
    }

    pub fn per_second(&self) -> f64 {
        self.waits.len() as f64 / self.took.as_secs_f64()
    }

    /// The wait that so many of 100 did not exceed; 0 where nobody waited.
    pub fn percentile(&self, part: usize) -> Duration {
        let mut sorted = self.waits.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) * part / 100).copied().unwrap_or_default()
    }
}

impl Fleet {
    pub fn new(identities: Vec<Identity>, report: Arc<Report>) -> Self {
        Self {
            agents: Arc::new(identities.into_iter().map(Agent::new).collect()),
            report,
            wire: Arc::default(),
            orders: Vec::new(),
            conversations: JoinSet::new(),
        }
    }

    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// Brings all in, at most `together` at a time; each tries until it is in or told that it may not.
    pub async fn come_in(&mut self, at: SocketAddr, together: usize) -> Returned {
        let begin = Instant::now();
        let tries = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Semaphore::new(together));
        let mut entering = JoinSet::new();
        for index in 0..self.agents.len() {
            let (agents, wire, tries, gate) =
                (Arc::clone(&self.agents), Arc::clone(&self.wire), Arc::clone(&tries), Arc::clone(&gate));
            entering.spawn(async move {
                let _place = gate.acquire().await.expect("the gate is never closed");
                loop {
                    let number = tries.fetch_add(1, Ordering::Relaxed);
                    match agents[index].come_in(at, Arc::clone(&wire)).await {
                        Ok(stream) => return (index, Ok(stream)),
                        Err(Outside::Refused(status)) => return (index, Err(status)),
                        Err(Outside::Later(told)) => {
                            let spread = (number as u64).wrapping_mul(7_919) % SPREAD_MS;
                            tokio::time::sleep(told.unwrap_or(PAUSE) + Duration::from_millis(spread)).await;
                        }
                    }
                }
            });
        }
        let mut returned = Returned { took: Duration::ZERO, tries: 0, refused: Vec::new() };
        let mut orders = Vec::new();
        while let Some(entered) = entering.join_next().await {
            let (index, entered) = entered.expect("an agent does not panic");
            let stream = match entered {
                Ok(stream) => stream,
                Err(status) => {
                    returned.refused.push(status);
                    continue;
                }
            };
            let (order, ordered) = mpsc::channel(4);
            orders.push((index, order));
            let (agents, report) = (Arc::clone(&self.agents), Arc::clone(&self.report));
            self.conversations.spawn(async move { agents[index].converse(stream, &report, ordered).await });
        }
        orders.sort_unstable_by_key(|(index, _)| *index);
        self.orders = orders.into_iter().map(|(_, order)| order).collect();
        Returned { took: begin.elapsed(), tries: tries.load(Ordering::Relaxed), ..returned }
    }

    /// Each stream ends, by the agents or (after `kill -9` of the other side) by itself; those that were told "you may not".
    pub async fn leave(&mut self) -> Vec<Status> {
        self.orders.clear();
        let mut refused = Vec::new();
        while let Some(ended) = self.conversations.join_next().await {
            if let Ended::Refused(status) = ended.expect("an agent does not panic") {
                refused.push(status);
            }
        }
        refused
    }

    /// Each agent of the fleet in turn, `together` at a time, until `enough` have begun or `span` is over; each report waits for the
    /// acknowledgement of the one before it.
    pub async fn closed_loop(&self, together: usize, enough: usize, span: Duration, full_of_100: usize) -> Waits {
        let begin = Instant::now();
        let begun = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..together.min(self.orders.len()) {
            let (begun, orders) = (Arc::clone(&begun), self.orders.clone());
            callers.spawn(async move {
                let mut all = Vec::new();
                loop {
                    let number = begun.fetch_add(1, Ordering::Relaxed);
                    if number >= enough || begin.elapsed() > span {
                        return all;
                    }
                    all.push(one(&orders[number % orders.len()], Instant::now(), number % 100 < full_of_100).await);
                }
            });
        }
        let all = callers.join_all().await;
        gathered(all.into_iter().flatten(), begin)
    }

    /// At a fixed rate, whether the ones before are acknowledged or not: what is late makes all behind it wait, and that counts.
    pub async fn open_loop(&self, rate: f64, span: Duration, full_of_100: usize) -> Waits {
        let begin = Instant::now();
        let mut reports = JoinSet::new();
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        let mut sent = 0_usize;
        let all = (span.as_secs_f64() * rate) as usize;
        while sent < all {
            ticks.tick().await;
            let due = ((begin.elapsed().as_secs_f64() * rate) as usize).min(all);
            for number in sent..due {
                let order = self.orders[number % self.orders.len()].clone();
                let at = begin + Duration::from_secs_f64(number as f64 / rate);
                reports.spawn(async move { one(&order, at, number % 100 < full_of_100).await });
            }
            sent = due;
        }
        let all = reports.join_all().await;
        gathered(all.into_iter(), begin)
    }

    /// Handshakes alone, `together` at a time, for `span`; how many were accepted, and how many were not.
    pub async fn handshakes(&self, at: SocketAddr, together: usize, span: Duration) -> Waits {
        let begin = Instant::now();
        let mut callers = JoinSet::new();
        for caller in 0..together {
            let (agents, wire) = (Arc::clone(&self.agents), Arc::clone(&self.wire));
            callers.spawn(async move {
                let mut all = Vec::new();
                for index in (caller..agents.len()).step_by(together).cycle() {
                    if begin.elapsed() > span {
                        break;
                    }
                    let began = Instant::now();
                    let accepted = agents[index].handshake(at, Arc::clone(&wire)).await;
                    all.push(accepted.then(|| began.elapsed()));
                }
                all
            });
        }
        let all = callers.join_all().await;
        gathered(all.into_iter().flatten(), begin)
    }
}

/// How long the acknowledgement took; none where it never came.
async fn one(order: &mpsc::Sender<Order>, due: Instant, full: bool) -> Option<Duration> {
    let (acknowledged, answer) = oneshot::channel();
    order.send(Order { due, full, acknowledged }).await.ok()?;
    answer.await.ok()
}

pub fn gathered(all: impl Iterator<Item = Option<Duration>>, begin: Instant) -> Waits {
    let mut waits = Waits::default();
    for one in all {
        match one {
            Some(wait) => waits.waits.push(wait),
            None => waits.lost += 1,
        }
    }
    waits.took = begin.elapsed();
    waits
}
