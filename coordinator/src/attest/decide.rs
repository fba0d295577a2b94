//! Who is enrolled: a pure decision over the claim, what EC2 and STS say, and what the store remembers.
//!
//! Designed from the way back: every honest instance that is refused for its key is let in again by itself, at the latest one
//! certificate life after the key that it lost was last heard of. Only an operator's revocation lasts, until the operator ends it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::{CallerIdentity, Claim, Kind, Refusal};
use crate::store::{AgentRecord, AgentState, Millis};

/// EC2 may tell of an instance some seconds after the instance has started; the document's time and `LaunchTime` are taken by two
/// of its parts, which agree to a second or two.
const LAUNCH_TOLERANCE: Duration = Duration::from_secs(10);
/// For so long after its start an instance may be unknown to DescribeInstances, which is eventually consistent.
const CONSISTENCY: Duration = Duration::from_secs(5 * 60);
/// How long an agent is told to wait when the coordinator could not look.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What the configuration says of enrolment.
#[derive(Clone, Debug)]
pub struct EnrolmentPolicy {
    /// Whose instances may enrol. Empty: nobody's.
    pub accounts: BTreeSet<String>,
    /// Whether EC2 has to confirm the instance.
    pub describe_instances: bool,
    /// Whether an instance without a caller identity is refused: for fleets where each has a role.
    pub require_caller_identity: bool,
    pub certificate_life: Duration,
}

/// What EC2 says of the instance.
#[derive(Clone, Debug)]
pub enum Described {
    Instance(DescribedInstance),
    /// EC2 knows none of this id in the account and Region.
    NotFound,
    /// Could not look: why.
    NotSeen(String),
    /// The configuration says not to.
    NotAsked,
}

/// `DescribeInstances`, of one instance.
#[derive(Clone, Debug)]
pub struct DescribedInstance {
    /// The reservation's `OwnerId`.
    pub account_id: String,
    /// `State.Name`.
    pub state: String,
    pub private_ip: Option<Ipv4Addr>,
    pub launch_time: Millis,
    /// The ARN of its instance profile.
    pub instance_profile: Option<String>,
    /// The names of the profile's roles; none: not looked up.
    pub roles: Option<Vec<String>>,
}

/// What becomes of a claim.
#[expect(clippy::large_enum_variant, reason = "one a time, and taken apart at once")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// `record` lacks `serial` and `not_after` of the certificate that is yet to be issued. `note`: why, for the log.
    Issue {
        record: AgentRecord,
        note: String,
    },
    Refuse(Refusal),
    /// It may be well, and cannot be told now.
    NotNow {
        why: String,
        after: Duration,
    },
}

/// Decides. `caller`: as STS confirmed it for this very challenge; none: there was none, or STS did not confirm it.
pub fn decide(
    stored: Option<&AgentRecord>,
    claim: &Claim,
    described: &Described,
    caller: Option<&CallerIdentity>,
    policy: &EnrolmentPolicy,
    now: Millis,
) -> Decision {
    let judged = hold_document(claim, policy, now)
        .and_then(|()| hold_description(claim, described, policy, now))
        .and_then(|()| hold_caller(claim, described, caller, policy))
        .and_then(|()| hold_key(stored, claim, caller, policy, now));
    match judged {
        Ok(note) => Decision::Issue { record: record(stored, claim, &note, now), note },
        Err(Not::Allowed(refusal)) => Decision::Refuse(refusal),
        Err(Not::Now(why)) => Decision::NotNow { why, after: LOOK_AGAIN },
    }
}

enum Not {
    Allowed(Refusal),
    Now(String),
}

fn refused(claim: &Claim, rule: &'static str, what: impl Into<String>) -> Not {
    Not::Allowed(Refusal::new(&claim.who(), Kind::NotAllowed, rule, what))
}

fn hold_document(claim: &Claim, policy: &EnrolmentPolicy, now: Millis) -> Result<(), Not> {
    let by = &claim.signed_by;
    if !(by.not_before..=by.not_after).contains(&now) {
        let region = &claim.document.region;
        let what = format!("the certificate {} of {region} is not valid at the coordinator's time", by.sha256);
        return Err(Not::Allowed(Refusal::new(&claim.who(), Kind::CannotTell, "region-certificate", what)));
    }
    let account = &claim.document.account_id;
    if !policy.accounts.contains(account) {
        return Err(refused(claim, "account", format!("account {account} is not among those that may enrol")));
    }
    Ok(())
}

fn hold_description(claim: &Claim, described: &Described, policy: &EnrolmentPolicy, now: Millis) -> Result<(), Not> {
    let document = &claim.document;
    let seen = match described {
        Described::Instance(seen) => seen,
        Described::NotAsked if policy.describe_instances => return Err(Not::Now("EC2 was not asked".into())),
        Described::NotAsked => return Ok(()),
        Described::NotSeen(why) => return Err(Not::Now(format!("the coordinator cannot look the instance up: {why}"))),
        Described::NotFound if now < later(document.pending_time, CONSISTENCY) => {
            return Err(Not::Now("EC2 does not know the instance yet".into()));
        }
        Described::NotFound => return Err(refused(claim, "instance", "EC2 knows no such instance there")),
    };
    if !matches!(seen.state.as_str(), "pending" | "running") {
        return Err(refused(claim, "instance-state", format!("the instance is {}", seen.state)));
    }
    if seen.account_id != document.account_id {
        let what = format!("the instance belongs to {}, its document says {}", seen.account_id, document.account_id);
        return Err(refused(claim, "instance-account", what));
    }
    // The document is written at the start of an instance, so one of an earlier start is somebody's copy.
    if later(document.pending_time, LAUNCH_TOLERANCE) < seen.launch_time {
        let late = (seen.launch_time - document.pending_time) / 1000;
        let what = format!("the document is of {late} s before the instance was last started");
        return Err(refused(claim, "stale-document", what));
    }
    if seen.private_ip != document.private_ip {
        let ip = |ip: Option<Ipv4Addr>| ip.map_or("none".to_owned(), |ip| ip.to_string());
        let what = format!(
            "the instance's private address is {}, its document says {}",
            ip(seen.private_ip),
            ip(document.private_ip)
        );
        return Err(refused(claim, "private-address", what));
    }
    Ok(())
}

fn hold_caller(
    claim: &Claim,
    described: &Described,
    caller: Option<&CallerIdentity>,
    policy: &EnrolmentPolicy,
) -> Result<(), Not> {
    let rule = "caller-identity";
    let Some(caller) = caller else {
        return match (policy.require_caller_identity, claim.has_caller_identity()) {
            (false, _) => Ok(()),
            (true, false) => {
                Err(refused(claim, rule, "the instance signed no request with a role, which is required here"))
            }
            (true, true) => {
                Err(refused(claim, rule, "STS did not confirm the instance's role, which is required here"))
            }
        };
    };
    let document = &claim.document;
    if caller.account_id != document.account_id || caller.session_name != document.instance_id {
        let what = format!(
            "the signed request is by the session {} of the role {} in {}, which is not the instance's own",
            caller.session_name, caller.role, caller.account_id
        );
        return Err(refused(claim, rule, what));
    }
    let Described::Instance(seen) = described else { return Ok(()) };
    let Some(profile) = &seen.instance_profile else {
        return Err(refused(claim, rule, "the signed request is by a role, and the instance has no instance profile"));
    };
    match &seen.roles {
        Some(roles) if !roles.contains(&caller.role) => {
            Err(refused(claim, rule, format!("the role {} is not in the instance's profile {profile}", caller.role)))
        }
        _ => Ok(()),
    }
}

/// Which key may speak for the instance from now on: why this one.
fn hold_key(
    stored: Option<&AgentRecord>,
    claim: &Claim,
    caller: Option<&CallerIdentity>,
    policy: &EnrolmentPolicy,
    now: Millis,
) -> Result<String, Not> {
    let document = &claim.document;
    let Some(stored) = stored else { return Ok("first enrolment of the instance".into()) };
    if stored.account_id != document.account_id || stored.region != document.region {
        let what = format!("the instance enrolled in account {} in {} before", stored.account_id, stored.region);
        return Err(refused(claim, "other-place", what));
    }
    if stored.state == AgentState::Revoked {
        let what = format!(
            "it was revoked ({}); `eic-doctor agents allow-again {}` lets it in",
            stored.state_why, document.instance_id
        );
        return Err(refused(claim, "revoked", what));
    }
    if stored.key == claim.key.id() {
        return Ok("the same key again".into());
    }
    if document.pending_time < stored.pending_time {
        let what = "the document is of an earlier start of the instance than the one it enrolled with";
        return Err(refused(claim, "stale-document", what));
    }
    // A key that was heard of since this start lives in this start: another one beside it is no reborn instance.
    let heard = stored.last_seen.unwrap_or(0).max(stored.enrolled_at);
    if document.pending_time > stored.pending_time && heard <= later(document.pending_time, LAUNCH_TOLERANCE) {
        return Ok("another key after a new start of the instance".into());
    }
    if caller.is_some() {
        return Ok("another key in the same start, confirmed by the instance's role".into());
    }
    if stored.state == AgentState::AllowedAgain {
        return Ok("another key in the same start, allowed by an operator".into());
    }
    let free = stored.not_after.max(later(heard, policy.certificate_life));
    if free <= now {
        return Ok("another key in the same start, after the one before expired unheard".into());
    }
    let what = "another key enrolled in this start of the instance: two agents with one identity, a copied document, or a lost \
                state directory; an operator's `eic-doctor agents allow-again` or the instance's role lets this one in at once, the \
                end of the other's certificate later";
    let mut refusal = Refusal::new(&claim.who(), Kind::NotAllowed, "other-key", what);
    refusal.retry_after = Some(Duration::from_millis(free - now));
    Err(Not::Allowed(refusal))
}

fn record(stored: Option<&AgentRecord>, claim: &Claim, note: &str, now: Millis) -> AgentRecord {
    let document = &claim.document;
    let key = claim.key.id();
    let same = stored.filter(|stored| stored.key == key);
    AgentRecord {
        instance_id: document.instance_id.clone(),
        account_id: document.account_id.clone(),
        region: document.region.clone(),
        availability_zone: document.availability_zone.clone(),
        image_id: document.image_id.clone(),
        agent_version: claim.agent_version.clone(),
        pending_time: same.map_or(document.pending_time, |stored| stored.pending_time.max(document.pending_time)),
        key,
        serial: String::new(),
        not_after: 0,
        enrolled_at: now,
        state: AgentState::Enrolled,
        state_why: note.to_owned(),
        state_since: now,
        // The store refuses a key's old reports for as long as it is that key's.
        sequence: same.map_or(0, |stored| stored.sequence),
        last_seen: same.and_then(|stored| stored.last_seen),
        connected_to: same.and_then(|stored| stored.connected_to.clone()),
        ended_at: None,
    }
}

fn later(time: Millis, by: Duration) -> Millis {
    time.saturating_add(Millis::try_from(by.as_millis()).unwrap_or(Millis::MAX))
}
