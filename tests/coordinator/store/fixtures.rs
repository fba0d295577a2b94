//! Agents, reports and results to store.

use eic_doctor::store::{
    AgentRecord, AgentState, Content, Half, KeyId, Millis, NotStored, SharedStore, StoredChange, Submission,
};
use eic_doctor_proto::{CheckResult, Evidence, Remedy, Status};

pub const KEY: KeyId = [7; 32];
pub const OTHER_KEY: KeyId = [8; 32];
pub const SSHD: &str = "os.sshd.running";

/// Texts that a careless store would take for something else.
pub const HOSTILE: [&str; 8] = [
    "'; DROP TABLE agents; --",
    "\" OR 1=1; --",
    "$1 ?1 :name @x %s {}",
    "\\'\\\\\" \\x00 \\u0000 null",
    "[\"a\",{\"b\":1}]",
    "\u{202e}\u{1b}[31m\u{7f}\t\r\n",
    "𝕊 é ß 🦀 \u{fffd} \u{10ffff}",
    "",
];

pub fn record(instance_id: &str) -> AgentRecord {
    AgentRecord {
        instance_id: instance_id.to_owned(),
        account_id: "111122223333".to_owned(),
        region: "eu-west-1".to_owned(),
        availability_zone: "eu-west-1a".to_owned(),
        image_id: "ami-0a1b2c3d".to_owned(),
        agent_version: "0.1.0".to_owned(),
        pending_time: 1_000,
        key: KEY,
        serial: "0a0b".to_owned(),
        not_after: 90_000,
        enrolled_at: 2_000,
        state: AgentState::Enrolled,
        state_why: "trust on first use".to_owned(),
        state_since: 2_000,
        sequence: 0,
        last_seen: None,
        connected_to: None,
        ended_at: None,
    }
}

pub async fn enrolled(store: &SharedStore, ids: &[&str]) {
    for id in ids {
        store.put_agent(&record(id), None).await.unwrap();
    }
}

pub fn result(id: &str, status: Status) -> CheckResult {
    let is_finding = status.is_finding();
    CheckResult {
        id: id.to_owned(),
        title: "sshd is running".to_owned(),
        status,
        evidence: if is_finding { vec![Evidence::new("no process of sshd", "/proc")] } else { Vec::new() },
        remedy: is_finding.then(|| Remedy::by_hand("Start sshd", "systemctl status ssh")),
        blocked_by: Vec::new(),
        why: if status == Status::Ok { String::new() } else { "sshd does not run".to_owned() },
        missing_action: None,
        doc: format!("eic-doctor explain {id}"),
        required: true,
    }
}

/// A report of the agent's whose bytes and digest are of this number.
pub fn full(id: &str, sequence: u64, at: Millis, status: Status) -> Submission {
    Submission {
        instance_id: id.to_owned(),
        half: Half::Os,
        from: Some((KEY, sequence)),
        received_at: at,
        content: Content::Full {
            report: format!("report {sequence}").into_bytes(),
            digest: digest(sequence),
            results: vec![result(SSHD, status)],
        },
    }
}

pub fn unchanged(id: &str, sequence: u64, at: Millis, of: u64) -> Submission {
    Submission { content: Content::Unchanged(digest(of)), ..full(id, sequence, at, Status::Ok) }
}

/// What the coordinator found on AWS's side.
pub fn looked(id: &str, at: Millis, status: Status) -> Submission {
    let results = vec![result("aws.instance.running", status)];
    let content = Content::Full { report: b"aws".to_vec(), digest: [1; 32], results };
    Submission { half: Half::Aws, from: None, content, ..full(id, 0, at, status) }
}

pub fn digest(number: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    digest
}

pub async fn submit(store: &SharedStore, batch: Vec<Submission>) -> Vec<Result<Vec<StoredChange>, NotStored>> {
    store.submit(batch, 2, &[]).await.unwrap()
}

/// Which of them were stored.
pub async fn outcomes(store: &SharedStore, batch: Vec<Submission>) -> Vec<Result<(), NotStored>> {
    submit(store, batch).await.into_iter().map(|answer| answer.map(drop)).collect()
}

/// A stored change in a line.
pub fn line(change: &StoredChange) -> String {
    let told = &change.change;
    format!(
        "{} {}: {} {} since {}, told {}",
        change.instance_id, told.check_id, told.was, told.is.status, told.since, told.told_at
    )
}

pub fn lines(changes: &[StoredChange]) -> Vec<String> {
    changes.iter().map(line).collect()
}
