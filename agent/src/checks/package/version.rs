use std::cmp::Ordering;

use eic_doctor_proto::{Attempt, Fact, Finding, Remedy, Verdict, check};

use crate::checks::{platform, version};
use crate::facts::{OsFacts, Package, PackageManager};

check! {
    /// The installed package is new enough to ask the metadata service with a token (IMDSv2): 1.1.12 or later.
    ///
    /// ## Why it matters
    /// Releases before 1.1.12 ask the instance metadata service without a token. As long as the instance's `HttpTokens` is
    /// `optional` that works; once it is `required`, as it is by default for many images and accounts, each request is answered
    /// with 401 and the keys command ends with status 22. So where an old release is found, and only there, the agent asks once without a
    /// token (AWS counts such requests): an old release is a warning where that is answered, and the cause where it is not.
    ///
    /// Two more releases matter on newer systems: 1.1.13 checks the service domain, and 1.1.17 works with OpenSSL 3 (Amazon Linux
    /// 2023, Ubuntu 22.04, RHEL 9); distributions have carried that change back to lower numbers, so it is not judged by number.
    /// The packages `ec2-instance-connect` and `ec2-instance-connect-selinux` belong together; pairs of different releases have
    /// failed with status 22.
    ///
    /// ## How to look by hand
    /// On the instance: `dpkg -s ec2-instance-connect` or `rpm -q ec2-instance-connect ec2-instance-connect-selinux`. dpkg's
    /// `1.1.14+dfsg1` and rpm's `1.1-14` are the same release. Without a login:
    /// `aws ssm list-inventory-entries --instance-id i-… --type-name AWS:Application`, if inventory is collected.
    ///
    /// ## How to mend
    /// Upgrade the package: `apt-get install --only-upgrade ec2-instance-connect`, `yum update ec2-instance-connect` or
    /// `dnf upgrade ec2-instance-connect`. Until then `aws ec2 modify-instance-metadata-options --http-tokens optional` lets the
    /// old release ask.
    ///
    /// ## References
    /// - EC2 User Guide: "Install EC2 Instance Connect on your EC2 instances"
    /// - EC2 User Guide: "Configure the Instance Metadata Service options"
    /// - The change log in aws/aws-ec2-instance-connect-config
    pub static CHECK: OsFacts = {
        id: "os.package.version",
        title: "the package asks IMDS with a token",
        needs: ["os.package.installed"],
        runbook: ["CheckEICPackageInstallation"],
        judge: judge,
    }
}

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    // Where no version is told, the script itself shows what the version is asked for.
    let by_script = |unknown: Verdict| match facts.keys_command.knows_tokens {
        Fact::Known(true) => Ok(Verdict::ok("the keys command knows tokens, whatever its version", "its script")),
        _ => Err(unknown),
    };
    let package = match facts.package.ec2_instance_connect.present("the package database") {
        Ok(Some(package)) => package,
        Ok(None) => {
            return Ok(Verdict::not_applicable("the keys command came without a package, so there is no version"));
        }
        Err(unknown) => return by_script(unknown),
    };
    let at = match platform::manager(facts) {
        Some(PackageManager::Dpkg) => "/var/lib/dpkg/status",
        _ => "rpm -q ec2-instance-connect",
    };
    let seen = format!("ec2-instance-connect {}", package.version);
    let Some(release) = version::release(package.version.raw()) else {
        let why = format!("the package's version `{}` does not begin with a number", package.version);
        return by_script(Verdict::unknown(why));
    };
    if version::compare(&release, version::FIRST_WITH_IMDSV2) == Ordering::Less {
        return without_token(facts, package, seen, at);
    }
    let selinux = facts.package.selinux.known();
    if let Some(selinux) = selinux
        && version::release(selinux.version.raw())
            .is_some_and(|other| version::compare(&release, &other) != Ordering::Equal)
    {
        let why = format!(
            "ec2-instance-connect is {} and ec2-instance-connect-selinux {}; such pairs have failed",
            package.version, selinux.version
        );
        let other = format!("ec2-instance-connect-selinux {}", selinux.version);
        return Ok(Verdict::warn(Finding::new(why, upgrade(facts)).seen(seen, at).seen(other, at)));
    }
    Ok(Verdict::ok(seen, at))
}

/// A release that has no tokens, and what IMDS makes of that.
fn without_token(facts: &OsFacts, package: &Package, seen: String, at: &str) -> Result<Verdict, Verdict> {
    let why = format!(
        "ec2-instance-connect {} asks IMDS without a token, which 1.1.12 was the first to have",
        package.version
    );
    let answer = match &facts.imds.without_token {
        // Nothing is answered to anybody, which os.imds.token tells.
        Fact::Unreadable(_) => {
            return Err(Verdict::unknown(format!("{why}, and whether IMDS wants one was not answered")));
        }
        answer => answer.need(&format!("{why}; whether IMDS wants one"))?,
    };
    let asked = format!("GET /latest/meta-data/instance-id without a token: HTTP {}", answer.status);
    let finding = |why: String| Finding::new(why, upgrade(facts)).seen(seen, at).seen(asked, "169.254.169.254");
    match answer.status {
        200 => Ok(Verdict::warn(finding(why))),
        401 => Ok(Verdict::fail(finding(format!("{why}, and IMDS wants one here")))),
        status => Err(Verdict::unknown(format!("{why}, and IMDS answers such requests with HTTP {status}"))),
    }
}

fn upgrade(facts: &OsFacts) -> Remedy {
    let verify = match platform::manager(facts) {
        Some(PackageManager::Dpkg) => "dpkg -s ec2-instance-connect",
        _ => "rpm -q ec2-instance-connect",
    };
    match platform::upgrade(facts) {
        Some(command) => Remedy::by_command("Upgrade the package, as root on the instance", &command, verify),
        None => Remedy::by_hand(
            "Upgrade ec2-instance-connect by this system's package manager",
            "The version is 1.1.12 or later",
        ),
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, World, changes};
    use crate::facts::ImdsAnswer;

    fn with_version(world: World, version: &str) -> Vec<String> {
        answered(world, version, Fact::Known(200))
    }

    /// `status`: what IMDS answers to who comes without a token.
    fn answered(world: World, version: &str, status: Fact<u16>) -> Vec<String> {
        changes(world, |facts, _| {
            facts.imds.without_token = status.map(|status| ImdsAnswer { status, ..ImdsAnswer::default() });
            let Fact::Known(package) = &mut facts.package.ec2_instance_connect else { panic!("no package") };
            package.version = version.into();
            facts.package.selinux = Fact::Absent;
        })
    }

    #[test]
    fn the_first_release_with_tokens_is_enough_in_either_spelling() {
        for (version, changed) in [
            ("1.1.11-0ubuntu1", &["os.package.version warn"][..]),
            ("1.1.9+dfsg1-0ubuntu3~18.04.1", &["os.package.version warn"]),
            ("1.1.12+dfsg1-0ubuntu3", &[]),
            ("1.1.14-0ubuntu1.1", &[]),
            ("1.1.19", &[]),
            ("unknown", &["os.package.version unknown"]),
        ] {
            assert_eq!(with_version(healthy::ubuntu_2204(), version), changed, "{version}");
        }
        assert_eq!(with_version(healthy::al2(), "1.1-11.amzn2"), ["os.package.version warn"]);
        assert_eq!(with_version(healthy::al2(), "1.1-12.amzn2"), [""; 0]);
    }

    #[test]
    fn an_old_release_is_the_cause_where_imds_wants_a_token_and_a_warning_where_it_does_not() {
        for (status, changed) in [
            (Fact::Known(200), "os.package.version warn"),
            (Fact::Known(401), "os.package.version fail"),
            (Fact::Known(503), "os.package.version unknown"),
            (Fact::unreadable("timed out after 1 s"), "os.package.version unknown"),
            (Fact::NotGathered, "os.package.version unknown"),
        ] {
            assert_eq!(answered(healthy::al2(), "1.1-11.amzn2", status.clone()), [changed], "{status:?}");
        }
    }

    #[test]
    fn a_mixed_pair_of_packages_is_a_warning() {
        let changed = changes(healthy::al2(), |facts, _| {
            let Fact::Known(package) = &mut facts.package.ec2_instance_connect else { panic!("no package") };
            package.version = "1.1-14.amzn2".into();
        });
        assert_eq!(changed, ["os.package.version warn"]);
    }
}
