use eic_doctor_proto::{Attempt, Fact, Remedy, Verdict, check};
use serde_json::json;

use super::simulation::Context;
use super::simulation::{self, Asked, allow_by_hand};
use crate::checks::command::id;
use crate::facts::{AwsFacts, Simulation};

check! {
    /// The principal may push a key for this OS user to this instance.
    ///
    /// ## Why it matters
    ///
    /// `ec2-instance-connect:SendSSHPublicKey` is asked for on the instance's ARN, with the OS user in the condition key `ec2:osuser` and
    /// the instance's tags in `aws:ResourceTag/…`. Policies often allow `ec2:osuser` for `ec2-user` alone; pushing for `ubuntu` is then
    /// refused with AccessDenied. What a policy asks for besides, `aws:SourceIp` or `aws:MultiFactorAuthPresent` say, is left unset, since
    /// nothing here tells it of the principal's own requests; an answer that depends on it is `unknown` until `--context KEY=VALUE` tells
    /// it. A tag that the instance does not have is no such doubt: a condition on it does not hold.
    ///
    /// ## How to look by hand
    ///
    /// `aws iam simulate-principal-policy --policy-source-arn ARN --action-names ec2-instance-connect:SendSSHPublicKey
    /// --resource-arns INSTANCE_ARN --context-entries ContextKeyName=ec2:osuser,ContextKeyValues=OS_USER,ContextKeyType=string`. Read
    /// `ResourceSpecificResults` where there are any: since July 2026 the top level is only an aggregate. The simulator knows no session
    /// policies and no VPC endpoint policies.
    ///
    /// ## How to mend
    ///
    /// Not allowed by any statement: add the smallest statement, for this instance and this OS user; a role of IAM Identity Center takes it
    /// in its permission set. Denied by a statement: narrow that one, for no other can outweigh it. Outside the permissions boundary: add
    /// the action there, and to a policy too. An Organizations policy: its administrators alone can change it.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Grant IAM permissions for EC2 Instance Connect"
    /// - Service Authorization Reference, "Actions, resources, and condition keys for AWS EC2 Instance Connect"
    /// - IAM API Reference, SimulatePrincipalPolicy, EvaluationResult
    pub static CHECK: AwsFacts = {
        id: "aws.iam.send-ssh-public-key",
        title: "the principal may push a key",
        needs: ["aws.instance.exists", "aws.iam.principal"],
        actions: ["iam:SimulatePrincipalPolicy", "iam:GetContextKeysForPrincipalPolicy", "ec2:DescribeInstances"],
        runbook: ["CheckIAMRoleOrUserPermissions"],
        judge: judge,
    }
}

const ACTION: &str = "ec2-instance-connect:SendSSHPublicKey";

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let simulation = facts.simulation.need("the simulation of the principal's policies")?;
    let principal = simulation::principal(facts, attempt)?;
    asked_the_same(simulation, principal, attempt)?;
    let seen = facts.instance.need("the instance")?;
    let instance = seen.instance_id.as_deref();
    let instance = instance.ok_or_else(|| Verdict::unknown("AWS did not tell the instance's id"))?;
    let whom = format!(" for `{}`", attempt.os_user);
    let context = Context { keys: &facts.context_keys, tags: Some(("the instance", &seen.tags)) };
    let asked = Asked { action: ACTION, resource: instance, whom: &whom, context };
    let is_resource = |arn: &str| is_arn_of(arn, facts, instance);
    simulation::verdict(simulation, principal, &asked, is_resource, || {
        allowing(facts, simulation, principal, instance, attempt)
    })
}

/// `arn:aws:ec2:eu-west-1:111122223333:instance/i-…`, its Region and account as far as they are known here.
fn is_arn_of(arn: &str, facts: &AwsFacts, instance: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let [_, _, "ec2", region, account, resource] = parts.as_slice() else { return false };
    let is = |known: &Fact<String>, part: &str| known.known().is_none_or(|known| known == part);
    resource.strip_prefix("instance/") == Some(instance)
        && is(&facts.region, region)
        && is(&facts.instance_owner_id, account)
}

/// The smallest statement that allows exactly this: one action, one instance, one OS user.
fn allowing(facts: &AwsFacts, simulation: &Simulation, principal: &str, instance: &str, attempt: &Attempt) -> Remedy {
    let text = format!("Allow {ACTION} for `{}` on this instance", attempt.os_user);
    let asked = simulation.asked.as_ref().and_then(|asked| asked.resource_arns.first().cloned());
    let resource = asked.or_else(|| arn_of(facts, principal, instance));
    let (Some(resource), Some(instance)) = (resource, id(Some(instance))) else {
        return allow_by_hand(principal, &text);
    };
    let statement = json!({
        "Effect": "Allow",
        "Action": ACTION,
        "Resource": resource,
        "Condition": { "StringEquals": { "ec2:osuser": attempt.os_user } },
    });
    let policy = format!("eic-doctor-{instance}-{}", attempt.os_user.as_str().trim_end_matches('$'));
    simulation::put(facts, attempt, principal, &policy, &text, &statement)
}

fn arn_of(facts: &AwsFacts, principal: &str, instance: &str) -> Option<String> {
    let partition = principal.split(':').nth(1)?;
    Some(format!(
        "arn:{partition}:ec2:{}:{}:instance/{instance}",
        facts.region.known()?,
        facts.instance_owner_id.known()?
    ))
}

/// A recorded answer is of use only to the question that it was given to.
fn asked_the_same(simulation: &Simulation, principal: &str, attempt: &Attempt) -> Result<(), Verdict> {
    simulation::asked_about_principal(simulation, principal, attempt)?;
    let asked = simulation.asked.iter().flat_map(|asked| &asked.context_entries);
    let mut os_users = asked.filter(|entry| entry.context_key_name.eq_ignore_ascii_case("ec2:osuser"));
    match os_users.find(|entry| !entry.context_key_values.iter().any(|value| value == attempt.os_user.as_str())) {
        Some(entry) => {
            let values = entry.context_key_values.join(", ");
            Err(Verdict::unknown(format!("the simulation was asked about `{values}`, not about `{}`", attempt.os_user)))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Instance;
    use eic_doctor_proto::Fact;

    const INSTANCE: &str = "i-0123456789abcdef0";

    fn judged(results: serde_json::Value) -> Verdict {
        let simulation = serde_json::from_value(json!({ "EvaluationResults": results })).unwrap();
        let facts = AwsFacts {
            region: Fact::Known("eu-west-1".into()),
            instance: Fact::Known(Instance { instance_id: Some(INSTANCE.into()), ..Instance::default() }),
            instance_owner_id: Fact::Known("111122223333".into()),
            principal_arn: Fact::Known("arn:aws:iam::111122223333:role/team/connector".into()),
            simulation: Fact::Known(simulation),
            ..AwsFacts::default()
        };
        judge(&facts, &Attempt::usual()).unwrap_or_else(|verdict| verdict)
    }

    fn before(decision: &str) -> serde_json::Value {
        json!([{ "EvalActionName": ACTION, "EvalResourceName": format!("arn:aws:ec2:eu-west-1:111122223333:instance/{INSTANCE}"),
            "EvalDecision": decision }])
    }

    fn after(top: &str, ours: &str) -> serde_json::Value {
        json!([{ "EvalActionName": ACTION, "EvalResourceName": "arn:aws:ec2:*:*:instance/*", "EvalDecision": top,
            "ResourceSpecificResults": [
                { "EvalResourceName": "arn:aws:ec2:eu-west-1:111122223333:instance/i-00000000000000000",
                  "EvalResourceDecision": "explicitDeny" },
                { "EvalResourceName": format!("arn:aws:ec2:eu-west-1:111122223333:instance/{INSTANCE}"),
                  "EvalResourceDecision": ours },
            ] }])
    }

    #[test]
    fn both_shapes_of_the_answer_say_the_same() {
        assert!(matches!(judged(before("allowed")), Verdict::Ok { .. }));
        assert!(matches!(judged(after("explicitDeny", "allowed")), Verdict::Ok { .. }));
        assert!(matches!(judged(before("implicitDeny")), Verdict::Fail(_)));
        assert!(matches!(judged(after("allowed", "implicitDeny")), Verdict::Fail(_)));
    }

    #[test]
    fn an_answer_about_another_instance_is_no_answer() {
        let mut results = before("allowed");
        results[0]["EvalResourceName"] = "*".into();
        assert!(matches!(judged(results), Verdict::Unknown { .. }));
    }

    #[test]
    fn an_answer_about_the_same_id_in_another_region_or_account_is_no_answer() {
        for arn in ["arn:aws:ec2:us-east-1:111122223333", "arn:aws:ec2:eu-west-1:444455556666"] {
            let mut results = before("allowed");
            results[0]["EvalResourceName"] = format!("{arn}:instance/{INSTANCE}").into();
            assert!(matches!(judged(results), Verdict::Unknown { .. }), "{arn}");
        }
    }

    #[test]
    fn an_answer_about_another_principal_is_no_answer() {
        let asked_about = |arn: &str| Simulation {
            asked: Some(crate::facts::SimulationQuestion { policy_source_arn: arn.into(), ..Default::default() }),
            ..Simulation::default()
        };
        let meant = "arn:aws:sts::111122223333:assumed-role/connector/alice";
        let other = asked_the_same(&asked_about("arn:aws:iam::111122223333:role/admin"), meant, &Attempt::usual());
        assert!(matches!(other, Err(Verdict::Unknown { .. })));
        let elsewhere = asked_about("arn:aws:iam::444455556666:role/connector");
        assert!(asked_the_same(&elsewhere, meant, &Attempt::usual()).is_err());
        let same = asked_about("arn:aws:iam::111122223333:role/team/connector");
        assert_eq!(asked_the_same(&same, meant, &Attempt::usual()), Ok(()));
        let attempt = Attempt { principal: Some("arn:aws:iam::111122223333:user/bob".into()), ..Attempt::usual() };
        assert!(asked_the_same(&same, meant, &attempt).is_err());
    }

    #[test]
    fn missing_context_makes_the_answer_uncertain_and_is_named() {
        let mut results = before("implicitDeny");
        results[0]["MissingContextValues"] = json!(["aws:MultiFactorAuthPresent"]);
        let Verdict::Unknown { why, .. } = judged(results) else { panic!("certain") };
        assert!(why.contains("aws:MultiFactorAuthPresent"), "{why}");
    }

    #[test]
    fn a_boundary_and_an_organization_are_told_apart_from_a_missing_statement() {
        let mut results = before("implicitDeny");
        results[0]["PermissionsBoundaryDecisionDetail"] = json!({ "AllowedByPermissionsBoundary": false });
        let Verdict::Fail(finding) = judged(results) else { panic!("no fail") };
        assert!(finding.why.starts_with("the permissions boundary"), "{}", finding.why);
        let mut results = before("implicitDeny");
        results[0]["OrganizationsDecisionDetail"] = json!({ "AllowedByOrganizations": false });
        let Verdict::Fail(finding) = judged(results) else { panic!("no fail") };
        assert!(finding.why.starts_with("an Organizations policy"), "{}", finding.why);
    }

    #[test]
    fn the_remedy_allows_one_action_on_one_instance_for_one_os_user() {
        let Verdict::Fail(finding) = judged(before("implicitDeny")) else { panic!("no fail") };
        let command = finding.remedy.command.unwrap();
        assert!(command.starts_with("aws iam put-role-policy --role-name connector --policy-name"), "{command}");
        for word in
            [ACTION, "arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef0", r#""ec2:osuser":"ec2-user""#]
        {
            assert!(command.contains(word), "{command}");
        }
    }
}
