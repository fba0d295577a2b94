//! Prints how many reports a second each store takes, and how long a caller waits for the acknowledgement, which comes after the commit is
//! on the disk: beside a bare insert of 100 rows a transaction into a table of the same database, in the same run.
//!
//! Figures to compare, not a test: nothing here fails because a machine is slow. What the stores promise is tested elsewhere.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and one that cannot go on panics")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eic_doctor::store::{AgentRecord, AgentState, Content, Half, SharedStore, Submission, open};
use eic_doctor_proto::{CheckResult, Evidence, Remedy, Status};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::task::JoinSet;

#[expect(dead_code, reason = "the tests kill it; here it only runs")]
#[path = "../coordinator/store/cluster.rs"]
mod cluster;

const AGENTS: usize = 2_000;
/// Checks of the instance's half in a report.
const CHECKS: usize = 60;
/// Callers that wait at once, when the store is given as much as it takes.
const CALLERS: usize = 256;
/// `goals.md`: a million agents, each every five minutes.
const GOAL: u32 = 3_333;
const SPAN: Duration = Duration::from_secs(4);
const KEY: [u8; 32] = [7; 32];

#[tokio::main]
async fn main() {
    let report =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/worlds/al2023-public/os.json")).unwrap();
    let build = if cfg!(debug_assertions) { "an unoptimised build" } else { "an optimised build" };
    println!("reports of {AGENTS} agents in {build}; a full one has {} bytes and {CHECKS} results", report.len());
    println!("{:42}{:>12}{:>10}{:>10}", "", "reports/s", "p50 ms", "p99 ms");

    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = open(&format!("sqlite:{}", file.display())).await.unwrap();
    measure("SQLite", &store, &report).await;
    drop(store);
    let bare = bare_sqlite(&folder.path().join("bare.db")).await;
    println!("{:42}{bare:>12.0}   (rows/s)", "SQLite, bare insert of 100 rows");

    let cluster = cluster::Cluster::durable();
    let store = open(&cluster.new_database().await).await.unwrap();
    measure("PostgreSQL", &store, &report).await;
    drop(store);
    let bare = bare_postgres(&cluster.new_database().await).await;
    println!("{:42}{bare:>12.0}   (rows/s)", "PostgreSQL, bare insert of 100 rows");
}

async fn measure(name: &str, store: &SharedStore, report: &[u8]) {
    for index in 0..AGENTS {
        store.put_agent(&record(&id(index)), None).await.unwrap();
    }
    let source = Source::new(report);
    // The first report of each is a full one.
    let first = (0..AGENTS).map(|index| source.full(index)).collect();
    store.submit(first, 2, &[]).await.unwrap();
    for (what, full_of_100) in [("unchanged", 0), ("1 of 20 full", 5), ("all full", 100)] {
        let (rate, waits) = flat_out(store, &source, full_of_100).await;
        print_line(&format!("{name}, {what}"), rate, waits);
    }
    let (rate, waits) = offered(store, &source).await;
    print_line(&format!("{name}, {GOAL}/s offered, 1 of 20 full"), rate, waits);
}

fn print_line(name: &str, rate: f64, mut waits: Vec<Duration>) {
    waits.sort_unstable();
    let ms = |part: usize| waits[(waits.len() - 1) * part / 100].as_secs_f64() * 1e3;
    println!("{name:42}{rate:>12.0}{:>10.1}{:>10.1}", ms(50), ms(99));
}

/// Each caller submits one report and waits for it before the next, as the agents' streams do.
async fn flat_out(store: &SharedStore, source: &Arc<Source>, full_of_100: u64) -> (f64, Vec<Duration>) {
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (store, source) = (store.clone(), source.clone());
        callers.spawn(async move {
            let mut waits = Vec::new();
            // No two callers have an agent in common: its sequences come in order.
            for index in (caller..AGENTS).step_by(CALLERS).cycle() {
                if begin.elapsed() > SPAN {
                    return waits;
                }
                waits.push(one(&store, source.next(index, full_of_100)).await);
            }
            waits
        });
    }
    let waits: Vec<Duration> = callers.join_all().await.into_iter().flatten().collect();
    (waits.len() as f64 / begin.elapsed().as_secs_f64(), waits)
}

/// At a fixed rate, whether the ones before are answered or not.
async fn offered(store: &SharedStore, source: &Arc<Source>) -> (f64, Vec<Duration>) {
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(3));
    let mut sent = 0_usize;
    while begin.elapsed() < SPAN {
        ticks.tick().await;
        let due = (begin.elapsed().as_secs_f64() * f64::from(GOAL)) as usize;
        for index in sent..due {
            let (store, source) = (store.clone(), source.clone());
            callers.spawn(async move { one(&store, source.next(index % AGENTS, 5)).await });
        }
        sent = sent.max(due);
    }
    let waits = callers.join_all().await;
    (waits.len() as f64 / begin.elapsed().as_secs_f64(), waits)
}

async fn one(store: &SharedStore, submission: Submission) -> Duration {
    let begin = Instant::now();
    let answer = store.submit(vec![submission], 2, &[]).await.unwrap();
    assert!(answer[0].is_ok(), "{answer:?}");
    begin.elapsed()
}

/// Makes reports with sequences that grow.
struct Source {
    report: Vec<u8>,
    results: Vec<CheckResult>,
    sequence: AtomicU64,
}

impl Source {
    fn new(report: &[u8]) -> Arc<Self> {
        Arc::new(Self { report: report.to_vec(), results: results(), sequence: AtomicU64::new(0) })
    }

    fn next(&self, index: usize, full_of_100: u64) -> Submission {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        let content = if sequence % 100 < full_of_100 { self.whole() } else { Content::Unchanged([0; 32]) };
        submission(index, sequence, content)
    }

    fn full(&self, index: usize) -> Submission {
        submission(index, self.sequence.fetch_add(1, Ordering::Relaxed) + 1, self.whole())
    }

    fn whole(&self) -> Content {
        Content::Full { report: self.report.clone(), digest: [0; 32], results: self.results.clone() }
    }
}

fn submission(index: usize, sequence: u64, content: Content) -> Submission {
    let from = Some((KEY, sequence));
    Submission { instance_id: id(index), half: Half::Os, from, received_at: sequence, content }
}

/// Most are well; two are findings, as on an instance that somebody should look at.
fn results() -> Vec<CheckResult> {
    let one = |number: usize| {
        let status = if number % 30 == 7 { Status::Warn } else { Status::Ok };
        CheckResult {
            id: format!("os.area.check-number-{number}"),
            title: "sshd looks up pushed keys".to_owned(),
            status,
            evidence: vec![Evidence::new("AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys", "sshd -T")],
            remedy: status.is_finding().then(|| Remedy::by_hand("Reload sshd", "sshd -T")),
            blocked_by: Vec::new(),
            why: String::new(),
            missing_action: None,
            doc: String::new(),
            required: true,
        }
    };
    (0..CHECKS).map(one).collect()
}

fn id(index: usize) -> String {
    format!("i-{index:017x}")
}

fn record(instance_id: &str) -> AgentRecord {
    AgentRecord {
        instance_id: instance_id.to_owned(),
        account_id: "111122223333".to_owned(),
        region: "eu-west-1".to_owned(),
        availability_zone: "eu-west-1a".to_owned(),
        image_id: "ami-0a1b2c3d4e5f60718".to_owned(),
        agent_version: "0.1.0".to_owned(),
        pending_time: 1,
        key: KEY,
        serial: "0a".to_owned(),
        not_after: 2,
        enrolled_at: 1,
        state: AgentState::Enrolled,
        state_why: String::new(),
        state_since: 1,
        sequence: 0,
        last_seen: None,
        connected_to: None,
        ended_at: None,
    }
}

const TABLE: &str =
    "CREATE TABLE bare (instance_id TEXT, half TEXT, received_at BIGINT, confirmed_at BIGINT, sequence BIGINT)";

/// `($1, $2, $3, $4, $5), …`, 100 times.
fn insert() -> String {
    let rows: Vec<String> = (0..100)
        .map(|row| {
            format!("({})", (1..=5).map(|column| format!("${}", row * 5 + column)).collect::<Vec<_>>().join(", "))
        })
        .collect();
    format!("INSERT INTO bare VALUES {}", rows.join(", "))
}

macro_rules! bare {
    ($connection:ident) => {{
        sqlx::raw_sql(TABLE).execute(&mut $connection).await.unwrap();
        let sql = insert();
        let begin = Instant::now();
        let mut rows = 0_i64;
        while begin.elapsed() < SPAN {
            let mut transaction = $connection.begin().await.unwrap();
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
            for _ in 0..100 {
                rows += 1;
                query = query.bind(id(usize::try_from(rows).unwrap())).bind("os").bind(rows).bind(rows).bind(rows);
            }
            query.execute(&mut *transaction).await.unwrap();
            transaction.commit().await.unwrap();
        }
        let rate = rows as f64 / begin.elapsed().as_secs_f64();
        $connection.close().await.unwrap();
        rate
    }};
}

async fn bare_sqlite(file: &Path) -> f64 {
    use sqlx::ConnectOptions as _;
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Full);
    let mut connection: SqliteConnection = options.connect().await.unwrap();
    bare!(connection)
}

async fn bare_postgres(url: &str) -> f64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    bare!(connection)
}
