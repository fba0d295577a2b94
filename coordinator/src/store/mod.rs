//! What the coordinator remembers: agents, their last reports, drift, and what has yet to be told. One trait, two databases.
//!
//! Invariants: what a method has returned survives a kill of the coordinator and of the database; times are arguments; nothing here
//! judges, but that the state of drift is carried forward in the transaction that stores a report.

mod carry;
mod columns;
mod implement;
mod implement_overview;
mod open;
mod outlook;
mod overview;
mod postgres;
mod queue;
mod sqlite;
mod statements;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use eic_doctor_proto::CheckResult;

pub use open::{check_url, open};
pub use outlook::Finding;
pub use overview::{Buckets, Cause, Dimension, FleetInstance, Health, HealthCounts, Overview, Place, Wanted};

/// Milliseconds since 1970, by the coordinator's clock.
pub type Millis = u64;

/// SHA-256 of a SubjectPublicKeyInfo.
pub type KeyId = [u8; 32];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    Enrolled,
    Revoked,
    /// An operator lets it enrol once with another key, though the one it had is still good.
    AllowedAgain,
}

/// One agent, which is one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRecord {
    pub instance_id: String,
    pub account_id: String,
    pub region: String,
    pub availability_zone: String,
    pub image_id: String,
    pub agent_version: String,
    /// `pendingTime` of the identity document that it enrolled with: grows at each start of the instance.
    pub pending_time: Millis,
    pub key: KeyId,
    /// Lower-case hexadecimal, of the newest certificate.
    pub serial: String,
    pub not_after: Millis,
    pub enrolled_at: Millis,
    pub state: AgentState,
    pub state_why: String,
    pub state_since: Millis,
    /// Of the last report that was taken with this key; 0 before the first.
    pub sequence: u64,
    pub last_seen: Option<Millis>,
    /// The coordinator that holds its stream.
    pub connected_to: Option<String>,
    /// Since when AWS has it that the instance is terminated, or none. A new enrolment clears it.
    pub ended_at: Option<Millis>,
}

/// Which half of the checks a report answers: each drifts by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Half {
    Os,
    Aws,
}

impl Half {
    pub const ALL: [Half; 2] = [Self::Os, Self::Aws];

    /// What the ids of its checks begin with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Os => "os",
            Self::Aws => "aws",
        }
    }
}

/// One report to be stored.
#[derive(Clone, Debug)]
pub struct Submission {
    pub instance_id: String,
    pub half: Half,
    /// The key that the report came with, and its sequence; none for the coordinator's own checks.
    pub from: Option<(KeyId, u64)>,
    pub received_at: Millis,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    Full {
        /// `eic_doctor.v1.AgentReport`, as it came; at most 1 MiB.
        report: Vec<u8>,
        /// SHA-256 of `report`.
        digest: [u8; 32],
        /// What the coordinator's own rules say of the facts in it.
        results: Vec<CheckResult>,
    },
    /// The report with this digest holds still.
    Unchanged([u8; 32]),
    /// The half could not be looked at, and why: what `report` says. No confirmation of what was found before.
    NotSeen { report: Vec<u8>, digest: [u8; 32], why: String },
}

/// Why one report of a batch was not stored; the others were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    #[error("no agent has enrolled for this instance")]
    UnknownAgent,
    #[error("the agent's certificate was revoked")]
    Revoked,
    #[error("the key is not the one that this instance enrolled with")]
    OtherKey,
    #[error("the sequence {sequence} is not above {last}: replayed or out of order")]
    Replayed { sequence: u64, last: u64 },
    #[error("the report that it confirms is not the one that is stored")]
    OtherDigest,
}

#[derive(Clone, Debug)]
pub struct StoredReport {
    pub instance_id: String,
    pub report: Vec<u8>,
    pub digest: [u8; 32],
    pub received_at: Millis,
    /// The last time that it was sent or confirmed.
    pub confirmed_at: Millis,
    /// It was told that nothing is heard any more.
    pub is_silent: bool,
}

/// A held change of one check of one instance.
#[derive(Clone, Debug)]
pub struct StoredChange {
    /// Grows with every change in the store.
    pub number: u64,
    pub instance_id: String,
    pub half: Half,
    pub change: crate::drift::Change,
}

/// A change that one target has yet to be told of.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub change: StoredChange,
    pub target: String,
    pub tried: u32,
}

/// A delivery that was given up.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    pub delivery: Delivery,
    /// What the last try said; safe to print.
    pub why: String,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{operation} in the store")]
    Database {
        operation: &'static str,
        #[source]
        source: Arc<sqlx::Error>,
    },
    #[error("bring the store's schema up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// Never overwritten: an older coordinator cannot know what it would lose.
    #[error(
        "a newer eic-doctor wrote this store (schema {version}; this one knows {known}): it takes that version or a later one"
    )]
    Newer { version: i64, known: i64 },
    #[error("the store holds {what} that cannot be read")]
    Damaged { what: String },
    /// Another coordinator wrote the agent's record in between: read it again.
    #[error("the record of {} was changed meanwhile", eic_doctor_proto::visible(.instance_id))]
    Conflict { instance_id: String },
    /// The text itself is not repeated: it is hostile.
    #[error("{what} is not a text that can be stored: it is too long or holds a NUL character")]
    Text { what: &'static str },
    /// The URL is not repeated: it may hold a password.
    #[error("the store's URL is neither `sqlite:PATH` nor `postgres://…`: {why}")]
    Url { why: String },
    #[error("another coordinator has {} open; several coordinators share a PostgreSQL, not a file", .path.display())]
    InUse { path: std::path::PathBuf },
    #[error("open the store's file {}", .path.display())]
    File {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
}

#[async_trait]
pub trait Store: Overview + Send + Sync {
    async fn agent(&self, instance_id: &str) -> Result<Option<AgentRecord>, StoreError>;

    /// In the order of their ids, those after `after`.
    async fn agents(&self, after: Option<&str>, limit: u32) -> Result<Vec<AgentRecord>, StoreError>;

    /// Writes an agent's record, if what is stored now is `expected` (by key, state and serial; none: there is no record yet). With the
    /// same key, what reports and streams tell of it (`sequence`, `last_seen`, `connected_to`) stays as it is; with another key, it
    /// begins anew with what `record` says.
    async fn put_agent(&self, record: &AgentRecord, expected: Option<&AgentRecord>) -> Result<(), StoreError>;

    /// The agent's record after the change; none where there is none.
    async fn set_state(
        &self,
        instance_id: &str,
        state: AgentState,
        why: &str,
        at: Millis,
    ) -> Result<Option<AgentRecord>, StoreError>;

    /// `coordinator`: that it connected there; none: that it left the coordinator `was`, if it is still there.
    async fn set_connected(
        &self,
        instance_id: &str,
        coordinator: Option<&str>,
        was: Option<&str>,
        at: Millis,
    ) -> Result<(), StoreError>;

    /// That the instance is terminated or no more, since when; none: it is there after all. Its silence is not told any more.
    async fn set_ended(&self, instance_id: &str, at: Option<Millis>) -> Result<(), StoreError>;

    /// Work that one coordinator does for all: true for whoever asks first once the last turn is over, at `at`; its own lasts until
    /// `until`.
    async fn take_turn(&self, task: &str, holder: &str, at: Millis, until: Millis) -> Result<bool, StoreError>;

    /// That nobody is connected to `coordinator` any more, as it starts or was found dead; the number of agents that were.
    async fn disconnect_all(&self, coordinator: &str) -> Result<u64, StoreError>;

    /// Stores reports, each by itself, and carries drift forward with them, all in one transaction. The answers are in the order of
    /// the reports; a change is held after `hold` equal runs, and each target in `targets` is to be told of it.
    async fn submit(
        &self,
        batch: Vec<Submission>,
        hold: u32,
        targets: &[String],
    ) -> Result<Vec<Result<Vec<StoredChange>, NotStored>>, StoreError>;

    async fn last_report(&self, instance_id: &str, half: Half) -> Result<Option<StoredReport>, StoreError>;

    /// Instances whose last report of the half is older than `before` and that are not yet held for silent: their checks become
    /// `unknown`, since then.
    async fn silence(
        &self,
        half: Half,
        before: Millis,
        at: Millis,
        targets: &[String],
    ) -> Result<Vec<StoredChange>, StoreError>;

    /// The changes after `after`, oldest first.
    async fn changes(&self, instance_id: Option<&str>, after: u64, limit: u32)
    -> Result<Vec<StoredChange>, StoreError>;

    /// Deliveries that are due, each given out to one caller only until `lease_until`.
    async fn due_deliveries(&self, at: Millis, lease_until: Millis, limit: u32) -> Result<Vec<Delivery>, StoreError>;

    async fn delivered(&self, number: u64, target: &str) -> Result<(), StoreError>;

    /// Tried and failed: again at `next`, or (none) never, and kept as a dead letter.
    async fn not_delivered(&self, number: u64, target: &str, why: &str, next: Option<Millis>)
    -> Result<(), StoreError>;

    /// What was given up, the newest first: all, or of one change.
    async fn dead_letters(&self, change: Option<u64>, limit: u32) -> Result<Vec<DeadLetter>, StoreError>;

    /// What was given up is due again at `at`, with all its tries: all, or of one change. How many these are.
    async fn revive(&self, change: Option<u64>, at: Millis) -> Result<u64, StoreError>;

    /// Asks the coordinator that holds the instance's stream; every subscriber of any coordinator on this store is told.
    async fn publish(&self, message: &str) -> Result<(), StoreError>;

    /// What is published from now on, by this coordinator or another: at most [`MESSAGE_LIMIT`] bytes a message. While the database
    /// cannot be reached messages are lost, so whoever waits for one waits for so long and no longer.
    async fn subscribe(&self) -> Result<tokio::sync::broadcast::Receiver<String>, StoreError>;

    /// Keeps a report that another coordinator asked for, by the request's name, until it is taken or `until` has come.
    async fn put_answer(&self, request: &str, report: &[u8], at: Millis, until: Millis) -> Result<(), StoreError>;

    /// Takes it away; none: it was never kept, or was taken.
    async fn take_answer(&self, request: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Deletes changes that were told before `before` and what is kept of instances that were not heard of since. Agents' records
    /// stay, so that who was revoked is; but for those of instances that ended before and whose certificates have. The number of rows
    /// deleted.
    async fn forget(&self, before: Millis) -> Result<u64, StoreError>;
}

/// Bytes of a published message: PostgreSQL takes fewer than 8,000.
pub const MESSAGE_LIMIT: usize = 7_999;

/// Any store, shared.
pub type SharedStore = Arc<dyn Store>;
