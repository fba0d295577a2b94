//! What was acknowledged is there after a kill.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use eic_doctor::store::{Half, SharedStore, open};
use eic_doctor_proto::Status;

use super::Place;
use super::cluster::Cluster;
use super::fixtures::{digest, enrolled, full, outcomes};

/// Names the store that the process of a test writes to until it is killed.
const URL: &str = "EIC_DOCTOR_TEST_STORE";
/// Reports that are acknowledged before the kill.
const ACKNOWLEDGED: u64 = 300;

/// In a process of its own this goes on until it is killed; by itself it shows that what is acknowledged can be read.
#[tokio::test]
async fn an_acknowledged_report_can_be_read_at_once() {
    let url = std::env::var(URL).ok();
    let place = if url.is_none() { Some(Place::sqlite().await) } else { None };
    let store = match (&place, &url) {
        (Some(place), _) => place.store.clone(),
        (None, url) => open(url.as_deref().unwrap()).await.unwrap(),
    };
    enrolled(&store, &["i-1"]).await;
    for sequence in 1.. {
        let status = if sequence % 2 == 0 { Status::Fail } else { Status::Ok };
        let answer =
            store.submit(vec![full("i-1", sequence, sequence, status)], 1, &["hook".to_owned()]).await.unwrap();
        assert!(answer[0].is_ok(), "{answer:?}");
        if url.is_none() {
            assert_all_there(&store, sequence).await;
            if sequence == 20 {
                return;
            }
        } else {
            println!("acknowledged {sequence}");
        }
    }
}

/// The report, its changes and their deliveries belong together.
pub(super) async fn assert_all_there(store: &SharedStore, acknowledged: u64) {
    let agent = store.agent("i-1").await.unwrap().unwrap();
    assert!(agent.sequence >= acknowledged, "{} of {acknowledged}", agent.sequence);
    let report = store.last_report("i-1", Half::Os).await.unwrap().unwrap();
    assert_eq!(report.digest, digest(agent.sequence), "the report and the sequence are of one transaction");
    let mut told = Vec::new();
    loop {
        let page = store.changes(None, told.last().copied().unwrap_or_default(), 1_000).await.unwrap();
        if page.is_empty() {
            break;
        }
        told.extend(page.into_iter().map(|change| change.number));
    }
    // Each report but the first is a change.
    assert_eq!(told.len() as u64, agent.sequence - 1);
    let due = store.due_deliveries(u64::MAX >> 1, 1, 1_000_000).await.unwrap();
    assert_eq!(due.len(), told.len(), "each change has its delivery");
}

/// Runs the test above on a store in another process, and kills that.
fn killed_while_it_stores(url: &str) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::durable::an_acknowledged_report_can_be_read_at_once", "--nocapture"])
        .env(URL, url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut last = 0;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while last < ACKNOWLEDGED {
        let line = lines.next().expect("the process ended before it was killed").unwrap();
        last = line.strip_prefix("acknowledged ").map_or(last, |number| number.parse().unwrap());
    }
    // SIGKILL
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had said before it died counts too; the kill may have cut the last line.
    let said = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok());
    said.max().unwrap_or(last)
}

#[tokio::test]
async fn what_a_killed_coordinator_acknowledged_is_in_its_file() {
    let folder = tempfile::TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let acknowledged = killed_while_it_stores(&url);
    assert!(acknowledged >= ACKNOWLEDGED);
    assert_all_there(&open(&url).await.unwrap(), acknowledged).await;
}

#[tokio::test]
async fn what_a_killed_coordinator_acknowledged_is_in_postgresql() {
    let url = Cluster::of_all_tests().new_database().await;
    let acknowledged = killed_while_it_stores(&url);
    assert!(acknowledged >= ACKNOWLEDGED);
    assert_all_there(&open(&url).await.unwrap(), acknowledged).await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_of_the_database_and_the_store_goes_on() {
    let mut cluster = Cluster::durable();
    let url = cluster.new_database().await;
    let store = open(&url).await.unwrap();
    let mut heard = store.subscribe().await.unwrap();
    enrolled(&store, &["i-1"]).await;
    let mut acknowledged = 0;
    let killed = loop {
        let sequence = acknowledged + 1;
        let status = if sequence % 2 == 0 { Status::Fail } else { Status::Ok };
        let report = full("i-1", sequence, sequence, status);
        match store.submit(vec![report], 1, &["hook".to_owned()]).await {
            Ok(answer) => assert!(answer[0].is_ok(), "{answer:?}"),
            Err(error) => break error,
        }
        acknowledged = sequence;
        if acknowledged == ACKNOWLEDGED {
            cluster.kill();
        }
        assert!(acknowledged < 100 * ACKNOWLEDGED, "the database was not killed");
    };
    assert!(acknowledged >= ACKNOWLEDGED, "{killed:?}");
    cluster.start_again();
    assert_all_there(&open(&url).await.unwrap(), acknowledged).await;
    // The same store, which lost its connections. The report that was under way may have been stored: its sequence is used up.
    assert_eq!(outcomes(&store, vec![full("i-1", acknowledged + 2, 1, Status::Ok)]).await, [Ok(())]);
    // It listens again, at the latest a second after it could.
    loop {
        store.publish("are you there").await.unwrap();
        if tokio::time::timeout(std::time::Duration::from_millis(200), heard.recv()).await.is_ok() {
            break;
        }
    }
    drop(cluster);
}
