//! A certificate beside what the store remembers.

use crate::attest::request::PublicKey;
use crate::attest::testing::p256;
use crate::attest::{Recognition, recognise};
use crate::authority::PeerIdentity;
use crate::store::{AgentRecord, AgentState};

fn peer() -> PeerIdentity {
    let public_key = PublicKey::parse(&rcgen::PublicKeyData::subject_public_key_info(&p256())).unwrap();
    PeerIdentity {
        account_id: "123456789012".into(),
        region: "eu-west-1".into(),
        instance_id: "i-0123456789abcdef0".into(),
        key: public_key.id(),
        public_key,
        serial: "4a".into(),
        not_before: 1_000,
        not_after: 90_000,
    }
}

/// The record that the enrolment of this certificate left.
fn stored(peer: &PeerIdentity) -> AgentRecord {
    let Recognition::PutBack { mut record, .. } = recognise(None, peer, 2_000) else { panic!("not put back") };
    record.enrolled_at = peer.not_before + 300;
    record.availability_zone = "eu-west-1a".into();
    record.pending_time = 500;
    record
}

#[test]
fn the_agent_that_is_stored_is_known_until_its_certificate_ends() {
    let peer = peer();
    let stored = stored(&peer);
    assert_eq!(recognise(Some(&stored), &peer, peer.not_after), Recognition::Known);
    assert_eq!(recognise(Some(&stored), &peer, peer.not_after + 1), Recognition::Expired);
    assert_eq!(recognise(None, &peer, peer.not_after + 1), Recognition::Expired);
    let renewed = PeerIdentity { serial: "4b".into(), not_before: 50_000, not_after: 140_000, ..peer };
    assert_eq!(recognise(Some(&stored), &renewed, 100_000), Recognition::Known);
}

#[test]
fn a_store_that_was_restored_empty_gets_its_records_back_from_certificates() {
    let peer = peer();
    let Recognition::PutBack { record, .. } = recognise(None, &peer, 2_000) else { panic!("not put back") };
    assert_eq!((record.key, record.serial.as_str(), record.not_after), (peer.key, "4a", 90_000));
    assert_eq!((record.enrolled_at, record.state, record.sequence), (1_000, AgentState::Enrolled, 0));
    assert_eq!(recognise(Some(&record), &peer, 3_000), Recognition::Known);
}

#[test]
fn a_store_that_was_restored_from_before_an_enrolment_takes_the_newer_key() {
    let (before, mut after) = (peer(), peer());
    let mut stored = stored(&before);
    (after.not_before, after.not_after) = (stored.enrolled_at + 1, 200_000);
    let Recognition::PutBack { record, .. } = recognise(Some(&stored), &after, 100_000) else { panic!("not put back") };
    assert_eq!((record.key, record.pending_time, record.availability_zone.as_str()), (after.key, 500, "eu-west-1a"));
    stored.state = AgentState::AllowedAgain;
    assert!(matches!(recognise(Some(&stored), &after, 100_000), Recognition::PutBack { .. }));
}

#[test]
fn a_key_that_was_replaced_is_not_let_in_by_its_old_certificate() {
    let (old, new) = (peer(), peer());
    let stored = stored(&new);
    assert_eq!(recognise(Some(&stored), &old, 2_000), Recognition::OtherKey);
}

#[test]
fn revocation_is_seen_at_once_with_every_key() {
    let peer = peer();
    let mut stored = stored(&peer);
    stored.state = AgentState::Revoked;
    stored.state_why = "laptop stolen".into();
    let later = PeerIdentity { not_before: 80_000, ..self::peer() };
    for peer in [&peer, &later] {
        assert_eq!(recognise(Some(&stored), peer, 2_000), Recognition::Revoked { why: "laptop stolen".into() });
    }
}
