//! Whether the role of the instance profile may do what the SSM Agent needs.

use eic_doctor_proto::{Command, Evidence, Fact};

use crate::arn::{Principal, PrincipalKind};
use crate::checks::command::aws_global;
use crate::facts::{AwsFacts, EvaluationResult};

pub const MEND: &str =
    "Give the role of the instance profile what `AmazonSSMManagedInstanceCore` allows, and restart the SSM Agent";

const PROFILE: &str = "iam:GetInstanceProfile";
const SIMULATED: &str = "iam:SimulatePrincipalPolicy";

/// Why the agent is kept out, where that is the role.
pub fn reason(facts: &AwsFacts) -> Option<String> {
    let profile = facts.instance_profile.known()?;
    let Some(role) = profile.roles.first() else {
        return Some("its instance profile holds no role".to_owned());
    };
    let denied = denied(facts);
    let actions: Vec<&str> = denied.iter().filter_map(|result| result.eval_action_name.as_deref()).collect();
    let role = role.arn.as_deref().unwrap_or("the profile's role");
    (!actions.is_empty())
        .then(|| format!("{role}, the role of its instance profile, may not call {}", actions.join(", ")))
}

/// The command that mends it: none where a statement denies, which no other can outweigh.
pub fn command(facts: &AwsFacts) -> Option<Command> {
    let denied = denied(facts);
    let is_missing =
        |result: &&EvaluationResult| result.eval_decision.as_deref() == Some("implicitDeny") && !is_bound(result);
    if denied.is_empty() || !denied.iter().all(is_missing) {
        return None;
    }
    let role: Principal = facts.instance_profile.known()?.roles.first()?.arn.as_deref()?.parse().ok()?;
    let PrincipalKind::Role { name } = &role.kind else { return None };
    let policy = format!("arn:{}:iam::aws:policy/AmazonSSMManagedInstanceCore", role.partition);
    Some(aws_global(facts, "iam", "attach-role-policy").args(["--role-name", name]).args(["--policy-arn", &policy]))
}

/// What was seen of the role, or that and why it was not looked at.
pub fn evidence(facts: &AwsFacts) -> Vec<Evidence> {
    let has_profile = facts.instance.known().is_some_and(|instance| instance.iam_instance_profile.is_some());
    if !has_profile {
        return Vec::new();
    }
    let not_looked = |why: &str, at| {
        Evidence::new(
            format!("whether the profile's role may do what the SSM Agent needs was not looked at: {why}"),
            at,
        )
    };
    let profile = match &facts.instance_profile {
        Fact::Known(profile) => profile,
        Fact::Absent => return vec![Evidence::new("there is no such instance profile any more", PROFILE)],
        Fact::Unreadable(why) => return vec![not_looked(&why.reason, PROFILE)],
        Fact::NotGathered => return vec![not_looked("nobody asked", PROFILE)],
    };
    let Some(role) = profile.roles.first().and_then(|role| role.arn.as_deref()) else {
        return vec![Evidence::new("the instance profile holds no role", PROFILE)];
    };
    match &facts.node_simulation {
        Fact::Known(simulation) if simulation.evaluation_results.is_empty() => {
            vec![not_looked("the simulator said nothing", SIMULATED)]
        }
        Fact::Known(simulation) => {
            let said = simulation.evaluation_results.iter().map(|result| {
                let action = result.eval_action_name.as_deref().unwrap_or("an action");
                let decision = result.eval_decision.as_deref().unwrap_or("nothing");
                let missing = &result.missing_context_values;
                let open =
                    if missing.is_empty() { String::new() } else { format!(" (hangs on {})", missing.join(", ")) };
                format!("{action} {decision}{open}")
            });
            vec![Evidence::new(format!("{role}: {}", said.collect::<Vec<_>>().join(", ")), SIMULATED)]
        }
        Fact::Unreadable(why) => vec![not_looked(&why.reason, SIMULATED)],
        Fact::Absent => vec![not_looked("IAM knows no such role", SIMULATED)],
        Fact::NotGathered => vec![not_looked("nobody asked", SIMULATED)],
    }
}

/// What is denied for certain: where the answer hangs on a key that nobody told, nothing is said.
fn denied(facts: &AwsFacts) -> Vec<&EvaluationResult> {
    let results = facts.node_simulation.known().into_iter().flat_map(|simulation| &simulation.evaluation_results);
    let is_denied = |result: &&EvaluationResult| {
        matches!(result.eval_decision.as_deref(), Some("explicitDeny" | "implicitDeny"))
            && result.missing_context_values.is_empty()
    };
    results.filter(is_denied).collect()
}

fn is_bound(result: &EvaluationResult) -> bool {
    let by_boundary = result.permissions_boundary_decision_detail.as_ref();
    let by_organization = result.organizations_decision_detail.as_ref();
    by_boundary.and_then(|detail| detail.allowed_by_permissions_boundary) == Some(false)
        || by_organization.and_then(|detail| detail.allowed_by_organizations) == Some(false)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/team/web";

    fn facts(roles: Value, results: Value) -> AwsFacts {
        let instance = json!({ "IamInstanceProfile": { "Arn": "arn:aws:iam::111122223333:instance-profile/web" } });
        AwsFacts {
            instance: Fact::Known(serde_json::from_value(instance).unwrap()),
            instance_profile: Fact::Known(serde_json::from_value(json!({ "Roles": roles })).unwrap()),
            node_simulation: Fact::Known(serde_json::from_value(json!({ "EvaluationResults": results })).unwrap()),
            ..AwsFacts::default()
        }
    }

    fn said(decision: &str, more: Value) -> AwsFacts {
        let mut denied = json!({ "EvalActionName": "ssm:UpdateInstanceInformation", "EvalDecision": decision });
        denied.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let allowed = json!({ "EvalActionName": "ssmmessages:OpenDataChannel", "EvalDecision": "allowed" });
        facts(json!([{ "Arn": ROLE }]), json!([denied, allowed]))
    }

    #[test]
    fn a_role_that_may_not_is_the_reason_and_the_command_attaches_the_policy() {
        let facts = said("implicitDeny", json!({}));
        let expected = format!("{ROLE}, the role of its instance profile, may not call ssm:UpdateInstanceInformation");
        assert_eq!(reason(&facts), Some(expected));
        assert_eq!(
            command(&facts).unwrap().to_string(),
            "aws iam attach-role-policy --role-name web --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
        );
        let evidence = evidence(&facts);
        assert_eq!(
            evidence[0].seen,
            format!("{ROLE}: ssm:UpdateInstanceInformation implicitDeny, ssmmessages:OpenDataChannel allowed")
        );
    }

    #[test]
    fn what_no_policy_outweighs_has_no_command() {
        let outside = json!({ "PermissionsBoundaryDecisionDetail": { "AllowedByPermissionsBoundary": false } });
        for facts in [said("explicitDeny", json!({})), said("implicitDeny", outside)] {
            assert!(reason(&facts).is_some() && command(&facts).is_none());
        }
    }

    #[test]
    fn what_may_or_hangs_on_a_key_is_no_reason() {
        for facts in
            [said("allowed", json!({})), said("implicitDeny", json!({ "MissingContextValues": ["aws:SourceVpc"] }))]
        {
            assert_eq!((reason(&facts), command(&facts).is_none()), (None, true));
        }
        assert!(
            evidence(&said("implicitDeny", json!({ "MissingContextValues": ["aws:SourceVpc"] })))[0]
                .seen
                .contains("hangs on aws:SourceVpc")
        );
        assert_eq!(reason(&facts(json!([]), json!([]))).as_deref(), Some("its instance profile holds no role"));
    }

    #[test]
    fn what_was_not_looked_at_is_said_and_accuses_nobody() {
        let mut facts = said("allowed", json!({}));
        for (profile, word) in [
            (Fact::NotGathered, "nobody asked"),
            (Fact::unreadable("the credentials may not call iam:GetInstanceProfile"), "may not call"),
        ] {
            facts.instance_profile = profile;
            assert!(evidence(&facts)[0].seen.contains("was not looked at") && evidence(&facts)[0].seen.contains(word));
            assert_eq!(reason(&facts), None);
        }
        facts.instance = Fact::Known(crate::facts::Instance::default());
        assert!(evidence(&facts).is_empty());
    }
}
