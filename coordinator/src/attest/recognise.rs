//! An agent that comes with a certificate: is it the one that the store knows?
//!
//! The store may be older than the certificate, when it was restored from a backup. Then the certificate, which this fleet's own
//! authority signed, puts the record back, so that a fleet need not enrol anew all at once.

use crate::authority::PeerIdentity;
use crate::store::{AgentRecord, AgentState, Millis};

/// What a certificate is worth beside the store.
#[expect(clippy::large_enum_variant, reason = "one a time, and taken apart at once")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recognition {
    /// It is the agent that is stored.
    Known,
    /// The store knows less than the certificate: this record takes the place of what it holds. `why`: for the log.
    PutBack {
        record: AgentRecord,
        why: &'static str,
    },
    Revoked {
        why: String,
    },
    /// Another key has enrolled for the instance since.
    OtherKey,
    /// The certificate's time is over, though the connection that it opened is not.
    Expired,
}

/// For each report and each renewal, not only for each connection: revocation and expiry end an open stream too.
pub fn recognise(stored: Option<&AgentRecord>, peer: &PeerIdentity, now: Millis) -> Recognition {
    if peer.not_after < now {
        return Recognition::Expired;
    }
    let Some(stored) = stored else {
        let why = "the store has no record of the instance, its certificate is good: restored from a backup?";
        return Recognition::PutBack { record: record(peer, why, now), why };
    };
    match stored.state {
        AgentState::Revoked => Recognition::Revoked { why: stored.state_why.clone() },
        AgentState::Enrolled | AgentState::AllowedAgain if stored.key == peer.key => Recognition::Known,
        // A key that lost the instance to another gets no more certificates, so a certificate that is newer than the record is of a
        // later enrolment, which the store has lost.
        AgentState::Enrolled | AgentState::AllowedAgain if peer.not_before > stored.enrolled_at => {
            let why =
                "the certificate is newer than the store's record, which has another key: restored from a backup?";
            let mut record = record(peer, why, now);
            record.availability_zone.clone_from(&stored.availability_zone);
            record.image_id.clone_from(&stored.image_id);
            record.pending_time = stored.pending_time;
            Recognition::PutBack { record, why }
        }
        AgentState::Enrolled | AgentState::AllowedAgain => Recognition::OtherKey,
    }
}

/// What a certificate does not tell is empty until the next report or enrolment.
fn record(peer: &PeerIdentity, why: &str, now: Millis) -> AgentRecord {
    AgentRecord {
        instance_id: peer.instance_id.clone(),
        account_id: peer.account_id.clone(),
        region: peer.region.clone(),
        availability_zone: String::new(),
        image_id: String::new(),
        agent_version: String::new(),
        pending_time: 0,
        key: peer.key,
        serial: peer.serial.clone(),
        not_after: peer.not_after,
        enrolled_at: peer.not_before,
        state: AgentState::Enrolled,
        state_why: why.to_owned(),
        state_since: now,
        sequence: 0,
        last_seen: None,
        connected_to: None,
        ended_at: None,
    }
}
