//! The network between the source and the instance. What each element says is worked out in `path/`; here it becomes a verdict.

mod acl_entries;
mod block_public_access;
mod internet_gateway;
mod network_acl_inbound;
mod network_acl_outbound;
mod new_route;
mod route_to_source;
mod security_group_ingress;

use eic_doctor_proto::{Attempt, Check, Finding, HopDecision, Remedy, Verdict};

use super::command::recheck_attempt;
use crate::facts::AwsFacts;
use crate::path::source::Source;
use crate::path::{Decided, Way, way};

pub(super) use acl_entries::opened;

pub const ALL: &[&Check<AwsFacts>] = &[
    &security_group_ingress::CHECK,
    &network_acl_inbound::CHECK,
    &network_acl_outbound::CHECK,
    &route_to_source::CHECK,
    &internet_gateway::CHECK,
    &block_public_access::CHECK,
];

/// An element's decision as a verdict.
pub(super) fn verdict(decided: Decided, at: &str, remedy: impl FnOnce() -> Remedy) -> Verdict {
    let Decided { id, decision, rule, missing_action } = decided;
    let seen = if id.is_empty() { rule.clone() } else { format!("{id}: {rule}") };
    match decision {
        HopDecision::Allowed => Verdict::ok(seen, at),
        HopDecision::Partial => Verdict::warn(Finding::new(rule, remedy()).seen(id, at)),
        HopDecision::Blocked if id.is_empty() => Verdict::fail(Finding::new(rule, remedy())),
        HopDecision::Blocked => Verdict::fail(Finding::new(rule, remedy()).seen(id, at)),
        HopDecision::Unknown => Verdict::Unknown { why: rule, missing_action, evidence: Vec::new() },
        HopDecision::NotApplicable => Verdict::not_applicable(rule),
    }
}

/// The source and the way, where a remedy can be filled in. A source that is everybody is not let in by a remedy of ours.
fn known<'a>(facts: &'a AwsFacts, attempt: &Attempt) -> Option<(Way<'a>, Source)> {
    let way = way(facts, attempt).ok()?;
    let source = way.source.clone().ok()?;
    source.nets.iter().all(|net| net.prefix_len() > 0).then_some((way, source))
}

pub(super) fn by_hand(facts: &AwsFacts, attempt: &Attempt, only: &str, text: &str) -> Remedy {
    Remedy::by_hand(text, recheck_attempt(facts, attempt, only))
}
