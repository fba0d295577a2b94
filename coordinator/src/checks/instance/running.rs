use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use super::{on_instance, remedy};
use crate::checks::command::recheck;
use crate::facts::AwsFacts;

check! {
    /// The instance is running.
    ///
    /// ## Why it matters
    ///
    /// Only a running instance has a metadata service that takes pushed keys; for any other the push is refused with
    /// `EC2InstanceStateInvalidException`. An automatically assigned public IPv4 address is gone as well while the instance is stopped,
    /// and another one comes at the next start.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instances --instance-ids INSTANCE_ID --query 'Reservations[].Instances[].[State.Name,StateTransitionReason]'`
    ///
    /// ## How to mend
    ///
    /// Start a stopped instance; wait for one that is pending or stopping. A terminated one is gone.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Amazon EC2 instance state changes"
    /// - EC2 Instance Connect API Reference, SendSSHPublicKey, `EC2InstanceStateInvalidException`
    pub static CHECK: AwsFacts = {
        id: "aws.instance.running",
        title: "the instance is running",
        needs: ["aws.instance.exists"],
        actions: ["ec2:DescribeInstances"],
        runbook: ["AssertInitialState"],
        judge: judge,
    }
}

fn judge(facts: &AwsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let instance = facts.instance.need("the instance")?;
    let state = instance.state.as_ref().and_then(|state| state.name.as_deref());
    let state = state.ok_or_else(|| Verdict::unknown("AWS did not say in which state the instance is"))?;
    let only = "aws.instance";
    let start = || on_instance(facts, &["start-instances"], "--instance-ids");
    let wait = |state| on_instance(facts, &["wait", state], "--instance-ids");
    let remedy = match state {
        "running" => return Ok(Verdict::ok("running", "ec2:DescribeInstances")),
        "stopped" => remedy(facts, "Start the instance", start(), only),
        "pending" => remedy(facts, "Wait until the instance is running", wait("instance-running"), only),
        "stopping" => {
            let both = wait("instance-stopped").zip(start()).map(|(wait, start)| wait.and(start));
            remedy(facts, "Wait until the instance is stopped, then start it", both, only)
        }
        "shutting-down" | "terminated" => Remedy::by_hand(
            "The instance is gone for good: launch another one, from its image or a backup",
            recheck(facts, only),
        ),
        other => return Err(Verdict::unknown(format!("the instance is in state `{other}`, which is not known here"))),
    };
    let finding = Finding::new(format!("the instance is {state}"), remedy);
    let reason = instance.state_transition_reason.as_deref().filter(|reason| !reason.is_empty());
    let seen = reason.map_or_else(|| state.to_owned(), |reason| format!("{state}: {reason}"));
    Ok(Verdict::fail(finding.seen(seen, "ec2:DescribeInstances")))
}
