//! The resident agent's life.

use std::time::Duration;

use eic_doctor_agent::report::Outside as _;
use eic_doctor_proto::wire::v1::{self, coordinator_message::Message};
use tonic::Status;

use super::coordinator::{Coordinator, Event, authority};
use super::outside::Virtual;
use super::{beside, fleet};

/// The interval that the coordinator tells is 300 s; a tenth of it is chance.
const REPORT: std::ops::RangeInclusive<u64> = 269..=331;

fn check(id: &str, port: u32, budget_ms: u64) -> Message {
    let attempt = v1::Attempt { os_user: "ubuntu".to_owned(), via: "auto".to_owned(), port, ..v1::Attempt::default() };
    Message::Check(v1::CheckRequest { request_id: id.to_owned(), attempt: Some(attempt), budget_ms })
}

async fn answer(coordinator: &Coordinator) -> v1::CheckAnswer {
    loop {
        if let Event::Answer(answer) = coordinator.event().await {
            return *answer;
        }
    }
}

#[tokio::test]
async fn it_enrols_reports_in_full_once_and_then_only_that_nothing_has_changed() {
    let (coordinator, mut settings, _folder) = fleet().await;
    settings.jitter_percent = 0;
    let outside = Virtual::new();
    let story = async {
        let Event::Enrolled(asked, nonce) = coordinator.event().await else { panic!("no enrolment") };
        assert!(asked.caller_identity.is_none() && asked.identity_document.starts_with(b"{"));
        assert_eq!(nonce.len(), 32);
        let first = coordinator.report().await;
        assert_eq!(first.report.unwrap().catalogue, 0);
        let mut last = first.sequence;
        for _ in 0..3 {
            outside.arrives(REPORT).await;
            let next = coordinator.report().await;
            assert_eq!((next.report, next.unchanged), (None, vec![9; 32]));
            assert!(next.sequence > last);
            last = next.sequence;
        }
        outside.finds(&[5]);
        outside.arrives(REPORT).await;
        assert_eq!(coordinator.report().await.report.unwrap().catalogue, 5);
        // A day later it is told in full, changed or not.
        coordinator.turn(|turned| turned.next_report = Duration::from_secs(24 * 3600));
        outside.arrives(REPORT).await;
        assert_eq!(coordinator.report().await.report, None);
        outside.arrives(24 * 3600..=24 * 3600).await;
        assert_eq!(coordinator.report().await.report.unwrap().catalogue, 5);
    };
    beside(&settings, &outside, story).await.unwrap();
}

#[tokio::test]
async fn with_a_role_the_enrolment_brings_a_caller_identity_over_the_challenge() {
    let (coordinator, settings, _folder) = fleet().await;
    let outside = Virtual::new();
    outside.role.store(true, std::sync::atomic::Ordering::Relaxed);
    let story = async {
        let Event::Enrolled(asked, _) = coordinator.event().await else { panic!("no enrolment") };
        let caller = asked.caller_identity.unwrap();
        assert_eq!(caller.host, "sts.eu-west-1.amazonaws.com");
        assert!(caller.authorization.contains("x-eic-doctor-challenge"));
        assert_eq!(caller.security_token, "token");
    };
    beside(&settings, &outside, story).await.unwrap();
}

#[tokio::test]
async fn a_coordinator_that_holds_no_digest_gets_full_reports_and_not_faster_than_told() {
    let (coordinator, settings, _folder) = fleet().await;
    coordinator.turn(|turned| turned.digests = false);
    let outside = Virtual::new();
    let story = async {
        for _ in 0..3 {
            assert!(coordinator.report().await.report.is_some());
            outside.arrives(REPORT).await;
        }
    };
    beside(&settings, &outside, story).await.unwrap();
}

#[tokio::test]
async fn checks_are_answered_one_at_a_time_with_their_attempt_and_a_bounded_budget() {
    let (coordinator, settings, _folder) = fleet().await;
    let outside = Virtual::new();
    let story = async {
        coordinator.report().await;
        coordinator.tell(check("one", 22, 0));
        coordinator.tell(check("two", 2222, u64::MAX));
        coordinator.tell(check("three", 0, 5_000));
        coordinator.tell(check("four", 22, 5_000));
        // Port 0 is none: no look, an answer without a report.
        let none = answer(&coordinator).await;
        assert_eq!((none.request_id.as_str(), none.report), ("three", None));
        for id in ["one", "two", "four"] {
            // Between two looks there is a second.
            outside.advance(Duration::from_secs(1));
            let answer = answer(&coordinator).await;
            assert_eq!(answer.request_id, id);
            assert!(answer.report.is_some());
        }
        let looks = outside.looks.lock().unwrap();
        let asked: Vec<_> = looks[1..].iter().map(|(attempt, budget, _)| (attempt.port, budget.as_millis())).collect();
        assert_eq!(asked, [(22, 500), (2222, 30_000), (22, 5_000)]);
        assert!(looks.windows(2).all(|pair| pair[1].2 >= pair[0].2 + 1_000), "faster than the floor");
    };
    beside(&settings, &outside, story).await.unwrap();
}

#[tokio::test]
async fn more_checks_than_can_wait_are_answered_without_a_report() {
    let (coordinator, settings, _folder) = fleet().await;
    let outside = Virtual::new();
    let story = async {
        coordinator.report().await;
        for number in 0..50 {
            coordinator.tell(check(&number.to_string(), 22, 5_000));
        }
        let mut without = 0;
        let mut with = 0;
        while with + without < 50 {
            let answer = answer(&coordinator).await;
            match answer.report {
                Some(_) => with += 1,
                None => without += 1,
            }
            if without >= 40 {
                outside.advance(Duration::from_secs(1));
            }
        }
        assert!((1..=10).contains(&with), "{with} looks");
        assert_eq!(outside.looks.lock().unwrap().len(), 1 + with);
    };
    beside(&settings, &outside, story).await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_renewed_for_many_short_lives_with_the_same_key_and_a_stream_always_open() {
    let (coordinator, settings, _folder) = fleet().await;
    coordinator.turn(|turned| {
        turned.life = Duration::from_secs(60);
        turned.next_report = Duration::from_secs(24 * 3600);
    });
    let outside = Virtual::new();
    let story = async {
        assert!(matches!(coordinator.event().await, Event::Enrolled(..)));
        assert!(matches!(coordinator.event().await, Event::Stream));
        coordinator.report().await;
        for life in 0..20 {
            outside.arrives(26..=30).await;
            let renewed = coordinator.event().await;
            assert!(matches!(renewed, Event::Renewed), "life {life}: {renewed:?}");
            // The new stream is there before the old one ends.
            let opened = coordinator.event().await;
            assert!(matches!(opened, Event::Stream), "life {life}: {opened:?}");
            let ended = coordinator.event().await;
            assert!(matches!(ended, Event::StreamEnded), "life {life}: {ended:?}");
            coordinator.tell(check("alive", 22, 5_000));
            // The floor between two looks.
            outside.advance(Duration::from_secs(1));
            assert!(answer(&coordinator).await.report.is_some());
        }
        let turned = coordinator.turned.lock().unwrap();
        let distinct: std::collections::HashSet<_> = turned.shown.iter().collect();
        assert!(distinct.len() >= 20, "only {} certificates were shown", distinct.len());
    };
    beside(&settings, &outside, story).await.unwrap();
    assert!(!outside.said().contains("enrols anew"));
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_within_the_life() {
    let (coordinator, settings, _folder) = fleet().await;
    coordinator.turn(|turned| {
        turned.life = Duration::from_secs(600);
        turned.refuse_renewal = Some(Status::unavailable("the store cannot be used now"));
    });
    let outside = Virtual::new();
    let story = async {
        coordinator.report().await;
        outside.arrives(270..=300).await;
        outside.says("the store cannot be used now").await;
        coordinator.turn(|turned| turned.refuse_renewal = None);
        outside.arrives(70..=85).await;
        while !matches!(coordinator.event().await, Event::Renewed) {}
        while !matches!(coordinator.event().await, Event::Renewed) {}
        while !matches!(coordinator.event().await, Event::Stream) {}
    };
    beside(&settings, &outside, story).await.unwrap();
}

#[tokio::test]
async fn a_coordinator_that_goes_and_comes_again_finds_the_agent_and_the_report_that_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority();
    let first = Coordinator::start_with(authority.clone(), "127.0.0.1:0", super::coordinator::NAME).await;
    let settings = first.settings(folder.path());
    let address = first.address;
    let outside = Virtual::new();
    let story = async {
        assert!(first.report().await.report.is_some());
        outside.finds(&[1, 2]);
        drop(first);
        // Nobody listens: the next looks go into the spool, the last one stays there.
        while outside.looks.lock().unwrap().len() < 4 {
            outside.goes_on(Duration::from_secs(50)).await;
        }
        let second = Coordinator::start_with(authority, &address.to_string(), super::coordinator::NAME).await;
        let mut found = Vec::new();
        while found.last() != Some(&None) {
            if let Event::Report(report) = second.event_as_time_goes(&outside, Duration::from_secs(5)).await {
                found.push(report.report.map(|report| report.catalogue));
            }
        }
        // What was kept, in full, until it is acknowledged; then that nothing has changed since.
        found.dedup();
        assert_eq!(found, [Some(2), None]);
    };
    beside(&settings, &outside, story).await.unwrap();
}

#[tokio::test]
async fn told_to_come_back_it_does_and_not_before() {
    let (coordinator, settings, _folder) = fleet().await;
    let outside = Virtual::new();
    let story = async {
        coordinator.report().await;
        coordinator.tell(Message::ComeBackAfterMs(90_000));
        while !matches!(coordinator.event().await, Event::StreamEnded) {}
        let event = coordinator.event_as_time_goes(&outside, Duration::from_secs(1)).await;
        assert!(matches!(event, Event::Stream), "{event:?}");
        assert!(outside.elapsed_ms() >= 90_000, "after {} ms", outside.elapsed_ms());
    };
    beside(&settings, &outside, story).await.unwrap();
}

#[tokio::test]
async fn a_told_delay_is_kept_and_the_same_words_are_said_once() {
    let (coordinator, settings, _folder) = fleet().await;
    let mut status = Status::unavailable("not now");
    status.metadata_mut().insert("eic-doctor-retry-after-ms", 120_000.into());
    coordinator.turn(|turned| turned.refuse_enrolment = Some(status));
    let outside = Virtual::new();
    let story = async {
        assert!(matches!(coordinator.event().await, Event::Enrolled(..)));
        outside.says("not now; the next try is in 1").await;
        for _ in 0..3 {
            let before = outside.elapsed_ms();
            let event = coordinator.event_as_time_goes(&outside, Duration::from_secs(1)).await;
            assert!(matches!(event, Event::Enrolled(..)), "{event:?}");
            assert!(outside.elapsed_ms() - before >= 120_000);
        }
    };
    beside(&settings, &outside, story).await.unwrap();
    assert!(!outside.said().contains("not now"));
}

#[tokio::test]
async fn a_certificate_that_is_refused_leads_to_one_new_enrolment_and_then_to_waiting() {
    let (coordinator, settings, _folder) = fleet().await;
    let outside = Virtual::new();
    let story = async {
        coordinator.report().await;
        coordinator.turn(|turned| {
            turned.refuse_stream = Some(Status::permission_denied("i-0123456789abcdef0: another key has enrolled"));
            turned.refuse_enrolment = Some(Status::permission_denied("revoked"));
            turned.stream.take().unwrap().send(Err(Status::aborted("taken"))).unwrap();
        });
        outside.says("taken").await;
        outside.advance(Duration::from_secs(10));
        outside.says("another key has enrolled").await;
        assert!(matches!(coordinator.event().await, Event::StreamEnded));
        assert!(matches!(coordinator.event().await, Event::Enrolled(..)));
        let line = outside.says("revoked").await;
        let wait: u64 = line.rsplit("is in ").next().unwrap().trim_end_matches(" ms").parse().unwrap();
        assert!(wait >= 60_000, "{line}");
        // Allowed again.
        coordinator.turn(|turned| (turned.refuse_stream, turned.refuse_enrolment) = (None, None));
        outside.advance(Duration::from_millis(wait));
        while !matches!(coordinator.event().await, Event::Stream) {}
    };
    beside(&settings, &outside, story).await.unwrap();
}
