use eic_doctor_proto::{Attempt, Verdict, check};

use super::{by_hand, verdict};
use crate::facts::AwsFacts;
use crate::path::endpoint;

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
    Ok(verdict(decided, "ec2:DescribeNetworkAcls", || {
        by_hand(
            facts,
            attempt,
            ONLY,
            "Allow the port outbound to the instance's address, and tcp 1024-65535 inbound from it, before the entry that denies",
        )
    }))
}
