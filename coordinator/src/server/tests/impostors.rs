//! Who speaks with another's voice, or tells what cannot be.

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::wire::v1::coordinator_message::Message as Told;
use eic_doctor_proto::wire::{decode_report, v1};
use eic_doctor_proto::{Fact, Status};
use prost::Message as _;
use tonic::Code;

use super::{Agent, INSTANCE, Running, Stream, healthy, report};
use crate::attest::testing::mutate::{Random, mutate};
use crate::server::core::judged;

/// Each is decoded and judged whole, which takes milliseconds; the million of hostile sequences, keys and digests is the store's.
const REPORTS: usize = 400;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_agents_with_one_key_one_is_heard() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let mut copy = Agent {
        key: rcgen::KeyPair::try_from(agent.key.serialize_der().as_slice()).unwrap(),
        certificates: agent.certificates.clone(),
        sequence: 0,
    };
    let (mut own, mut copied) = (agent.client(&running).await, copy.client(&running).await);
    let mut first = Stream::open(&mut own).await.unwrap();
    first.send(v1::agent_message::Message::Report(agent.report(&healthy(INSTANCE)))).await;
    assert!(matches!(first.hear().await.unwrap(), Some(Told::Acknowledged(told)) if told.sequence == 1));
    // The copy of a disk goes on with the numbers that were on it.
    let mut second = Stream::open(&mut copied).await.unwrap();
    second.send(v1::agent_message::Message::Report(copy.report(&healthy(INSTANCE)))).await;
    assert_eq!(second.hear().await.unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(first.hear().await.unwrap_err().code(), Code::Aborted, "the newest stream is the instance's");
    own.submit_report(agent.report(&healthy(INSTANCE))).await.unwrap();
    running.stop().await;
}

/// `ahead` seconds by every answer of the metadata service.
fn with_clock(ahead: i64) -> OsFacts {
    let facts = serde_json::to_string(&healthy(INSTANCE)).unwrap();
    let as_recorded = "\"clock_ahead\":{\"known\":0}";
    assert!(facts.contains(as_recorded));
    serde_json::from_str(&facts.replace(as_recorded, &format!("\"clock_ahead\":{{\"known\":{ahead}}}"))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_a_finding_whatever_its_agent_says() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let mut client = agent.client(&running).await;
    let honest = report(&healthy(INSTANCE)).results;
    for facts in [with_clock(0), with_clock(0), with_clock(120), with_clock(120)] {
        let mut lying = agent.report(&facts);
        // By the clock that is off the report is of the future, and its agent finds nothing wrong with it.
        lying.gathered_at_ms += 120_000;
        lying.report.as_mut().unwrap().results.clone_from(&honest);
        client.submit_report(lying).await.unwrap();
    }
    let mut operator = running.operator().await;
    let changes = operator.list_drift(v1::DriftRequest::default()).await.unwrap().into_inner().changes;
    let clock = changes.iter().find(|change| change.check_id == "os.trust.clock").unwrap();
    let is = clock.is.as_ref().unwrap();
    assert_eq!((clock.was(), is.status()), (v1::Status::Ok, v1::Status::Fail));
    assert!(is.why.contains("2 min ahead"), "{}", is.why);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_writes_is_text_to_the_store() {
    let running = Running::begin("").await;
    let _agent = Agent::enrolled(&running, INSTANCE).await;
    let mut operator = running.operator().await;
    for hostile in ["'; DROP TABLE agents; --", "\" OR 1=1; --", "i-%' OR '1'='1", "$1 ?1 :name", "\\x27; --"] {
        let of = |instance_id: &str| v1::AgentRequest { instance_id: instance_id.to_owned(), why: hostile.to_owned() };
        assert_eq!(operator.show_agent(of(hostile)).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(operator.revoke_agent(of(hostile)).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(operator.last_report(of(hostile)).await.unwrap_err().code(), Code::NotFound);
        let asked = v1::DriftRequest { instance_id: Some(hostile.to_owned()), ..Default::default() };
        assert_eq!(operator.list_drift(asked).await.unwrap().into_inner().changes, []);
        let revoked = operator.revoke_agent(of(INSTANCE)).await.unwrap().into_inner();
        assert!(revoked.state_why.ends_with(&format!(": {hostile}")), "{}", revoked.state_why);
        // Only what comes after the token in the order of ids, which is what it would be as text.
        let asked = v1::ListAgentsRequest { page_size: 10, page_token: hostile.to_owned() };
        let listed = operator.list_agents(asked).await.unwrap().into_inner().agents;
        assert_eq!(listed.len(), usize::from(hostile < INSTANCE));
    }
    running.stop().await;
}

/// What was heard of one instance's report, changed here and there and sent by another's agent.
#[test]
fn of_hostile_reports_none_speaks_for_another_instance() {
    let victim = "i-0fedcba9876543210";
    let heard = report(&healthy(victim)).encode_to_vec();
    assert!(judged(decode_report(&heard).unwrap(), INSTANCE).is_err());
    let of_peer = judged(report(&healthy(INSTANCE)), INSTANCE).unwrap();
    assert!(of_peer.iter().any(|result| result.status == Status::Ok), "the same way lets the honest in");
    let mut random = Random::of(0);
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..REPORTS {
        let mut forged = heard.clone();
        mutate(&mut forged, &mut random, 4);
        let Ok(report) = decode_report(&forged) else {
            refused += 1;
            continue;
        };
        let facts = report.facts.clone();
        match judged(report, INSTANCE) {
            Err(_) => refused += 1,
            // The change fell on the id: then it is a report of somebody unknown, and evidence of the peer's own.
            Ok(_) => {
                let facts: OsFacts = eic_doctor_proto::wire::facts_from_wire(facts.unwrap()).unwrap();
                for view in [&facts.imds.as_root, &facts.imds.as_keys_user] {
                    let of_victim = matches!(&view.instance_id, Fact::Known(answer)
                        if answer.status == 200 && answer.body.raw() == victim);
                    assert!(!of_victim, "the victim's report was taken for the peer's");
                }
                taken += 1;
            }
        }
    }
    assert!(refused > REPORTS * 9 / 10, "{refused} refused, {taken} taken");
}
