use eic_doctor_proto::{Attempt, Fact, Finding, Remedy, Verdict, Via, check};

use crate::checks::command::{aws, instance_id};
use crate::facts::Facts;

check! {
    /// The OS user is one that the image's operating system comes with, as far as can be told from outside.
    ///
    /// ## Why it matters
    ///
    /// Each vendor's image comes with one user that may log in: `ec2-user` on Amazon Linux, `ubuntu` on Ubuntu, `admin` on Debian. A key
    /// that is pushed for another vendor's user is taken by AWS without complaint, and sshd then says `Permission denied (publickey)`.
    /// Whether a user is really there is told by the instance itself (`os.account.os-user`). Where nothing could be learnt there, the
    /// image's name or Systems Manager still tell the vendor, so this is a warning and never a failure: users can be made at launch.
    ///
    /// ## How to look by hand
    ///
    /// `aws ec2 describe-images --image-ids IMAGE_ID --query 'Images[].[Name,Description]'`, and the launch's user data:
    /// `aws ec2 describe-instance-attribute --instance-id INSTANCE_ID --attribute userData`
    ///
    /// ## How to mend
    ///
    /// Connect as the operating system's own user, or let the instance be looked into (`--os-facts`).
    ///
    /// ## References
    ///
    /// - EC2 User Guide, "Manage system users on your Amazon EC2 Linux instance": default usernames
    /// - EC2 User Guide, "Connect to a Linux instance using EC2 Instance Connect"
    pub static CHECK: Facts = {
        id: "both.account.os-user",
        title: "the OS user suits the image, seen from outside",
        needs: ["aws.instance.exists", "aws.instance.not-windows"],
        actions: ["ssm:DescribeInstanceInformation", "ec2:DescribeImages"],
        required: false,
        judge: judge,
    }
}

const SSM: &str = "ssm:DescribeInstanceInformation";
const IMAGES: &str = "ec2:DescribeImages";

/// A vendor's words, in lower case, and the users that its images come with.
///
/// Source: EC2 User Guide, "Manage system users on your Amazon EC2 Linux instance", default usernames.
struct Vendor {
    /// How the names of its images begin.
    images: &'static [&'static str],
    /// How Systems Manager's PlatformName begins.
    platforms: &'static [&'static str],
    users: &'static [&'static str],
}

const VENDORS: [Vendor; 10] = [
    Vendor { images: &["al2023-", "amzn2-", "amzn-ami-"], platforms: &["amazon linux"], users: &["ec2-user"] },
    Vendor { images: &["ubuntu/", "ubuntu-", "ubuntu-pro-"], platforms: &["ubuntu"], users: &["ubuntu"] },
    Vendor { images: &["debian-"], platforms: &["debian"], users: &["admin"] },
    Vendor { images: &["rhel-"], platforms: &["red hat enterprise linux"], users: &["ec2-user"] },
    Vendor { images: &["centos stream ", "centos-"], platforms: &["centos"], users: &["centos", "ec2-user"] },
    Vendor { images: &["fedora-"], platforms: &["fedora"], users: &["fedora", "ec2-user"] },
    Vendor { images: &["rocky-"], platforms: &["rocky"], users: &["rocky"] },
    Vendor { images: &["almalinux "], platforms: &["almalinux"], users: &["ec2-user"] },
    Vendor { images: &["suse-", "suse "], platforms: &["suse", "sles"], users: &["ec2-user"] },
    Vendor { images: &["bitnami-"], platforms: &[], users: &["bitnami"] },
];

fn judge(facts: &Facts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let inside = facts.os.known().map(|os| &os.account.os_user);
    if matches!(inside, Some(Fact::Known(_) | Fact::Absent)) {
        return Ok(Verdict::not_applicable("the instance itself told its users: see os.account.os-user"));
    }
    let user = attempt.os_user.as_str();
    let node = facts.aws.managed_node.known().and_then(|node| node.platform_name.as_deref());
    let image = facts.aws.image.known().and_then(|image| image.name.as_deref());
    let by_node = node.and_then(|name| Some((vendor(name, |vendor| vendor.platforms)?, name.to_owned(), SSM)));
    let by_image =
        || image.and_then(|name| Some((vendor(name, |vendor| vendor.images)?, format!("image {name}"), IMAGES)));
    let Some((vendor, seen, at)) = by_node.or_else(by_image) else { return Err(not_told(facts)) };
    if vendor.users.contains(&user) {
        return Ok(Verdict::ok(seen, at));
    }
    if !VENDORS.iter().any(|vendor| vendor.users.contains(&user)) {
        return Ok(Verdict::not_applicable(format!("`{user}` is no vendor's user, so the image does not tell")));
    }
    let usual = vendor.users.first().copied().unwrap_or_default();
    let text = format!("Connect as `{usual}`, unless `{user}` was made on this instance");
    let verify = "The login succeeds";
    let remedy = match instance_id(&facts.aws).filter(|_| attempt.via != Via::Browser) {
        Some(instance) => {
            let ssh =
                aws(&facts.aws, "ec2-instance-connect", "ssh").args(["--instance-id", instance, "--os-user", usual]);
            Remedy::by_command(text, &ssh, verify)
        }
        None => Remedy::by_hand(text, verify),
    };
    let why = format!("{seen} comes with the user `{usual}`, and `{user}` is another vendor's");
    Ok(Verdict::warn(Finding::new(why, remedy).seen(seen, at)))
}

fn vendor(name: &str, words: fn(&Vendor) -> &'static [&'static str]) -> Option<&'static Vendor> {
    let name = name.to_ascii_lowercase();
    VENDORS.iter().find(|vendor| words(vendor).iter().any(|word| name.starts_with(word)))
}

/// Neither source told: which could not be asked, and why.
fn not_told(facts: &Facts) -> Verdict {
    let refused = [facts.aws.managed_node.as_ref().map(drop), facts.aws.image.as_ref().map(drop)];
    let what = ["the managed node", "the image"];
    let refused = refused.iter().zip(what).find_map(|(answer, what)| match answer {
        Fact::Unreadable(_) => answer.need(what).err(),
        Fact::Known(()) | Fact::Absent | Fact::NotGathered => None,
    });
    refused.unwrap_or_else(|| Verdict::unknown("neither Systems Manager nor the image's name tells the vendor"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::AwsFacts;

    fn said(image: &str, platform: Option<&str>, user: &str) -> String {
        let image = serde_json::from_value(json!({ "Name": image })).unwrap();
        let node = platform.map(|name| serde_json::from_value(json!({ "PlatformName": name })).unwrap());
        let managed_node = node.map_or(Fact::Absent, Fact::Known);
        let aws = AwsFacts { image: Fact::Known(image), managed_node, ..AwsFacts::default() };
        let attempt = Attempt { os_user: user.parse().unwrap(), ..Attempt::usual() };
        match judge(&Facts { aws, os: Fact::unreadable("nobody looked") }, &attempt) {
            Ok(Verdict::Warn(finding)) => finding.why,
            Ok(Verdict::Ok { .. }) => "ok".to_owned(),
            Ok(Verdict::NotApplicable { why }) | Err(Verdict::Unknown { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn another_vendors_user_is_named_and_a_name_of_nobodys_is_left_to_the_instance() {
        let ubuntu = "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20261101";
        assert_eq!(
            said(ubuntu, None, "ec2-user"),
            format!("image {ubuntu} comes with the user `ubuntu`, and `ec2-user` is another vendor's")
        );
        assert_eq!(said(ubuntu, None, "ubuntu"), "ok");
        assert_eq!(said(ubuntu, None, "alice"), "`alice` is no vendor's user, so the image does not tell");
        assert_eq!(said("al2023-ami-2023.6-x86_64", None, "ec2-user"), "ok");
        assert_eq!(said("CentOS Stream 9 x86_64", None, "ec2-user"), "ok");
        assert!(said("our-golden-image-7", None, "ec2-user").starts_with("neither"));
        // What runs there counts more than the name that somebody gave an image.
        assert_eq!(said("ubuntu-based", Some("Amazon Linux"), "ec2-user"), "ok");
    }
}
