use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use crate::facts::AwsFacts;

check! {
    /// The instance stands in an Availability Zone, not in a Local Zone or a Wavelength Zone.
    ///
    /// ## Why it matters
    ///
    /// EC2 Instance Connect does not support Local Zones. The keys command on the instance even refuses their names: it takes the
    /// zone's name apart with a pattern that `us-west-2-lax-1a` does not match, ends with status 255 and logs nothing.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-availability-zones --all-availability-zones --query 'AvailabilityZones[].[ZoneName,ZoneType]'`
    ///
    /// ## How to mend
    ///
    /// There is no setting for it. Move the instance into a subnet of an Availability Zone (make an image, launch it there), or connect
    /// by another way: your own key pair over SSH, or Session Manager.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Prerequisites for EC2 Instance Connect": Local Zones
    /// - EC2 API Reference, DescribeAvailabilityZones, `ZoneType`
    pub static CHECK: AwsFacts = {
        id: "aws.region.availability-zone",
        title: "the instance stands in an Availability Zone",
        needs: [],
        actions: ["ec2:DescribeInstances", "ec2:DescribeAvailabilityZones"],
        runbook: ["CheckIfAWSRegionSupported"],
        judge: judge,
    }
}

fn judge(facts: &AwsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let instance = facts.instance.need("the instance")?;
    let name = instance.placement.as_ref().and_then(|placement| placement.availability_zone.as_deref());
    let name = name.ok_or_else(|| Verdict::unknown("AWS did not say in which zone the instance is"))?;
    let zones = facts.availability_zones.need("the list of zones")?;
    let Some(zone) = zones.iter().find(|zone| zone.zone_name.as_deref() == Some(name)) else {
        return Err(Verdict::unknown(format!("{name} is not among the {} zones that AWS lists", zones.len())));
    };
    let kind = match zone.zone_type.as_deref() {
        Some("availability-zone") => {
            return Ok(Verdict::ok(format!("{name} is an availability-zone"), "ec2:DescribeAvailabilityZones"));
        }
        Some("local-zone") => "a Local Zone",
        Some("wavelength-zone") => "a Wavelength Zone",
        Some(other) => return Err(Verdict::unknown(format!("{name} is of type `{other}`, which is not known here"))),
        None => return Err(Verdict::unknown(format!("AWS did not say of which type {name} is"))),
    };
    let parent = zone.parent_zone_name.as_deref().map(|parent| format!(", parent {parent}")).unwrap_or_default();
    let remedy = Remedy::by_hand(
        "Move the instance into a subnet of an Availability Zone, or connect with your own key pair or by Session Manager",
        "`aws ec2 describe-availability-zones` says `availability-zone` of the instance's new zone",
    );
    let finding = Finding::new(format!("{name} is {kind}, where EC2 Instance Connect is not supported"), remedy);
    let seen = format!("{name}: ZoneType {}{parent}", zone.zone_type.as_deref().unwrap_or_default());
    Ok(Verdict::fail(finding.seen(seen, "ec2:DescribeAvailabilityZones")))
}
