use eic_doctor_proto::{Attempt, Remedy, Verdict, check};

use super::{by_hand, exists, verdict};
use crate::checks::command::{aws, id, recheck_attempt};
use crate::facts::AwsFacts;
use crate::path::endpoint;

check! {
    /// The endpoint is in a state in which it can be used.
    ///
    /// ## Why it matters
    ///
    /// A new endpoint needs some minutes until it is `create-complete`; one whose making failed stays `create-failed` and never works. The AWS
    /// CLI takes only endpoints in the states `create-complete`, `update-in-progress`, `update-complete` and `update-failed`.
    ///
    /// Whether tunnels lead to other ports than 22 and 3389 is not documented any more; `OpenTunnel` has answered "Specify either 22 or 3389".
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instance-connect-endpoints --query 'InstanceConnectEndpoints[].[InstanceConnectEndpointId,State,StateMessage]'`
    ///
    /// ## How to mend
    ///
    /// Wait where it is in progress. Delete one that failed, and make another; the state's message tells why it failed.
    ///
    /// ## References
    ///
    /// - EC2 API Reference, Ec2InstanceConnectEndpoint
    /// - EC2 User Guide, "Connect to your instances using EC2 Instance Connect Endpoint"
    pub static CHECK: AwsFacts = {
        id: "aws.endpoint.state",
        title: "the endpoint can be used",
        needs: ["aws.endpoint.exists"],
        actions: ["ec2:DescribeInstances", "ec2:DescribeInstanceConnectEndpoints"],
        judge: judge,
    }
}

const ONLY: &str = "aws.endpoint";

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let decided = endpoint::judge_state(facts, attempt);
    let endpoint = id(Some(&decided.id)).map(str::to_owned);
    let state = of(facts, endpoint.as_deref()).unwrap_or_default();
    Ok(verdict(decided, "ec2:DescribeInstanceConnectEndpoints", || another(facts, attempt, endpoint, &state)))
}

fn of(facts: &AwsFacts, endpoint: Option<&str>) -> Option<String> {
    let endpoints = facts.instance_connect_endpoints.known()?;
    let ours = endpoints.iter().find(|known| known.instance_connect_endpoint_id.as_deref() == endpoint)?;
    ours.state.clone()
}

/// A VPC has one endpoint (EC2 User Guide, "Quotas for EC2 Instance Connect Endpoint"), so the one that serves nobody goes first.
fn another(facts: &AwsFacts, attempt: &Attempt, endpoint: Option<String>, state: &str) -> Remedy {
    let verify = recheck_attempt(facts, attempt, ONLY);
    match (state.rsplit_once('-'), endpoint, exists::in_own_subnet(facts)) {
        (Some((_, "failed")), Some(endpoint), Some(create)) => {
            let delete = aws(facts, "ec2", "delete-instance-connect-endpoint")
                .args(["--instance-connect-endpoint-id", &endpoint]);
            Remedy::by_command(
                "Delete the endpoint that failed, and make another when it is gone",
                &delete.and(create),
                verify,
            )
        }
        (Some(("delete-in" | "delete", _)), _, Some(create)) => {
            Remedy::by_command("Make another endpoint when this one is gone", &create, verify)
        }
        _ => by_hand(facts, attempt, ONLY, "Wait until the endpoint is made, or make another when this one is gone"),
    }
}
