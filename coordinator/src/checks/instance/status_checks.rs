use eic_doctor_proto::{Attempt, Evidence, Finding, Verdict, check};

use super::{on_instance, remedy, stop_and_start};
use crate::facts::{AwsFacts, StatusSummary};

check! {
    /// EC2's own status checks of the instance pass.
    ///
    /// ## Why it matters
    ///
    /// An impaired instance status means that the operating system does not answer ARP: it hangs, is out of memory, or waits in an
    /// emergency shell. An impaired system status is AWS's hardware or network. Either explains a connection that times out. An impaired
    /// status of the attached EBS volumes means that reads and writes to one of them do not complete: programs hang, and so may sshd.
    /// While the status is `initializing`, the instance is still booting.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instance-status --instance-ids INSTANCE_ID --include-all-instances`, and
    /// `aws ec2 get-console-output --instance-id INSTANCE_ID --latest --output text` for what the kernel says
    ///
    /// ## How to mend
    ///
    /// Instance status: reboot. System status: stop and start, which moves the instance to other hardware (an automatically assigned
    /// public IPv4 address changes then). Attached EBS status: wait until AWS has mended the volume, replace it, or stop and start the
    /// instance.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Status checks for Amazon EC2 instances"
    pub static CHECK: AwsFacts = {
        id: "aws.instance.status-checks",
        title: "the instance passes EC2's status checks",
        needs: ["aws.instance.running"],
        actions: ["ec2:DescribeInstanceStatus"],
        runbook: ["AssertInitialState"],
        required: false,
        judge: judge,
    }
}

const AT: &str = "ec2:DescribeInstanceStatus";

fn judge(facts: &AwsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let status = facts.instance_status.need("the instance's status")?;
    let both = [("instance", &status.instance_status), ("system", &status.system_status)];
    let mut evidence: Vec<Evidence> =
        both.iter().map(|(which, summary)| Evidence::new(words(which, summary.as_ref()), AT)).collect();
    // EC2 leaves it out where it makes no such check.
    let volumes = status.attached_ebs_status.as_ref();
    evidence.extend(volumes.map(|summary| Evidence::new(words("attached EBS", Some(summary)), AT)));
    let value = |summary: &Option<StatusSummary>| {
        summary.as_ref().and_then(|summary| summary.status.clone()).unwrap_or_default()
    };
    let (instance, system) = (value(&status.instance_status), value(&status.system_status));
    let on = |operation: &[&str]| on_instance(facts, operation, "--instance-ids");
    let volumes = volumes.map_or("not-applicable", |summary| summary.status.as_deref().unwrap_or_default());
    let (why, text, command) = match (instance.as_str(), system.as_str(), volumes) {
        ("ok" | "not-applicable", "ok" | "not-applicable", "ok" | "not-applicable") => {
            return Ok(Verdict::Ok { evidence });
        }
        (_, "impaired", _) => {
            let text = "Stop and start the instance: it moves to other hardware";
            ("EC2's system status check fails", text, stop_and_start(facts))
        }
        (_, _, "impaired") => {
            let text = "Wait until AWS has mended the volume, replace it, or stop and start the instance";
            ("EC2's status check of the attached EBS volumes fails", text, stop_and_start(facts))
        }
        ("impaired", _, _) => {
            let text = "Read the console output, then reboot the instance";
            ("EC2's instance status check fails", text, on(&["reboot-instances"]))
        }
        ("initializing", _, _) | (_, "initializing", _) | (_, _, "initializing") => {
            let command = on(&["wait", "instance-status-ok"]);
            ("the instance is still starting", "Wait until its status checks have passed", command)
        }
        _ => {
            return Err(Verdict::Unknown {
                why: format!(
                    "AWS says `{instance}` of the instance, `{system}` of the system and `{volumes}` of its EBS volumes"
                ),
                missing_action: None,
                evidence,
            });
        }
    };
    let remedy = remedy(facts, text, command, "aws.instance.status-checks");
    Ok(Verdict::warn(Finding::new(why, remedy).with(evidence)))
}

/// `instance status impaired: reachability failed since 2026-11-01T10:00:00Z`
fn words(which: &str, summary: Option<&StatusSummary>) -> String {
    let Some(summary) = summary else { return format!("{which} status: not told") };
    let details: Vec<String> = summary
        .details
        .iter()
        .map(|detail| {
            let since = detail.impaired_since.as_deref().map(|since| format!(" since {since}")).unwrap_or_default();
            format!("{} {}{since}", detail.name.as_deref().unwrap_or("?"), detail.status.as_deref().unwrap_or("?"))
        })
        .collect();
    let status = summary.status.as_deref().unwrap_or("not told");
    if details.is_empty() {
        format!("{which} status {status}")
    } else {
        format!("{which} status {status}: {}", details.join(", "))
    }
}
