//! What people ask of a fleet as a whole: counts by health, cause and place, instances by what is looked for, changes newest first.
//!
//! Every answer is bounded: by the number of accounts, Regions, images or checks, or by a limit that the caller gives.

use async_trait::async_trait;
use eic_doctor_proto::Status;

use super::{Finding, Millis, StoreError, StoredChange};

/// How an instance stands, from what needs somebody most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    Fail,
    /// Nothing was heard of it for too long.
    Silent,
    /// Something that a connection needs could not be looked at, or nobody has reported yet.
    Unknown,
    Warn,
    /// Nothing was found, which is not that a connection works: AWS's side may not have been looked at.
    Ok,
}

impl Health {
    pub const ALL: [Self; 5] = [Self::Fail, Self::Silent, Self::Unknown, Self::Warn, Self::Ok];

    /// The word in the store, in URLs and in documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Silent => "silent",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Ok => "ok",
        }
    }

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|health| health.word() == word)
    }
}

/// Instances by health, in the order of [`Health::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthCounts(pub [u64; 5]);

impl HealthCounts {
    pub fn of(&self, health: Health) -> u64 {
        Health::ALL.iter().zip(self.0).find(|(one, _)| **one == health).map_or(0, |(_, count)| count)
    }

    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// What instances are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    Account,
    Region,
    Image,
}

impl Dimension {
    pub const ALL: [Self; 3] = [Self::Account, Self::Region, Self::Image];
}

/// An account, a Region or an image, and how the instances there stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Empty: of instances whose agent has not enrolled, nobody has told it.
    pub name: String,
    pub counts: HealthCounts,
}

/// A check that warns or fails, and on how many instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub check_id: String,
    pub status: Status,
    pub instances: u64,
}

/// Which instances: all of what is named must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What the instance's id begins with.
    pub prefix: Option<String>,
    pub account: Option<String>,
    pub region: Option<String>,
    pub image: Option<String>,
    pub health: Option<Health>,
    /// A check that warns or fails there.
    pub check: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetInstance {
    pub instance_id: String,
    pub account_id: String,
    pub region: String,
    pub image_id: String,
    pub health: Health,
    /// Of both halves; what was found last, where it is silent.
    pub findings: Vec<Finding>,
    /// The last report of its agent.
    pub reported_at: Option<Millis>,
}

/// Changes in spans of equal length: the start of the span, what they became, how many.
pub type Buckets = Vec<(Millis, Status, u64)>;

#[async_trait]
pub trait Overview {
    async fn health_counts(&self) -> Result<HealthCounts, StoreError>;

    /// Those with most failing instances first, from the `skip`th on.
    async fn places(&self, by: Dimension, skip: u32, limit: u32) -> Result<Vec<Place>, StoreError>;

    /// Failures before warnings, the most frequent first; at most two for each check of the catalogue.
    async fn causes(&self) -> Result<Vec<Cause>, StoreError>;

    /// In the order of their ids, those after `after`.
    async fn instances(&self, wanted: &Wanted, after: &str, limit: u32) -> Result<Vec<FleetInstance>, StoreError>;

    /// How many there are, counted no further than `limit`.
    async fn count_instances(&self, wanted: &Wanted, limit: u32) -> Result<u64, StoreError>;

    /// The one instance; none where nobody told of it.
    async fn instance(&self, instance_id: &str) -> Result<Option<FleetInstance>, StoreError>;

    /// The newest first, those before the change `before`.
    async fn recent_changes(
        &self,
        instance_id: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<StoredChange>, StoreError>;

    /// Changes told at `from` or later, in spans of `span` milliseconds.
    async fn change_counts(&self, instance_id: Option<&str>, from: Millis, span: Millis)
    -> Result<Buckets, StoreError>;
}
