use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use crate::facts::AwsFacts;

check! {
    /// The instance is a managed node of Systems Manager that answers.
    ///
    /// ## Why it matters
    ///
    /// A login does not need Systems Manager; looking into the instance from outside does. What keeps the SSM Agent from its service (no
    /// route, no metadata service, an instance that hangs) often keeps EC2 Instance Connect from working as well.
    ///
    /// ## How to look by hand
    ///
    /// `aws ssm describe-instance-information --filters Key=InstanceIds,Values=INSTANCE_ID`; on the instance
    /// `systemctl status amazon-ssm-agent`
    ///
    /// ## How to mend
    ///
    /// A managed node needs a running SSM Agent, an instance profile with `AmazonSSMManagedInstanceCore` (or Default Host Management),
    /// and a way to the endpoints `ssm` and `ssmmessages` of its Region on port 443.
    ///
    /// ## References
    ///
    /// - Systems Manager User Guide, "Troubleshooting managed node availability"
    /// - Systems Manager API Reference, DescribeInstanceInformation, `PingStatus`
    pub static CHECK: AwsFacts = {
        id: "aws.ssm.managed-node",
        title: "the instance is a managed node that answers",
        needs: ["aws.instance.running"],
        actions: ["ssm:DescribeInstanceInformation"],
        runbook: ["GatherInstanceInformationFromSSM"],
        required: false,
        judge: judge,
    }
}

const AT: &str = "ssm:DescribeInstanceInformation";

fn judge(facts: &AwsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let verify = "`aws ssm describe-instance-information` shows the instance with PingStatus `Online`";
    let Some(node) = facts.managed_node.present("the managed node")? else {
        let profile = facts.instance.known().and_then(|instance| instance.iam_instance_profile.as_ref());
        let profile = profile.and_then(|profile| profile.arn.as_deref());
        let remedy = Remedy::by_hand(
            "Give the instance an instance profile with `AmazonSSMManagedInstanceCore` and a way to the `ssm` and `ssmmessages` endpoints",
            verify,
        );
        let finding =
            Finding::new("the instance is not a managed node of Systems Manager", remedy).seen("not listed", AT).seen(
                profile.map_or_else(|| "no instance profile".to_owned(), |arn| format!("instance profile {arn}")),
                "ec2:DescribeInstances",
            );
        return Ok(Verdict::warn(finding));
    };
    let told = |field: &Option<String>| field.clone().unwrap_or_else(|| "not told".to_owned());
    let ping = told(&node.ping_status);
    let seen = format!(
        "PingStatus {ping}, {} {}, SSM Agent {}",
        told(&node.platform_name),
        told(&node.platform_version),
        told(&node.agent_version)
    );
    if ping == "Online" {
        return Ok(Verdict::ok(seen, AT));
    }
    let since = node.last_ping_date_time.as_deref().map(|at| format!(", last heard of at {at}")).unwrap_or_default();
    let remedy = Remedy::by_hand(
        "Look at the SSM Agent on the instance, its way to the `ssm` and `ssmmessages` endpoints, and the instance's status checks",
        verify,
    );
    let finding = Finding::new(format!("the SSM Agent does not answer: PingStatus {ping}{since}"), remedy);
    Ok(Verdict::warn(finding.seen(seen, AT)))
}
