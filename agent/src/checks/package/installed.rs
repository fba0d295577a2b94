use eic_doctor_proto::{Attempt, Command, Fact, Finding, Remedy, Verdict, check};

use crate::checks::{keys_command, platform};
use crate::facts::{FileType, OsFacts, Package, PackageManager};

check! {
    /// The package `ec2-instance-connect` is installed.
    ///
    /// ## Why it matters
    /// The package brings the keys command that sshd runs to fetch a pushed key, the account to run it as, and sshd's configuration
    /// for it. Without it AWS still takes the pushed key, and the instance never asks for it: `Permission denied (publickey)`.
    /// Amazon Linux 2 (since 2.0.20190618), the standard image of Amazon Linux 2023 and Ubuntu since 20.04 have it from the start;
    /// Amazon Linux 2023's minimal and ECS-optimised images, Ubuntu 16.04 and 18.04, RHEL and CentOS Stream do not.
    ///
    /// ## How to look by hand
    /// On the instance: `dpkg -s ec2-instance-connect` or `rpm -q ec2-instance-connect`. Somebody may have put the keys command in
    /// place without a package; `ls -l /opt/aws/bin /usr/share/ec2-instance-connect` shows it.
    ///
    /// ## How to mend
    /// Get in by Session Manager, the EC2 serial console or a key pair, or let Run Command (`AWS-RunShellScript`) do it:
    /// - Amazon Linux 2: `yum install -y ec2-instance-connect`; Amazon Linux 2023: `dnf install -y ec2-instance-connect`
    /// - Ubuntu: `apt-get update && apt-get install -y ec2-instance-connect`
    /// - RHEL and CentOS Stream 8 and 9: AWS's RPMs, named in the EC2 User Guide
    ///
    /// The package restarts sshd if it has configured it. Sessions that are open stay open. For a launch template, put the same
    /// line into the user data.
    ///
    /// ## References
    /// - EC2 User Guide: "Install EC2 Instance Connect on your EC2 instances"
    /// - EC2 User Guide: "Prerequisites for EC2 Instance Connect"
    pub static CHECK: OsFacts = {
        id: "os.package.installed",
        title: "EC2 Instance Connect is installed",
        needs: [],
        runbook: ["CheckEICPackageInstallation"],
        judge: judge,
    }
}

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    match facts.package.ec2_instance_connect.present("the package database")? {
        Some(package) => Ok(installed(facts, package)),
        None => absent(facts),
    }
}

fn installed(facts: &OsFacts, package: &Package) -> Verdict {
    let seen = format!("ec2-instance-connect {} is {}", package.version, package.state);
    // A trigger that waits is run later and configures nothing of this package.
    if matches!(package.state.raw(), "installed" | "triggers-awaited" | "triggers-pending") {
        return Verdict::ok(seen, database(facts));
    }
    let remedy = Remedy::by_command(
        "Finish what the package manager began, as root on the instance",
        &Command::new("dpkg").args(["--configure", "ec2-instance-connect"]),
        "dpkg -s ec2-instance-connect",
    );
    let why = format!("the installation of ec2-instance-connect was not finished: dpkg calls it `{}`", package.state);
    let finding = Finding::new(why, remedy).seen(seen, database(facts));
    if keys_command::is_wired(facts) == Some(true) { Verdict::warn(finding) } else { Verdict::fail(finding) }
}

/// No package. A keys command that somebody put in place by other means does as well, as long as it is both wired and there.
fn absent(facts: &OsFacts) -> Result<Verdict, Verdict> {
    let database = database(facts);
    let program = keys_command::program(facts);
    let is_there = facts.keys_command.files.known().map(|files| {
        files.iter().any(|file| {
            file.state == Fact::Known(FileType::Regular)
                && (Some(file.path.raw()) == program.as_deref() || file.path.raw().ends_with(keys_command::PROGRAM))
        })
    });
    let seen = "no installed package is named ec2-instance-connect";
    match (is_there, keys_command::is_wired(facts)) {
        (Some(true), Some(true)) => {
            let remedy = match platform::install(facts) {
                Some(command) => Remedy::by_command(
                    "Install the package, so that the keys command is kept up to date",
                    &command,
                    "A login with a pushed key",
                ),
                None => Remedy::by_hand(
                    "Keep the keys command up to date by hand: no package manager does it here",
                    "A login with a pushed key",
                ),
            };
            let why = "the keys command is in place and wired, but not from a package";
            let finding = Finding::new(why, remedy).seen(seen, database);
            Ok(Verdict::warn(finding.seen(program.unwrap_or_default(), "the running sshd")))
        }
        (Some(false), _) | (_, Some(false)) => {
            let verify = match platform::manager(facts) {
                Some(PackageManager::Rpm) => "rpm -q ec2-instance-connect",
                _ => "dpkg -s ec2-instance-connect",
            };
            let remedy = match platform::install(facts) {
                Some(command) => Remedy::by_command("Install the package, as root on the instance", &command, verify),
                None => Remedy::by_hand(capitalised(platform::NO_PACKAGE), verify),
            };
            let why = "the package ec2-instance-connect is not installed";
            Ok(Verdict::fail(Finding::new(why, remedy).seen(seen, database)))
        }
        _ => Err(Verdict::unknown("no package, and whether a keys command stands in for it could not be seen")
            .seen(seen, database)),
    }
}

fn database(facts: &OsFacts) -> &'static str {
    match platform::manager(facts) {
        Some(PackageManager::Dpkg) => "/var/lib/dpkg/status",
        Some(PackageManager::Rpm) => "rpm -q ec2-instance-connect",
        None => "the package database",
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, changes};
    use crate::facts::OsFacts;

    const DEPENDANTS: [&str; 17] = [
        "os.package.version blocked",
        "os.package.keys-command-files blocked",
        "os.account.keys-user blocked",
        "os.imds.token-as-keys-user blocked",
        "os.imds.time-budget blocked",
        "os.imds.pushed-keys blocked",
        "os.host.identity blocked",
        "os.host.tools blocked",
        "os.host.null-device blocked",
        "os.host.shared-memory blocked",
        "os.host.syslog blocked",
        "os.trust.certificate-authority blocked",
        "os.trust.openssl blocked",
        "os.trust.signer blocked",
        "os.sshd.authorized-keys-command blocked",
        "os.sshd.authorized-keys-command-user blocked",
        "os.security.selinux blocked",
    ];

    fn without_package(facts: &mut OsFacts) {
        facts.package.ec2_instance_connect = Fact::Absent;
        healthy::set_effective(facts, "authorizedkeyscommand", "none");
        for file in healthy::files(facts).iter_mut().filter(|file| file.path.raw().contains("eic_")) {
            file.state = Fact::Absent;
        }
    }

    #[test]
    fn no_package_is_one_failure_and_what_it_brings_is_blocked() {
        for world in [healthy::al2023(), healthy::ubuntu_2204(), healthy::rhel9()] {
            let mut expected = vec!["os.package.installed fail"];
            expected.extend(DEPENDANTS);
            assert_eq!(changes(world, |facts, _| without_package(facts)), expected);
        }
    }

    #[test]
    fn a_keys_command_that_came_without_a_package_is_a_warning() {
        let changed = changes(healthy::al2023(), |facts, _| facts.package.ec2_instance_connect = Fact::Absent);
        assert_eq!(changed, ["os.package.installed warn", "os.package.version not-applicable"]);
    }

    #[test]
    fn a_line_that_the_removed_package_left_behind_does_not_stand_in_for_it() {
        let changed = changes(healthy::al2023(), |facts, _| {
            without_package(facts);
            healthy::set_effective(facts, "authorizedkeyscommand", "/opt/aws/bin/eic_run_authorized_keys %u %f");
        });
        assert_eq!(changed.first().map(String::as_str), Some("os.package.installed fail"));
    }

    #[test]
    fn no_package_and_no_sight_of_sshd_or_files_is_unknown() {
        let changed = changes(healthy::al2023(), |facts, _| {
            facts.package.ec2_instance_connect = Fact::Absent;
            facts.sshd.effective = Fact::unreadable("permission denied");
        });
        assert_eq!(changed.first().map(String::as_str), Some("os.package.installed unknown"));
    }

    #[test]
    fn a_half_configured_package_fails_only_when_sshd_does_not_ask_it() {
        let half = |facts: &mut OsFacts| {
            let Fact::Known(package) = &mut facts.package.ec2_instance_connect else { panic!("no package") };
            package.state = "half-configured".into();
        };
        assert_eq!(changes(healthy::ubuntu_2204(), |facts, _| half(facts)), ["os.package.installed warn"]);
        let changed = changes(healthy::ubuntu_2204(), |facts, _| {
            half(facts);
            healthy::set_effective(facts, "authorizedkeyscommand", "none");
        });
        let mut expected = vec!["os.package.installed fail"];
        expected.extend(DEPENDANTS);
        assert_eq!(changed, expected);
    }
}
