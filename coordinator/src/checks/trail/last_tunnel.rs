use eic_doctor_proto::{Attempt, Verdict, Via, check};

use super::{Call, verdict};
use crate::facts::{AwsFacts, TrailEvent};

check! {
    /// The last tunnel to the instance was opened.
    ///
    /// ## Why it matters
    ///
    /// Through an EC2 Instance Connect Endpoint the client opens a tunnel, and CloudTrail records each `OpenTunnel` as a management event,
    /// those that failed too. A tunnel that opened and a login that failed put the cause behind the endpoint: the instance's security
    /// group, or sshd. The last day is looked at, and events arrive some minutes late.
    ///
    /// ## How to look by hand
    ///
    /// `aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=OpenTunnel`, and in each `CloudTrailEvent`
    /// `errorCode` and `requestParameters` with `instanceConnectEndpointId`, `privateIpAddress` and `remotePort`
    ///
    /// ## How to mend
    ///
    /// By the error. AccessDenied while `aws.iam.open-tunnel` is ok: a policy with a condition on
    /// `ec2-instance-connect:maxTunnelDuration` below 3600 refuses a client that asks for no duration; the session's own policy and
    /// Organizations policies may refuse as well.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Log connections established over EC2 Instance Connect Endpoint"
    /// - EC2 User Guide, "Grant permissions to use EC2 Instance Connect Endpoint"
    pub static CHECK: AwsFacts = {
        id: "aws.trail.last-tunnel",
        title: "the last tunnel to the instance was opened",
        needs: ["aws.instance.exists", "aws.iam.open-tunnel"],
        actions: ["cloudtrail:LookupEvents"],
        required: false,
        judge: judge,
    }
}

const CALL: Call = Call {
    what: "tunnel to the instance",
    done,
    not_allowed: "Where `aws.iam.open-tunnel` is ok, look at a condition on `ec2-instance-connect:maxTunnelDuration` below 3600, at the session's own policy and at Organizations policies",
};

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    facts.instance.need("the instance")?;
    if matches!(attempt.via, Via::Browser | Via::Public | Via::Private) {
        return Ok(Verdict::not_applicable("the attempt goes through no endpoint"));
    }
    let events = facts.tunnels.need("CloudTrail's events of OpenTunnel")?;
    let port = attempt.port.to_string();
    let is_to_port =
        |event: &&TrailEvent| event.record.request_parameters.remote_port.as_ref().is_none_or(|to| *to == port);
    let events: Vec<&TrailEvent> = events.iter().filter(is_to_port).collect();
    Ok(verdict(&events, facts, attempt, &CALL))
}

fn done(event: &TrailEvent) -> String {
    let endpoint = event.record.request_parameters.instance_connect_endpoint_id.as_deref();
    endpoint.map_or_else(|| "opened a tunnel".to_owned(), |endpoint| format!("opened a tunnel through {endpoint}"))
}
