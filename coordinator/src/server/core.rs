//! What every service of one coordinator shares.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eic_doctor_agent::checks;
use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::wire::{WireError, facts_from_wire, v1};
use eic_doctor_proto::{Attempt, CheckResult, Selection, judge};
use rustls::ServerConfig;
use tokio::sync::Semaphore;

use super::admission::Admission;
use super::config::Config;
use super::live::Live;
use super::log::Log;
use super::metrics::Metrics;
use super::submit::Submissions;
use crate::attest::RegionCertificates;
use crate::authority::{Authority, ServerCertificate};
use crate::gather::chain;
use crate::store::{Millis, SharedStore, StoreError};

pub(super) struct Core {
    pub config: Config,
    /// Names this coordinator among those that share the store.
    pub id: String,
    pub store: SharedStore,
    pub submissions: Submissions,
    pub authority: Authority,
    pub region_certificates: RegionCertificates,
    pub live: Live,
    pub open: super::routing::Open,
    pub admission: Arc<Admission>,
    pub metrics: Arc<Metrics>,
    pub log: Log,
    pub now: fn() -> Millis,
    /// A permit for each check on demand that may be under way.
    pub checks: Semaphore,
    pub aws: super::aws::AwsSide,
    pub tls: Arc<ServerConfig>,
    /// What `tls` shows: replaced while it lasts.
    pub certificate: Arc<ServerCertificate>,
    pub turned_away: Mutex<TurnedAwayCount>,
}

/// A flood must not fill the log as well.
#[derive(Default)]
pub(super) struct TurnedAwayCount {
    told_at: Millis,
    since: u64,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum JudgeError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the facts are those of {of}")]
    OtherInstance { of: String },
}

impl Core {
    pub fn now(&self) -> Millis {
        (self.now)()
    }

    /// The store could not be used: counted, and said in the log.
    pub fn ill(&self, error: &StoreError) {
        self.metrics.store_error();
        self.log.line(&chain(error));
    }

    pub fn turned_away(&self, address: IpAddr, why: &str) {
        let now = self.now();
        let mut count = self.turned_away.lock().unwrap_or_else(PoisonError::into_inner);
        count.since += 1;
        if now.saturating_sub(count.told_at) >= 10_000 {
            let since = std::mem::take(&mut count.since);
            count.told_at = now;
            drop(count);
            self.log.line(&format!("{address} was turned away ({since} since the last such line): {why}"));
        }
    }

    /// What an agent is to wait for between two reports.
    pub fn interval(&self) -> Duration {
        self.config.reports.interval.0
    }
}

/// Judges the facts that the agent of an instance sent by our own rules: its own results are what an older catalogue, or a liar, says of them.
pub(super) fn judged(report: v1::AgentReport, instance_id: &str) -> Result<Vec<CheckResult>, JudgeError> {
    let attempt = report.attempt.ok_or(WireError::Missing("attempt"))?;
    let attempt = Attempt::try_from(attempt)?;
    let facts = report.facts.ok_or(WireError::Missing("facts"))?;
    let facts: OsFacts = facts_from_wire(facts)?;
    for view in [&facts.imds.as_root, &facts.imds.as_keys_user] {
        if let Some(answer) = view.instance_id.known().filter(|answer| answer.status == 200) {
            let of = answer.body.raw().trim();
            if of != instance_id {
                return Err(JudgeError::OtherInstance { of: answer.body.to_string() });
            }
        }
    }
    Ok(judge(checks::entries(&facts, &attempt), &Selection::default()))
}
