use eic_doctor_proto::{Attempt, Finding, Verdict, check};

use super::{on_instance, remedy};
use crate::facts::AwsFacts;

check! {
    /// The instance metadata service is switched on for the instance.
    ///
    /// ## Why it matters
    ///
    /// A pushed key is handed out by the instance metadata service and by nothing else. With `HttpEndpoint` disabled every request of
    /// the keys command is answered with 403, it ends with status 22, and sshd says "Permission denied (publickey)".
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instances --instance-ids INSTANCE_ID --query 'Reservations[].Instances[].MetadataOptions'`
    ///
    /// ## How to mend
    ///
    /// `aws ec2 modify-instance-metadata-options --instance-id INSTANCE_ID --http-endpoint enabled --http-tokens required`. IAM policies,
    /// Organizations policies and the account's defaults may refuse it.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Modify instance metadata options for existing instances"
    /// - EC2 API Reference, ModifyInstanceMetadataOptions
    pub static CHECK: AwsFacts = {
        id: "aws.instance.metadata-endpoint",
        title: "the instance metadata service is switched on",
        needs: ["aws.instance.exists"],
        actions: ["ec2:DescribeInstances"],
        runbook: ["CheckMetadataHTTPEndpointIsEnabled", "GetInstanceProperties"],
        judge: judge,
    }
}

fn judge(facts: &AwsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let instance = facts.instance.need("the instance")?;
    let options =
        instance.metadata_options.as_ref().ok_or_else(|| Verdict::unknown("AWS did not tell the metadata options"))?;
    let endpoint = options.http_endpoint.as_deref().unwrap_or_default();
    let tokens = options.http_tokens.as_deref().unwrap_or("not told");
    let hops = options.http_put_response_hop_limit.map_or_else(|| "not told".to_owned(), |hops| hops.to_string());
    let state = options.state.as_deref().unwrap_or("not told");
    let seen = format!("HttpEndpoint {endpoint}, HttpTokens {tokens}, HttpPutResponseHopLimit {hops}, State {state}");
    match endpoint {
        "enabled" => Ok(Verdict::ok(seen, "ec2:DescribeInstances")),
        "disabled" => {
            let modify = on_instance(facts, &["modify-instance-metadata-options"], "--instance-id");
            let mut modify = modify.map(|modify| modify.args(["--http-endpoint", "enabled"]));
            // Left out, the call would leave them as they are; told, the change is plain to whoever reads it.
            if let "optional" | "required" = tokens {
                modify = modify.map(|modify| modify.args(["--http-tokens", tokens]));
            }
            let remedy =
                remedy(facts, "Switch the instance metadata service on", modify, "aws.instance.metadata-endpoint");
            let finding = Finding::new("the instance metadata service is switched off for this instance", remedy);
            Ok(Verdict::fail(finding.seen(seen, "ec2:DescribeInstances")))
        }
        _ => Err(Verdict::unknown("AWS did not say whether the metadata endpoint is enabled")
            .seen(seen, "ec2:DescribeInstances")),
    }
}
