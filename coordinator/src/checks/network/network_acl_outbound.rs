use eic_doctor_proto::{Attempt, Verdict, check};

use super::{acl_entries, verdict};
use crate::facts::AwsFacts;
use crate::path::network_acl::{self, Direction};

check! {
    /// The network ACL of the instance's subnet lets replies out to the source's ephemeral ports.
    ///
    /// ## Why it matters
    ///
    /// A network ACL is stateless, so replies need an outbound entry of their own. They go to the port from which the client connected:
    /// 32768-60999 on Linux, 49152-65535 on Windows, 1024-65535 behind a NAT gateway. Which ports the console's browser client uses is not
    /// documented. Only 1024-65535 serves everybody; a narrower range works for some clients, some of the time.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-network-acls --filters Name=association.subnet-id,Values=SUBNET_ID --query 'NetworkAcls[].Entries'`
    ///
    /// ## How to mend
    ///
    /// Add an outbound entry that allows TCP to ports 1024-65535 of the source, with a number lower than the entry that denies it.
    ///
    /// ## References
    ///
    /// - VPC User Guide, "Network ACL rules"
    /// - VPC User Guide, "Ephemeral ports"
    pub static CHECK: AwsFacts = {
        id: "aws.network.network-acl-outbound",
        title: "the network ACL lets replies out",
        needs: ["aws.instance.exists", "aws.endpoint.exists"],
        actions: ["ec2:DescribeInstances", "ec2:DescribeNetworkAcls", "ec2:DescribeSubnets", "ec2:DescribeInstanceConnectEndpoints", "ec2:DescribeNetworkInterfaces"],
        runbook: ["CheckEICNetworkAccess"],
        judge: judge,
    }
}

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let decided = network_acl::judge(facts, attempt, Direction::Egress);
    Ok(verdict(decided, "ec2:DescribeNetworkAcls", || {
        acl_entries::remedy(facts, attempt, Direction::Egress, "aws.network.network-acl-outbound")
    }))
}
