//! The real program: stays, answers, does not grow, and ends when told.
//!
//! It finds a state folder that the library enrolled. Where these tests run there is no metadata service, so it goes on under that.

use std::process::Stdio;

use eic_doctor_agent::report::{Agent, report_once};
use eic_doctor_proto::wire::v1::{self, coordinator_message::Message};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::coordinator::{Coordinator, Event};
use super::outside::Virtual;
use super::{GUARD, fleet};

/// `EIC_DOCTOR_AGENT` names another build of the agent to be measured, such as the static one.
fn program() -> String {
    std::env::var("EIC_DOCTOR_AGENT").unwrap_or_else(|_| env!("CARGO_BIN_EXE_eic-doctor-agent").to_owned())
}

/// Kilobytes of a field of `/proc/PID/smaps_rollup`.
fn kilobytes(pid: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
}

async fn answered(coordinator: &Coordinator, id: &str) {
    // The look itself takes what the machine needs; here it is kept short.
    let attempt =
        v1::Attempt { os_user: "root".to_owned(), via: "auto".to_owned(), port: 22, ..v1::Attempt::default() };
    coordinator.tell(Message::Check(v1::CheckRequest {
        request_id: id.to_owned(),
        attempt: Some(attempt),
        budget_ms: 500,
    }));
    loop {
        if let Event::Answer(answer) = coordinator.event().await {
            assert_eq!(answer.request_id, id);
            assert!(!answer.report.unwrap().results.is_empty());
            return;
        }
    }
}

#[tokio::test]
async fn the_resident_program_answers_does_not_grow_and_ends_by_sigterm() {
    let (coordinator, settings, folder) = fleet().await;
    let outside = Virtual::new();
    let mut agent = Agent::open(&settings, &outside).await.unwrap();
    report_once(&mut agent).await.unwrap();
    drop(agent);
    coordinator.report().await;
    let mut child = std::process::Command::new(program())
        .arg("run")
        .args(["--config", "/dev/null"])
        .args(["--coordinator", &coordinator.address.to_string(), "--server-name", super::coordinator::NAME])
        .arg("--authorities")
        .arg(folder.path().join("authorities.pem"))
        .arg("--state-directory")
        .arg(folder.path().join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let pid = child.id();
    let story = async {
        assert!(coordinator.report().await.report.is_some());
        for number in 0..2 {
            answered(&coordinator, &format!("warm {number}")).await;
        }
        let before = kilobytes(pid, "Anonymous:");
        for number in 0..6 {
            answered(&coordinator, &format!("more {number}")).await;
        }
        let after = kilobytes(pid, "Anonymous:");
        let resident = kilobytes(pid, "Rss:");
        eprintln!(
            "resident agent with a stream: {resident} kB, anonymous {after} kB, before six more looks {before} kB"
        );
        assert!(after <= before + 128, "it grew from {before} to {after} kB");
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGTERM).unwrap();
        while !matches!(coordinator.event().await, Event::StreamEnded) {}
    };
    let ended = tokio::time::timeout(2 * GUARD, story).await;
    if ended.is_err() {
        child.kill().unwrap();
    }
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    ended.expect("the story came to no end");
    assert_eq!(status.code(), Some(0));
}
