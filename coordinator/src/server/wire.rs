//! What the store has, as operators are told it.

use eic_doctor_proto::wire::v1;

use crate::store::{AgentRecord, AgentState, StoredChange};

pub(super) fn agent(record: AgentRecord) -> v1::Agent {
    let state = match record.state {
        AgentState::Enrolled => v1::AgentState::Enrolled,
        AgentState::Revoked => v1::AgentState::Revoked,
        AgentState::AllowedAgain => v1::AgentState::AllowedAgain,
    };
    v1::Agent {
        instance_id: record.instance_id,
        account_id: record.account_id,
        region: record.region,
        availability_zone: record.availability_zone,
        image_id: record.image_id,
        agent_version: record.agent_version,
        state: state.into(),
        state_why: record.state_why,
        state_since_ms: record.state_since,
        enrolled_at_ms: record.enrolled_at,
        certificate_serial: record.serial,
        certificate_not_after_ms: record.not_after,
        last_seen_ms: record.last_seen,
        connected_to: record.connected_to,
        ended_at_ms: record.ended_at,
        halves: Vec::new(),
    }
}

pub(super) fn change(stored: StoredChange) -> v1::DriftChange {
    v1::DriftChange {
        number: stored.number,
        instance_id: stored.instance_id,
        check_id: stored.change.check_id,
        was: v1::Status::from(stored.change.was).into(),
        is: Some((&stored.change.is).into()),
        since_ms: stored.change.since,
        told_at_ms: stored.change.told_at,
    }
}
