use eic_doctor_proto::{Attempt, Remedy, Verdict, check};

use super::{by_hand, verdict};
use crate::checks::command::{aws, id, recheck_attempt};
use crate::facts::AwsFacts;
use crate::path::{block_public_access, way};

check! {
    /// VPC Block Public Access lets traffic through the internet gateway.
    ///
    /// ## Why it matters
    ///
    /// An account can shut the internet gateways of all its VPCs in a Region with one switch, and an organization can do so for its
    /// accounts by a declarative policy. Nobody comes in from the internet then, although security group, network ACL, route and
    /// gateway are all right, unless the VPC or the subnet is excluded.
    ///
    /// ## How to look by hand
    ///
    /// ```text
    /// aws ec2 describe-vpc-block-public-access-options
    /// aws ec2 describe-vpc-block-public-access-exclusions
    /// ```
    ///
    /// `InternetGatewayBlockMode` other than `off` blocks; an exclusion with `allow-bidirectional` and `create-complete` opens.
    ///
    /// ## How to mend
    ///
    /// Exclude the subnet, where whoever set the switch agrees; or come by a way without an internet gateway: the private address, or
    /// an EC2 Instance Connect Endpoint. Where a declarative policy allows no exclusions, only the organization's administrator can
    /// change it.
    ///
    /// ## References
    ///
    /// - VPC User Guide, "Block public access to VPCs and subnets"
    /// - EC2 API Reference, VpcBlockPublicAccessOptions, VpcBlockPublicAccessExclusion
    pub static CHECK: AwsFacts = {
        id: "aws.network.block-public-access",
        title: "VPC Block Public Access lets traffic in",
        needs: ["aws.instance.address"],
        actions: [
            "ec2:DescribeInstances", "ec2:DescribeVpcBlockPublicAccessOptions",
            "ec2:DescribeVpcBlockPublicAccessExclusions", "ec2:DescribeSubnets",
        ],
        judge: judge,
    }
}

const ONLY: &str = "aws.network";

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let decided = block_public_access::judge(facts, attempt);
    Ok(verdict(decided, "ec2:DescribeVpcBlockPublicAccessOptions", || exclude(facts, attempt)))
}

/// The subnet alone; an exclusion that is there for outbound traffic is widened.
fn exclude(facts: &AwsFacts, attempt: &Attempt) -> Remedy {
    let options = facts.block_public_access.known();
    let may_exclude = options.is_some_and(|options| options.exclusions_allowed.as_deref() != Some("not-allowed"));
    let decided = block_public_access::judge(facts, attempt);
    let command = match id(Some(&decided.id)) {
        Some(exclusion) => {
            Some(aws(facts, "ec2", "modify-vpc-block-public-access-exclusion").args(["--exclusion-id", exclusion]))
        }
        None => way(facts, attempt).ok().and_then(|way| {
            let subnet = id(way.interface.subnet_id.as_deref())?;
            Some(aws(facts, "ec2", "create-vpc-block-public-access-exclusion").args(["--subnet-id", subnet]))
        }),
    };
    match command.filter(|_| may_exclude) {
        Some(command) => Remedy::by_command(
            "Exclude the instance's subnet, or connect by its private address or an EC2 Instance Connect Endpoint",
            &command.args(["--internet-gateway-exclusion-mode", "allow-bidirectional"]),
            recheck_attempt(facts, attempt, ONLY),
        ),
        None => by_hand(
            facts,
            attempt,
            ONLY,
            "Ask the organization's administrator for an exclusion: a declarative policy allows none; or connect by the private \
             address or an EC2 Instance Connect Endpoint",
        ),
    }
}
