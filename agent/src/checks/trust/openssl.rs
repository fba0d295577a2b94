use std::cmp::Ordering;

use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use crate::checks::{keys_command, platform, version};
use crate::facts::OsFacts;

check! {
    /// The keys command's scripts understand this system's OpenSSL.
    ///
    /// ## Why it matters
    /// OpenSSL 3 (Amazon Linux 2023, Ubuntu 22.04, RHEL 9, Debian 12 and later) prints `sha1 Fingerprint=` where OpenSSL 1.1 printed
    /// `SHA1 Fingerprint=`, and is stricter about certificates. Releases of the keys command before 1.1.17 look for the old word,
    /// find no OCSP response and end with status 1 or 2 at every login. It happens after an upgrade of the system that kept an old
    /// package, and where an old package was installed by hand. Distributions have carried the change back into packages with lower
    /// numbers, so the script is looked at, and not its number alone.
    ///
    /// ## How to look by hand
    /// On the instance:
    ///
    /// ```text
    /// openssl version
    /// dpkg -s ec2-instance-connect || rpm -q ec2-instance-connect
    /// grep -n 'SHA1 Fingerprint' /opt/aws/bin/eic_parse_authorized_keys /usr/share/ec2-instance-connect/eic_parse_authorized_keys
    /// ```
    ///
    /// A script that works with OpenSSL 3 has a line of these that ends in `/pI`.
    ///
    /// ## How to mend
    /// Upgrade the package: `apt-get install --only-upgrade ec2-instance-connect`, `dnf upgrade ec2-instance-connect`.
    ///
    /// ## References
    /// - aws/aws-ec2-instance-connect-config, issue 38, and the change log of 1.1.17
    /// - openssl-x509(1): `-fingerprint`
    pub static CHECK: OsFacts = {
        id: "os.trust.openssl",
        title: "the keys command understands this OpenSSL",
        needs: ["os.package.installed", "os.host.tools"],
        judge: judge,
    }
}

const OPENSSL: &str = "/usr/bin/openssl";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    keys_command::by_scripts(facts, judge_scripts(facts))
}

fn judge_scripts(facts: &OsFacts) -> Result<Verdict, Verdict> {
    // The number tells alone, where it is new enough.
    let package = facts.package.ec2_instance_connect.known();
    let release = package.and_then(|package| version::release(package.version.raw()));
    if let (Some(package), Some(release)) = (package, &release)
        && version::compare(release, version::FIRST_FOR_OPENSSL_3) != Ordering::Less
    {
        return Ok(Verdict::ok(format!("ec2-instance-connect {}", package.version), "the package database"));
    }
    let Some(major) = facts.trust.openssl.present(OPENSSL)? else {
        return Ok(Verdict::not_applicable(format!("there is no `{OPENSSL}`")));
    };
    if *major < 3 {
        return Ok(Verdict::ok(format!("OpenSSL {major}"), OPENSSL));
    }
    let seen = format!("OpenSSL {major}");
    match facts.trust.script_reads_openssl_3.present("how the keys command reads a fingerprint")? {
        Some(true) => {
            Ok(Verdict::ok("its script takes `sha1 Fingerprint` as well", "eic_parse_authorized_keys")
                .seen(seen, OPENSSL))
        }
        None => Ok(Verdict::ok("its script does not look for `SHA1 Fingerprint`", "eic_parse_authorized_keys")
            .seen(seen, OPENSSL)),
        Some(false) => {
            let installed = package.map_or_else(
                || "the keys command".to_owned(),
                |package| format!("ec2-instance-connect {}", package.version),
            );
            let why = format!("{installed} does not understand OpenSSL {major}, for which 1.1.17 was the first");
            let remedy = match platform::upgrade(facts) {
                Some(command) => Remedy::by_command(
                    "Upgrade the package, as root on the instance",
                    &command,
                    "The next login with a pushed key",
                ),
                None => Remedy::by_hand(
                    "Put the scripts of release 1.1.17 or later in their place",
                    "The next login with a pushed key",
                ),
            };
            let finding = Finding::new(why, remedy).seen(seen, OPENSSL);
            Ok(Verdict::fail(finding.seen("it looks for `SHA1 Fingerprint` alone", "eic_parse_authorized_keys")))
        }
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, World, changes};

    fn with(world: World, version: &str, openssl: u32, script: Fact<bool>) -> Vec<String> {
        changes(world, |facts, _| {
            let Fact::Known(package) = &mut facts.package.ec2_instance_connect else { panic!("no package") };
            package.version = version.into();
            facts.package.selinux = Fact::Absent;
            facts.trust.openssl = Fact::Known(openssl);
            facts.trust.script_reads_openssl_3 = script;
        })
    }

    #[test]
    fn an_early_script_fails_with_openssl_3_alone() {
        let old = || Fact::Known(false);
        assert_eq!(with(healthy::ubuntu_2204(), "1.1.14-0ubuntu1", 3, old()), ["os.trust.openssl fail"]);
        assert_eq!(with(healthy::ubuntu_2204(), "1.1.14-0ubuntu1", 1, old()), [""; 0]);
        assert_eq!(with(healthy::al2(), "1.1-15.amzn2", 1, old()), [""; 0]);
        assert_eq!(with(healthy::al2(), "1.1-15.amzn2", 3, old()), ["os.trust.openssl fail"]);
    }

    #[test]
    fn a_patched_script_and_a_new_number_are_well() {
        assert_eq!(with(healthy::ubuntu_2204(), "1.1.14-0ubuntu1.1", 3, Fact::Known(true)), [""; 0]);
        assert_eq!(with(healthy::ubuntu_2204(), "1.1.14-0ubuntu1.1", 3, Fact::Absent), [""; 0]);
        assert_eq!(with(healthy::ubuntu_2404(), "1.1.17-0ubuntu1", 3, Fact::Known(false)), [""; 0]);
        let unread = with(healthy::ubuntu_2204(), "1.1.14-0ubuntu1", 3, Fact::unreadable("permission denied"));
        assert_eq!(unread, ["os.trust.openssl unknown"]);
    }
}
