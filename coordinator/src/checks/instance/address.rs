use eic_doctor_proto::{Attempt, Command, Remedy, Verdict, Via, check};

use crate::checks::command::{aws, id, recheck_attempt};
use crate::checks::network::{by_hand, verdict};
use crate::facts::{AwsFacts, NetworkInterface};
use crate::path::{address, judge_address};

check! {
    /// The instance has an address of the kind that this way dials, of the source's family.
    ///
    /// ## Why it matters
    ///
    /// The console's browser client and a direct connection need a public IPv4 address or an IPv6 address; a connection from inside the
    /// network needs a private one. An automatically assigned public IPv4 address is lost when the instance stops, another one comes at
    /// the next start, and none at all comes to an instance with more than one network interface.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instances --instance-ids INSTANCE_ID --query
    /// 'Reservations[].Instances[].NetworkInterfaces[].[NetworkInterfaceId,PrivateIpAddress,Association.PublicIp,Ipv6Addresses]'`
    ///
    /// ## How to mend
    ///
    /// Allocate an Elastic IP address and associate it with the network interface, or go through an EC2 Instance Connect Endpoint, which
    /// needs no public address.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Amazon EC2 instance IP addressing"
    /// - EC2 User Guide, "Elastic IP addresses"
    pub static CHECK: AwsFacts = {
        id: "aws.instance.address",
        title: "the instance has an address the source can reach",
        needs: ["aws.instance.exists", "aws.instance.running"],
        actions: ["ec2:DescribeInstances"],
        runbook: ["CheckEICNetworkAccess", "GetInstanceProperties"],
        judge: judge,
    }
}

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    Ok(verdict(judge_address(facts, attempt), "ec2:DescribeInstances", || remedy(facts, attempt)))
}

/// The shell variable that holds the id of the address that the command itself allocates.
const ALLOCATION: &str = "allocation";

fn remedy(facts: &AwsFacts, attempt: &Attempt) -> Remedy {
    let only = "aws.instance.address";
    if attempt.address.is_some() {
        let text = "Leave `--address` out, or give one of the instance's addresses that this way dials";
        return by_hand(facts, attempt, only, text);
    }
    let comes_by_ipv6 = attempt.via != Via::Browser && attempt.source.is_some_and(|source| source.addr().is_ipv6());
    let interface = facts.instance.known().and_then(address::primary);
    let interface_id = interface.and_then(|interface| id(interface.network_interface_id.as_deref()));
    let name = interface_id.unwrap_or("the network interface");
    let (text, command) = match attempt.via {
        _ if comes_by_ipv6 => (
            format!("Assign an IPv6 address to {name}, or connect from an IPv4 address"),
            interface_id.filter(|_| has_ipv6(facts, interface)).map(|id| assign_ipv6(facts, id)),
        ),
        Via::Private | Via::Endpoint => {
            (String::from("Connect by another way: the instance has no private address of that family"), None)
        }
        _ => (
            format!(
                "Allocate an Elastic IP address and associate it with {name}, or connect through an EC2 Instance Connect Endpoint"
            ),
            interface_id.map(|id| associate(facts, id)),
        ),
    };
    match command {
        Some(command) => Remedy::by_command(text, &command, recheck_attempt(facts, attempt, only)),
        None => Remedy::by_hand(text, recheck_attempt(facts, attempt, only)),
    }
}

fn associate(facts: &AwsFacts, interface: &str) -> Command {
    let allocate = aws(facts, "ec2", "allocate-address")
        .args(["--domain", "vpc", "--query", "AllocationId", "--output", "text"])
        .into_variable(ALLOCATION);
    let associate = aws(facts, "ec2", "associate-address")
        .args(["--network-interface-id", interface, "--allocation-id"])
        .variable(ALLOCATION);
    allocate.and(associate)
}

fn assign_ipv6(facts: &AwsFacts, interface: &str) -> Command {
    let assign = aws(facts, "ec2", "assign-ipv6-addresses");
    assign.args(["--network-interface-id", interface, "--ipv6-address-count", "1"])
}

/// A subnet without an IPv6 CIDR has no address to assign.
fn has_ipv6(facts: &AwsFacts, interface: Option<&NetworkInterface>) -> bool {
    let subnet = interface.and_then(|interface| interface.subnet_id.as_ref());
    let mut subnets = facts.subnets.known().into_iter().flatten();
    subnets.any(|known| known.subnet_id.as_ref() == subnet && !known.ipv6_cidr_block_association_set.is_empty())
}
