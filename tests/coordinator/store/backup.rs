//! The README's way to back a store up while the coordinator runs, and to restore it: agents go on reporting afterwards.

use std::path::Path;
use std::process::Command;

use eic_doctor::store::{NotStored, SharedStore, open};
use eic_doctor_proto::Status;
use sqlx::{Connection as _, SqliteConnection};

use super::Place;
use super::cluster::{Cluster, programs};
use super::durable::assert_all_there;
use super::fixtures::{enrolled, full, outcomes};

const BEFORE: u64 = 20;

async fn reported(store: &SharedStore, sequences: std::ops::RangeInclusive<u64>) {
    for sequence in sequences {
        let status = if sequence % 2 == 0 { Status::Fail } else { Status::Ok };
        let answer =
            store.submit(vec![full("i-1", sequence, sequence, status)], 1, &["hook".to_owned()]).await.unwrap();
        assert!(answer[0].is_ok(), "{answer:?}");
    }
}

/// `backed_up` knows what was acknowledged before the backup; the agent's sequence went on since then.
async fn an_agent_returns_to(backed_up: &SharedStore) {
    let known = backed_up.agent("i-1").await.unwrap().unwrap().sequence;
    assert!(known >= BEFORE);
    assert_all_there(backed_up, known).await;
    assert_eq!(
        outcomes(backed_up, vec![full("i-1", known, 1, Status::Ok)]).await,
        [Err(NotStored::Replayed { sequence: known, last: known })]
    );
    assert_eq!(outcomes(backed_up, vec![full("i-1", known + 100, 1, Status::Ok)]).await, [Ok(())]);
}

#[tokio::test]
async fn a_sqlite_store_is_backed_up_while_reports_come_and_agents_return_to_the_copy() {
    let folder = tempfile::TempDir::new().unwrap();
    let place = Place::sqlite().await;
    enrolled(&place.store, &["i-1"]).await;
    reported(&place.store, 1..=BEFORE).await;
    let copy = folder.path().join("copy.db");
    let vacuum = async {
        // What `sqlite3 FILE "VACUUM INTO 'COPY'"` does.
        let mut connection = SqliteConnection::connect(&place.url).await.unwrap();
        sqlx::query("VACUUM INTO ?1").bind(copy.to_str().unwrap()).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };
    tokio::join!(vacuum, reported(&place.store, BEFORE + 1..=BEFORE + 40));
    an_agent_returns_to(&open(&format!("sqlite:{}", copy.display())).await.unwrap()).await;
}

#[tokio::test]
async fn a_postgresql_store_is_dumped_while_it_is_open_and_agents_return_to_what_was_restored() {
    let folder = tempfile::TempDir::new().unwrap();
    let place = Place::postgres().await;
    enrolled(&place.store, &["i-1"]).await;
    reported(&place.store, 1..=BEFORE).await;
    let dump = folder.path().join("store.dump");
    run("pg_dump", &["--format=custom", "--file"], &dump, &place.url);
    reported(&place.store, BEFORE + 1..=BEFORE + 2).await;
    let restored = Cluster::of_all_tests().new_database().await;
    run("pg_restore", &["--no-owner"], &dump, &restored);
    an_agent_returns_to(&open(&restored).await.unwrap()).await;
}

fn run(program: &str, arguments: &[&str], file: &Path, url: &str) {
    let mut command = Command::new(programs().join(program));
    let output = command.args(arguments).arg(file).arg("--dbname").arg(url).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}
