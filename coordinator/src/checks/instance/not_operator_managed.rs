use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use crate::facts::AwsFacts;

check! {
    /// No AWS service manages the instance in the user's place.
    ///
    /// ## Why it matters
    ///
    /// An instance whose `Operator.Managed` is true belongs to a service, such as EKS Auto Mode, which refuses connections by users.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instances --instance-ids INSTANCE_ID --query 'Reservations[].Instances[].Operator'`
    ///
    /// ## How to mend
    ///
    /// Use the tools of the service that manages it.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Amazon EC2 managed instances"
    /// - EC2 User Guide, "Troubleshoot issues connecting to your Amazon EC2 Linux instance"
    pub static CHECK: AwsFacts = {
        id: "aws.instance.not-operator-managed",
        title: "no service operates the instance",
        needs: ["aws.instance.exists"],
        actions: ["ec2:DescribeInstances"],
        runbook: ["AssertInitialState"],
        judge: judge,
    }
}

fn judge(facts: &AwsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let instance = facts.instance.need("the instance")?;
    // AWS leaves `Operator` out, or says Managed false, for an ordinary instance (EC2 API Reference, OperatorResponse).
    let operator = instance.operator.as_ref().filter(|operator| operator.managed == Some(true));
    let Some(operator) = operator else {
        return Ok(Verdict::ok("Operator.Managed is not true", "ec2:DescribeInstances"));
    };
    let principal = operator.principal.as_deref().unwrap_or("an AWS service");
    let remedy = Remedy::by_hand(
        "Use the tools of the service that operates the instance: it refuses users' connections",
        "`aws ec2 describe-instances` shows Operator.Managed false",
    );
    let finding = Finding::new(format!("{principal} operates the instance, and users cannot connect to it"), remedy);
    Ok(Verdict::fail(finding.seen(format!("Operator.Managed true, Principal {principal}"), "ec2:DescribeInstances")))
}
