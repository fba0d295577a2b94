use eic_doctor_proto::{Attempt, Verdict, check};

use super::{acl_entries, verdict};
use crate::facts::AwsFacts;
use crate::path::network_acl::{self, Direction};

check! {
    /// The network ACL of the instance's subnet lets the source in on the port.
    ///
    /// ## Why it matters
    ///
    /// A network ACL is stateless: its numbered entries are read from the lowest on, and the first that matches decides; what no entry
    /// matches is denied. The default network ACL allows everything, one that was created denies everything until it is edited. It stands
    /// at the subnet's border, so a source within the subnet never meets it.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-network-acls --filters Name=association.subnet-id,Values=SUBNET_ID --query 'NetworkAcls[].Entries'`
    ///
    /// ## How to mend
    ///
    /// Add an inbound entry that allows TCP to the port from the source, with a number lower than the entry that denies it.
    ///
    /// ## References
    ///
    /// - VPC User Guide, "Network ACL rules"
    /// - VPC User Guide, "Ephemeral ports"
    pub static CHECK: AwsFacts = {
        id: "aws.network.network-acl-inbound",
        title: "the network ACL lets the source in",
        needs: ["aws.instance.exists", "aws.endpoint.exists"],
        actions: ["ec2:DescribeInstances", "ec2:DescribeNetworkAcls", "ec2:DescribeSubnets", "ec2:DescribeInstanceConnectEndpoints", "ec2:DescribeNetworkInterfaces"],
        runbook: ["CheckEICNetworkAccess"],
        judge: judge,
    }
}

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let decided = network_acl::judge(facts, attempt, Direction::Ingress);
    Ok(verdict(decided, "ec2:DescribeNetworkAcls", || {
        acl_entries::remedy(facts, attempt, Direction::Ingress, "aws.network.network-acl-inbound")
    }))
}
