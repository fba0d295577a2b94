use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use super::role;
use crate::facts::{AwsFacts, StatusSummary};

check! {
    /// The instance is a managed node of Systems Manager that answers.
    ///
    /// ## Why it matters
    ///
    /// A login does not need Systems Manager; looking into the instance from outside does. What keeps the SSM Agent from its service (no
    /// route, no metadata service, an instance that hangs) often keeps EC2 Instance Connect from working as well.
    ///
    /// Why it is no managed node, or no longer answers, is told as far as AWS's side shows it: no instance profile, by which the agent
    /// gets its credentials unless Default Host Management gives them; the metadata service switched off, from which it fetches them;
    /// a status check that fails; a role of the profile that may not do what the agent needs; since when nothing was heard of it. Whether the
    /// agent runs and whether it reaches its endpoints is not looked at here.
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
    /// - Systems Manager User Guide, "Configure instance permissions required for Systems Manager"
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
    let reason = reason(facts);
    // Only the role can be mended by a command from outside.
    let is_role = reason.as_ref().is_some_and(|reason| reason.mend == role::MEND);
    let command = if is_role { role::command(facts) } else { None };
    let remedy = |mend: &str| match &command {
        Some(command) => Remedy::by_command(mend, command, verify),
        None => Remedy::by_hand(mend, verify),
    };
    let Some(node) = facts.managed_node.present("the managed node")? else {
        let profile = facts.instance.known().and_then(|instance| instance.iam_instance_profile.as_ref());
        let profile = profile.and_then(|profile| profile.arn.as_deref());
        let (because, mend) = reason.map_or_else(
            || {
                let because = "what keeps it is not to be seen from AWS's side".to_owned();
                let mend = "See that the role of the instance profile has `AmazonSSMManagedInstanceCore`, that the SSM Agent runs, and \
                            that it reaches the `ssm` and `ssmmessages` endpoints";
                (because, mend)
            },
            |reason| (reason.because, reason.mend),
        );
        let finding =
            Finding::new(format!("the instance is not a managed node of Systems Manager: {because}"), remedy(mend));
        let finding = finding.seen("not listed", AT).seen(
            profile.map_or_else(|| "no instance profile".to_owned(), |arn| format!("instance profile {arn}")),
            "ec2:DescribeInstances",
        );
        return Ok(Verdict::warn(finding.with(role::evidence(facts))));
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
    let (because, mend) = reason.map_or_else(
        || {
            let mend = "Look at the SSM Agent on the instance, and at its way to the `ssm` and `ssmmessages` endpoints";
            (String::new(), mend)
        },
        |reason| (format!("; {}", reason.because), reason.mend),
    );
    let why = format!("the SSM Agent does not answer: PingStatus {ping}{since}{because}");
    Ok(Verdict::warn(Finding::new(why, remedy(mend)).seen(seen, AT).with(role::evidence(facts))))
}

/// Why the agent cannot be heard, as far as AWS's side shows it.
struct Reason {
    because: String,
    mend: &'static str,
}

/// The first that holds: what comes later hangs on what comes before.
///
/// Source: Systems Manager User Guide, "Troubleshooting managed node availability".
fn reason(facts: &AwsFacts) -> Option<Reason> {
    let failing = facts.instance_status.known().and_then(|status| {
        let is_impaired = |summary: &Option<StatusSummary>| {
            summary.as_ref().and_then(|summary| summary.status.as_deref()) == Some("impaired")
        };
        [("system", &status.system_status), ("instance", &status.instance_status)]
            .into_iter()
            .find(|(_, summary)| is_impaired(summary))
    });
    if let Some((which, _)) = failing {
        let because = format!("EC2's {which} status check fails");
        return Some(Reason {
            because,
            mend: "Mend what `aws.instance.status-checks` finds; the SSM Agent comes back with it",
        });
    }
    let instance = facts.instance.known()?;
    let metadata = instance.metadata_options.as_ref().and_then(|options| options.http_endpoint.as_deref());
    if metadata == Some("disabled") {
        let because =
            "the metadata service is switched off, from which the SSM Agent fetches its credentials".to_owned();
        return Some(Reason {
            because,
            mend: "Mend what `aws.instance.metadata-endpoint` finds, then restart the SSM Agent",
        });
    }
    let no_profile = instance.iam_instance_profile.is_none().then(|| Reason {
        because: "it has no instance profile, so that only Default Host Management could let the SSM Agent in".to_owned(),
        mend: "Give the instance an instance profile whose role has `AmazonSSMManagedInstanceCore`, or switch Default Host Management on \
               for the Region, and restart the SSM Agent",
    });
    no_profile.or_else(|| role::reason(facts).map(|because| Reason { because, mend: role::MEND }))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;
    use serde_json::json;

    use super::*;
    use crate::facts::InstanceInformation;

    /// Ping status of the node where it is one; fields of the instance; the status of its own check.
    fn why(ping: Option<&str>, instance: serde_json::Value, status: &str) -> String {
        let node = |ping: &str| InstanceInformation {
            ping_status: Some(ping.into()),
            last_ping_date_time: Some("2026-11-24T16:00:00Z".into()),
            ..InstanceInformation::default()
        };
        let facts = AwsFacts {
            instance: Fact::Known(serde_json::from_value(instance).unwrap()),
            instance_status: Fact::Known(
                serde_json::from_value(json!({ "InstanceStatus": { "Status": status } })).unwrap(),
            ),
            managed_node: ping.map_or(Fact::Absent, |ping| Fact::Known(node(ping))),
            ..AwsFacts::default()
        };
        match judge(&facts, &Attempt::usual()) {
            Ok(Verdict::Warn(finding)) => finding.why,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_first_reason_that_awss_side_shows_is_told() {
        let profile = json!({ "Arn": "arn:aws:iam::111122223333:instance-profile/web" });
        let bare = json!({});
        assert!(why(None, bare.clone(), "ok").contains("no instance profile"));
        assert!(why(None, bare.clone(), "impaired").contains("EC2's instance status check fails"));
        let switched_off = json!({ "MetadataOptions": { "HttpEndpoint": "disabled" }, "IamInstanceProfile": profile });
        assert!(why(None, switched_off, "ok").contains("metadata service is switched off"));
        let unseen = json!({ "MetadataOptions": { "HttpEndpoint": "enabled" }, "IamInstanceProfile": profile });
        assert!(why(None, unseen.clone(), "ok").contains("not to be seen"));
        let lost = why(Some("ConnectionLost"), unseen.clone(), "ok");
        assert!(lost.ends_with("ConnectionLost, last heard of at 2026-11-24T16:00:00Z"), "{lost}");
        assert!(why(Some("ConnectionLost"), bare.clone(), "ok").contains("no instance profile"));
        assert!(why(Some("ConnectionLost"), unseen, "impaired").contains("status check fails"));
        assert!(why(Some("Online"), bare, "impaired").starts_with("Ok(Ok"));
    }

    #[test]
    fn what_nobody_could_see_of_the_instance_is_no_reason() {
        let facts = AwsFacts { managed_node: Fact::Absent, ..AwsFacts::default() };
        let Ok(Verdict::Warn(finding)) = judge(&facts, &Attempt::usual()) else { panic!("no warning") };
        assert!(finding.why.contains("not to be seen"), "{}", finding.why);
    }
}
