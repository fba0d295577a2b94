use eic_doctor_proto::{Attempt, Remedy, Verdict, check};
use ipnet::IpNet;

use super::{by_hand, verdict};
use crate::checks::command::{aws, id, recheck_attempt};
use crate::facts::AwsFacts;
use crate::path::endpoint;

check! {
    /// The endpoint's security group lets SSH out to the instance.
    ///
    /// ## Why it matters
    ///
    /// An endpoint connects to the instance from its own network interface, so its security group needs an outbound rule for the port to the
    /// instance's address or to one of its security groups. Its inbound rules are ignored. Without a group of its own it has the VPC's default
    /// one, whose outbound rules are often closed.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instance-connect-endpoints --query 'InstanceConnectEndpoints[].SecurityGroupIds'`, then the `IpPermissionsEgress` of
    /// `aws ec2 describe-security-groups --group-ids GROUP_ID`
    ///
    /// ## How to mend
    ///
    /// Add an outbound rule for the port to the instance's security group or address.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Security groups for EC2 Instance Connect Endpoint"
    pub static CHECK: AwsFacts = {
        id: "aws.endpoint.security-group-egress",
        title: "the endpoint's security group lets SSH out",
        needs: ["aws.endpoint.exists"],
        actions: [
            "ec2:DescribeInstances", "ec2:DescribeInstanceConnectEndpoints", "ec2:DescribeSecurityGroups",
        ],
        judge: judge,
    }
}

const ONLY: &str = "aws.endpoint";

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let decided = endpoint::judge_security_group(facts, attempt);
    let group = decided.id.split(", ").next().and_then(|group| id(Some(group))).map(str::to_owned);
    Ok(verdict(decided, "ec2:DescribeSecurityGroups", || authorize(facts, attempt, group)))
}

fn authorize(facts: &AwsFacts, attempt: &Attempt, group: Option<String>) -> Remedy {
    let text = "Add an outbound rule to the instance's address";
    match (group, attempt.address) {
        (Some(group), Some(address)) => {
            let port = attempt.port;
            let ranges = match IpNet::from(address) {
                net @ IpNet::V4(_) => format!("IpRanges=[{{CidrIp={net}}}]"),
                net @ IpNet::V6(_) => format!("Ipv6Ranges=[{{CidrIpv6={net}}}]"),
            };
            let permission = format!("IpProtocol=tcp,FromPort={port},ToPort={port},{ranges}");
            Remedy::by_command(
                text,
                &aws(facts, "ec2", "authorize-security-group-egress").args([
                    "--group-id",
                    &group,
                    "--ip-permissions",
                    &permission,
                ]),
                recheck_attempt(facts, attempt, ONLY),
            )
        }
        _ => by_hand(facts, attempt, ONLY, text),
    }
}
