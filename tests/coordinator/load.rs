//! A small run of the load generator's parts (`tests/load/`): a real coordinator behind a port, agents with certificates of its authority.

#[path = "../load/rig/mod.rs"]
#[expect(dead_code, reason = "what only measures is for the benchmark")]
mod rig;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eic_doctor::authority::Authority;
use eic_doctor::store::{Half, open};
use tokio::sync::Semaphore;

use rig::agent::Report;
use rig::checks::check_all;
use rig::fleet::Fleet;
use rig::identity::identities;
use rig::process::{Process, serve};

const AGENTS: usize = 50;
/// No run ends by time here.
const EVER: Duration = Duration::MAX;

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_comes_back_all_at_once_after_a_kill_and_nothing_acknowledged_is_lost() {
    let dir = tempfile::TempDir::new().unwrap();
    let url = format!("sqlite:{}", dir.path().join("store.db").display());
    let mut fleet = fleet(dir.path());
    let coordinator = Process::coordinator(dir.path(), &url, ([127, 0, 0, 1], 0).into(), "");
    let at = coordinator.agents;
    let came = fleet.come_in(at, AGENTS / 2).await;
    assert_eq!(came.refused.len(), 0, "{:?}", came.refused);
    let first = fleet.closed_loop(8, AGENTS, EVER, 100).await;
    assert_eq!((first.count(), first.lost), (AGENTS, 0));
    let offered = fleet.open_loop(50.0, Duration::from_secs(2), 5).await;
    assert_eq!((offered.count(), offered.lost), (2 * AGENTS, 0));
    let ids = fleet.agents().iter().map(|agent| agent.identity.instance_id.clone()).collect();
    let checked = check_all(dir.path().join("operator.sock"), ids, 16).await;
    assert_eq!((checked.count(), checked.lost), (AGENTS, 0));

    coordinator.kill();
    let refused = fleet.leave().await;
    assert!(refused.is_empty(), "{refused:?}");
    let coordinator = Process::coordinator(dir.path(), &url, at, "");
    let back = fleet.come_in(at, Semaphore::MAX_PERMITS).await;
    assert_eq!(back.refused.len(), 0, "{:?}", back.refused);
    // On a new stream an agent knows no digest, so it sends all again; those half-way through are as good as any.
    let again = fleet.closed_loop(8, AGENTS / 2, EVER, 0).await;
    assert_eq!((again.count(), again.lost), (AGENTS / 2, 0));

    coordinator.kill();
    let store = open(&url).await.unwrap();
    for agent in fleet.agents() {
        let id = &agent.identity.instance_id;
        let stored = store.agent(id).await.unwrap().unwrap_or_else(|| panic!("{id} is lost"));
        let acknowledged = agent.acknowledged.load(Ordering::Relaxed);
        assert!(acknowledged >= 3, "{id} was acknowledged {acknowledged} times");
        assert!(stored.sequence >= acknowledged, "{id}: {} is stored of {acknowledged}", stored.sequence);
        assert!(store.last_report(id, Half::Os).await.unwrap().is_some(), "{id} has no report");
    }
}

#[test]
fn as_many_files_may_be_open_as_the_hard_limit_lets_and_where_they_are_too_few_for_the_agents_it_is_said() {
    for (hard, connections, told) in [(2_000, 20_000, true), (2_000, 1_000, false)] {
        let dir = tempfile::TempDir::new().unwrap();
        let url = format!("sqlite:{}", dir.path().join("store.db").display());
        let more = format!("[limits]\nconnections = {connections}\nconnections_per_address = {connections}\n");
        let serve = serve(dir.path(), &url, ([127, 0, 0, 1], 0).into(), &more);
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--nofile=200:{hard}")).arg(serve.get_program()).args(serve.get_args());
        let coordinator = Process::begin(limited);
        assert_eq!(coordinator.open_files(), (hard.to_string(), hard.to_string()));
        let said = coordinator.said.iter().any(|line| line.contains("may open 2000 files, and 20000 connections"));
        assert_eq!(said, told, "{:?}", coordinator.said);
    }
}

fn fleet(dir: &Path) -> Fleet {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_millis()).unwrap();
    let authority = Authority::embedded(&dir.join("authority"), now).unwrap();
    Fleet::new(identities(&authority, AGENTS, now), Arc::new(Report::recorded()))
}
