use std::cmp::Ordering;

use eic_doctor_agent::checks::version;
use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use crate::checks::command::recheck;
use crate::facts::Facts;

check! {
    /// The package can ask the metadata service in the way that the instance's metadata options demand.
    ///
    /// ## Why it matters
    ///
    /// With `HttpTokens` `required` the metadata service answers only requests that carry a token (IMDSv2). Releases of
    /// `ec2-instance-connect` before 1.1.12 ask without one: the keys command ends with status 22, and no pushed key is found. Either
    /// side is well when looked at alone.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-instances --instance-ids INSTANCE_ID --query 'Reservations[].Instances[].MetadataOptions.HttpTokens'`; on the
    /// instance `rpm -q ec2-instance-connect` or `dpkg -s ec2-instance-connect`
    ///
    /// ## How to mend
    ///
    /// Upgrade the package. Making tokens optional again would work too, but opens the instance to requests that IMDSv2 was made to stop.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Configure the Instance Metadata Service options"
    /// - The change log in aws/aws-ec2-instance-connect-config: 1.1.12
    pub static CHECK: Facts = {
        id: "both.imds.package-version",
        title: "the package suits the metadata options",
        needs: ["aws.instance.metadata-endpoint", "os.package.installed"],
        actions: ["ec2:DescribeInstances"],
        runbook: ["CheckMetadataHTTPEndpointIsEnabled", "CheckEICPackageInstallation"],
        judge: judge,
    }
}

fn judge(facts: &Facts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let instance = facts.aws.instance.need("the instance")?;
    let tokens = instance.metadata_options.as_ref().and_then(|options| options.http_tokens.as_deref());
    let tokens = tokens.ok_or_else(|| Verdict::unknown("AWS did not tell whether tokens are required"))?;
    let os = facts.os.need("facts of the instance")?;
    let Some(package) = os.package.ec2_instance_connect.present("the package database")? else {
        return Ok(Verdict::not_applicable("the keys command came without a package, so there is no version"));
    };
    let seen = format!("ec2-instance-connect {}", package.version);
    if tokens != "required" {
        return Ok(
            Verdict::ok(format!("HttpTokens {tokens}"), "ec2:DescribeInstances").seen(seen, "the package database")
        );
    }
    let release = version::release(package.version.raw())
        .ok_or_else(|| Verdict::unknown(format!("the version `{}` does not begin with a number", package.version)))?;
    if version::compare(&release, version::FIRST_WITH_IMDSV2) != Ordering::Less {
        return Ok(Verdict::ok("HttpTokens required", "ec2:DescribeInstances").seen(seen, "the package database"));
    }
    if os.imds.without_token.known().is_some_and(|answer| answer.status == 401) {
        return Ok(Verdict::not_applicable(
            "the instance asked without a token and was refused, which os.package.version tells",
        ));
    }
    let why = format!(
        "tokens are required, and ec2-instance-connect {} asks IMDS without one; {} was the first that has them",
        package.version,
        version::FIRST_WITH_IMDSV2
    );
    let remedy = Remedy::by_hand(
        "Upgrade ec2-instance-connect on the instance; `os.package.version` has the command for its operating system",
        recheck(&facts.aws, "both.imds"),
    );
    let finding = Finding::new(why, remedy).seen("HttpTokens required", "ec2:DescribeInstances");
    Ok(Verdict::fail(finding.seen(seen, "the package database")))
}
