use eic_doctor_proto::{Attempt, Remedy, Verdict, Via, check};

use crate::checks::command::{id, recheck_attempt};
use crate::checks::network::{by_hand, verdict};
use crate::facts::AwsFacts;
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

fn remedy(facts: &AwsFacts, attempt: &Attempt) -> Remedy {
    let only = "aws.instance.address";
    if attempt.address.is_some() {
        return by_hand(
            facts,
            attempt,
            only,
            "Leave `--address` out, or give one of the instance's addresses that this way dials",
        );
    }
    let comes_by_ipv6 = attempt.via != Via::Browser && attempt.source.is_some_and(|source| source.addr().is_ipv6());
    let interface = facts.instance.known().and_then(address::primary);
    let interface = interface
        .and_then(|interface| id(interface.network_interface_id.as_deref()))
        .unwrap_or("the network interface");
    let text = match attempt.via {
        _ if comes_by_ipv6 => format!("Assign an IPv6 address to {interface}, or connect from an IPv4 address"),
        Via::Private | Via::Endpoint => String::from("Connect by another way: the instance has no private address"),
        _ => format!(
            "Allocate an Elastic IP address and associate it with {interface}, or connect through an EC2 Instance Connect Endpoint"
        ),
    };
    Remedy::by_hand(text, recheck_attempt(facts, attempt, only))
}
