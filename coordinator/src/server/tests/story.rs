//! What becomes of honest agents.

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::wire::v1;
use eic_doctor_proto::wire::v1::coordinator_message::Message as Told;
use eic_doctor_proto::{Attempt, Fact};
use tonic::Code;

use super::{Agent, INSTANCE, Running, Stream, document, healthy, report};
use crate::attest::testing::{certificate_request, p256};

fn request(id: &str) -> v1::AgentRequest {
    v1::AgentRequest { instance_id: id.to_owned(), why: String::new() }
}

/// The keys command is there, and the package that brought it is not: nobody will update it.
fn broken(instance_id: &str) -> OsFacts {
    let mut facts = healthy(instance_id);
    facts.package.ec2_instance_connect = Fact::Absent;
    facts
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_enrols_reports_and_is_seen() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let facts = healthy(INSTANCE);
    let acknowledged = client.submit_report(agent.report(&facts)).await.unwrap().into_inner();
    assert_eq!(
        (acknowledged.sequence, acknowledged.next_report_after_ms, acknowledged.digest.len()),
        (1, 3_600_000, 32)
    );

    let unchanged = v1::SubmitReportRequest {
        report: None,
        sequence: agent.next(),
        unchanged: acknowledged.digest.clone(),
        gathered_at_ms: 0,
    };
    let again = client.submit_report(unchanged).await.unwrap().into_inner();
    assert_eq!((again.sequence, again.digest), (2, acknowledged.digest));

    let mut operator = running.operator().await;
    let agents = operator.list_agents(v1::ListAgentsRequest::default()).await.unwrap().into_inner().agents;
    let [seen] = agents.as_slice() else { panic!("{agents:?}") };
    assert_eq!(
        (seen.instance_id.as_str(), seen.account_id.as_str(), seen.region.as_str()),
        (INSTANCE, "123456789012", "eu-west-1")
    );
    assert_eq!(seen.state(), v1::AgentState::Enrolled);
    assert!(seen.last_seen_ms.is_some());
    let stored = operator.last_report(request(INSTANCE)).await.unwrap().into_inner();
    assert_eq!(stored.report.unwrap().facts, report(&facts).facts);
    assert!(stored.confirmed_at_ms >= stored.received_at_ms);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_not_the_stored_one_asks_for_the_report_in_full() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let unchanged =
        v1::SubmitReportRequest { report: None, sequence: agent.next(), unchanged: vec![7; 32], gathered_at_ms: 0 };
    let answer = client.submit_report(unchanged).await.unwrap().into_inner();
    assert_eq!((answer.digest.len(), answer.next_report_after_ms), (0, 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_asks_an_agent_to_look_now() {
    let running = Running::begin("").await;
    let agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let mut stream = Stream::open(&mut client).await.unwrap();
    let mut operator = running.operator().await;
    let attempt = Attempt { port: 2222, ..Attempt::usual() };
    let asked = v1::InstanceCheckRequest {
        instance_id: INSTANCE.to_owned(),
        attempt: Some((&attempt).into()),
        budget_ms: 2_000,
    };
    let answering = async {
        let Some(Told::Check(check)) = stream.hear().await.unwrap() else { panic!("no check was asked for") };
        assert_eq!((check.attempt.unwrap().port, check.budget_ms), (2222, 2_000));
        let answer = v1::CheckAnswer { request_id: check.request_id, report: Some(report(&healthy(INSTANCE))) };
        stream.send(v1::agent_message::Message::Answer(answer)).await;
    };
    let (answered, ()) = tokio::join!(operator.check_instance(asked), answering);
    assert!(answered.unwrap().into_inner().report.is_some());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_not_connected_cannot_be_asked_and_one_that_never_enrolled_is_not_known() {
    let running = Running::begin("").await;
    let _agent = Agent::enrolled(&running, INSTANCE).await;
    let mut operator = running.operator().await;
    let attempt = Attempt::usual();
    let ask = |id: &str| v1::InstanceCheckRequest {
        instance_id: id.to_owned(),
        attempt: Some((&attempt).into()),
        budget_ms: 0,
    };
    let refused = operator.check_instance(ask(INSTANCE)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("is not connected"), "{}", refused.message());
    let refused = operator.check_instance(ask("i-00000000000000000")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    running.stop().await;
}

/// What hangs on the package changes with it.
async fn next_of(check_id: &str, changes: &mut tonic::Streaming<v1::DriftChange>) -> v1::DriftChange {
    loop {
        let change = changes.message().await.unwrap().expect("the stream goes on");
        if change.check_id == check_id {
            return change;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_is_told_after_two_runs_and_what_is_mended_after_one() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let mut operator = running.operator().await;
    let mut changes = operator.watch_drift(v1::DriftRequest::default()).await.unwrap().into_inner();
    for facts in [healthy(INSTANCE), healthy(INSTANCE), broken(INSTANCE)] {
        client.submit_report(agent.report(&facts)).await.unwrap();
    }
    let held = operator.list_drift(v1::DriftRequest::default()).await.unwrap().into_inner().changes;
    assert_eq!(held, [], "once is a blip");
    client.submit_report(agent.report(&broken(INSTANCE))).await.unwrap();
    let change = next_of("os.package.installed", &mut changes).await;
    let is = change.is.clone().unwrap();
    assert_eq!(change.instance_id, INSTANCE);
    assert_eq!((change.was(), is.status()), (v1::Status::Ok, v1::Status::Warn));
    assert!(is.remedy.is_some() && change.since_ms <= change.told_at_ms);
    client.submit_report(agent.report(&healthy(INSTANCE))).await.unwrap();
    let change = next_of("os.package.installed", &mut changes).await;
    assert_eq!((change.was(), change.is.unwrap().status()), (v1::Status::Warn, v1::Status::Ok));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_for_the_key_that_enrolled() {
    let running = Running::begin("").await;
    let agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let renew = |key| v1::RenewRequest { certificate_request: certificate_request(key) };
    let issued = client.renew(renew(&agent.key)).await.unwrap().into_inner();
    assert_ne!(issued.certificates[0], agent.certificates[0].to_vec());
    let refused = client.renew(renew(&p256())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = client.renew(v1::RenewRequest { certificate_request: b"nonsense".to_vec() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_begins_anew_knows_what_it_acknowledged() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let first = agent.report(&healthy(INSTANCE));
    let acknowledged = client.submit_report(first.clone()).await.unwrap().into_inner();
    let dir = running.stop().await;
    let running = Running::begin_in(dir, "").await;
    let mut client = agent.client(&running).await;
    let replayed = client.submit_report(first).await.unwrap_err();
    assert_eq!(replayed.code(), Code::AlreadyExists, "{}", replayed.message());
    let unchanged = v1::SubmitReportRequest {
        report: None,
        sequence: agent.next(),
        unchanged: acknowledged.digest.clone(),
        gathered_at_ms: 0,
    };
    let again = client.submit_report(unchanged).await.unwrap().into_inner();
    assert_eq!(again.digest, acknowledged.digest);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lost_an_agent_takes_it_back_by_its_certificate() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let dir = running.stop().await;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("store.db") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let running = Running::begin_in(dir, "").await;
    let mut client = agent.client(&running).await;
    client.submit_report(agent.report(&healthy(INSTANCE))).await.unwrap();
    let mut operator = running.operator().await;
    let seen = operator.show_agent(request(INSTANCE)).await.unwrap().into_inner();
    assert!(seen.state_why.contains("backup"), "{}", seen.state_why);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_restarts_enrols_again_with_the_same_key_and_who_was_started_anew_with_another() {
    let running = Running::begin("").await;
    let (first, signature) = document(INSTANCE, "2027-01-01T00:00:00Z");
    let key = p256();
    let same = rcgen::KeyPair::try_from(key.serialize_der().as_slice()).unwrap();
    Agent::enrol(&running, key, &first, &signature).await.unwrap();
    Agent::enrol(&running, same, &first, &signature).await.unwrap();
    let refused = Agent::enrol(&running, p256(), &first, &signature).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{}", refused.message());
    let (second, signature) = document(INSTANCE, "2027-01-02T00:00:00Z");
    Agent::enrol(&running, p256(), &second, &signature).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_tells_agents_when_to_come_back() {
    let running = Running::begin("").await;
    let agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let mut stream = Stream::open(&mut client).await.unwrap();
    let (_, told) = tokio::join!(running.stop(), async { stream.hear().await.unwrap() });
    assert!(matches!(told, Some(Told::ComeBackAfterMs(1_000..=31_000))), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_stream_of_an_instance_is_the_one_that_is_asked() {
    let running = Running::begin("").await;
    let agent = Agent::enrolled(&running, INSTANCE).await;
    let (mut first, mut second) = (agent.client(&running).await, agent.client(&running).await);
    let mut old = Stream::open(&mut first).await.unwrap();
    let _new = Stream::open(&mut second).await.unwrap();
    assert_eq!(old.hear().await.unwrap_err().code(), Code::Aborted);
    running.stop().await;
}
