use eic_doctor_proto::{Attempt, Fact, Finding, Remedy, Verdict, check};

use crate::facts::AwsFacts;

check! {
    /// The principal that pushes the key is an IAM user or role whose policies can be simulated.
    ///
    /// ## Why it matters
    ///
    /// IAM simulates the policies of users, groups and roles. An assumed role (also one of IAM Identity Center) is looked up as its role.
    /// The account's root user, federated users and services cannot be simulated, so nothing can be said of their permissions.
    ///
    /// ## How to look by hand
    ///
    /// `aws sts get-caller-identity` says who you are; `aws iam get-role --role-name NAME` gives a role's ARN with its path.
    ///
    /// ## How to mend
    ///
    /// Name the user or role that really connects with `--principal ARN`.
    ///
    /// ## References
    ///
    /// - IAM API Reference, SimulatePrincipalPolicy, `PolicySourceArn`
    /// - IAM User Guide, "IAM identifiers"
    pub static CHECK: AwsFacts = {
        id: "aws.iam.principal",
        title: "the principal's policies can be simulated",
        needs: [],
        actions: ["sts:GetCallerIdentity", "iam:GetRole", "iam:GetUser", "iam:SimulatePrincipalPolicy"],
        runbook: ["CheckIAMRoleOrUserPermissions"],
        judge: judge,
    }
}

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    // An ARN alone proves nothing: only the simulator's answer shows that the principal exists.
    // Files of the AWS CLI do not tell whose policies were simulated; whoever asks does.
    let arn = match (&facts.principal_arn, attempt.principal.as_deref()) {
        (Fact::NotGathered, Some(asked)) => Some(asked),
        (arn, _) => arn.present("the principal")?.map(String::as_str),
    };
    let Some(arn) = arn else { return Ok(no_such(attempt.principal.as_deref().unwrap_or("the caller"))) };
    match facts.simulation.present("the simulation of the principal's policies")? {
        Some(_) => Ok(Verdict::ok(arn, "iam:SimulatePrincipalPolicy")),
        None => Ok(no_such(arn)),
    }
}

fn no_such(asked: &str) -> Verdict {
    let remedy = Remedy::by_hand(
        "Name the user or role that connects with `--principal ARN`, as IAM spells it",
        "`aws iam get-role` or `aws iam get-user` prints that ARN",
    );
    let finding = Finding::new(format!("IAM knows no principal {asked}"), remedy);
    Verdict::fail(finding.seen("NoSuchEntity", "iam:SimulatePrincipalPolicy"))
}
