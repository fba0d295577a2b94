//! Stores of other versions, and URLs of no store.

use eic_doctor::store::{AgentState, Half, StoreError, open};
use eic_doctor_proto::Status;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::Place;
use super::fixtures::{digest, full, lines, outcomes, unchanged};

const FUTURE: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                      VALUES (9999, 'of the future', TRUE, ";

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_with_both_versions() {
    let Place { store, url, _folder } = Place::sqlite().await;
    drop(store);
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let insert = sqlx::AssertSqlSafe(format!("{FUTURE} x'00', 0)"));
    sqlx::raw_sql(insert).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert_newer(open(&url).await.err());
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_with_both_versions() {
    let Place { store, url, _folder } = Place::postgres().await;
    drop(store);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let insert = sqlx::AssertSqlSafe(format!("{FUTURE} '\\x00', 0)"));
    sqlx::raw_sql(insert).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert_newer(open(&url).await.err());
}

fn assert_newer(refused: Option<StoreError>) {
    let message = refused.unwrap().to_string();
    let expected =
        "a newer eic-doctor wrote this store (schema 9999; this one knows 5): it takes that version or a later one";
    assert_eq!(message, expected);
}

/// `tests/recorded/store/README.md` says how the file was made. Whoever changes a migration that was delivered breaks this.
#[tokio::test]
async fn a_recorded_file_of_the_first_version_is_read_and_goes_on() {
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/recorded/store/0001.db");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    std::fs::copy(recorded, &file).unwrap();
    let store = open(&format!("sqlite:{}", file.display())).await.unwrap();
    let agents = store.agents(None, 10).await.unwrap();
    let seen: Vec<_> = agents.iter().map(|a| (a.instance_id.as_str(), a.state, a.sequence, a.last_seen)).collect();
    let expected = [("i-1", AgentState::Enrolled, 3, Some(3_000)), ("i-2", AgentState::Revoked, 0, None)];
    assert_eq!(seen, expected);
    assert_eq!(store.last_report("i-1", Half::Os).await.unwrap().unwrap().digest, digest(3));
    let told = ["i-1 os.sshd.running: ok fail since 2000, told 3000"];
    assert_eq!(lines(&store.changes(None, 0, 10).await.unwrap()), told);
    assert_eq!(store.due_deliveries(9_000, 9_001, 10).await.unwrap()[0].target, "hook");
    assert_eq!(outcomes(&store, vec![unchanged("i-1", 4, 4_000, 3)]).await, [Ok(())]);
    let cleared = store.submit(vec![full("i-1", 5, 5_000, Status::Ok)], 2, &[]).await.unwrap().remove(0).unwrap();
    assert_eq!(lines(&cleared), ["i-1 os.sshd.running: fail ok since 5000, told 5000"]);
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::sqlite().await;
    let path = place.url.strip_prefix("sqlite:").unwrap();
    for beside in ["", "-wal", "-shm", ".lock"] {
        let mode = std::fs::metadata(format!("{path}{beside}")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{beside}");
    }
}

#[tokio::test]
async fn a_url_of_no_store_is_refused_without_its_password() {
    for url in [
        "",
        "mysql://u:hunter2@h/d",
        "sqlite:",
        "sqlite::memory:",
        "sqlite:x?mode=hunter2",
        "postgres://u:hunter2@h:port/d",
    ] {
        let refused = open(url).await.err().unwrap();
        assert!(matches!(refused, StoreError::Url { .. }), "{url}: {refused:?}");
        assert!(!format!("{refused:?} {refused}").contains("hunter2"), "{refused:?}");
    }
    let folder = TempDir::new().unwrap();
    let nowhere = open(&format!("sqlite:{}/no/folder/store.db", folder.path().display())).await.err().unwrap();
    assert!(matches!(nowhere, StoreError::File { .. }), "{nowhere:?}");
}

#[tokio::test]
async fn a_file_that_is_no_store_is_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("notes.txt");
    let text = "not a database at all; ".repeat(100);
    std::fs::write(&file, &text).unwrap();
    let refused = open(&format!("sqlite:{}", file.display())).await.err().unwrap();
    assert!(matches!(refused, StoreError::Database { .. }), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

/// What a store was made with is compared with what is in the binary: a migration that was delivered is never changed, another is added.
#[test]
fn the_migrations_that_were_delivered_are_as_they_were() {
    let delivered = [
        ("sqlite/0001_first.sql", "a87d1065c60ba888c40a979c54fcfc2bb0b0fad043b0e95e98ebcc82c835ece1"),
        ("postgres/0001_first.sql", "e95efa4892956e3f0e0650732f202c87e8aa4c3ef784dfe2f9938cf713215416"),
        ("sqlite/0002_answers.sql", "037351680d1e6f2abd24e8e30f8ef73c6552154434e700e590a5d5e78343b1c0"),
        ("postgres/0002_answers.sql", "64b82234709fd6ea8f37752ecbb814789385e8dacd6b92d928d81f68dbb2eef6"),
        ("sqlite/0003_turns.sql", "e342a552ee474ec068fae332130c0797e286e3ae0befcc918587ce042eb9f8f6"),
        ("postgres/0003_turns.sql", "d682808d44880972c05a935c6824b793dd0fd863c3389ad55dfe0e66282c5ab0"),
        ("sqlite/0004_fleet.sql", "b255bf204172690d99f98d8c1a43a255640be68a24345873975ac1a02b819bfb"),
        ("postgres/0004_fleet.sql", "2c5a43695f0b2487e133cd571551af4952ca1fcf3eb2026df513b8be4fd14b2a"),
        ("sqlite/0005_counted_fast.sql", "3c8109f133a9123c8e59c0156e06761acab108dcc09b9f2b12ea33499c522fe8"),
        ("postgres/0005_counted_fast.sql", "6c0541d058f75abec9df43252dcf2baa69220d95be4866f2cfcae898dd72fbd3"),
    ];
    for (file, expected) in delivered {
        let path = format!("{}/src/store/migrations/{file}", env!("CARGO_MANIFEST_DIR"));
        let digest = ring::digest::digest(&ring::digest::SHA256, &std::fs::read(path).unwrap());
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, expected, "{file}");
    }
    for folder in ["sqlite", "postgres"] {
        let path = format!("{}/src/store/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
        let there = std::fs::read_dir(path).unwrap().count();
        let known = delivered.iter().filter(|(file, _)| file.starts_with(folder)).count();
        assert_eq!(there, known, "a migration of {folder} is not in the list above");
    }
}
