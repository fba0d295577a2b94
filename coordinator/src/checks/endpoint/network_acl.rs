use eic_doctor_proto::{Attempt, Command, Remedy, Verdict, check};
use ipnet::IpNet;

use super::{by_hand, opened, verdict};
use crate::checks::command::recheck_attempt;
use crate::facts::AwsFacts;
use crate::path::cidr::Cover;
use crate::path::{endpoint, network_acl};

check! {
    /// The network ACL of the endpoint's subnet lets the connection out and its replies in.
    ///
    /// ## Why it matters
    ///
    /// Between an endpoint and an instance in another subnet stand two network ACLs. That of the endpoint's subnet has to let the port out to the
    /// instance and, since a network ACL keeps no state, the replies in to the ephemeral ports 1024 to 65535.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-network-acls --filters Name=association.subnet-id,Values=ENDPOINT_SUBNET_ID --query 'NetworkAcls[].Entries'`
    ///
    /// ## How to mend
    ///
    /// Allow the port outbound to the instance's address and tcp 1024-65535 inbound from it, before the entry that denies; or make the endpoint in
    /// the instance's subnet.
    ///
    /// ## References
    ///
    /// - VPC User Guide, "Control subnet traffic with network access control lists"
    /// - EC2 User Guide, "Security groups for EC2 Instance Connect Endpoint"
    pub static CHECK: AwsFacts = {
        id: "aws.endpoint.network-acl",
        title: "the network ACL of the endpoint's subnet lets SSH through",
        needs: ["aws.endpoint.exists"],
        actions: [
            "ec2:DescribeInstances", "ec2:DescribeInstanceConnectEndpoints", "ec2:DescribeNetworkAcls",
        ],
        judge: judge,
    }
}

const ONLY: &str = "aws.endpoint";

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let decided = endpoint::judge_network_acl(facts, attempt);
    let acl = decided.id.clone();
    Ok(verdict(decided, "ec2:DescribeNetworkAcls", || open(facts, attempt, &acl)))
}

fn open(facts: &AwsFacts, attempt: &Attempt, acl: &str) -> Remedy {
    let text = "Allow the port outbound to the instance's address, and tcp 1024-65535 inbound from it, before the entry that denies";
    match entries(facts, attempt, acl) {
        Some(command) => Remedy::by_command(text, &command, recheck_attempt(facts, attempt, ONLY)),
        None => by_hand(facts, attempt, ONLY, text),
    }
}

/// For each direction that does not let everything through.
fn entries(facts: &AwsFacts, attempt: &Attempt, acl: &str) -> Option<Command> {
    let acl = facts.network_acls.known()?.iter().find(|known| known.network_acl_id.as_deref() == Some(acl))?;
    let instance = [IpNet::from(attempt.address?)];
    let mut commands = Vec::new();
    for (direction, ports) in endpoint::through_network_acl(attempt) {
        if network_acl::entries(acl, direction).ok()?.cover(&instance, ports) != Cover::All {
            commands.push(opened(facts, acl, direction, &instance, ports)?);
        }
    }
    commands.into_iter().reduce(Command::and)
}
