use eic_doctor_agent::checks::host::is_listed;
use eic_doctor_agent::facts::OsRelease;
use eic_doctor_proto::{Attempt, Fact, Finding, Remedy, Verdict, check};

use crate::facts::Facts;

check! {
    /// AWS lists the instance's operating system for EC2 Instance Connect, as far as can be told from outside.
    ///
    /// ## Why it matters
    ///
    /// AWS publishes the package `ec2-instance-connect` for Amazon Linux 2 and 2023, Ubuntu 16.04 and later, RHEL and CentOS Stream 8
    /// and 9, and recent macOS. Where nothing could be learnt on the instance itself, Systems Manager names its platform, and the name of
    /// its image often does. Whether a setup on another system works is for the checks on the instance, so this is never a failure.
    ///
    /// ## How to look by hand
    ///
    /// `aws ssm describe-instance-information --filters Key=InstanceIds,Values=INSTANCE_ID --query
    /// 'InstanceInformationList[].[PlatformName,PlatformVersion]'`, or `aws ec2 describe-images --image-ids IMAGE_ID --query
    /// 'Images[].[Name,Description]'`
    ///
    /// ## How to mend
    ///
    /// Move to a listed release, or look on the instance (`--os-facts`) whether its own setup works.
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Prerequisites for EC2 Instance Connect"
    /// - Systems Manager API Reference, DescribeInstanceInformation
    pub static CHECK: Facts = {
        id: "both.instance.operating-system",
        title: "AWS lists the operating system, seen from outside",
        needs: ["aws.instance.exists", "aws.instance.not-windows"],
        actions: ["ssm:DescribeInstanceInformation", "ec2:DescribeImages"],
        runbook: ["CheckIfInstanceAMIIsSupported", "GatherInstanceInformationFromSSM"],
        required: false,
        judge: judge,
    }
}

const SSM: &str = "ssm:DescribeInstanceInformation";
const IMAGES: &str = "ec2:DescribeImages";

fn judge(facts: &Facts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    if facts.os.known().is_some_and(|os| os.system.os_release.known().is_some()) {
        return Ok(Verdict::not_applicable("the instance itself told its operating system: see os.host.supported"));
    }
    let node = facts.aws.managed_node.known();
    let platform = node
        .and_then(|node| Some((node.platform_name.as_deref()?, node.platform_version.as_deref().unwrap_or_default())));
    if let Some((name, version)) = platform.filter(|(name, _)| !name.is_empty()) {
        return Ok(verdict(by_platform(name, version), &format!("{name} {version}"), SSM));
    }
    let image = facts.aws.image.known().and_then(|image| image.name.as_deref());
    match image.map(|name| (name, by_image(name))) {
        Some((name, Some(is_listed))) => Ok(verdict(is_listed, &format!("image {name}"), IMAGES)),
        Some((name, None)) => {
            Err(Verdict::unknown("the image's name does not tell the operating system").seen(name, IMAGES))
        }
        None => Err(neither(facts)),
    }
}

fn verdict(is_listed: bool, seen: &str, at: &str) -> Verdict {
    if is_listed {
        return Verdict::ok(seen, at);
    }
    let remedy = Remedy::by_hand(
        "Move to a release that AWS lists, or let the instance itself be looked at: its own setup may work",
        "`os.host.supported` and the checks after it tell more once the instance can be looked into",
    );
    Verdict::warn(Finding::new(format!("AWS does not list {seen} for EC2 Instance Connect"), remedy).seen(seen, at))
}

/// The list stands in `os.host.supported`; here SSM's words are turned into those of os-release(5).
fn by_platform(name: &str, version: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let major = || version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or_default();
    match name.as_str() {
        // Sonoma is 14, Ventura 13, Monterey 12.
        "macos" | "mac os x" => major() >= 12,
        _ if name.starts_with("amazon linux") => listed("amzn", version),
        _ if name.starts_with("ubuntu") => listed("ubuntu", version),
        _ if name.starts_with("red hat enterprise linux") => listed("rhel", version),
        _ if name.starts_with("centos") => listed("centos", version),
        _ => false,
    }
}

/// What the names of the images that vendors publish tell; `None` where a name tells nothing.
fn by_image(name: &str) -> Option<bool> {
    let name = name.to_ascii_lowercase();
    let after = |prefix: &str| {
        let (_, rest) = name.split_once(prefix)?;
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        rest.get(..end).map(|version| version.trim_end_matches('.').to_owned()).filter(|version| !version.is_empty())
    };
    if name.starts_with("al2023-") || name.starts_with("amzn2-") {
        Some(true)
    } else if name.starts_with("amzn-ami-") {
        Some(false)
    } else if name.contains("ubuntu-") {
        // `ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20261101`
        let version = name.split('-').find(|part| part.split_once('.').is_some_and(|(a, b)| number(a) && number(b)));
        version.map(|version| listed("ubuntu", version))
    } else if name.starts_with("rhel-") {
        after("rhel-").map(|version| listed("rhel", &version))
    } else if name.starts_with("centos stream ") {
        after("centos stream ").map(|version| listed("centos", &version))
    } else if ["debian-", "suse-", "fedora-", "rocky-", "almalinux ", "ol8", "ol9", "bottlerocket-"]
        .iter()
        .any(|p| name.starts_with(p))
    {
        Some(false)
    } else {
        None
    }
}

fn number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn listed(id: &str, version: &str) -> bool {
    is_listed(&OsRelease { id: id.into(), version_id: version.into(), ..OsRelease::default() })
}

/// Neither source told: which could not be asked, and why.
fn neither(facts: &Facts) -> Verdict {
    let (node, image) = (&facts.aws.managed_node, &facts.aws.image);
    let answers = [node.as_ref().map(drop), image.as_ref().map(drop)];
    let what = ["the managed node", "the image"];
    let refused = answers.iter().zip(what).find_map(|(answer, what)| match answer {
        Fact::Unreadable(_) => answer.need(what).err(),
        Fact::Known(()) | Fact::Absent | Fact::NotGathered => None,
    });
    refused.unwrap_or_else(|| {
        Verdict::unknown("neither the instance, nor Systems Manager, nor the image's name tells the operating system")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_manager_and_image_names_are_read_as_their_owners_write_them() {
        for (name, version) in [
            ("Amazon Linux", "2023"),
            ("Amazon Linux", "2"),
            ("Ubuntu", "22.04"),
            ("Red Hat Enterprise Linux", "9.4"),
            ("macOS", "14.2"),
        ] {
            assert!(by_platform(name, version), "{name} {version}");
        }
        for (name, version) in [
            ("Debian GNU/Linux", "12"),
            ("Ubuntu", "14.04"),
            ("Red Hat Enterprise Linux", "10.0"),
            ("Amazon Linux", "2018.03"),
        ] {
            assert!(!by_platform(name, version), "{name} {version}");
        }
        for (name, expected) in [
            ("al2023-ami-2023.6.20241121.0-kernel-6.1-x86_64", Some(true)),
            ("amzn2-ami-kernel-5.10-hvm-2.0.20241113.1-x86_64-gp2", Some(true)),
            ("amzn-ami-hvm-2018.03.0.20230404.0-x86_64-gp2", Some(false)),
            ("ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20261101", Some(true)),
            ("ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-amd64-server-20191107", Some(false)),
            ("RHEL-9.4.0_HVM-20240605-x86_64-82-Hourly2-GP3", Some(true)),
            ("RHEL-10.0.0_HVM-20250605-x86_64-0-Hourly2-GP3", Some(false)),
            ("CentOS Stream 9 x86_64 20241101", Some(true)),
            ("debian-12-amd64-20261101-1918", Some(false)),
            ("our-golden-image-7", None),
        ] {
            assert_eq!(by_image(name), expected, "{name}");
        }
    }
}
