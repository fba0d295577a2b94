//! Reports that come at the same time, and agents that do, are stored in one transaction: what a commit costs is shared by all that wait
//! for it.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::{Millis, NotStored, StoreError, StoredChange, Submission};

/// Reports in one transaction, at least one call's.
const TOGETHER: usize = 512;
/// Calls that wait; more wait to be let in.
const WAITING: usize = 4096;

pub(super) type Answers = Vec<Result<Vec<StoredChange>, NotStored>>;

/// One call of `submit`.
#[derive(Debug)]
pub(super) struct Call {
    pub batch: Vec<Submission>,
    pub hold: u32,
    pub targets: Arc<[String]>,
    /// What is to be stored besides, or (with an empty batch) alone.
    pub presence: Option<Presence>,
}

/// That an agent's stream is open at a coordinator now; or no longer, if it was there.
#[derive(Debug)]
pub(super) struct Presence {
    pub instance_id: String,
    pub coordinator: String,
    pub is_here: bool,
    pub at: Millis,
}

/// Of all calls; of two about one instance the later last, and instances in one order, so that two coordinators do not wait for each other.
pub(super) fn presences(calls: &[Call]) -> Vec<&Presence> {
    let mut presences: Vec<&Presence> = calls.iter().filter_map(|call| call.presence.as_ref()).collect();
    presences.sort_by(|one, other| one.instance_id.cmp(&other.instance_id));
    presences
}

#[derive(Debug)]
struct Waiting {
    call: Call,
    answer: oneshot::Sender<Result<Answers, StoreError>>,
}

/// Stores calls, all in one transaction, and answers each.
pub(super) trait Apply: Send + 'static {
    fn apply(&self, calls: &[Call]) -> impl Future<Output = Result<Vec<Answers>, StoreError>> + Send;
}

/// The way to the one writer, which ends with the last of them.
#[derive(Clone, Debug)]
pub(super) struct Queue(mpsc::Sender<Waiting>);

impl Queue {
    pub fn start(writer: impl Apply + Sync) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(write(writer, receiver));
        Self(sender)
    }

    pub async fn submit(&self, call: Call) -> Result<Answers, StoreError> {
        let (answer, told) = oneshot::channel();
        let gone =
            || StoreError::Database { operation: "store a report", source: Arc::new(sqlx::Error::WorkerCrashed) };
        self.0.send(Waiting { call, answer }).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }
}

async fn write(writer: impl Apply + Sync, mut receiver: mpsc::Receiver<Waiting>) {
    while let Some(first) = receiver.recv().await {
        let mut many = first.call.batch.len().max(1);
        let (mut calls, mut answers) = (vec![first.call], vec![first.answer]);
        while many < TOGETHER {
            let Ok(next) = receiver.try_recv() else { break };
            many += next.call.batch.len().max(1);
            calls.push(next.call);
            answers.push(next.answer);
        }
        match writer.apply(&calls).await {
            // Whoever does not wait any more has hung up.
            Ok(all) => all.into_iter().zip(answers).for_each(|(answer, to)| drop(to.send(Ok(answer)))),
            Err(error) if calls.len() == 1 => {
                if let Some(to) = answers.pop() {
                    drop(to.send(Err(error)));
                }
            }
            // One that cannot be stored costs the others nothing; where the database is gone each learns so by itself.
            Err(_) => {
                for (call, to) in calls.into_iter().zip(answers) {
                    let answer = writer.apply(&[call]).await;
                    drop(to.send(answer.map(|mut one| one.pop().unwrap_or_default())));
                }
            }
        }
    }
}
