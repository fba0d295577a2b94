//! What the instance profile's role may do for the SSM Agent; asked only where the agent is not heard of.

use eic_doctor_proto::{Fact, Why};

use super::budget::Budget;
use super::context::About;
use super::operations::{Aws, GetInstanceProfile};
use super::principal::simulate;
use super::refused::fact;
use super::run::Seen;
use crate::facts::{CallerIdentity, InstanceInformation, InstanceProfile, Simulation, SimulationQuestion};

/// What the agent calls to be a managed node and to be told of commands.
///
/// Source: Systems Manager User Guide, "Configure instance permissions required for Systems Manager", AmazonSSMManagedInstanceCore.
const ACTIONS: [&str; 5] = [
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
];

#[derive(Clone, Debug, Default)]
pub(super) struct NodeRole {
    pub instance_profile: Fact<InstanceProfile>,
    pub simulation: Fact<Simulation>,
}

pub(super) async fn look<A: Aws>(
    aws: &A,
    budget: &Budget,
    about: About<'_>,
    seen: &Seen,
    node: &Fact<InstanceInformation>,
    caller: &Fact<CallerIdentity>,
) -> NodeRole {
    let is_heard = match node {
        Fact::Known(node) => node.ping_status.as_deref() == Some("Online"),
        Fact::Absent => false,
        Fact::Unreadable(_) | Fact::NotGathered => true,
    };
    let profile = seen.instance.known().and_then(|instance| instance.iam_instance_profile.as_ref()?.arn.as_deref());
    let (false, Some(arn)) = (is_heard, profile) else { return NodeRole::default() };
    let own = caller.known().and_then(|caller| caller.account.as_deref());
    let account = arn.split(':').nth(4).unwrap_or_default();
    if let Some(own) = own.filter(|own| *own != account) {
        let why = Why::new(format!("the instance profile is of account {account}, and the caller is of {own}"));
        return NodeRole { instance_profile: Fact::Unreadable(why), simulation: Fact::NotGathered };
    }
    let name = arn.rsplit('/').next().unwrap_or_default();
    let action = <A as GetInstanceProfile>::ACTION;
    let instance_profile = fact(budget.ask(action, aws.get_instance_profile(name)).await);
    let role = instance_profile.known().and_then(|profile| profile.roles.first()?.arn.clone());
    let simulation = match role {
        Some(policy_source_arn) => {
            let question = SimulationQuestion {
                policy_source_arn,
                action_names: ACTIONS.map(str::to_owned).to_vec(),
                // None of them knows a resource that has a name before the node is one.
                resource_arns: vec!["*".to_owned()],
                context_entries: about.of_every_request().to_vec(),
            };
            simulate(aws, budget, &question).await
        }
        None => Fact::NotGathered,
    };
    NodeRole { instance_profile, simulation }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::gather::courier::Pace;
    use crate::gather::run::gather;
    use crate::gather::testing::{ACCOUNT, Fake, question};

    fn with_profile(ping: Option<&str>, account: &str) -> Fake {
        let mut fake = Fake::healthy();
        let arn = format!("arn:aws:iam::{account}:instance-profile/team/web");
        fake.instance.iam_instance_profile = serde_json::from_value(json!({ "Arn": arn })).unwrap();
        fake.node =
            ping.map(|ping| InstanceInformation { ping_status: Some(ping.into()), ..InstanceInformation::default() });
        fake
    }

    /// What was asked of the profile, and what is known.
    async fn asked(fake: &Fake) -> (Vec<String>, NodeRole) {
        let pace = Pace { first: Duration::ZERO, longest: Duration::ZERO, times: 5 };
        let aws = gather(fake, &question(), &Budget::of(Duration::from_secs(3600)), &pace).await.facts.aws;
        let known = NodeRole { instance_profile: aws.instance_profile, simulation: aws.node_simulation };
        (fake.about("iam:GetInstanceProfile"), known)
    }

    #[tokio::test]
    async fn it_is_asked_about_only_where_the_agent_is_not_heard_of() {
        assert!(asked(&with_profile(Some("Online"), ACCOUNT)).await.0.is_empty());
        for ping in [None, Some("ConnectionLost")] {
            let (asked, known) = asked(&with_profile(ping, ACCOUNT)).await;
            assert_eq!(asked, ["web"]);
            let question = known.simulation.known().unwrap().asked.clone().unwrap();
            assert_eq!(question.action_names, ACTIONS);
            assert_eq!(question.policy_source_arn, Fake::healthy().role_arn);
        }
    }

    #[tokio::test]
    async fn a_profile_of_another_account_or_one_that_may_not_be_read_is_unreadable() {
        let (about, known) = asked(&with_profile(None, "999999999999")).await;
        assert!(about.is_empty() && matches!(known.instance_profile, Fact::Unreadable(_)));
        let mut fake = with_profile(None, ACCOUNT);
        fake.refuse.insert("iam:GetInstanceProfile", "AccessDenied");
        let (_, known) = asked(&fake).await;
        let Fact::Unreadable(why) = known.instance_profile else { panic!("read") };
        assert_eq!(why.missing_action.as_deref(), Some("iam:GetInstanceProfile"));
        assert_eq!(known.simulation, Fact::NotGathered);
    }
}
