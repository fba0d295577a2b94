use eic_doctor_proto::{Attempt, Remedy, Verdict, check};

use super::{by_hand, verdict};
use crate::checks::command::{aws, id, recheck_attempt};
use crate::facts::AwsFacts;
use crate::path::endpoint;

check! {
    /// The endpoint reaches addresses of the family that is dialled.
    ///
    /// ## Why it matters
    ///
    /// An endpoint is of type `ipv4`, `ipv6` or `dualstack` and reaches no address of another family. One that keeps the client's address
    /// (`PreserveClientIp`) reaches IPv4 addresses only, and no instance of the types C1, CG1, CG2, G1, HI1, M1, M2, M3 and T1.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instance-connect-endpoints --query 'InstanceConnectEndpoints[].[InstanceConnectEndpointId,IpAddressType,PreserveClientIp]'`
    ///
    /// ## How to mend
    ///
    /// Change the endpoint's type to `dualstack`, where its subnet has both families, or turn the keeping of the client's address off; or dial the
    /// instance's address of the other family with `--address`.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Connect to your instances using EC2 Instance Connect Endpoint", considerations
    /// - EC2 API Reference, ModifyInstanceConnectEndpoint
    pub static CHECK: AwsFacts = {
        id: "aws.endpoint.ip-address-type",
        title: "the endpoint reaches the kind of address",
        needs: ["aws.endpoint.exists"],
        actions: ["ec2:DescribeInstances", "ec2:DescribeInstanceConnectEndpoints"],
        judge: judge,
    }
}

const ONLY: &str = "aws.endpoint";

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let decided = endpoint::judge_address_type(facts, attempt);
    let keeps = decided.rule.contains("keeps the client's address");
    let endpoint = id(Some(&decided.id)).map(str::to_owned);
    Ok(verdict(decided, "ec2:DescribeInstanceConnectEndpoints", || modify(facts, attempt, endpoint, keeps)))
}

fn modify(facts: &AwsFacts, attempt: &Attempt, endpoint: Option<String>, keeps: bool) -> Remedy {
    let (text, change) = if keeps {
        ("Let the endpoint come with its own address", ["--no-preserve-client-ip"].as_slice())
    } else {
        ("Let the endpoint speak both families", ["--ip-address-type", "dualstack"].as_slice())
    };
    match endpoint {
        Some(endpoint) => Remedy::by_command(
            text,
            &aws(facts, "ec2", "modify-instance-connect-endpoint")
                .args(["--instance-connect-endpoint-id", &endpoint])
                .args(change.iter().copied()),
            recheck_attempt(facts, attempt, ONLY),
        ),
        None => by_hand(facts, attempt, ONLY, text),
    }
}
