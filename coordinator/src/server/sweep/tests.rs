//! Sweeps of an AWS as a test says it answers, over a store in a file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eic_doctor_proto::Via;
use eic_doctor_proto::wire::v1;
use tempfile::TempDir;

use super::place::{Counts, Sweeping};
use crate::commands::policy::{For, actions_for};
use crate::gather::Budget;
use crate::gather::testing::{ACCOUNT, Fake};
use crate::server::config::{Reports, Sweep, Time};
use crate::server::packed::unpacked;
use crate::server::tests::{healthy, report};
use crate::store::{AgentRecord, AgentState, Content, Half, Millis, SharedStore, Submission, open};

/// Each look at the clock is a second later; one for all tests, so that none counts on a time of its own.
fn clock() -> Millis {
    static NOW: AtomicU64 = AtomicU64::new(1_800_000_000_000);
    NOW.fetch_add(1_000, Ordering::Relaxed)
}

struct Fleet {
    store: SharedStore,
    config: Sweep,
    reports: Reports,
    targets: Vec<String>,
    _folder: TempDir,
}

impl Fleet {
    /// As many enrolled instances as [`Fake`] has.
    async fn of(count: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let store = open(&format!("sqlite:{}", folder.path().join("store.db").display())).await.unwrap();
        for number in 0..count {
            store.put_agent(&record(number), None).await.unwrap();
        }
        let targets = vec!["hook".to_owned()];
        Self { store, config: Sweep::default(), reports: Reports::default(), targets, _folder: folder }
    }

    async fn sweep(&self, aws: &Fake) -> (Counts, Option<String>) {
        let agents = self.agents().await;
        self.sweeping().look(aws, &Budget::of(Duration::from_mins(1)), agents).await
    }

    fn sweeping(&self) -> Sweeping<'_> {
        Sweeping {
            store: &self.store,
            config: &self.config,
            reports: &self.reports,
            targets: &self.targets,
            now: clock,
            region: "eu-west-1",
            is_own: true,
        }
    }

    async fn agents(&self) -> BTreeMap<String, AgentRecord> {
        let all = self.store.agents(None, 1_000).await.unwrap().into_iter().filter(super::is_swept);
        all.map(|record| (record.instance_id.clone(), record)).collect()
    }

    /// Instance, check, was, is, and why.
    async fn changes(&self) -> Vec<String> {
        let changes = self.store.changes(None, 0, 1_000).await.unwrap();
        let line = |change: &crate::store::StoredChange| {
            let told = &change.change;
            format!("{} {}: {} {}", change.instance_id, told.check_id, told.was, told.is.status)
        };
        changes.iter().map(line).collect()
    }

    async fn aws_half(&self, number: usize) -> BTreeMap<String, (v1::Status, String)> {
        let stored = self.store.last_report(&id(number), Half::Aws).await.unwrap().unwrap();
        let results = unpacked(&stored.report).unwrap().results;
        results.into_iter().map(|result| (result.id.clone(), (result.status(), result.why))).collect()
    }
}

fn id(number: usize) -> String {
    format!("i-{number:017x}")
}

fn record(number: usize) -> AgentRecord {
    AgentRecord {
        instance_id: id(number),
        account_id: ACCOUNT.to_owned(),
        region: "eu-west-1".to_owned(),
        availability_zone: "eu-west-1a".to_owned(),
        image_id: "ami-1".to_owned(),
        agent_version: "0.1.0".to_owned(),
        pending_time: 1,
        key: [7; 32],
        serial: "0a".to_owned(),
        not_after: Millis::MAX >> 1,
        enrolled_at: clock(),
        state: AgentState::Enrolled,
        state_why: String::new(),
        state_since: 1,
        sequence: 0,
        last_seen: None,
        connected_to: None,
        ended_at: None,
    }
}

fn fake(count: usize) -> Fake {
    Fake { fleet: count, ..Fake::healthy() }
}

fn in_state(count: usize, state: &str) -> Fake {
    let mut fake = fake(count);
    fake.instance.state.as_mut().unwrap().name = Some(state.to_owned());
    fake
}

#[tokio::test]
async fn what_changes_outside_is_told_after_two_sweeps_and_cleared_after_one() {
    let fleet = Fleet::of(2).await;
    for _ in 0..2 {
        let (counts, problem) = fleet.sweep(&fake(2)).await;
        assert_eq!((counts.instances, counts.not_seen, counts.changes, problem), (2, 0, 0, None));
    }
    assert_eq!(fleet.sweep(&in_state(2, "stopped")).await.0.changes, 0, "once is a blip");
    fleet.sweep(&in_state(2, "stopped")).await;
    let stopped = ["0", "1"].map(|number| format!("i-{number:0>17} aws.instance.running: ok fail"));
    assert_eq!(fleet.changes().await, stopped);
    fleet.sweep(&in_state(2, "stopped")).await;
    assert_eq!(fleet.changes().await, stopped, "told once");
    fleet.sweep(&fake(2)).await;
    let started = ["0", "1"].map(|number| format!("i-{number:0>17} aws.instance.running: fail ok"));
    assert_eq!(fleet.changes().await, [stopped, started].concat());
    let due = fleet.store.due_deliveries(clock() + 1_000_000, clock() + 2_000_000, 100).await.unwrap();
    assert_eq!(due.len(), 4, "each is to be told");
}

#[tokio::test]
async fn a_sweep_asks_in_pages_and_never_of_the_trail() {
    let fleet = Fleet::of(450).await;
    let aws = fake(450);
    fleet.sweep(&aws).await;
    assert_eq!(aws.count("cloudtrail:LookupEvents"), 0);
    // Ids are asked for 200 at a time; what instances share is asked for once.
    assert_eq!((aws.count("ec2:DescribeInstances"), aws.count("ec2:DescribeSecurityGroups")), (3, 1));
}

#[tokio::test]
async fn a_sweep_calls_nothing_that_the_role_of_another_account_is_not_granted() {
    let mut fleet = Fleet::of(3).await;
    let granted = actions_for(For::Member);
    for via in [Via::Auto, Via::Browser, Via::Endpoint, Via::Public] {
        fleet.config.via = via;
        let aws = fake(3);
        fleet.sweep(&aws).await;
        let made = aws.made.lock().unwrap();
        let called: BTreeSet<&str> = made.iter().map(|(action, _)| *action).collect();
        assert!(called.len() > 10, "{called:?}");
        let more: Vec<_> = called.iter().filter(|action| !granted.contains(*action)).collect();
        assert_eq!(more, [&"sts:GetCallerIdentity"], "{via:?}");
    }
}

#[tokio::test]
async fn an_account_that_refuses_is_unknown_with_its_reason_and_told_once() {
    let fleet = Fleet::of(1).await;
    fleet.sweep(&fake(1)).await;
    let mut refusing = fake(1);
    refusing.refuse.insert("ec2:DescribeInstances", "UnauthorizedOperation");
    for _ in 0..4 {
        let (counts, problem) = fleet.sweep(&refusing).await;
        assert_eq!((counts.instances, counts.not_seen), (1, 1));
        assert!(problem.unwrap().contains("ec2:DescribeInstances"));
    }
    assert_eq!(fleet.changes().await, [format!("{} aws: ok unknown", id(0))]);
    let told = fleet.store.changes(None, 0, 1).await.unwrap().remove(0).change;
    assert!(told.is.why.contains("the credentials may not call ec2:DescribeInstances"), "{}", told.is.why);
    let half = fleet.aws_half(0).await;
    assert_eq!(half.keys().collect::<Vec<_>>(), ["aws"]);
    assert_eq!(half["aws"].0, v1::Status::Unknown);
    fleet.sweep(&fake(1)).await;
    assert_eq!(fleet.changes().await[1..], [format!("{} aws: unknown ok", id(0))]);
}

#[tokio::test]
async fn an_account_that_never_let_anybody_in_is_told_of_to_nobody_and_shown() {
    let fleet = Fleet::of(1).await;
    for _ in 0..4 {
        fleet.sweeping().not_let_in("no role there".to_owned(), fleet.agents().await).await;
    }
    assert_eq!(fleet.changes().await, [""; 0]);
    assert_eq!(fleet.aws_half(0).await["aws"], (v1::Status::Unknown, "no role there".to_owned()));
}

#[tokio::test]
async fn a_terminated_instance_is_told_once_and_then_swept_and_waited_for_no_more() {
    let mut fleet = Fleet::of(1).await;
    fleet.reports.silent_after = Time(Duration::from_hours(1));
    report_of(&fleet, 0).await;
    fleet.sweep(&fake(1)).await;
    for _ in 0..2 {
        assert_eq!(fleet.sweep(&in_state(1, "terminated")).await.0.ended, 1);
    }
    let told = [format!("{} aws.instance.running: ok fail", id(0))];
    assert_eq!(fleet.changes().await, told);
    assert!(fleet.agents().await.is_empty(), "it is swept no more");
    let ended = fleet.store.agent(&id(0)).await.unwrap().unwrap().ended_at.unwrap();
    let silent = fleet.store.silence(Half::Os, ended + 1_000_000, ended + 1_000_000, &[]).await.unwrap();
    assert!(silent.is_empty(), "its silence is no news");
}

#[tokio::test]
async fn an_instance_that_aws_does_not_know_any_more_is_so_too_and_one_that_is_heard_of_is_looked_for_again() {
    let fleet = Fleet::of(1).await;
    fleet.sweep(&fake(1)).await;
    for _ in 0..2 {
        fleet.sweep(&fake(0)).await;
    }
    assert_eq!(fleet.changes().await, [format!("{} aws.instance.exists: ok fail", id(0))]);
    assert!(fleet.agents().await.is_empty());
    fleet.store.set_connected(&id(0), Some("coordinator"), None, clock()).await.unwrap();
    fleet.sweep(&fake(1)).await;
    assert_eq!(fleet.changes().await[1..], [format!("{} aws.instance.exists: fail ok", id(0))]);
    assert_eq!(fleet.store.agent(&id(0)).await.unwrap().unwrap().ended_at, None);
}

#[tokio::test]
async fn what_must_agree_is_judged_with_the_inside_that_the_agent_reported() {
    let fleet = Fleet::of(2).await;
    report_of(&fleet, 0).await;
    fleet.sweep(&fake(2)).await;
    let address = "both.network.address";
    let (reported, silent) = (fleet.aws_half(0).await, fleet.aws_half(1).await);
    assert!(reported.keys().all(|id| !id.starts_with("os.")), "the inside drifts by its own reports");
    assert!(!reported[address].1.contains("has not reported"), "{:?}", reported[address]);
    assert!(silent[address].1.contains("has not reported yet"), "{:?}", silent[address]);
}

/// The instance's agent has reported, now.
async fn report_of(fleet: &Fleet, number: usize) {
    use prost::Message as _;
    let content = Content::Full {
        report: crate::server::packed::packed(&report(&healthy(&id(number))).encode_to_vec()),
        digest: [1; 32],
        results: Vec::new(),
    };
    let from = Some(([7; 32], 1));
    let submission = Submission { instance_id: id(number), half: Half::Os, from, received_at: clock(), content };
    fleet.store.submit(vec![submission], 2, &[]).await.unwrap().remove(0).unwrap();
}
