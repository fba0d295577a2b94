//! Each situation of an instance's life, decided. The first test is the way in; each of the others changes what its name says.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::case::*;
use crate::attest::{Described, Kind};
use crate::store::{AgentRecord, AgentState, Millis};

#[test]
fn an_instance_that_nobody_knows_is_enrolled_on_first_use() {
    let case = Case::new();
    let (record, note) = case.issued();
    assert_eq!(note, "first enrolment of the instance");
    assert_eq!(
        record,
        AgentRecord {
            instance_id: "i-0123456789abcdef0".into(),
            account_id: "123456789012".into(),
            region: "eu-west-1".into(),
            availability_zone: "eu-west-1a".into(),
            image_id: "ami-0123456789abcdef0".into(),
            agent_version: "0.1.0".into(),
            pending_time: start(),
            key: case.key.id(),
            serial: String::new(),
            not_after: 0,
            enrolled_at: case.now,
            state: AgentState::Enrolled,
            state_why: note,
            state_since: case.now,
            sequence: 0,
            last_seen: None,
            connected_to: None,
            ended_at: None,
        }
    );
}

#[test]
fn after_a_restart_of_the_agent_or_a_reboot_the_same_key_is_let_in_and_its_sequence_goes_on() {
    let mut case = Case::enrolled();
    for later in [0, HOUR, 400 * 24 * HOUR] {
        case.now += later;
        let (record, _) = case.issued();
        assert_eq!((record.sequence, record.connected_to.as_deref()), (17, Some("one")));
    }
}

#[test]
fn after_stop_and_start_the_same_key_is_let_in_with_its_new_document_and_address() {
    let mut case = Case::enrolled().restarted(2 * HOUR);
    case.document.private_ip = Some(Ipv4Addr::new(10, 0, 9, 9));
    case.described().private_ip = case.document.private_ip;
    let (record, _) = case.issued();
    assert_eq!((record.pending_time, record.sequence), (start() + 2 * HOUR, 17));
}

#[test]
fn after_stop_and_start_another_key_is_let_in_because_the_disk_may_be_another() {
    let mut case = Case::enrolled().restarted(2 * HOUR);
    case.key = key();
    let (record, note) = case.issued();
    assert_eq!((record.sequence, record.connected_to), (0, None));
    assert!(note.contains("new start"), "{note}");
}

#[test]
fn a_copied_document_does_not_displace_an_agent_that_was_heard_since_the_start() {
    let mut case = Case::enrolled().restarted(2 * HOUR);
    // Its certificate is still good after the start, so it has not enrolled anew.
    case.stored().last_seen = Some(case.now);
    case.key = key();
    case.refused("other-key");
}

#[test]
fn a_lost_state_directory_waits_for_the_lost_key_to_end_and_no_longer() {
    let mut case = Case::enrolled();
    case.key = key();
    case.now += MINUTE;
    let refusal = case.refused("other-key");
    assert_eq!(refusal.kind, Kind::NotAllowed);
    // Heard at the hour, for a day; the certificate ends before that.
    assert_eq!(refusal.retry_after, Some(LIFE - Duration::from_secs(60)));
    case.now += Millis::try_from(refusal.retry_after.unwrap().as_millis()).unwrap() - 1;
    case.refused("other-key");
    case.now += 1;
    let (_, note) = case.issued();
    assert!(note.contains("expired unheard"), "{note}");
}

#[test]
fn a_key_that_is_heard_of_is_not_displaced_however_old_its_certificate() {
    let mut case = Case::enrolled();
    case.key = key();
    case.now += 30 * 24 * HOUR;
    case.stored().last_seen = Some(case.now - HOUR);
    case.refused("other-key");
    case.stored().last_seen = None;
    case.stored().not_after = case.now + 1;
    assert_eq!(case.refused("other-key").retry_after, Some(Duration::from_millis(1)));
}

#[test]
fn a_lost_state_directory_is_forgiven_at_once_when_the_instance_has_a_role() {
    let mut case = Case::enrolled().own_role();
    case.key = key();
    let (record, note) = case.issued();
    assert_eq!(record.sequence, 0);
    assert!(note.contains("role"), "{note}");
}

#[test]
fn a_lost_state_directory_is_forgiven_once_when_an_operator_says_so() {
    let mut case = Case::enrolled();
    case.key = key();
    case.stored().state = AgentState::AllowedAgain;
    let (mut record, _) = case.issued();
    // The permission is used up: the next key is refused.
    record.not_after = case.now + 24 * HOUR;
    case.stored = Some(record);
    case.key = key();
    case.refused("other-key");
}

#[test]
fn two_agents_with_one_identity_the_second_is_refused_and_told_why() {
    let mut case = Case::enrolled();
    case.key = key();
    let refusal = case.refused("other-key");
    assert!(refusal.what.contains("two agents with one identity"), "{refusal}");
    assert!(refusal.what.contains("allow-again"), "{refusal}");
}

#[test]
fn an_instance_of_an_image_of_an_enrolled_instance_is_an_instance_of_its_own() {
    // The agent throws the baked key away, since IMDS names another instance; should one not do so, the store knows no such instance.
    let mut case = Case::enrolled();
    case.stored = None;
    case.document.instance_id = "i-0fedcba9876543210".into();
    let (record, _) = case.issued();
    assert_eq!(record.instance_id, "i-0fedcba9876543210");
}

#[test]
fn a_document_of_an_earlier_start_is_stale_by_what_ec2_says_and_by_what_the_store_says() {
    let mut case = Case::new();
    case.described().launch_time += 11_000;
    assert!(case.refused("stale-document").what.contains("11 s before"));
    case.described().launch_time -= 1_000;
    case.issued();

    let mut case = Case::enrolled();
    case.key = key();
    case.stored().pending_time += 1000;
    case.policy.describe_instances = false;
    case.described = Described::NotAsked;
    case.refused("stale-document");
    // Nobody but the operator's own words lets a stale document in.
    case.stored().state = AgentState::AllowedAgain;
    case.refused("stale-document");
}

#[test]
fn revocation_lasts_until_the_operator_ends_it_whatever_the_agent_brings() {
    for case in [Case::enrolled(), Case::enrolled().own_role(), Case::enrolled().restarted(HOUR)] {
        for another in [false, true] {
            let mut case = Case { key: if another { key() } else { case.key.clone() }, ..case.clone() };
            case.stored().state = AgentState::Revoked;
            case.stored().state_why = "laptop stolen".into();
            case.now += 365 * 24 * HOUR;
            let refusal = case.refused("revoked");
            assert_eq!((refusal.kind, refusal.retry_after), (Kind::NotAllowed, None));
            assert!(refusal.what.contains("laptop stolen") && refusal.what.contains("allow-again"), "{refusal}");
            case.stored().state = AgentState::AllowedAgain;
            case.issued();
        }
    }
}
