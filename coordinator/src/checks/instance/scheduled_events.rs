use eic_doctor_proto::{Attempt, Evidence, Finding, Verdict, check};

use super::{remedy, stop_and_start};
use crate::facts::{AwsFacts, InstanceStatusEvent};

check! {
    /// EC2 has no event scheduled for the instance.
    ///
    /// ## Why it matters
    ///
    /// AWS schedules a reboot, a stop, a retirement or maintenance of the host where its hardware needs it. At that time every
    /// connection is cut; an instance that is stopped or retired stays away until someone starts it, with another public IPv4 address
    /// unless it has an Elastic IP address, and one whose root volume is an instance store is terminated. A host that is scheduled for retirement
    /// may be failing already.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instance-status --instance-ids INSTANCE_ID --include-all-instances --query 'InstanceStatuses[].Events[]'`; an
    /// event whose description begins with `[Completed]` or `[Canceled]` is over
    ///
    /// ## How to mend
    ///
    /// Stop and start the instance at a time of your own: it moves to another host. What is on instance store volumes is lost then, and an
    /// automatically assigned public IPv4 address changes. A reboot that is scheduled may also be waited for, or moved within its
    /// window with `aws ec2 modify-instance-event-start-time`; rebooting by hand leaves the event of an `instance-reboot` open.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Scheduled events for Amazon EC2 instances"
    /// - EC2 User Guide, "Manage Amazon EC2 instances scheduled for reboot"
    /// - EC2 API Reference, InstanceStatusEvent
    pub static CHECK: AwsFacts = {
        id: "aws.instance.scheduled-events",
        title: "no event is scheduled for the instance",
        needs: ["aws.instance.running"],
        actions: ["ec2:DescribeInstanceStatus"],
        required: false,
        judge: judge,
    }
}

const AT: &str = "ec2:DescribeInstanceStatus";

fn judge(facts: &AwsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let status = facts.instance_status.need("the instance's status")?;
    if status.events.is_empty() {
        return Ok(Verdict::ok("no scheduled event", AT));
    }
    let evidence: Vec<Evidence> = status.events.iter().map(|event| Evidence::new(words(event), AT)).collect();
    let pending = status.events.iter().filter(|event| !is_over(event));
    // What takes the instance away comes before what only interrupts it, and of these the earlier one.
    let Some(event) = pending.min_by_key(|event| (kind(event).0, event.not_before.clone())) else {
        return Ok(Verdict::Ok { evidence });
    };
    let (_, what, text) = kind(event);
    let when =
        event.not_before.as_deref().map_or("at a time that is not told".to_owned(), |at| format!("from {at} on"));
    let remedy = remedy(facts, text, stop_and_start(facts), "aws.instance.scheduled-events");
    Ok(Verdict::warn(Finding::new(format!("{what}, {when}"), remedy).with(evidence)))
}

/// AWS keeps an event that is over in the list for a while, with a mark before its description.
fn is_over(event: &InstanceStatusEvent) -> bool {
    let description = event.description.as_deref().unwrap_or_default().trim_start();
    ["[Completed]", "[Canceled]"].iter().any(|mark| description.starts_with(mark))
}

/// How urgent, what will happen, and what to do.
fn kind(event: &InstanceStatusEvent) -> (u8, String, &'static str) {
    const MOVE: &str =
        "Stop and start the instance before then: it moves to another host (what is on instance store volumes is lost)";
    const WAIT: &str = "Wait for it, or stop and start the instance before then: it moves to another host (what is on instance store volumes is lost)";
    match event.code.as_deref() {
        Some("instance-retirement") => {
            (0, "AWS retires the instance's host and stops the instance, or terminates it where its root volume is an instance store".into(), MOVE)
        }
        Some("instance-stop") => (0, "AWS stops the instance, and nobody starts it again by itself".into(), MOVE),
        Some("instance-reboot") => (1, "AWS reboots the instance".into(), WAIT),
        Some("system-reboot") => (1, "AWS reboots the instance onto another host".into(), WAIT),
        Some("system-maintenance") => (1, "AWS works on the host, and the instance may lose its network or its power".into(), WAIT),
        other => (1, format!("AWS has scheduled `{}`", other.unwrap_or("an event without a code")), WAIT),
    }
}

/// `instance-retirement (instance-event-0d59…) from 2026-12-04T00:00:00Z until …: The instance is running on degraded hardware`
fn words(event: &InstanceStatusEvent) -> String {
    let mut words = event.code.clone().unwrap_or_else(|| "an event".to_owned());
    for (before, part, after) in [
        (" (", &event.instance_event_id, ")"),
        (" from ", &event.not_before, ""),
        (" until ", &event.not_after, ""),
        (": ", &event.description, ""),
    ] {
        if let Some(part) = part {
            words.push_str(&format!("{before}{part}{after}"));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use super::*;
    use crate::facts::InstanceStatus;

    fn judged(events: &str) -> Verdict {
        let events: Vec<InstanceStatusEvent> = serde_json::from_str(events).unwrap();
        let instance_status = Fact::Known(InstanceStatus { events, ..InstanceStatus::default() });
        judge(&AwsFacts { instance_status, ..AwsFacts::default() }, &Attempt::usual()).unwrap()
    }

    #[test]
    fn what_takes_the_instance_away_is_told_before_an_earlier_reboot() {
        let Verdict::Warn(finding) = judged(
            r#"[{"Code": "system-reboot", "NotBefore": "2026-12-01T00:00:00Z"}, {"Code": "instance-stop", "NotBefore": "2026-12-04T00:00:00Z"}]"#,
        ) else {
            panic!("no warning")
        };
        assert!(
            finding.why.starts_with("AWS stops the instance") && finding.why.ends_with("from 2026-12-04T00:00:00Z on")
        );
        assert_eq!(finding.evidence.len(), 2);
    }

    #[test]
    fn an_event_that_is_over_is_no_warning_and_one_of_a_new_kind_is() {
        let over = r#"[{"Code": "instance-stop", "Description": "[Completed] x"}, {"Code": "system-reboot", "Description": "[Canceled] y"}]"#;
        assert!(matches!(judged(over), Verdict::Ok { evidence } if evidence.len() == 2));
        assert!(matches!(judged(r#"[{"Code": "instance-dance"}]"#), Verdict::Warn(_)));
    }
}
