//! `report`: once, for a timer.

use std::time::Duration;

use eic_doctor_agent::report::{Agent, Settings, chain, report_once};
use tonic::Status;

use super::coordinator::{Coordinator, Event};
use super::fleet;
use super::outside::Virtual;

async fn once(settings: &Settings, outside: &Virtual) -> Result<(), String> {
    let mut agent = Agent::open(settings, outside).await.map_err(|error| chain(&error))?;
    report_once(&mut agent).await.map_err(|error| chain(&error))
}

#[tokio::test]
async fn each_run_sends_one_report_and_only_the_first_enrols_and_tells_all() {
    let (coordinator, settings, _folder) = fleet().await;
    let outside = Virtual::new();
    let mut last = 0;
    for run in 0..4 {
        once(&settings, &outside).await.unwrap();
        if run == 0 {
            assert!(matches!(coordinator.event().await, Event::Enrolled(..)));
        }
        let Event::Report(report) = coordinator.event().await else { panic!("run {run}: no report") };
        assert_eq!(report.report.is_some(), run == 0);
        assert!(report.sequence > last);
        last = report.sequence;
    }
}

#[tokio::test]
async fn it_renews_when_half_of_the_life_has_gone_and_enrols_when_all_has() {
    let (coordinator, settings, _folder) = fleet().await;
    let outside = Virtual::new();
    once(&settings, &outside).await.unwrap();
    assert!(matches!(coordinator.event().await, Event::Enrolled(..)));
    assert!(matches!(coordinator.event().await, Event::Report(..)));
    // The certificates of the test's authority hold for centuries by their own dates.
    outside.advance(Duration::from_secs(3600 * 24 * 365 * 1500));
    once(&settings, &outside).await.unwrap();
    assert!(matches!(coordinator.event().await, Event::Report(..)));
    assert!(matches!(coordinator.event().await, Event::Renewed));
    outside.advance(Duration::from_secs(3600 * 24 * 365 * 2000));
    once(&settings, &outside).await.unwrap();
    assert!(matches!(coordinator.event().await, Event::Enrolled(..)));
}

#[tokio::test]
async fn what_could_not_be_sent_is_sent_the_next_time_and_only_once() {
    let (coordinator, settings, _folder) = fleet().await;
    let outside = Virtual::new();
    outside.finds(&[1, 2, 3, 3]);
    once(&settings, &outside).await.unwrap();
    assert_eq!(coordinator.report().await.report.unwrap().catalogue, 1);
    coordinator.turn(|turned| turned.refuse_report = Some(Status::unavailable("ill")));
    let error = once(&settings, &outside).await.unwrap_err();
    assert!(error.contains("ill"), "{error}");
    coordinator.turn(|turned| turned.refuse_report = None);
    coordinator.report().await;
    once(&settings, &outside).await.unwrap();
    assert_eq!(coordinator.report().await.report.unwrap().catalogue, 2);
    assert_eq!(coordinator.report().await.report.unwrap().catalogue, 3);
    once(&settings, &outside).await.unwrap();
    assert_eq!(coordinator.report().await.report, None);
}

#[tokio::test]
async fn a_coordinator_that_lost_the_report_gets_it_in_full_in_the_same_run() {
    let (coordinator, settings, _folder) = fleet().await;
    let outside = Virtual::new();
    once(&settings, &outside).await.unwrap();
    assert!(coordinator.report().await.report.is_some());
    coordinator.turn(|turned| turned.digests = false);
    once(&settings, &outside).await.unwrap();
    assert!(coordinator.report().await.report.is_none());
    assert!(coordinator.report().await.report.is_some());
}

#[tokio::test]
async fn a_certificate_that_counts_no_longer_is_replaced_in_the_same_run() {
    let (coordinator, settings, folder) = fleet().await;
    let outside = Virtual::new();
    once(&settings, &outside).await.unwrap();
    let key = std::fs::read(folder.path().join("state/key.pk8")).unwrap();
    // Another coordinator, with another authority, at the same address and trusted: it does not know our certificate.
    let address = coordinator.address;
    drop(coordinator);
    let second = loop {
        // The first one's socket goes with its task.
        tokio::task::yield_now().await;
        if std::net::TcpListener::bind(address).is_ok() {
            break Coordinator::start_with(
                super::coordinator::authority(),
                &address.to_string(),
                super::coordinator::NAME,
            )
            .await;
        }
    };
    let settings = second.settings(folder.path());
    once(&settings, &outside).await.unwrap();
    assert!(matches!(second.event().await, Event::Enrolled(..)));
    assert!(outside.said().contains("the agent enrols anew"));
    assert_eq!(std::fs::read(folder.path().join("state/key.pk8")).unwrap(), key);
}

#[tokio::test]
async fn a_sequence_that_was_used_is_skipped_over() {
    let (coordinator, settings, folder) = fleet().await;
    let outside = Virtual::new();
    once(&settings, &outside).await.unwrap();
    coordinator.report().await;
    std::fs::write(folder.path().join("state/sequence"), "5\n").unwrap();
    coordinator.turn(|turned| turned.refuse_report = Some(Status::already_exists("replayed")));
    once(&settings, &outside).await.unwrap_err();
    let (used, skipped) = (coordinator.report().await.sequence, coordinator.report().await.sequence);
    assert_eq!(used, 5);
    assert!(skipped >= 1_795_000_000_000);
}
