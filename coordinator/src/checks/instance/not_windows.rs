use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use crate::facts::AwsFacts;

check! {
    /// The instance runs Linux or macOS, not Windows.
    ///
    /// ## Why it matters
    ///
    /// EC2 Instance Connect hands a pushed key to OpenSSH's `AuthorizedKeysCommand`, for which AWS has a package on Linux and macOS only.
    /// A Windows instance can be reached by Remote Desktop through an EC2 Instance Connect Endpoint, but takes no pushed keys.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instances --instance-ids INSTANCE_ID --query 'Reservations[].Instances[].[Platform,PlatformDetails]'`
    ///
    /// ## How to mend
    ///
    /// Use Remote Desktop, or Session Manager.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Prerequisites for EC2 Instance Connect": operating systems
    pub static CHECK: AwsFacts = {
        id: "aws.instance.not-windows",
        title: "the instance does not run Windows",
        needs: ["aws.instance.exists"],
        actions: ["ec2:DescribeInstances"],
        runbook: ["AssertInitialState", "GetInstanceProperties"],
        judge: judge,
    }
}

fn judge(facts: &AwsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let instance = facts.instance.need("the instance")?;
    // `Platform` is `windows` or left out (EC2 API Reference, Instance), so its absence is an answer.
    let details = instance.platform_details.as_deref().unwrap_or("Platform is not set");
    let is_windows = instance.platform.as_deref().is_some_and(|platform| platform.eq_ignore_ascii_case("windows"))
        || details.starts_with("Windows");
    if !is_windows {
        return Ok(Verdict::ok(details, "ec2:DescribeInstances"));
    }
    let remedy = Remedy::by_hand(
        "Connect by Remote Desktop or by Session Manager: EC2 Instance Connect has no keys command for Windows",
        "`aws ec2 describe-instances` shows a PlatformDetails that does not begin with `Windows`",
    );
    Ok(Verdict::fail(Finding::new("the instance runs Windows", remedy).seen(details, "ec2:DescribeInstances")))
}
