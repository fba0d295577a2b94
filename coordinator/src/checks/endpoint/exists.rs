use eic_doctor_proto::{Attempt, Command, Remedy, Verdict, check};

use super::{by_hand, verdict};
use crate::checks::command::{aws, id, recheck_attempt};
use crate::facts::AwsFacts;
use crate::path::endpoint;

check! {
    /// The VPC of the instance has an EC2 Instance Connect Endpoint.
    ///
    /// ## Why it matters
    ///
    /// An instance without a public address is reached through an EC2 Instance Connect Endpoint in its VPC: by the console's "Connect using a
    /// private IP", by `aws ec2-instance-connect ssh --connection-type eice`, and by `--connection-type auto` where there is no public IPv4
    /// address. The AWS CLI looks for one in the instance's VPC alone and ends with an error where there is none.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instance-connect-endpoints --filters Name=vpc-id,Values=VPC_ID`
    ///
    /// ## How to mend
    ///
    /// Make one: one is enough for a VPC, five are allowed in an account and Region, and it costs nothing by the hour. Its security group has to
    /// let SSH out to the instance, and the instance's has to let it in from there.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Connect to your instances using EC2 Instance Connect Endpoint"
    /// - EC2 User Guide, "Quotas for EC2 Instance Connect Endpoint"
    pub static CHECK: AwsFacts = {
        id: "aws.endpoint.exists",
        title: "the VPC has an EC2 Instance Connect Endpoint",
        needs: ["aws.instance.exists"],
        actions: ["ec2:DescribeInstances", "ec2:DescribeInstanceConnectEndpoints"],
        judge: judge,
    }
}

const ONLY: &str = "aws.endpoint";

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let decided = endpoint::judge_exists(facts, attempt);
    Ok(verdict(decided, "ec2:DescribeInstanceConnectEndpoints", || create(facts, attempt)))
}

/// In the instance's own subnet, where no network ACL stands between the two.
fn create(facts: &AwsFacts, attempt: &Attempt) -> Remedy {
    if attempt.endpoint.is_some() {
        let text = "Name an endpoint of this account and Region by `--endpoint`, or leave it out";
        return by_hand(facts, attempt, ONLY, text);
    }
    let text = "Make an endpoint in the instance's subnet, and wait until its state is create-complete";
    match in_own_subnet(facts) {
        Some(command) => Remedy::by_command(text, &command, recheck_attempt(facts, attempt, ONLY)),
        None => by_hand(facts, attempt, ONLY, text),
    }
}

pub(super) fn in_own_subnet(facts: &AwsFacts) -> Option<Command> {
    let subnet = id(facts.instance.known()?.subnet_id.as_deref())?;
    Some(aws(facts, "ec2", "create-instance-connect-endpoint").args(["--subnet-id", subnet]))
}
