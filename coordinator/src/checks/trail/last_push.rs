use eic_doctor_proto::{Attempt, Verdict, check};

use super::{Call, verdict};
use crate::facts::{AwsFacts, TrailEvent};

check! {
    /// AWS took the last key that was pushed.
    ///
    /// ## Why it matters
    ///
    /// Every way begins with `SendSSHPublicKey`, and every call of it, also a refused one, is in CloudTrail's event history for 90 days.
    /// That is the proof of what the policies did: a session policy, a VPC endpoint's policy or an Organizations policy may refuse what
    /// `iam:SimulatePrincipalPolicy` allows. A key that AWS took is only stored for the instance to fetch; sshd may still refuse it.
    /// The last day is looked at, and events arrive some minutes late. An old refusal need not say anything of the next try, so this is
    /// a warning and never a failure.
    ///
    /// ## How to look by hand
    ///
    /// `aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=SendSSHPublicKey`, and in each
    /// `CloudTrailEvent` `errorCode`, `userIdentity.arn` and `requestParameters.instanceId`
    ///
    /// ## How to mend
    ///
    /// By the error. AccessDenied while `aws.iam.send-ssh-public-key` is ok: look at what the simulator does not know, which is the
    /// session's own policy (`sts:AssumeRole` with `Policy`), the policy of the VPC endpoint that the call goes through, and service
    /// control policies that hang on conditions.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Log Amazon EC2 API calls using AWS CloudTrail", EC2 Instance Connect
    /// - EC2 Instance Connect API Reference, SendSSHPublicKey, Errors
    /// - CloudTrail API Reference, LookupEvents: two requests a second for each account and Region
    pub static CHECK: AwsFacts = {
        id: "aws.trail.last-push",
        title: "AWS took the last key that was pushed",
        needs: ["aws.instance.exists", "aws.iam.send-ssh-public-key"],
        actions: ["cloudtrail:LookupEvents"],
        required: false,
        judge: judge,
    }
}

const CALL: Call = Call {
    what: "push of a key",
    done,
    not_allowed: "Where `aws.iam.send-ssh-public-key` is ok, look at what the simulator does not know: the session's own policy, the policy of the VPC endpoint that the call goes through, and Organizations policies",
};

fn judge(facts: &AwsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let events = facts.pushes.need("CloudTrail's events of SendSSHPublicKey")?;
    // A refusal may be recorded without telling for whom the key was.
    let is_for_user = |event: &&TrailEvent| {
        event.record.request_parameters.os_user.as_deref().is_none_or(|user| user == attempt.os_user.as_str())
    };
    let events: Vec<&TrailEvent> = events.iter().filter(is_for_user).collect();
    Ok(verdict(&events, facts, attempt, &CALL))
}

fn done(event: &TrailEvent) -> String {
    let user = event.record.request_parameters.os_user.as_deref();
    user.map_or_else(|| "pushed a key".to_owned(), |user| format!("pushed a key for {user}"))
}
