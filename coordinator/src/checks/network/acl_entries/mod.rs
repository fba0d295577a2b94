//! The entries that open a network ACL: before the one that denies, for the source alone.

use eic_doctor_proto::{Attempt, Command, Remedy};
use ipnet::IpNet;

use super::{by_hand, known};
use crate::checks::command::{aws, id, recheck_attempt};
use crate::facts::{AwsFacts, NetworkAcl, NetworkAclEntry};
use crate::path::network_acl::{self, Direction};
use crate::path::ports::Ports;

pub(super) fn remedy(facts: &AwsFacts, attempt: &Attempt, direction: Direction, only: &str) -> Remedy {
    let text = match direction {
        Direction::Ingress => "Allow the source to the port in the network ACL, before the entry that denies it",
        Direction::Egress => {
            "Allow replies to the source's ephemeral ports in the network ACL, before the entry that denies them"
        }
    };
    let command = known(facts, attempt).and_then(|(way, source)| {
        let acl = network_acl::acl(facts, &way).ok()?;
        opened(facts, acl, direction, &source.nets, direction.ports(attempt.port))
    });
    match command {
        Some(command) => Remedy::by_command(text, &command, recheck_attempt(facts, attempt, only)),
        None => {
            let text = format!(
                "{text}; where no number before it is free, replace that entry by one with a higher number first"
            );
            by_hand(facts, attempt, only, &text)
        }
    }
}

/// The command that lets TCP from or to `nets` through on `ports`; `None` where the numbers leave no room for it.
pub(in crate::checks) fn opened(
    facts: &AwsFacts,
    acl: &NetworkAcl,
    direction: Direction,
    nets: &[IpNet],
    ports: Ports,
) -> Option<Command> {
    let acl_id = id(acl.network_acl_id.as_deref())?;
    let entries = network_acl::entries(acl, direction).ok()?;
    let denying = entries.denying(nets, ports);
    let wanted = nets.len();
    if denying >= network_acl::LAST {
        // The closing entry leaves the next round number free.
        let highest = entries.taken.iter().copied().filter(|number| *number < network_acl::LAST).max().unwrap_or(0);
        let free = (1..).map(|step| (highest / 10 + step) * 10).take_while(|number| *number < network_acl::LAST);
        return allow(facts, acl_id, direction, nets, ports, free.take(wanted).collect());
    }
    let is_free = |number: &i32| !entries.taken.contains(number);
    let mut free: Vec<i32> = (1..denying).rev().filter(is_free).take(wanted).collect();
    free.sort_unstable();
    if free.len() == wanted {
        return allow(facts, acl_id, direction, nets, ports, free);
    }
    make_room(facts, acl, acl_id, direction, denying, nets, ports)
}

fn allow(
    facts: &AwsFacts,
    acl_id: &str,
    direction: Direction,
    nets: &[IpNet],
    ports: Ports,
    numbers: Vec<i32>,
) -> Option<Command> {
    if numbers.len() < nets.len() {
        return None;
    }
    let commands = nets.iter().zip(numbers).map(|(net, number)| {
        let made = aws(facts, "ec2", "create-network-acl-entry");
        allowing(place(made, acl_id, direction, number), net, ports)
    });
    commands.reduce(Command::and)
}

/// Where no lower number is free the entry that denies moves behind the next free number, and its own number goes to the one that
/// allows. It may pass other entries only where none of them decides about an address that it decides about.
fn make_room(
    facts: &AwsFacts,
    acl: &NetworkAcl,
    acl_id: &str,
    direction: Direction,
    denying: i32,
    nets: &[IpNet],
    ports: Ports,
) -> Option<Command> {
    let [net] = nets else { return None };
    let of_direction = || acl.entries.iter().filter(|entry| network_acl::is_of(entry, direction));
    let denial = of_direction().find(|entry| entry.rule_number == Some(denying))?;
    let meets = |other: &&NetworkAclEntry| match (cidr(denial), cidr(other)) {
        (Some(own), Some(other)) => own.contains(&other) || other.contains(&own),
        _ => true,
    };
    let next = of_direction()
        .filter(meets)
        .filter_map(|entry| entry.rule_number)
        .filter(|number| *number > denying)
        .min()
        .unwrap_or(network_acl::LAST);
    let is_free = |number: &i32| of_direction().all(|entry| entry.rule_number != Some(*number));
    let behind = (denying + 1..next.min(network_acl::LAST)).find(is_free)?;
    let moved = place(aws(facts, "ec2", "create-network-acl-entry"), acl_id, direction, behind);
    let moved = moved.args(["--protocol", protocol(denial.protocol.as_deref()?)?]);
    let moved = match &denial.port_range {
        Some(range) => {
            moved.args(["--port-range", &format!("From={},To={}", range.from.unwrap_or(0), range.to.unwrap_or(65535))])
        }
        None => moved,
    };
    let moved = of_net(moved, &cidr(denial)?).args(["--rule-action", "deny"]);
    let replaced = place(aws(facts, "ec2", "replace-network-acl-entry"), acl_id, direction, denying);
    Some(moved.and(allowing(replaced, net, ports)))
}

fn place(command: Command, acl_id: &str, direction: Direction, number: i32) -> Command {
    let side = if direction == Direction::Ingress { "--ingress" } else { "--egress" };
    command.args(["--network-acl-id", acl_id, side, "--rule-number", &number.to_string()])
}

fn allowing(command: Command, net: &IpNet, ports: Ports) -> Command {
    let command = command.args(["--protocol", "tcp", "--port-range", &format!("From={},To={}", ports.from, ports.to)]);
    of_net(command, net).args(["--rule-action", "allow"])
}

fn of_net(command: Command, net: &IpNet) -> Command {
    let flag = if matches!(net, IpNet::V4(_)) { "--cidr-block" } else { "--ipv6-cidr-block" };
    command.args([flag, &net.to_string()])
}

fn cidr(entry: &NetworkAclEntry) -> Option<IpNet> {
    entry.cidr_block.as_deref().or(entry.ipv6_cidr_block.as_deref())?.parse().ok()
}

/// A number of IANA's, or -1; ICMP would need its type besides.
fn protocol(text: &str) -> Option<&str> {
    (text == "-1" || text.parse::<u8>().is_ok_and(|number| ![1, 58].contains(&number))).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn entry(number: i32, action: &str, cidr: &str) -> Value {
        json!({ "RuleNumber": number, "Protocol": "6", "RuleAction": action, "Egress": false, "CidrBlock": cidr,
            "PortRange": { "From": 22, "To": 22 } })
    }

    fn command(entries: Value, nets: &[&str]) -> Option<String> {
        let acl = json!({ "NetworkAclId": "acl-0a1b2c3d", "Entries": entries });
        let acl: NetworkAcl = serde_json::from_value(acl).unwrap();
        let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().unwrap()).collect();
        let port = Ports { from: 22, to: 22 };
        opened(&AwsFacts::default(), &acl, Direction::Ingress, &nets, port).map(|command| command.to_string())
    }

    #[test]
    fn the_entry_stands_right_before_the_one_that_denies() {
        let found =
            command(json!([entry(100, "deny", "0.0.0.0/0"), entry(99, "deny", "192.0.2.0/24")]), &["203.0.113.7/32"]);
        assert!(found.unwrap().contains("--rule-number 98 "));
    }

    #[test]
    fn a_denial_with_number_1_moves_behind_what_it_does_not_meet() {
        let denials = json!([
            entry(1, "deny", "203.0.113.0/24"),
            entry(2, "deny", "192.0.2.0/24"),
            entry(100, "allow", "0.0.0.0/0")
        ]);
        let found = command(denials, &["203.0.113.7/32"]).unwrap();
        let (moved, replaced) = found.split_once(" && ").unwrap();
        assert!(moved.contains("create-network-acl-entry") && moved.contains("--rule-number 3 "), "{moved}");
        assert!(moved.ends_with("--cidr-block 203.0.113.0/24 --rule-action deny"), "{moved}");
        assert!(replaced.contains("replace-network-acl-entry") && replaced.contains("--rule-number 1 "), "{replaced}");
        assert!(replaced.ends_with("--cidr-block 203.0.113.7/32 --rule-action allow"), "{replaced}");
        // Behind the one that allows it would deny nobody.
        let no_room = json!([entry(1, "deny", "203.0.113.0/24"), entry(2, "allow", "0.0.0.0/0")]);
        assert_eq!(command(no_room, &["203.0.113.7/32"]), None);
    }
}
