//! The same measurements of whatever serves the agents.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use eic_doctor::authority::Authority;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tonic::Status;

use crate::cluster::Cluster;
use crate::now;
use crate::rig::agent::Report;
use crate::rig::checks::check_all;
use crate::rig::fleet::{Fleet, Waits};
use crate::rig::identity::identities;
use crate::rig::process::Process;

/// Agents that come in, or wait for an acknowledgement, at once, where it is not all of them.
const TOGETHER: usize = 256;
/// The coordinator's own limit of checks that are under way is twice as much.
const CHECKS: usize = 128;
/// Of the handshakes' own measurement: nothing else holds them back then.
const NO_LIMIT: &str = "[limits]\nhandshakes_per_second = 1000000\n";
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

pub const ROWS: [&str; 19] = [
    "kB for each connected agent, before it reports",
    "  of them anonymous",
    "kB for each, after it has reported in full",
    "  of them anonymous",
    "all come in, at most 256 at a time, s",
    "first reports, in full, 256 at a time: reports/s",
    "  p50, p99 until acknowledged, ms",
    "at the offered rate, 1 of 20 in full: reports/s",
    "  p50, p99 until acknowledged, ms",
    "  ms of the server's processor time for a report",
    "unchanged, 256 at a time: reports/s",
    "  p50, p99 until acknowledged, ms",
    "every agent asked to look now, 128 at a time: checks/s",
    "  p50, p99 until answered, ms",
    "all back at once after kill -9: s until the last is in",
    "  connections that took; agents refused for good",
    "handshakes/s, 64 at a time",
    "bytes up, down: handshake and stream",
    "bytes up, down: report in full; unchanged",
];

/// In the order of [`ROWS`].
pub type Figures = [String; ROWS.len()];

pub struct Plan {
    pub agents: usize,
    pub span: Duration,
    pub rate: f64,
    pub report: Arc<Report>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Behind {
    Sqlite,
    Postgresql,
    Bare,
}

impl Behind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgresql => "PostgreSQL",
            Self::Bare => "bare tonic",
        }
    }
}

/// What serves: begun as often as it is killed.
struct Served {
    behind: Behind,
    dir: TempDir,
    url: String,
    _cluster: Option<Cluster>,
}

impl Served {
    async fn new(behind: Behind) -> Self {
        let dir = TempDir::new().unwrap();
        let cluster = matches!(behind, Behind::Postgresql).then(Cluster::durable);
        let url = match &cluster {
            Some(cluster) => cluster.new_database().await,
            None => format!("sqlite:{}", dir.path().join("store.db").display()),
        };
        Self { behind, dir, url, _cluster: cluster }
    }

    fn begin(&self, at: SocketAddr, more: &str) -> Process {
        match self.behind {
            Behind::Sqlite | Behind::Postgresql => Process::coordinator(self.dir.path(), &self.url, at, more),
            Behind::Bare => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.arg("--serve-bare").arg(self.dir.path().join("authority"));
                Process::begin(command)
            }
        }
    }
}

pub async fn measure(behind: Behind, plan: &Plan) -> Figures {
    let served = Served::new(behind).await;
    let authority = Authority::embedded(&served.dir.path().join("authority"), now()).unwrap();
    let mut identities = identities(&authority, plan.agents + 1, now());
    let first = identities.pop().into_iter().collect();
    let mut fleet = Fleet::new(identities, Arc::clone(&plan.report));
    let mut row = Rows::default();

    let process = served.begin(ANY_PORT, "");
    // What the first of all costs is not each one's.
    let mut first = Fleet::new(first, Arc::clone(&plan.report));
    first.come_in(process.agents, 1).await;
    sound(first.closed_loop(1, 1, plan.span, 100).await);
    still_welcome(first.leave().await);

    let empty = process.resident();
    let each = |now: u64, before: u64| kb(now.saturating_sub(before) / plan.agents as u64);
    let came = fleet.come_in(process.agents, TOGETHER).await;
    still_welcome(came.refused);
    let connected = process.resident();
    row.put(0, each(connected.0, empty.0));
    row.put(1, each(connected.1, empty.1));
    row.put(4, format!("{:.1}", came.took.as_secs_f64()));
    let wire = || (fleet.wire.sent(), fleet.wire.received());
    let after_coming = wire();
    row.put(17, bytes(after_coming, (0, 0), plan.agents));

    let reported = sound(fleet.closed_loop(TOGETHER, plan.agents, Duration::MAX, 100).await);
    row.put_waits(5, &reported);
    let full = bytes(wire(), after_coming, reported.count());
    let used = process.resident();
    row.put(2, each(used.0, empty.0));
    row.put(3, each(used.1, empty.1));

    let ticks = process.ticks();
    let offered = sound(fleet.open_loop(plan.rate, plan.span, 5).await);
    row.put_waits(7, &offered);
    row.put(9, format!("{:.2}", (process.ticks() - ticks) as f64 * 10.0 / offered.count() as f64));
    let before = wire();
    let unchanged = sound(fleet.closed_loop(TOGETHER, usize::MAX, plan.span, 0).await);
    row.put_waits(10, &unchanged);
    row.put(18, format!("{full}; {}", bytes(wire(), before, unchanged.count())));

    let at = process.agents;
    if !matches!(behind, Behind::Bare) {
        let ids = fleet.agents().iter().map(|agent| agent.identity.instance_id.clone()).collect();
        let checked = sound(check_all(served.dir.path().join("operator.sock"), ids, CHECKS).await);
        row.put_waits(12, &checked);
        process.kill();
        still_welcome(fleet.leave().await);
        let process = served.begin(at, "");
        let back = fleet.come_in(at, Semaphore::MAX_PERMITS).await;
        row.put(14, format!("{:.1}", back.took.as_secs_f64()));
        row.put(15, format!("{}; {}", back.tries, back.refused.len()));
        process.kill();
    } else {
        process.kill();
    }
    still_welcome(fleet.leave().await);

    let process = served.begin(ANY_PORT, NO_LIMIT);
    let handshakes = fleet.handshakes(process.agents, 64, plan.span).await;
    row.put(16, format!("{:.0}", handshakes.per_second()));
    row.0
}

/// A figure of those that were answered says nothing where some were not.
fn sound(waits: Waits) -> Waits {
    assert_eq!(waits.lost, 0, "not acknowledged, besides {} that were", waits.count());
    waits
}

fn still_welcome(refused: Vec<Status>) {
    assert!(refused.is_empty(), "told that they may not: {refused:?}");
}

#[derive(Default)]
struct Rows(Figures);

impl Rows {
    #[expect(clippy::print_stderr, reason = "a benchmark says what it has so far, since the whole takes minutes")]
    fn put(&mut self, row: usize, figure: String) {
        eprintln!("{}: {figure}", ROWS[row]);
        self.0[row] = figure;
    }

    /// The rate, and in the next row how long they waited.
    fn put_waits(&mut self, row: usize, waits: &Waits) {
        self.put(row, format!("{:.0}", waits.per_second()));
        let ms = |part| waits.percentile(part).as_secs_f64() * 1e3;
        self.put(row + 1, format!("{:.1}, {:.1}", ms(50), ms(99)));
    }
}

fn kb(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1024.0)
}

fn bytes(now: (u64, u64), before: (u64, u64), by: usize) -> String {
    let each = |now: u64, before: u64| (now - before) / by as u64;
    format!("{}, {}", each(now.0, before.0), each(now.1, before.1))
}
