//! Prints how long the fleet page's views take on the server, over a store of 100,000 instances (or as many as the first argument says), in
//! SQLite and in PostgreSQL: the middle and the worst of some requests, each answered in full.
//!
//! Figures to compare, not a test: nothing here fails because a machine is slow. What the views show, and that they are bounded, is tested.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and one that cannot go on panics")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use eic_doctor::page::config::{PageConfig, Reading};
use eic_doctor::page::{Behind, NotLooked, PeerAddress, page};
use eic_doctor::store::{Millis, SharedStore, StoreError, open};
use eic_doctor_proto::Attempt;
use eic_doctor_proto::wire::v1;
use tokio::sync::watch;
use tower::Service as _;

#[expect(dead_code, reason = "the tests kill it; here it only runs")]
#[path = "../coordinator/store/cluster.rs"]
mod cluster;
#[path = "../end_to_end/agents/fill.rs"]
mod fill;

const INSTANCES: usize = 100_000;
const REQUESTS: usize = 15;
/// The fleet's view within this, on the server.
const GOAL: Duration = Duration::from_millis(300);

struct OfBenchmark(SharedStore);

#[async_trait]
impl Behind for OfBenchmark {
    fn store(&self) -> &SharedStore {
        &self.0
    }

    fn now(&self) -> Millis {
        now()
    }

    fn log(&self, _line: &str) {}

    fn ill(&self, error: &StoreError) {
        panic!("the store is ill: {error:?}");
    }

    fn unpacked(&self, _report: &[u8]) -> Option<v1::AgentReport> {
        None
    }

    fn may_sign_in(&self, _address: IpAddr) -> Result<(), Duration> {
        Ok(())
    }

    async fn look_now(&self, _: &str, _: &str, _: &Attempt) -> Result<v1::AgentReport, NotLooked> {
        let why = "nobody is connected to a benchmark".to_owned();
        Err(NotLooked { status: StatusCode::SERVICE_UNAVAILABLE, why, after: None })
    }
}

fn now() -> Millis {
    Millis::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[tokio::main]
async fn main() {
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(INSTANCES);
    let build = if cfg!(debug_assertions) { "an unoptimised build" } else { "an optimised build" };
    println!("{count} instances, {REQUESTS} requests of each view, {build}; goal for the fleet's view: {GOAL:?}");
    println!("{:14}{:48}{:>10}{:>10}{:>10}", "", "", "p50 ms", "worst ms", "kB");
    let folder = tempfile::TempDir::new().unwrap();
    measure("SQLite", &format!("sqlite:{}", folder.path().join("store.db").display()), count).await;
    let cluster = cluster::Cluster::durable();
    measure("PostgreSQL", &cluster.new_database().await, count).await;
}

async fn measure(name: &str, url: &str, count: usize) {
    let store = open(url).await.unwrap();
    let begin = Instant::now();
    fill::fill(&store, count, now()).await;
    println!("{name}: filled in {:.0} s", begin.elapsed().as_secs_f64());
    let settings = PageConfig { reading: Reading::Open, ..PageConfig::default() };
    let (_stop, stopped) = watch::channel(false);
    let (routes, _) = page(Arc::new(OfBenchmark(store)), settings, None, stopped);
    let last = format!("/instances?after={}", fill::id(count.saturating_sub(60)));
    let one = format!("/instances?q={}", fill::first_that_fails());
    let paths = [
        "/",
        "/instances",
        last.as_str(),
        one.as_str(),
        "/instances?health=fail",
        "/instances?account=111122223333&region=eu-west-1&health=warn",
        "/instances?check=os.sshd.running&region=us-east-1",
        "/by/account",
        "/drift?span=quarter",
        "/agents",
    ];
    for path in paths {
        let mut took = Vec::new();
        let mut bytes = 0;
        for _ in 0..REQUESTS {
            let begin = Instant::now();
            bytes = asked(&routes, path).await;
            took.push(begin.elapsed());
        }
        took.sort_unstable();
        let ms = |place: usize| took[place].as_secs_f64() * 1e3;
        println!("{name:14}{path:48}{:>10.1}{:>10.1}{:>10.1}", ms(REQUESTS / 2), ms(REQUESTS - 1), bytes as f64 / 1e3);
    }
}

async fn asked(routes: &Router, path: &str) -> usize {
    let request =
        Request::get(path).header(header::HOST, "localhost").extension(PeerAddress(Ipv4Addr::LOCALHOST.into()));
    let answer = routes.clone().call(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    to_bytes(answer.into_body(), usize::MAX).await.unwrap().len()
}
