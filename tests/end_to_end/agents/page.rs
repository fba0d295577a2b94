//! The fleet page in a browser: `eic-doctor serve` over a filled store, with the agent of one real instance.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tempfile::TempDir;

use super::coordinator::{Coordinator, Wishes};
use super::{Resident, authorities_of, fill};
use crate::lab::{doctor, root, run};

/// Enough for several pages of instances that fail.
const INSTANCES: usize = 400;

#[test]
fn the_page_is_searched_read_live_and_accessible_in_a_browser() {
    let dir = TempDir::new().unwrap();
    let store = format!("sqlite:{}", dir.path().join("store.db").display());
    filled(&store);
    let tokens = [("reader", "read"), ("checker", "check")].map(|(name, role)| new_token(name, role));
    let more = format!("[page]\n{}{}", tokens[0].1, tokens[1].1);
    let authority = format!("directory = \"{}\"", dir.path().join("authority").display());
    let scenario = Resident::made();
    let wishes = Wishes {
        store: &store,
        dir: dir.path(),
        authority: &authority,
        enrolment: "",
        agents: "127.0.0.1:0".parse().unwrap(),
        page: Some("127.0.0.1:0".parse().unwrap()),
        more: &more,
    };
    let coordinator = Coordinator::begin(&scenario, &wishes);
    let resident = Resident::begin(scenario, coordinator.agents, &authorities_of(&coordinator));
    coordinator.wait_for(&format!("{} connected", resident.id()));

    let told = json!({
        "url": coordinator.page.as_deref().unwrap(),
        "tokens": { "reader": tokens[0].0, "checker": tokens[1].0 },
        "live": resident.id(),
        "filled": fill::first_that_fails(),
        "modules": modules(),
        // For whoever wants to look at the page: a folder.
        "shots": std::env::var("EIC_DOCTOR_SHOTS").ok(),
    });
    let mut drive = Command::new("node");
    drive.arg(root().join("tests/end_to_end/browser/drive.mjs")).arg(told.to_string());
    let mut child = drive.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        match line.unwrap().as_str() {
            "listening" => resident.scenario.fault("keys-command-overridden"),
            line => panic!("the browser said {line:?}"),
        }
    }
    assert!(child.wait().unwrap().success());
}

fn filled(url: &str) {
    // As if heard of in an hour: nobody will be heard of again, and none is to fall silent before the test has ended.
    let heard = SystemTime::now() + Duration::from_hours(1);
    let heard = heard.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = eic_doctor::store::open(url).await.unwrap();
        fill::fill(&store, INSTANCES, u64::try_from(heard).unwrap()).await;
    });
    // Its writer holds the file until it has ended.
    drop(runtime);
}

/// The token, and the lines that the configuration takes for it, as the command prints them.
fn new_token(name: &str, role: &str) -> (String, String) {
    let mut command = doctor();
    command.args(["serve", "--new-token", name]);
    let printed = run(command);
    assert_eq!(printed.code, 0);
    let token = printed.stdout.lines().find_map(|line| line.strip_prefix("    ")).unwrap().to_owned();
    let (_, lines) = printed.stdout.split_once("[[page.operators]]").unwrap();
    assert!(!lines.contains(&token), "the configuration does not hold the token");
    (token, format!("[[page.operators]]{}\n", lines.replace("role = \"check\"", &format!("role = \"{role}\""))))
}

/// Where `tests/lab/setup.sh` has put the browser's driver.
fn modules() -> PathBuf {
    let cache =
        std::env::var_os("EIC_LAB_CACHE").map_or_else(|| PathBuf::from("/var/cache/eic-doctor-lab"), PathBuf::from);
    cache.join("browser")
}
