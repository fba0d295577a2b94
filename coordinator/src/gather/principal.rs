//! What is asked about the principal alone, whatever the instance: what it may look up, and which condition keys its policies read.

use eic_doctor_proto::{Attempt, Fact};

use super::budget::Budget;
use super::context::{About, entry};
use super::identity::caller_principal;
use super::operations::{Aws, GetContextKeysForPrincipalPolicy, SimulatePrincipalPolicy};
use super::refused::fact;
use crate::arn::{Principal, PrincipalKind};
use crate::facts::{CallerIdentity, Simulation, SimulationQuestion};

/// What a client looks up before it connects.
const DESCRIBE: [&str; 2] = ["ec2:DescribeInstances", "ec2:DescribeInstanceConnectEndpoints"];

/// How the names of the roles begin that IAM Identity Center makes. They have a path, always.
const SSO: &str = "AWSReservedSSO_";

#[derive(Clone, Debug, Default)]
pub(super) struct OfPrincipal {
    pub context_keys: Fact<Vec<String>>,
    pub describe_simulation: Fact<Simulation>,
}

/// Asks for the ARN that the principal most likely has, which stands beside the answers: at once where it was named, else as soon as
/// the caller is known.
pub(super) async fn ahead<A: Aws>(
    aws: &A,
    budget: &Budget,
    about: About<'_>,
    caller: impl Future<Output = Fact<CallerIdentity>>,
) -> Option<(String, OfPrincipal)> {
    let arn = match about.attempt.principal {
        Some(_) => likely_arn(about.attempt, None),
        None => likely_arn(about.attempt, Some(&caller.await)),
    }?;
    let answers = of(aws, budget, about, &arn).await;
    Some((arn, answers))
}

/// The answers about the principal's ARN as it turned out to be: those that were asked for ahead, where that was the one.
pub(super) async fn settled<A: Aws>(
    aws: &A,
    budget: &Budget,
    about: About<'_>,
    principal_arn: &Fact<String>,
    ahead: Option<(String, OfPrincipal)>,
) -> OfPrincipal {
    match (principal_arn, &ahead) {
        (Fact::Known(arn), Some((guess, answers))) if arn == guess => answers.clone(),
        // Where nothing was simulated a session stands for its role, and the simulator takes no session.
        (Fact::Known(arn), _) if arn.contains(":assumed-role/") => {
            ahead.map(|(_, answers)| answers).unwrap_or_default()
        }
        (Fact::Known(arn), _) => of(aws, budget, about, arn).await,
        (Fact::Unreadable(why), _) => OfPrincipal {
            context_keys: Fact::Unreadable(why.clone()),
            describe_simulation: Fact::Unreadable(why.clone()),
        },
        (Fact::Absent | Fact::NotGathered, _) => OfPrincipal::default(),
    }
}

/// Each refusal costs its own part.
pub(super) async fn of<A: Aws>(aws: &A, budget: &Budget, about: About<'_>, arn: &str) -> OfPrincipal {
    let question = SimulationQuestion {
        policy_source_arn: arn.to_owned(),
        action_names: DESCRIBE.map(str::to_owned).to_vec(),
        // Neither action knows a resource (Service Authorization Reference, Amazon EC2).
        resource_arns: vec!["*".to_owned()],
        context_entries: about.with_given(
            about.of_every_request().into_iter().chain([entry("ec2:Region", about.region, "string")]).collect(),
        ),
    };
    let action = <A as GetContextKeysForPrincipalPolicy>::ACTION;
    let keys = budget.ask(action, aws.get_context_keys_for_principal_policy(arn));
    let (keys, describe_simulation) = tokio::join!(keys, simulate(aws, budget, &question));
    OfPrincipal { context_keys: fact(keys), describe_simulation }
}

pub(super) async fn simulate<A: Aws>(aws: &A, budget: &Budget, question: &SimulationQuestion) -> Fact<Simulation> {
    fact(budget.ask(<A as SimulatePrincipalPolicy>::ACTION, aws.simulate_principal_policy(question)).await)
}

/// The ARN whose policies are most likely the ones in question; `None` where there is none or no guess is worth a call. `caller` is who
/// calls, where that is known.
pub(super) fn likely_arn(attempt: &Attempt, caller: Option<&Fact<CallerIdentity>>) -> Option<String> {
    let principal: Principal = match &attempt.principal {
        Some(named) => named.parse().ok()?,
        None => caller_principal(caller?).ok()?,
    };
    // Another account's principal is not asked about at all.
    let own = caller.and_then(|caller| caller.known()?.account.as_deref());
    if own.is_some_and(|own| own != principal.account) || principal.is_service_linked() {
        return None;
    }
    match &principal.kind {
        PrincipalKind::User { .. } | PrincipalKind::Role { .. } => Some(principal.arn().to_owned()),
        PrincipalKind::AssumedRole { role } => role_without_path(&principal, role),
        PrincipalKind::Root | PrincipalKind::FederatedUser => None,
    }
}

/// The role's path is not in a session's ARN, and most roles have none; one of IAM Identity Center has.
pub(super) fn role_without_path(principal: &Principal, name: &str) -> Option<String> {
    (!name.starts_with(SSO)).then(|| format!("arn:{}:iam::{}:role/{name}", principal.partition, principal.account))
}
