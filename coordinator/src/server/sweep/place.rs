//! One account and Region of a sweep: its instances are asked about in pages, judged, and stored.

use std::collections::BTreeMap;
use std::ops::Add;
use std::time::{Duration, UNIX_EPOCH};

use eic_doctor_proto::wire::v1;
use eic_doctor_proto::{Attempt, CheckResult, Fact, Selection, Status, judge};
use prost::Message as _;
use ring::digest::{SHA256, digest};
use tokio::sync::mpsc;

use super::stored::Stored;
use crate::drift::of_half;
use crate::facts::{AskedWith, AwsFacts, CallerIdentity, Facts};
use crate::gather::fleet::operations::{Filters, Pages};
use crate::gather::fleet::{Order, Whose, fn_is_read::IsRead, look};
use crate::gather::operations::{Aws, GetCallerIdentity};
use crate::gather::{Budget, fact};
use crate::server::config::{Reports, Sweep};
use crate::server::packed::packed;
use crate::store::{AgentRecord, Content, Half, Millis, SharedStore, StoreError, Submission};
use crate::{checks, path};

/// Values that one filter of `DescribeInstances` takes.
const FILTER_VALUES: usize = 200;
/// Instances that are stored in one go.
const TOGETHER: usize = 256;
/// What is no state: the trail has another answer for each attempt, and costs a slow call for each page of a day.
const NOT_SWEPT: [&str; 2] = ["aws.trail.", "both.connection."];
/// What tells of an instance that is no more.
const STANDS_FOR_ALL: [&str; 2] = ["aws.instance.exists", "aws.instance.running"];
const TRAIL: &str = "cloudtrail:LookupEvents";

/// What a sweep of one account and Region works with.
pub(super) struct Sweeping<'a> {
    pub store: &'a SharedStore,
    pub config: &'a Sweep,
    pub reports: &'a Reports,
    pub targets: &'a [String],
    pub now: fn() -> Millis,
    pub region: &'a str,
    /// The account is the coordinator's own.
    pub is_own: bool,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub instances: usize,
    pub not_seen: usize,
    /// Found to be terminated, or no more.
    pub ended: usize,
    pub changes: usize,
    pub errors: Vec<StoreError>,
}

impl Add for Counts {
    type Output = Self;

    fn add(mut self, more: Self) -> Self {
        self.instances += more.instances;
        self.not_seen += more.not_seen;
        self.ended += more.ended;
        self.changes += more.changes;
        self.errors.extend(more.errors);
        self
    }
}

/// What was found of one instance.
struct Seen {
    instance_id: String,
    is_gone: bool,
    content: Content,
}

impl Sweeping<'_> {
    /// Asks about all of them; and, where that ended early, why.
    pub async fn look<A: Aws + Pages>(
        &self,
        aws: &A,
        budget: &Budget,
        agents: BTreeMap<String, AgentRecord>,
    ) -> (Counts, Option<String>) {
        let ids: Vec<String> = agents.keys().cloned().collect();
        let wanted: Vec<Filters> =
            ids.chunks(FILTER_VALUES).map(|ids| Filters(vec![("instance-id".to_owned(), ids.to_vec())])).collect();
        let attempt = self.config.attempt();
        let action = <A as GetCallerIdentity>::ACTION;
        let caller = fact(budget.ask(action, aws.get_caller_identity()).await);
        let order = Order {
            region: self.region,
            attempt: &attempt,
            wanted: &wanted,
            context: &[],
            now: UNIX_EPOCH + Duration::from_millis((self.now)()),
            ip_ranges: &Fact::NotGathered,
            caller: caller.clone(),
            asked_with: AskedWith { region: true, ..AskedWith::default() },
            whose: Whose::of(!self.is_own, attempt.principal.as_deref()),
            is_read: IsRead(&|action| action != TRAIL),
        };
        let (found, to_be_stored) = mpsc::unbounded_channel();
        let looking = async {
            // Dropped at the end, so that the storing ends.
            let found = found;
            let mut left = agents.clone();
            let each = |facts: &Facts| {
                let id = facts.aws.instance.known().and_then(|instance| instance.instance_id.clone());
                // What nobody asked about is nobody's.
                if let Some(id) = id.filter(|id| left.remove(id).is_some()) {
                    let _ = found.send(seen(id, facts, &attempt));
                }
            };
            let looked = look(aws, budget, &order, &Stored(self.store), each, || {}).await;
            let refused = looked.err().map(|refused| refused.why());
            for id in left.into_keys() {
                let _ = found.send(match &refused {
                    Some(why) => not_seen(id, why.reason.clone(), why.missing_action.clone()),
                    None => seen(id, &self.nothing(&caller), &attempt),
                });
            }
            refused.map(|why| why.reason)
        };
        let (problem, counts) = tokio::join!(looking, self.store_all(to_be_stored, &agents));
        (counts, problem)
    }

    /// Nobody may look into the account.
    pub async fn not_let_in(&self, why: String, agents: BTreeMap<String, AgentRecord>) -> (Counts, Option<String>) {
        let (found, to_be_stored) = mpsc::unbounded_channel();
        for id in agents.keys() {
            let _ = found.send(not_seen(id.clone(), why.clone(), None));
        }
        drop(found);
        (self.store_all(to_be_stored, &agents).await, Some(why))
    }

    /// AWS knows no such instance.
    fn nothing(&self, caller: &Fact<CallerIdentity>) -> Facts {
        let region = Fact::Known(self.region.to_owned());
        let aws = AwsFacts { region, instance: Fact::Absent, caller: caller.clone(), ..AwsFacts::default() };
        Facts { aws, os: Fact::NotGathered }
    }

    async fn store_all(
        &self,
        mut found: mpsc::UnboundedReceiver<Seen>,
        agents: &BTreeMap<String, AgentRecord>,
    ) -> Counts {
        let mut counts = Counts::default();
        let mut together = Vec::new();
        while found.recv_many(&mut together, TOGETHER).await > 0 {
            self.store_some(std::mem::take(&mut together), agents, &mut counts).await;
        }
        counts
    }

    async fn store_some(&self, some: Vec<Seen>, agents: &BTreeMap<String, AgentRecord>, counts: &mut Counts) {
        let now = (self.now)();
        counts.instances += some.len();
        counts.not_seen += some.iter().filter(|seen| matches!(seen.content, Content::NotSeen { .. })).count();
        let instances: Vec<(String, bool)> = some.iter().map(|seen| (seen.instance_id.clone(), seen.is_gone)).collect();
        let submission = |seen: Seen| Submission {
            instance_id: seen.instance_id,
            half: Half::Aws,
            from: None,
            received_at: now,
            content: seen.content,
        };
        let batch = some.into_iter().map(submission).collect();
        let stored = match self.store.submit(batch, self.reports.hold, self.targets).await {
            Ok(stored) => stored,
            Err(error) => return counts.errors.push(error),
        };
        for ((id, is_gone), stored) in instances.into_iter().zip(stored) {
            let changes = stored.map_or(0, |changes| changes.len());
            counts.changes += changes;
            let Some(record) = agents.get(&id) else { continue };
            let ended_at = match (is_gone, record.ended_at) {
                // It has been told, or nobody has spoken for it for long: once more would be no news.
                (true, None) if changes > 0 || self.is_long_silent(record, now) => Some(now),
                (true, ended_at) => ended_at,
                (false, _) => None,
            };
            counts.ended += usize::from(is_gone);
            if ended_at != record.ended_at
                && let Err(error) = self.store.set_ended(&id, ended_at).await
            {
                counts.errors.push(error);
            }
        }
    }

    fn is_long_silent(&self, record: &AgentRecord, now: Millis) -> bool {
        let silent_after = super::millis(self.reports.silent_after.0);
        now.saturating_sub(record.last_seen.unwrap_or(record.enrolled_at)) > silent_after
    }
}

fn seen(instance_id: String, facts: &Facts, attempt: &Attempt) -> Seen {
    let attempt = path::resolve(attempt, &facts.aws.instance);
    let attempt = path::with_known_sources(&facts.aws, &attempt);
    let mut results = judge(checks::entries(facts, &attempt), &Selection::default());
    // The inside drifts by its own reports.
    results.retain(|result| !result.id.starts_with("os.") && !NOT_SWEPT.iter().any(|area| result.id.starts_with(area)));
    let state = facts.aws.instance.known().and_then(|instance| instance.state.as_ref()?.name.as_deref());
    let is_gone = matches!(facts.aws.instance, Fact::Absent) || state == Some("terminated");
    if is_gone {
        // Of what is no more nothing else is asked.
        results.retain(|result| STANDS_FOR_ALL.contains(&result.id.as_str()));
    }
    let (report, digest) = kept(&attempt, &results);
    Seen { instance_id, is_gone, content: Content::Full { report, digest, results } }
}

fn not_seen(instance_id: String, why: String, missing_action: Option<String>) -> Seen {
    let result = CheckResult { why: why.clone(), missing_action, ..of_half(Half::Aws, Status::Unknown) };
    let (report, digest) = kept(&Attempt::usual(), &[result]);
    Seen { instance_id, is_gone: false, content: Content::NotSeen { report, digest, why } }
}

/// The report as the store keeps it, and its name.
fn kept(attempt: &Attempt, results: &[CheckResult]) -> (Vec<u8>, [u8; 32]) {
    let report = v1::AgentReport {
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        catalogue: 0,
        attempt: Some(attempt.into()),
        facts: None,
        results: results.iter().map(Into::into).collect(),
    };
    let report = packed(&report.encode_to_vec());
    let name = <[u8; 32]>::try_from(digest(&SHA256, &report).as_ref()).unwrap_or_default();
    (report, name)
}
