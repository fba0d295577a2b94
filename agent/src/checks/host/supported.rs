use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use crate::checks::{keys_command, platform};
use crate::facts::{OsFacts, OsRelease};

check! {
    /// AWS lists this operating system and release for EC2 Instance Connect.
    ///
    /// ## Why it matters
    /// AWS publishes and tests the `ec2-instance-connect` package for Amazon Linux 2 and 2023, Ubuntu 16.04 and later, RHEL 8 and 9,
    /// CentOS Stream 8 and 9, and recent macOS. Elsewhere (Debian, Fedora, RHEL 10, AlmaLinux, Rocky, Oracle Linux, SLES,
    /// Amazon Linux 1) there is either no package or one that others maintain. Such a setup can work well, so this check never
    /// says more than `warn`: whether it does work is what the other checks look at.
    ///
    /// ## How to look by hand
    /// On the instance, `cat /etc/os-release`: `ID` and `VERSION_ID` name the system. Without a login, the name of the image tells:
    /// `aws ec2 describe-images --image-ids ami-…`, or `aws ssm describe-instance-information` for a managed node.
    ///
    /// ## How to mend
    /// Move to a listed release, or keep what you have and try a login after each upgrade of OpenSSH, OpenSSL or the package.
    /// Until then log in with a key pair, by Session Manager, or by the EC2 serial console. An EC2 Instance Connect Endpoint
    /// with a key pair of your own needs no package on the instance.
    ///
    /// ## References
    /// - EC2 User Guide: "Prerequisites for EC2 Instance Connect"
    /// - EC2 User Guide: "Install EC2 Instance Connect on your EC2 instances"
    /// - os-release(5)
    pub static CHECK: OsFacts = {
        id: "os.host.supported",
        title: "AWS lists this operating system",
        needs: [],
        runbook: ["CheckIfInstanceAMIIsSupported"],
        required: false,
        judge: judge,
    }
}

const AT: &str = "/etc/os-release";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let os = facts.system.os_release.need("`/etc/os-release`")?;
    let name = platform::name(os);
    if is_listed(os) {
        return Ok(Verdict::ok(name, AT));
    }
    let setup = if keys_command::is_wired(facts) == Some(true) {
        "sshd asks EC2 Instance Connect all the same"
    } else if facts.package.ec2_instance_connect.known().is_some() {
        "a package named `ec2-instance-connect` is installed all the same"
    } else {
        "no sign of EC2 Instance Connect was seen on it"
    };
    let remedy = Remedy::by_hand(
        "Move to a release that AWS lists, or try a login after each upgrade of OpenSSH, OpenSSL or the package",
        "A login with a pushed key: `aws ec2-instance-connect ssh`",
    );
    let id = format!("ID={} VERSION_ID={}", os.id, os.version_id);
    Ok(Verdict::warn(Finding::new(format!("AWS does not list {name}; {setup}"), remedy).seen(id, AT)))
}

/// Whether AWS names this system and release. Source: EC2 User Guide, "Prerequisites for EC2 Instance Connect", as of 2026.
pub fn is_listed(os: &OsRelease) -> bool {
    let mut numbers = os.version_id.raw().split('.').map(|number| number.parse::<u32>().ok());
    let major = numbers.next().flatten().unwrap_or_default();
    let minor = numbers.next().flatten().unwrap_or_default();
    match os.id.raw() {
        // 2018.03 is Amazon Linux 1.
        "amzn" => major == 2 || major == 2023,
        "ubuntu" => (major, minor) >= (16, 4),
        "rhel" | "centos" => major == 8 || major == 9,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_on_the_list_and_their_neighbours_are_told_apart() {
        let listed = |id: &str, version: &str| {
            is_listed(&OsRelease { id: id.into(), version_id: version.into(), ..OsRelease::default() })
        };
        for (id, version) in [
            ("amzn", "2"),
            ("amzn", "2023"),
            ("ubuntu", "16.04"),
            ("ubuntu", "24.04"),
            ("rhel", "9.4"),
            ("centos", "8"),
        ] {
            assert!(listed(id, version), "{id} {version}");
        }
        for (id, version) in [
            ("amzn", "2018.03"),
            ("ubuntu", "14.04"),
            ("ubuntu", ""),
            ("rhel", "7.9"),
            ("rhel", "10.0"),
            ("debian", "12"),
            ("fedora", "41"),
            ("", ""),
        ] {
            assert!(!listed(id, version), "{id} {version}");
        }
    }
}
