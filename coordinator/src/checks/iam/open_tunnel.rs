use eic_doctor_proto::{Attempt, HopDecision, Remedy, Verdict, check};
use serde_json::json;

use super::simulation::Context;
use super::simulation::{self, Asked, allow_by_hand};
use crate::checks::command::id;
use crate::facts::AwsFacts;
use crate::path::endpoint;

check! {
    /// The principal may open a tunnel through the endpoint.
    ///
    /// ## Why it matters
    ///
    /// Besides pushing a key, a connection through an EC2 Instance Connect Endpoint needs `ec2-instance-connect:OpenTunnel` on the endpoint's
    /// ARN. Policies may bind it to a port (`ec2-instance-connect:remotePort`), to addresses (`ec2-instance-connect:privateIpAddress`) and to a
    /// longest duration (`ec2-instance-connect:maxTunnelDuration`). A duration below 3600 seconds refuses every caller who names none, as
    /// the console and `aws ec2-instance-connect ssh` do.
    ///
    /// ## How to look by hand
    ///
    /// `aws iam simulate-principal-policy --policy-source-arn ARN --action-names ec2-instance-connect:OpenTunnel --resource-arns ENDPOINT_ARN`
    /// with the three keys above as `--context-entries`. `AccessDenied` while the tunnel is opened is this.
    ///
    /// ## How to mend
    ///
    /// Not allowed by any statement: add the smallest one, for this endpoint, port and address. Denied by a statement: narrow that one.
    /// Where the policy shortens tunnels, pass `--max-tunnel-duration`; `--context ec2-instance-connect:maxTunnelDuration=SECONDS` asks
    /// about a tunnel that does.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Grant permissions to use EC2 Instance Connect Endpoint"
    /// - Service Authorization Reference, "Actions, resources, and condition keys for AWS EC2 Instance Connect"
    pub static CHECK: AwsFacts = {
        id: "aws.iam.open-tunnel",
        title: "the principal may open a tunnel",
        needs: ["aws.instance.exists", "aws.iam.principal", "aws.endpoint.exists"],
        actions: [
            "iam:SimulatePrincipalPolicy", "iam:GetContextKeysForPrincipalPolicy", "ec2:DescribeInstances",
            "ec2:DescribeInstanceConnectEndpoints",
        ],
        judge: judge,
    }
}

const ACTION: &str = "ec2-instance-connect:OpenTunnel";

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let found = endpoint::judge_exists(facts, attempt);
    match found.decision {
        HopDecision::Allowed => {}
        HopDecision::NotApplicable | HopDecision::Blocked => return Ok(Verdict::not_applicable(found.rule)),
        HopDecision::Partial | HopDecision::Unknown => {
            return Err(Verdict::Unknown {
                why: found.rule,
                missing_action: found.missing_action,
                evidence: Vec::new(),
            });
        }
    }
    let simulation = facts.tunnel_simulation.need("the simulation of the principal's policies for the tunnel")?;
    let principal = simulation::principal(facts, attempt)?;
    simulation::asked_about_principal(simulation, principal, attempt)?;
    let endpoints = facts.instance_connect_endpoints.known().into_iter().flatten();
    let endpoint = endpoints.into_iter().find(|known| known.instance_connect_endpoint_id.as_ref() == Some(&found.id));
    let tags = endpoint.map(|endpoint| ("the endpoint", endpoint.tags.as_slice()));
    let context = Context { keys: &facts.context_keys, tags };
    let asked = Asked { action: ACTION, resource: &found.id, whom: "", context };
    let is_resource =
        |arn: &str| arn.rsplit('/').next() == Some(&found.id) && arn.contains(":instance-connect-endpoint/");
    simulation::verdict(simulation, principal, &asked, is_resource, || allowing(facts, attempt, principal, &found.id))
}

/// One action, one endpoint, one port, one address.
fn allowing(facts: &AwsFacts, attempt: &Attempt, principal: &str, endpoint: &str) -> Remedy {
    let text = format!("Allow {ACTION} on this endpoint, for this port and address");
    let asked = facts.tunnel_simulation.known().and_then(|simulation| simulation.asked.as_ref());
    let resource = asked.and_then(|asked| asked.resource_arns.first());
    let (Some(resource), Some(endpoint), Some(address)) = (resource, id(Some(endpoint)), attempt.address) else {
        return allow_by_hand(principal, &text);
    };
    let statement = json!({
        "Effect": "Allow",
        "Action": ACTION,
        "Resource": resource,
        "Condition": {
            "NumericEquals": { "ec2-instance-connect:remotePort": attempt.port.to_string() },
            "IpAddress": { "ec2-instance-connect:privateIpAddress": format!("{}", ipnet::IpNet::from(address)) },
        },
    });
    let policy = format!("eic-doctor-{endpoint}-{}", attempt.port);
    simulation::put(facts, attempt, principal, &policy, &text, &statement)
}
