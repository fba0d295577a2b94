//! What becomes of the others. Each threat, and where it is tried:
//!
//! | threat | test |
//! |---|---|
//! | a report for another instance | `a_report_for_another_instance_is_refused`; `impostors::of_hostile_reports_none_speaks_for_another_instance` |
//! | replay, reordering | `a_report_that_comes_again_or_late_is_refused`; a million of them: `store::carry::tests` |
//! | a forged, foreign or stale document, a valid signature beside forged content, another Region or account | `a_forged_a_replayed_and_a_foreign_enrolment_are_refused`; `attest::tests` (`identity`, `rules`, `decide`), a million of them: `attest::tests::mutations` |
//! | two agents with one identity | `impostors::of_two_agents_with_one_key_one_is_heard`; with two keys: `story::who_restarts_…`, `attest::tests::decide` |
//! | an agent that lies about its checks | `what_an_agent_says_of_its_checks_is_judged_anew` |
//! | oversized, deep, malformed messages | `what_is_no_report_is_refused_and_the_next_one_is_taken`; on a stream: `server::inbound::tests` |
//! | a flood of messages, of connections | `a_flood_of_messages_…`, `more_connections_from_one_address_…`, `server::admission::tests` |
//! | slow-loris, half-open connections, rapid resets | `a_connection_that_says_nothing_or_nonsense_…`; `slow` |
//! | hostile strings in every renderer | `tests/coordinator/hostile.rs` |
//! | SQL metacharacters | `impostors::what_an_operator_writes_is_text_to_the_store`; in every column: `tests/coordinator/store/enrolled.rs` |
//! | expired, not yet valid, revoked, foreign certificates | `a_certificate_of_another_authority_ends_the_handshake`, `operators::a_revoked_agent_…`; `authority::tests::handshake` |
//! | a clock that is off | `impostors::a_clock_that_is_off_is_a_finding_whatever_its_agent_says` |
//! | an operator without the role | `operators::each_role_may_what_it_may_and_no_more` |
//! | a whole fleet that comes back at once | `tests/coordinator/load.rs`; 10,000 agents: `tests/load/` |

use std::time::Duration;

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::wire::v1;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, SanType};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

use super::{Agent, INSTANCE, Running, Stream, channel, channel_to, document, enrol_with, healthy, report, tls};
use crate::attest::testing::{ATTACKER_SIGNATURE, DOCUMENT, p256, request};

#[tokio::test(flavor = "multi_thread")]
async fn a_report_for_another_instance_is_refused() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let refused = client.submit_report(agent.report(&healthy("i-0fedcba9876543210"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(
        refused.message().contains(INSTANCE) && refused.message().contains("i-0fedcba9876543210"),
        "{}",
        refused.message()
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_comes_again_or_late_is_refused() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let (first, second) = (agent.report(&healthy(INSTANCE)), agent.report(&healthy(INSTANCE)));
    client.submit_report(second.clone()).await.unwrap();
    for replayed in [second, first] {
        assert_eq!(client.submit_report(replayed).await.unwrap_err().code(), Code::AlreadyExists);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_nothing_but_enrolment_is_answered() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let report = agent.report(&healthy(INSTANCE));
    let nobody = channel(&running, None).await.unwrap();
    let mut client = v1::agent_service_client::AgentServiceClient::new(nobody);
    assert_eq!(client.submit_report(report).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(Stream::open(&mut client).await.map(|_| ()).unwrap_err().code(), Code::Unauthenticated);
    let renewal = client.renew(v1::RenewRequest { certificate_request: Vec::new() }).await;
    assert_eq!(renewal.unwrap_err().code(), Code::Unauthenticated);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_ends_the_handshake() {
    let running = Running::begin("").await;
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let foreign = CertifiedIssuer::self_signed(params, p256()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    let uri = format!("eic-doctor://123456789012/eu-west-1/{INSTANCE}");
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    let key = p256();
    let forged = params.signed_by(&key, &foreign).unwrap();
    let tls = tls(&running.authorities(), Some((vec![CertificateDer::from(forged.der().to_vec())], &key)));
    // TLS 1.3 tells a client of a refused certificate with the first answer, or by the end of the connection: no code of ours.
    if let Ok(channel) = channel_to(running.agents, tls).await {
        let mut client = v1::agent_service_client::AgentServiceClient::new(channel);
        assert!(client.submit_report(v1::SubmitReportRequest::default()).await.is_err());
    }
    let mut operator = running.operator().await;
    assert_eq!(operator.list_agents(v1::ListAgentsRequest::default()).await.unwrap().into_inner().agents, []);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_a_replayed_and_a_foreign_enrolment_are_refused() {
    let running = Running::begin("").await;
    let nobody = || async { channel(&running, None).await.unwrap() };
    let (own, signature) = document(INSTANCE, "2027-01-01T00:00:00Z");
    let key = p256();

    let forged = enrol_with(nobody().await, |challenge| request(&key, challenge, DOCUMENT, ATTACKER_SIGNATURE)).await;
    assert_eq!(forged.unwrap_err().code(), Code::Unauthenticated);

    let other = String::from_utf8(own.clone()).unwrap().replace(INSTANCE, "i-0fedcba9876543210");
    let beside = enrol_with(nobody().await, |challenge| request(&key, challenge, other.as_bytes(), &signature)).await;
    assert_eq!(beside.unwrap_err().code(), Code::Unauthenticated);

    let mut recorded = None;
    enrol_with(nobody().await, |challenge| recorded.insert(request(&key, challenge, &own, &signature)).clone())
        .await
        .unwrap();
    let replayed = enrol_with(nobody().await, |_| recorded.unwrap()).await.unwrap_err();
    assert_eq!(replayed.code(), Code::Unauthenticated);
    assert!(replayed.message().contains("proof"), "{}", replayed.message());

    let foreign = String::from_utf8(own).unwrap().replace("123456789012", "210987654321");
    let signature = crate::attest::testing::Message::good(
        &crate::attest::testing::rsa(crate::attest::testing::REGION_KEY),
        foreign.as_bytes(),
    )
    .base64();
    let refused = enrol_with(nobody().await, |challenge| request(&key, challenge, foreign.as_bytes(), &signature))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("210987654321"), "{}", refused.message());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_report_is_refused_and_the_next_one_is_taken() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let good = report(&healthy(INSTANCE));
    // Deeper than facts may be, and not so deep that prost itself turns away.
    let nested = (0..40).fold(v1::Value { kind: None }, |inner, _| v1::Value {
        kind: Some(v1::value::Kind::List(v1::List { values: vec![inner] })),
    });
    let deep = v1::Facts { areas: Some(v1::Map { values: [("imds".to_owned(), nested)].into() }) };
    let many =
        v1::Value { kind: Some(v1::value::Kind::List(v1::List { values: vec![v1::Value { kind: None }; 60_000] })) };
    let many = v1::Facts { areas: Some(v1::Map { values: [("imds".to_owned(), many)].into() }) };
    for report in [
        v1::AgentReport::default(),
        v1::AgentReport { facts: None, ..good.clone() },
        v1::AgentReport { attempt: None, ..good.clone() },
        v1::AgentReport { facts: Some(deep), ..good.clone() },
        v1::AgentReport { facts: Some(many), ..good.clone() },
    ] {
        let request = v1::SubmitReportRequest { report: Some(report), sequence: agent.next(), ..Default::default() };
        assert_eq!(client.submit_report(request).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let large = v1::AgentReport { agent_version: "x".repeat(2 << 20), ..good.clone() };
    let request = v1::SubmitReportRequest { report: Some(large), sequence: agent.next(), ..Default::default() };
    let refused = client.submit_report(request).await.unwrap_err();
    assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted), "{refused:?}");
    for neither in
        [v1::SubmitReportRequest::default(), v1::SubmitReportRequest { unchanged: vec![1; 31], ..Default::default() }]
    {
        assert_eq!(client.submit_report(neither).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let both = v1::SubmitReportRequest { unchanged: vec![1; 32], ..agent.report(&healthy(INSTANCE)) };
    assert_eq!(client.submit_report(both).await.unwrap_err().code(), Code::InvalidArgument);
    client.submit_report(agent.report(&healthy(INSTANCE))).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_says_of_its_checks_is_judged_anew() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let mut facts: OsFacts = healthy(INSTANCE);
    for _ in 0..2 {
        client.submit_report(agent.report(&facts)).await.unwrap();
    }
    facts.package.ec2_instance_connect = eic_doctor_proto::Fact::Absent;
    for _ in 0..2 {
        let mut lying = agent.report(&facts);
        for result in lying.report.iter_mut().flat_map(|report| &mut report.results) {
            result.set_status(v1::Status::Ok);
        }
        client.submit_report(lying).await.unwrap();
    }
    let mut operator = running.operator().await;
    let changes = operator.list_drift(v1::DriftRequest::default()).await.unwrap().into_inner().changes;
    assert!(changes.iter().any(|change| change.check_id == "os.package.installed"), "{changes:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_messages_ends_its_stream_and_says_when_to_come_back() {
    let running = Running::begin("").await;
    let agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let mut stream = Stream::open(&mut client).await.unwrap();
    for _ in 0..40 {
        let answer = v1::CheckAnswer { request_id: "nobody asked".to_owned(), report: None };
        let message = v1::AgentMessage { message: Some(v1::agent_message::Message::Answer(answer)) };
        if stream.to_coordinator.send(message).await.is_err() {
            break;
        }
    }
    let ended = stream.hear().await.unwrap_err();
    assert_eq!(ended.code(), Code::ResourceExhausted);
    assert!(ended.metadata().get(crate::server::RETRY_AFTER).is_some());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_or_nonsense_is_closed_and_others_are_served() {
    let running = Running::begin("[limits]\nhandshake = \"1s\"\nfirst_request = \"1s\"\n").await;
    let mut silent = TcpStream::connect(running.agents).await.unwrap();
    let mut slow = TcpStream::connect(running.agents).await.unwrap();
    // The head of a TLS record that never goes on.
    slow.write_all(&[22, 3, 1]).await.unwrap();
    let mut nonsense = TcpStream::connect(running.agents).await.unwrap();
    nonsense.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    agent.client(&running).await.submit_report(agent.report(&healthy(INSTANCE))).await.unwrap();
    for stream in [&mut silent, &mut slow, &mut nonsense] {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the connection is still open");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_from_one_address_than_may_be_are_turned_away() {
    let running = Running::begin("[limits]\nconnections_per_address = 2\n").await;
    let _first = TcpStream::connect(running.agents).await.unwrap();
    let _second = TcpStream::connect(running.agents).await.unwrap();
    let mut third = TcpStream::connect(running.agents).await.unwrap();
    let mut byte = [0; 1];
    let ended = third.read(&mut byte).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    running.stop().await;
}
