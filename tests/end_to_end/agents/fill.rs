//! A store with many instances: real reports of recorded worlds, in accounts, Regions and images as a fleet has them.

use std::io::Write as _;
use std::path::Path;

use eic_doctor::store::{AgentRecord, AgentState, Content, Half, Millis, SharedStore, Submission};
use eic_doctor_agent::checks;
use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::wire::{facts_to_wire, v1};
use eic_doctor_proto::{Attempt, CheckResult, Selection, judge};
use prost::Message as _;
use ring::digest::{SHA256, digest};

const KEY: [u8; 32] = [7; 32];
/// What is reported, and of how many instances of a hundred.
const WORLDS: [(&str, usize); 4] = [
    ("recorded-healthy", 84),
    ("recorded-keys-command-overridden", 8),
    ("recorded-package-absent", 5),
    ("recorded-sshd-not-running", 3),
];
const REGIONS: [&str; 6] = ["eu-west-1", "us-east-1", "eu-central-1", "us-west-2", "ap-southeast-2", "sa-east-1"];
const DAY: Millis = 86_400_000;
/// Reports in one call.
const TOGETHER: usize = 500;

/// One world as an agent reports it.
struct Reported {
    report: Vec<u8>,
    digest: [u8; 32],
    results: Vec<CheckResult>,
}

impl Reported {
    fn of(world: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/worlds").join(world).join("os.json");
        let facts: OsFacts = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let attempt = Attempt::usual();
        let results = judge(checks::entries(&facts, &attempt), &Selection::default());
        let report = v1::AgentReport {
            agent_version: "0.1.0".to_owned(),
            catalogue: checks::CATALOGUE,
            attempt: Some((&attempt).into()),
            facts: Some(facts_to_wire(&facts).unwrap()),
            results: results.iter().map(Into::into).collect(),
        };
        // As the coordinator keeps it.
        let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&report.encode_to_vec()).unwrap();
        let report = packed.finish().unwrap();
        let digest = digest(&SHA256, &report).as_ref().try_into().unwrap();
        Self { report, digest, results }
    }
}

pub fn id(index: usize) -> String {
    format!("i-{index:017x}")
}

/// The first instance of the fleet that fails and has a command that mends it.
pub fn first_that_fails() -> String {
    id(WORLDS[0].1 + WORLDS[1].1)
}

/// Instances 0 to `count`, heard of at `now`; the first of every hundred of them drifted.
pub async fn fill(store: &SharedStore, count: usize, now: Millis) {
    let reported: Vec<Reported> = WORLDS.iter().map(|(world, _)| Reported::of(world)).collect();
    let of = |index: usize| {
        let mut place = index % 100;
        let found = WORLDS.iter().position(|(_, part)| match place.checked_sub(*part) {
            Some(left) => {
                place = left;
                false
            }
            None => true,
        });
        &reported[found.unwrap()]
    };
    for index in 0..count {
        store.put_agent(&record(index, now), None).await.unwrap();
    }
    let submission = |index: usize, sequence: u64, reported: &Reported, at: Millis| Submission {
        instance_id: id(index),
        half: Half::Os,
        from: Some((KEY, sequence)),
        received_at: at,
        content: Content::Full {
            report: reported.report.clone(),
            digest: reported.digest,
            results: reported.results.clone(),
        },
    };
    let all: Vec<usize> = (0..count).collect();
    for some in all.chunks(TOGETHER) {
        let batch = some.iter().map(|index| submission(*index, 1, of(*index), now)).collect();
        taken(store, batch).await;
    }
    let drifted: Vec<usize> = (0..count).step_by(100).collect();
    for (step, index) in (1..).zip(&drifted) {
        // Spread over the last day, the newest last.
        let at = now - DAY + DAY * step / drifted.len() as u64;
        for (sequence, reported) in [(2, &reported[1]), (3, &reported[1])] {
            taken(store, vec![submission(*index, sequence, reported, at)]).await;
        }
    }
}

async fn taken(store: &SharedStore, batch: Vec<Submission>) {
    for answer in store.submit(batch, 2, &[]).await.unwrap() {
        answer.unwrap();
    }
}

fn record(index: usize, now: Millis) -> AgentRecord {
    AgentRecord {
        instance_id: id(index),
        account_id: format!("{:012}", 111_122_223_333_u64 + (index % 37) as u64 * 1_001_001),
        region: REGIONS[index % REGIONS.len()].to_owned(),
        availability_zone: format!("{}a", REGIONS[index % REGIONS.len()]),
        image_id: format!("ami-{:017x}", 0x0a1b_2c3d_4e5f + index % 23),
        agent_version: "0.1.0".to_owned(),
        pending_time: now - 90_000_000,
        key: KEY,
        serial: format!("{index:032x}"),
        not_after: now + 43_200_000,
        enrolled_at: now - 86_400_000,
        state: AgentState::Enrolled,
        state_why: "first enrolment of the instance".to_owned(),
        state_since: now - 86_400_000,
        sequence: 0,
        last_seen: None,
        connected_to: None,
        ended_at: None,
    }
}
