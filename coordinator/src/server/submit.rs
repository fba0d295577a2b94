//! Reports on their way to the store, which writes many agents' in one transaction; each is answered when it is safe.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::log::Log;
use super::metrics::Metrics;
use crate::gather::chain;
use crate::store::{NotStored, SharedStore, StoredChange, Submission};

/// Reports that wait for the store; who comes then is told to come back.
const WAITING: usize = 4_096;

#[derive(Debug, thiserror::Error)]
pub(super) enum SubmitError {
    #[error(transparent)]
    NotStored(#[from] NotStored),
    #[error("more than {WAITING} reports wait to be stored")]
    Full,
    /// The store's own words are in the log: they may hold more than an agent should know.
    #[error("the store cannot be written now")]
    Store,
}

/// The way in.
pub(super) struct Submissions {
    store: SharedStore,
    hold: u32,
    targets: Vec<String>,
    waiting: Semaphore,
    metrics: Arc<Metrics>,
    log: Log,
}

impl Submissions {
    pub fn new(store: SharedStore, hold: u32, targets: Vec<String>, metrics: Arc<Metrics>, log: Log) -> Self {
        Self { store, hold, targets, waiting: Semaphore::new(WAITING), metrics, log }
    }

    /// Who is told of changes.
    pub fn targets(&self) -> &[String] {
        &self.targets
    }

    /// Answers when the report is stored so that a crash does not lose it.
    pub async fn submit(&self, submission: Submission) -> Result<Vec<StoredChange>, SubmitError> {
        let _place = self.waiting.try_acquire().map_err(|_| SubmitError::Full)?;
        let stored = self.store.submit(vec![submission], self.hold, &self.targets).await.map(|mut stored| stored.pop());
        match stored {
            Ok(Some(stored)) => {
                self.metrics.report(stored.as_ref().err());
                self.metrics.changes(stored.as_ref().map_or(0, Vec::len));
                Ok(stored?)
            }
            Ok(None) => Err(SubmitError::Store),
            Err(error) => {
                self.metrics.store_error();
                self.log.line(&format!("a report was not stored: {}", chain(&error)));
                Err(SubmitError::Store)
            }
        }
    }
}
