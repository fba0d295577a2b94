//! The network between the source and the instance. What each element says is worked out in `path/`; here it becomes a verdict.

mod block_public_access;
mod internet_gateway;
mod network_acl_inbound;
mod network_acl_outbound;
mod route_to_source;
mod security_group_ingress;

use eic_doctor_proto::{Attempt, Check, Command, Finding, HopDecision, Remedy, Verdict};
use ipnet::IpNet;

use super::command::{aws, id, recheck_attempt};
use crate::facts::AwsFacts;
use crate::path::network_acl::{self, Direction};
use crate::path::source::Source;
use crate::path::{Decided, Way, way};

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

/// An entry just before the one that turns the source away.
fn network_acl_remedy(facts: &AwsFacts, attempt: &Attempt, direction: Direction, only: &str) -> Remedy {
    let text = match direction {
        Direction::Ingress => "Allow the source to the port in the network ACL, before the entry that denies it",
        Direction::Egress => {
            "Allow replies to the source's ephemeral ports in the network ACL, before the entry that denies them"
        }
    };
    match network_acl_entries(facts, attempt, direction) {
        Some(command) => Remedy::by_command(text, &command, recheck_attempt(facts, attempt, only)),
        None => {
            let text = format!(
                "{text}; where no number before it is free, replace that entry by one with a higher number first"
            );
            by_hand(facts, attempt, only, &text)
        }
    }
}

fn network_acl_entries(facts: &AwsFacts, attempt: &Attempt, direction: Direction) -> Option<Command> {
    let (way, source) = known(facts, attempt)?;
    let acl = network_acl::acl(facts, &way).ok()?;
    let acl_id = id(acl.network_acl_id.as_deref())?;
    let entries = network_acl::entries(acl, direction).ok()?;
    let ports = direction.ports(attempt.port);
    let denying = entries.denying(&source.nets, ports);
    let highest = entries.taken.iter().copied().filter(|number| *number < network_acl::LAST).max().unwrap_or(0);
    // The closing entry leaves the next round number free; an entry before another takes the next lower number.
    let mut free: Vec<i32> = if denying >= network_acl::LAST {
        (1..)
            .map(|step| (highest / 10 + step) * 10)
            .take_while(|number| *number < network_acl::LAST)
            .take(source.nets.len())
            .collect()
    } else {
        (1..denying).rev().filter(|number| !entries.taken.contains(number)).take(source.nets.len()).collect()
    };
    free.sort_unstable();
    if free.len() < source.nets.len() {
        return None;
    }
    let commands = source.nets.iter().zip(free).map(|(net, number)| {
        let side = if direction == Direction::Ingress { "--ingress" } else { "--egress" };
        let cidr = if matches!(net, IpNet::V4(_)) { "--cidr-block" } else { "--ipv6-cidr-block" };
        aws(facts, "ec2", "create-network-acl-entry")
            .args(["--network-acl-id", acl_id, side, "--rule-number", &number.to_string()])
            .args(["--protocol", "tcp", "--port-range", &format!("From={},To={}", ports.from, ports.to)])
            .args([cidr, &net.to_string(), "--rule-action", "allow"])
    });
    commands.reduce(Command::and)
}
