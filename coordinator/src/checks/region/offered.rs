use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use crate::checks::command::aws_global;
use crate::facts::AwsFacts;
use crate::path::published;

check! {
    /// EC2 Instance Connect is offered in the instance's Region.
    ///
    /// ## Why it matters
    ///
    /// A key is pushed to the service's endpoint of the Region, and the keys command on the instance verifies it against that Region's
    /// signer. Where the service is not offered, neither exists. The AWS European Sovereign Cloud (`eusc-…`) is the one that AWS names
    /// as not supported. A Region that has no published address range yet may still be supported: the range is needed only to admit
    /// the console's browser client.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-regions --all-regions` lists the Regions of the partition, and
    /// `aws ec2 describe-managed-prefix-lists --filters Name=prefix-list-name,Values='com.amazonaws.*.ec2-instance-connect'`
    /// shows the service's own address range where it has one.
    ///
    /// ## How to mend
    ///
    /// Connect by another way: your own key pair over SSH, or Session Manager. A Region that is not enabled for the account is
    /// enabled by `aws account enable-region`.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Prerequisites for EC2 Instance Connect": Regions
    /// - EC2 API Reference, DescribeRegions
    pub static CHECK: AwsFacts = {
        id: "aws.region.offered",
        title: "EC2 Instance Connect is offered in the Region",
        needs: [],
        actions: ["ec2:DescribeRegions"],
        runbook: ["CheckIfAWSRegionSupported", "BranchOnIfAWSRegionSupported"],
        judge: judge,
    }
}

/// Source: EC2 User Guide, "Prerequisites for EC2 Instance Connect": every Region but the AWS European Sovereign Cloud.
const NOT_OFFERED: &str = "eusc-";

fn judge(facts: &AwsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let region = facts.region.need("the Region")?;
    if region.starts_with(NOT_OFFERED) {
        let remedy = Remedy::by_hand(
            "Connect by another way, with your own key pair or by Session Manager: the service does not exist in this Region",
            "`aws ec2 describe-managed-prefix-lists` of the Region would list `com.amazonaws.REGION.ec2-instance-connect`",
        );
        let why =
            format!("EC2 Instance Connect is not offered in {region}, a Region of the AWS European Sovereign Cloud");
        let finding = Finding::new(why, remedy);
        return Ok(Verdict::fail(finding.seen(region, "EC2 User Guide, Prerequisites for EC2 Instance Connect")));
    }
    let regions = facts.regions.need("the list of Regions")?;
    let Some(listed) = regions.iter().find(|listed| listed.region_name.as_deref() == Some(region)) else {
        return Err(Verdict::unknown(format!("{region} is not among the {} Regions that AWS lists", regions.len())));
    };
    let opt_in = listed.opt_in_status.as_deref().unwrap_or("opt-in-not-required");
    if opt_in == "not-opted-in" {
        let command = aws_global(facts, "account", "enable-region").args(["--region-name", region]);
        let remedy = Remedy::by_command(
            "Enable the Region for the account",
            &command,
            "`aws ec2 describe-regions` says `opted-in`",
        );
        let finding = Finding::new(format!("{region} is not enabled for this account"), remedy);
        return Ok(Verdict::fail(finding.seen(format!("OptInStatus {opt_in}"), "ec2:DescribeRegions")));
    }
    let verdict = Verdict::ok(format!("{region}, OptInStatus {opt_in}"), "ec2:DescribeRegions");
    let name = format!("com.amazonaws.{region}.ec2-instance-connect");
    let has_list = facts
        .managed_prefix_lists
        .known()
        .is_some_and(|lists| lists.iter().any(|list| list.prefix_list_name.as_deref() == Some(&name)));
    Ok(match (has_list, published::of(facts, region)) {
        (true, _) => verdict.seen(format!("{name} exists"), "ec2:DescribeManagedPrefixLists"),
        (false, Some(published)) => verdict
            .seen("the service publishes an address range for it", format!("ip-ranges.json of {}", published.date)),
        (false, None) => verdict.seen(
            "no address range of the service is published for it",
            format!("ip-ranges.json of {}", published::known_until(facts)),
        ),
    })
}
