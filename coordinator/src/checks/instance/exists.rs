use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use crate::facts::AwsFacts;

check! {
    /// AWS knows the instance in this account and Region.
    ///
    /// ## Why it matters
    ///
    /// An id from another Region or another account, or of an instance terminated an hour ago, is unknown to the API, and a key pushed
    /// for it is refused with `EC2InstanceNotFoundException`.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instances --instance-ids INSTANCE_ID --region REGION`
    ///
    /// ## How to mend
    ///
    /// Look at the Region (`--region`), the profile (`--profile`) and the id.
    ///
    /// ## References
    ///
    /// - EC2 API Reference, DescribeInstances, `InvalidInstanceID.NotFound`
    pub static CHECK: AwsFacts = {
        id: "aws.instance.exists",
        title: "the instance exists",
        needs: [],
        actions: ["ec2:DescribeInstances"],
        runbook: ["AssertInitialState", "GetInstanceProperties"],
        judge: judge,
    }
}

fn judge(facts: &AwsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let region = facts.region.known().map_or("this Region", String::as_str);
    if let Some(instance) = facts.instance.present("the instance")? {
        let id = instance.instance_id.as_deref().unwrap_or("an instance");
        return Ok(Verdict::ok(format!("{id} in {region}"), "ec2:DescribeInstances"));
    }
    let remedy = Remedy::by_hand(
        "Look at the instance id, the Region (`--region`) and the account (`--profile`)",
        "`aws ec2 describe-instances --instance-ids` with the same Region and profile prints the instance",
    );
    let finding = Finding::new(format!("no instance of this id in {region} and this account"), remedy);
    Ok(Verdict::fail(finding.seen("InvalidInstanceID.NotFound", "ec2:DescribeInstances")))
}
