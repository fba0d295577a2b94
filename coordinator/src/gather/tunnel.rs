//! What the simulator says of the tunnel through an EC2 Instance Connect Endpoint.

use eic_doctor_proto::{Fact, Via, Why};

use super::budget::Budget;
use super::context::{About, entry};
use super::identity::Identity;
use super::operations::Aws;
use super::principal::{likely_arn, simulate};
use super::run::Seen;
use crate::facts::{CallerIdentity, InstanceConnectEndpoint, Simulation, SimulationQuestion};
use crate::path;

/// Beside the push, the call whose permission decides through an endpoint.
const TUNNEL: &str = "ec2-instance-connect:OpenTunnel";

/// What the simulator says of the tunnel, where the way leads through an endpoint: a third round trip, for both the endpoint and the
/// principal's ARN have to be known.
pub(super) async fn settled<A: Aws>(
    aws: &A,
    budget: &Budget,
    about: About<'_>,
    seen: &Seen,
    endpoints: &Fact<Vec<InstanceConnectEndpoint>>,
    identity: &Identity,
) -> Fact<Simulation> {
    let Some(about) = asked_about(about, seen, endpoints) else { return Fact::NotGathered };
    let principal = match &identity.principal_arn {
        Fact::Known(arn) => arn,
        Fact::Unreadable(why) => return Fact::Unreadable(why.clone()),
        Fact::Absent | Fact::NotGathered => return Fact::NotGathered,
    };
    match about {
        Ok(about) => simulate(aws, budget, &SimulationQuestion { policy_source_arn: principal.clone(), ..about }).await,
        Err(why) => Fact::Unreadable(why),
    }
}

/// The same a round trip earlier, for the ARN that the principal most likely has, which stands beside the answer.
pub(super) async fn ahead<A: Aws>(
    aws: &A,
    budget: &Budget,
    about: About<'_>,
    caller: &Fact<CallerIdentity>,
    seen: &Seen,
    endpoints: &Fact<Vec<InstanceConnectEndpoint>>,
) -> Option<(String, Fact<Simulation>)> {
    let attempt = about.attempt;
    let about = asked_about(about, seen, endpoints)?.ok()?;
    let arn = likely_arn(attempt, Some(caller))?;
    let answer = simulate(aws, budget, &SimulationQuestion { policy_source_arn: arn.clone(), ..about }).await;
    Some((arn, answer))
}

/// The question but for the principal; `None` where no tunnel is meant or none can be opened.
fn asked_about(
    about: About<'_>,
    seen: &Seen,
    endpoints: &Fact<Vec<InstanceConnectEndpoint>>,
) -> Option<Result<SimulationQuestion, Why>> {
    let resolved = path::resolve(about.attempt, &seen.instance);
    let (Via::Endpoint, Some(instance)) = (resolved.via, seen.instance.known()) else { return None };
    let endpoints = endpoints.known().map(Vec::as_slice).unwrap_or_default();
    let dialled = path::address::dialled(instance, &resolved).ok()?;
    let endpoint = path::endpoint::choose(endpoints, dialled.interface, resolved.endpoint.as_deref())?;
    let Some(resource) = endpoint.instance_connect_endpoint_arn.clone() else {
        return Some(Err(Why::new("the endpoint's ARN is not told")));
    };
    let mut context_entries = vec![
        entry("ec2-instance-connect:remotePort", &resolved.port.to_string(), "numeric"),
        entry("ec2-instance-connect:privateIpAddress", &dialled.address.to_string(), "ip"),
        // What the console and the AWS CLI ask for when nobody says otherwise.
        entry("ec2-instance-connect:maxTunnelDuration", "3600", "numeric"),
    ];
    context_entries.extend(about.of_every_request());
    for tag in &endpoint.tags {
        if let Some(key) = &tag.key {
            let value = tag.value.as_deref().unwrap_or_default();
            context_entries.push(entry(&format!("aws:ResourceTag/{key}"), value, "string"));
            context_entries.push(entry(&format!("ec2:ResourceTag/{key}"), value, "string"));
        }
    }
    Some(Ok(SimulationQuestion {
        policy_source_arn: String::new(),
        action_names: vec![TUNNEL.to_owned()],
        resource_arns: vec![resource],
        context_entries: about.with_given(context_entries),
    }))
}
