//! AWS's side of the instances that have enrolled, looked at on an interval: their drift is of network and IAM as well then.
//!
//! One coordinator of those that share the store does it for all: whoever asks first when the last turn is over. A turn is as long as the
//! interval, and a sweep ends with it, so that never two are under way. What went wrong waits for the next.

mod place;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::watch;

use super::config::Sweep;
use super::core::Core;
use super::stopped;
use crate::gather::pace::{Paced, Pacer, Place};
use crate::gather::{Budget, chain};
use crate::store::{AgentRecord, AgentState, Millis, StoreError};
use place::{Counts, Sweeping};

/// Of the turns in the store.
const TASK: &str = "sweep";
/// Accounts and Regions that are looked at at the same time.
const AT_ONCE: usize = 8;
/// Records of one page of agents.
const PAGE: u32 = 1_000;

/// Until it is to stop.
pub(super) async fn sweep_on(core: Arc<Core>, config: Sweep, mut stop: watch::Receiver<bool>) {
    let pacer = Pacer::default();
    // A turn is taken at most a tenth of its time late.
    let look = (config.interval.0 / 10).clamp(Duration::from_secs(1), Duration::from_secs(30));
    loop {
        let sweeping = async {
            tokio::time::sleep(look).await;
            let length = config.interval.0 + by_chance(config.jitter.0);
            let now = core.now();
            match core.store.take_turn(TASK, &core.id, now, now.saturating_add(millis(length))).await {
                Ok(false) => {}
                Ok(true) => sweep(&core, &config, &pacer, length).await,
                Err(error) => ill(&core, "take a turn to sweep", &error),
            }
        };
        tokio::select! {
            () = sweeping => {}
            () = stopped(&mut stop) => return,
        }
    }
}

/// The account and the Region of instances.
type Where = (String, String);

async fn sweep(core: &Core, config: &Sweep, pacer: &Pacer, length: Duration) {
    let enrolled = match enrolled(core).await {
        Ok(enrolled) => enrolled,
        Err(error) => return ill(core, "read which instances to sweep", &error),
    };
    if enrolled.is_empty() {
        return;
    }
    let calls = || pacer.asked().values().map(|asked| asked.calls).sum::<u64>();
    let before = calls();
    let budget = Budget::of(length);
    let places = enrolled.len();
    let looks = futures_util::stream::iter(enrolled)
        .map(|(at, agents)| one_place(core, config, pacer, &budget, at, agents))
        .buffer_unordered(AT_ONCE);
    let all = looks.fold(Counts::default(), async |all, one| all + one).await;
    let made = calls() - before;
    core.log.line(&format!(
        "swept {} instances of {places} accounts and Regions with {made} calls: {} not looked at, {} are no more, {} changes",
        all.instances, all.not_seen, all.ended, all.changes
    ));
}

async fn one_place(
    core: &Core,
    config: &Sweep,
    pacer: &Pacer,
    budget: &Budget,
    (account, region): Where,
    agents: BTreeMap<String, AgentRecord>,
) -> Counts {
    let sweeping = Sweeping {
        store: &core.store,
        config,
        reports: &core.config.reports,
        targets: core.submissions.targets(),
        now: core.now,
        region: &region,
        is_own: core.aws.is_own(&account),
    };
    let at = Place { account: Some(account.clone()), region: region.clone() };
    let (counts, problem) = match core.aws.clients(&core.config, &account, &region).await {
        Ok(clients) => sweeping.look(&Paced { aws: &clients, pacer, place: &at }, budget, agents).await,
        Err(why) => sweeping.not_let_in(why, agents).await,
    };
    core.metrics.changes(counts.changes);
    core.metrics.swept(counts.instances, counts.not_seen);
    if let Some(why) = problem {
        core.log.line(&format!("AWS's side of {account} {region} was not looked at whole: {why}"));
    }
    for error in &counts.errors {
        ill(core, "store what a sweep saw", error);
    }
    counts
}

/// Agents that may speak, of instances that are there as far as is known.
async fn enrolled(core: &Core) -> Result<BTreeMap<Where, BTreeMap<String, AgentRecord>>, StoreError> {
    let mut all: BTreeMap<Where, BTreeMap<String, AgentRecord>> = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = core.store.agents(after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.instance_id.clone());
        for record in page.into_iter().filter(is_swept) {
            let at = (record.account_id.clone(), record.region.clone());
            all.entry(at).or_default().insert(record.instance_id.clone(), record);
        }
    }
}

/// An instance that ended and was heard of since has not.
fn is_swept(record: &AgentRecord) -> bool {
    record.state != AgentState::Revoked && record.ended_at.is_none_or(|at| record.last_seen > Some(at))
}

/// From nothing to `most`.
fn by_chance(most: Duration) -> Duration {
    let mut bytes = [0_u8; 2];
    // The system's source does not fail on any Linux that runs this; and no delay at all is a delay too.
    let _ = SystemRandom::new().fill(&mut bytes);
    most.mul_f64(f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX))
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

fn ill(core: &Core, what: &str, error: &StoreError) {
    core.metrics.store_error();
    core.log.line(&format!("{what}: {}", chain(error)));
}
