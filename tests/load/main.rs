//! What a fleet of agents costs one coordinator: memory, reports a second and how long their acknowledgements take, handshakes, all agents
//! asked at once, all coming back at once after `kill -9`. Side by side: with SQLite, with PostgreSQL, and a bare tonic + rustls server.
//!
//! Figures to compare, not a test: nothing here fails because a machine is slow, and the agents take their part of the same processors. A
//! small run of the same parts is among the coordinator's tests, where nothing may be lost.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

mod measure;
mod peer;
#[expect(dead_code, reason = "what only the tests look at")]
mod rig;

#[path = "../coordinator/store/cluster.rs"]
#[expect(dead_code, reason = "the store's tests kill it; here it only runs")]
mod cluster;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;

use measure::{Behind, Figures, Plan, measure};
use rig::agent::Report;
use rig::process::raise_open_files;

const DAY: Duration = Duration::from_hours(24);

#[derive(Parser)]
struct Arguments {
    /// Agents that are connected at once; each takes an open file here and one at the server.
    #[arg(long, default_value_t = 10_000)]
    agents: usize,
    /// Of each measurement that goes by time.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Reports a second that are offered whether they are acknowledged or not: a million agents, each every five minutes.
    #[arg(long, default_value_t = 3_333)]
    rate: u32,
    /// Only these: sqlite, postgresql, bare.
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgresql,bare")]
    behind: Vec<Behind>,
    /// Be the bare server, with the authority in this folder.
    #[arg(long, hide = true)]
    serve_bare: Option<PathBuf>,
    /// Cargo says so to whatever is no test.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a benchmark prints")]
async fn main() {
    let arguments = Arguments::parse();
    if let Some(authority) = arguments.serve_bare {
        return peer::serve(&authority).await;
    }
    let open_files = raise_open_files();
    assert!(arguments.agents + 100 < open_files, "this process may have {open_files} open files");
    let report = Arc::new(Report::recorded());
    let build = if cfg!(debug_assertions) { "an unoptimised build" } else { "an optimised build" };
    let processors = std::thread::available_parallelism().unwrap();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!(
        "{} agents, {} s a measurement, a report of {} bytes; {build} on {processors} processors, which the agents share; load {}",
        arguments.agents,
        arguments.seconds,
        report.bytes(),
        load.split_whitespace().next().unwrap_or_default()
    );
    let plan = Plan {
        agents: arguments.agents,
        span: Duration::from_secs(arguments.seconds),
        // No agent sends more than one a second, far below what ends its stream.
        rate: f64::from(arguments.rate).min(arguments.agents as f64),
        report,
    };
    let mut all: Vec<(Behind, Figures)> = Vec::new();
    for behind in arguments.behind {
        all.push((behind, measure(behind, &plan).await));
    }
    print!("{:54}", "");
    all.iter().for_each(|(behind, _)| print!("{:>14}", behind.name()));
    println!();
    for (row, name) in measure::ROWS.iter().enumerate() {
        print!("{name:54}");
        all.iter().for_each(|(_, figures)| print!("{:>14}", figures[row]));
        println!();
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
