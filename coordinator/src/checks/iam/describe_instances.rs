use eic_doctor_proto::{Attempt, Evidence, Finding, Remedy, Verdict, Via, check};
use serde_json::json;

use super::simulation::Context;
use super::simulation::{self, Asked};
use crate::facts::AwsFacts;

check! {
    /// The principal may look up what its client asks for.
    ///
    /// ## Why it matters
    ///
    /// `aws ec2-instance-connect ssh` and the console look the instance up before they connect, by `ec2:DescribeInstances`, and the AWS CLI
    /// the endpoint, by `ec2:DescribeInstanceConnectEndpoints`. Neither action knows a resource, so a statement that names the instance's
    /// ARN allows nothing. Clients that are told the address need neither: `aws ec2-instance-connect send-ssh-public-key` followed by
    /// `ssh`, so where the way was named and is not the browser's, this is a warning.
    ///
    /// ## How to look by hand
    ///
    /// `aws iam simulate-principal-policy --policy-source-arn ARN --action-names ec2:DescribeInstances
    /// ec2:DescribeInstanceConnectEndpoints --resource-arns '*'`. `UnauthorizedOperation` from `aws ec2 describe-instances` is this.
    ///
    /// ## How to mend
    ///
    /// Allow the actions on `*`. Or connect by a client that looks nothing up.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Grant IAM permissions for EC2 Instance Connect"
    /// - Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2"
    /// - aws-cli v2, `ec2-instance-connect ssh` and `open-tunnel`
    pub static CHECK: AwsFacts = {
        id: "aws.iam.describe-instances",
        title: "the principal may look the instance up",
        needs: ["aws.iam.principal"],
        actions: ["iam:SimulatePrincipalPolicy", "iam:GetContextKeysForPrincipalPolicy"],
        judge: judge,
    }
}

const INSTANCES: &str = "ec2:DescribeInstances";
const ENDPOINTS: &str = "ec2:DescribeInstanceConnectEndpoints";

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let simulation = facts.describe_simulation.need("the simulation of what the principal may look up")?;
    let principal = simulation::principal(facts, attempt)?;
    simulation::asked_about_principal(simulation, principal, attempt)?;
    let actions: &[&str] = if attempt.via == Via::Endpoint { &[INSTANCES, ENDPOINTS] } else { &[INSTANCES] };
    let mut seen: Vec<Evidence> = Vec::new();
    for action in actions {
        let context = Context { keys: &facts.context_keys, tags: None };
        let asked = Asked { action, resource: "`*`", whom: "", context };
        let allow = || allowing(facts, attempt, principal, actions);
        // The question was about `*` alone, whatever the answer calls it.
        match simulation::verdict(simulation, principal, &asked, |_| true, allow)? {
            Verdict::Ok { evidence } => seen.extend(evidence),
            Verdict::Fail(finding) => return Ok(denied(facts, attempt, finding)),
            other => return Ok(other),
        }
    }
    Ok(Verdict::Ok { evidence: seen })
}

/// Whether nothing can connect without it hangs on the client, which a way that was named does not tell.
fn denied(facts: &AwsFacts, attempt: &Attempt, finding: Finding) -> Verdict {
    let Finding { why, evidence, remedy } = finding;
    let client = match attempt.via {
        Via::Browser => "the console",
        _ => "`aws ec2-instance-connect ssh`",
    };
    let is_needed = attempt.via == Via::Browser || facts.asked_with.auto;
    let without =
        if is_needed { "" } else { ", while `aws ec2-instance-connect send-ssh-public-key` and `ssh` can do without" };
    let finding = Finding::new(format!("{why}: {client} looks it up{without}"), remedy).with(evidence);
    if is_needed { Verdict::fail(finding) } else { Verdict::warn(finding) }
}

fn allowing(facts: &AwsFacts, attempt: &Attempt, principal: &str, actions: &[&str]) -> Remedy {
    let text = format!("Allow {} on `*`: it knows no resource", actions.join(" and "));
    let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
    simulation::put(facts, attempt, principal, "eic-doctor-look-up", &text, &statement)
}

#[cfg(test)]
mod tests {
    use super::*;
    use eic_doctor_proto::Fact;

    fn judged(instances: &str, endpoints: &str, via: Via, auto: bool) -> Verdict {
        let result = |action: &str, decision: &str| json!({ "EvalActionName": action, "EvalResourceName": "*", "EvalDecision": decision });
        let results = json!({ "EvaluationResults": [result(INSTANCES, instances), result(ENDPOINTS, endpoints)] });
        let mut facts = AwsFacts {
            principal_arn: Fact::Known("arn:aws:iam::111122223333:user/ann".into()),
            describe_simulation: Fact::Known(serde_json::from_value(results).unwrap()),
            ..AwsFacts::default()
        };
        facts.asked_with.auto = auto;
        judge(&facts, &Attempt { via, ..Attempt::usual() }).unwrap_or_else(|verdict| verdict)
    }

    #[test]
    fn the_console_and_the_clis_own_choice_fail_without_it_and_a_way_that_was_named_is_warned_of() {
        assert!(matches!(judged("implicitDeny", "allowed", Via::Browser, false), Verdict::Fail(_)));
        assert!(matches!(judged("implicitDeny", "allowed", Via::Public, true), Verdict::Fail(_)));
        for via in [Via::Public, Via::Private, Via::Endpoint] {
            assert!(matches!(judged("implicitDeny", "allowed", via, false), Verdict::Warn(_)), "{via}");
        }
    }

    #[test]
    fn endpoints_are_looked_up_only_by_who_goes_through_one() {
        assert!(matches!(judged("allowed", "explicitDeny", Via::Public, true), Verdict::Ok { .. }));
        assert!(matches!(judged("allowed", "explicitDeny", Via::Endpoint, true), Verdict::Fail(_)));
    }

    #[test]
    fn one_statement_allows_all_that_the_way_needs_and_nothing_else() {
        let Verdict::Fail(finding) = judged("implicitDeny", "implicitDeny", Via::Endpoint, true) else {
            panic!("no fail")
        };
        let command = finding.remedy.command.unwrap();
        assert!(
            command.starts_with("aws iam put-user-policy --user-name ann --policy-name eic-doctor-look-up "),
            "{command}"
        );
        assert!(
            command.contains(r#""Action":["ec2:DescribeInstances","ec2:DescribeInstanceConnectEndpoints"]"#),
            "{command}"
        );
        let Verdict::Fail(finding) = judged("implicitDeny", "implicitDeny", Via::Browser, true) else {
            panic!("no fail")
        };
        assert!(!finding.remedy.command.unwrap().contains("Endpoints"));
    }
}
