use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use super::reason::{Reason, remedy};
use crate::checks::keys_command::{self, Wired};
use crate::facts::OsFacts;

check! {
    /// The running sshd asks EC2 Instance Connect for keys when this OS user logs in.
    ///
    /// ## Why it matters
    /// sshd finds a pushed key only through `AuthorizedKeysCommand`. The package sets it in one of two ways: in `sshd_config` or
    /// `sshd_config.d/60-ec2-instance-connect.conf` (Amazon Linux, RHEL 9, CentOS Stream 9), or by a drop-in of the unit that starts
    /// sshd with `-o AuthorizedKeysCommand=…` (Ubuntu, RHEL 8). What breaks it, mostly without a word:
    ///
    /// - The package leaves sshd alone when `/etc/ssh/sshd_config` has any uncommented `AuthorizedKeysCommand…` line, even inside
    ///   `Match`, even `none`, or when a drop-in of the vendor's unit has an `ExecStart`.
    /// - `systemctl edit` writes `override.conf`, which sorts after `ec2-instance-connect.conf`: its `ExecStart` wins.
    /// - A drop-in was changed, and systemd not reloaded or sshd not restarted.
    /// - A `Match` block sets another value: it beats even `-o`. Global lines do not.
    /// - `ssh.socket` with `Accept=yes` starts `ssh@.service`, to which the drop-in does not apply.
    /// - Another tool took the one place there is: SSSD or FreeIPA (`sss_ssh_authorizedkeys`), or one that copies IAM users.
    ///
    /// ## How to look by hand
    /// `sshd -T` alone prints `authorizedkeyscommand none` on a perfectly healthy Ubuntu or RHEL 8 instance, since it does not know
    /// the options of the running sshd. On the instance, as root:
    ///
    /// ```text
    /// tr '\0' ' ' < /proc/$(cat /run/sshd.pid)/cmdline
    /// systemctl cat ssh.service sshd.service
    /// grep -rn AuthorizedKeysCommand /etc/ssh/sshd_config /etc/ssh/sshd_config.d
    /// ```
    ///
    /// Then `sshd -T -C user=NAME,host=x,addr=192.0.2.1` with the same `-o` values as the running one.
    ///
    /// ## How to mend
    /// - Not reloaded or restarted: `systemctl daemon-reload && systemctl restart` the unit. Open sessions stay.
    /// - Overridden or never configured: put `AuthorizedKeysCommand /…/eic_run_authorized_keys %u %f` and
    ///   `AuthorizedKeysCommandUser ec2-instance-connect` at the top of `/etc/ssh/sshd_config` and reload sshd.
    /// - A `Match` block: take its line out.
    /// - Another tool: write a small program that prints the keys of both, and name that one.
    ///
    /// ## References
    /// - sshd_config(5): AuthorizedKeysCommand, Match
    /// - sshd(8): -T, -C, -o
    /// - systemd.unit(5): the order of drop-ins
    /// - EC2 User Guide: "Install EC2 Instance Connect on your EC2 instances"
    pub static CHECK: OsFacts = {
        id: "os.sshd.authorized-keys-command",
        title: "sshd looks up pushed keys",
        needs: ["os.package.installed", "os.sshd.running"],
        runbook: ["CheckSSHConfigFromOs"],
        judge: judge,
    }
}

const AT: &str = "`sshd -T` with the running sshd's own options";
const VERIFY: &str = "eic-doctor-agent check --only os.sshd";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let config = facts.sshd.effective.need("sshd's effective configuration")?;
    let Some(wired) = keys_command::wired(config) else {
        return Err(Verdict::unknown("sshd's effective configuration: it has no `authorizedkeyscommand`"));
    };
    let user = &attempt.os_user;
    Ok(match wired {
        Wired::Own { line, .. } => match Reason::of_what_passes_by_the_unit(facts) {
            Some(reason) => not_asked(facts, attempt, &line, &reason),
            None => Verdict::ok(format!("AuthorizedKeysCommand {line}"), AT),
        },
        Wired::Nothing => not_asked(facts, attempt, "none", &Reason::of(facts)),
        Wired::Wrapper { line, program } => {
            let remedy = Remedy::by_hand(
                format!(
                    "Try the wrapper `{program}`: it must pass the user and the fingerprint on to `eic_run_authorized_keys`, print \
                     what that prints, and end with status 0"
                ),
                "A login with a pushed key",
            );
            let why = format!("sshd asks `{program}`, which is told of EC2 Instance Connect's keys command");
            Verdict::warn(Finding::new(why, remedy).seen(format!("AuthorizedKeysCommand {line}"), AT))
        }
        Wired::Other { line, program } => {
            let remedy = Remedy::by_hand(
                format!(
                    "Let a small program print the keys of both `{program}` and `eic_run_authorized_keys %u %f`, and make that one \
                     the AuthorizedKeysCommand"
                ),
                VERIFY,
            );
            let why = format!("for {user} sshd asks `{program}` for keys, not EC2 Instance Connect");
            let finding = Finding::new(why, remedy).seen(format!("AuthorizedKeysCommand {line}"), AT);
            Verdict::fail(finding.with(Reason::of(facts).evidence()))
        }
    })
}

fn not_asked(facts: &OsFacts, attempt: &Attempt, line: &str, reason: &Reason) -> Verdict {
    let why = format!("for {} sshd asks nobody for keys: {}", attempt.os_user, reason.words());
    let finding = Finding::new(why, remedy(facts, reason, VERIFY)).seen(format!("AuthorizedKeysCommand {line}"), AT);
    Verdict::fail(finding.with(reason.evidence()))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Finding, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World, changes};
    use crate::facts::{ConfiguredLine, DropIn, OsFacts, SocketUnit};

    const FAIL: [&str; 2] = ["os.sshd.authorized-keys-command fail", "os.sshd.authorized-keys-command-user blocked"];

    fn none(facts: &mut OsFacts) {
        healthy::set_effective(facts, "authorizedkeyscommand", "none");
        healthy::set_effective(facts, "authorizedkeyscommanduser", "none");
    }

    fn finding(mut world: World, change: impl Fn(&mut OsFacts)) -> Finding {
        none(&mut world.facts);
        change(&mut world.facts);
        match judge(&world.facts, &world.attempt) {
            Ok(Verdict::Fail(finding)) => finding,
            other => panic!("{other:?}"),
        }
    }

    fn unstarted(facts: &mut OsFacts) {
        let Fact::Known(process) = &mut facts.sshd.process else { panic!("no process") };
        process.options.clear();
    }

    fn line(file: &str, line: u32, text: &str) -> ConfiguredLine {
        ConfiguredLine { file: file.into(), line, text: text.into() }
    }

    #[test]
    fn nobody_asked_is_one_failure() {
        for world in [healthy::al2023(), healthy::ubuntu_2204(), healthy::rhel9()] {
            assert_eq!(changes(world, |facts, _| none(facts)), FAIL);
        }
    }

    #[test]
    fn an_override_that_sorts_after_the_packages_drop_in_is_named() {
        let finding = finding(healthy::ubuntu_2204(), |facts| {
            unstarted(facts);
            let Fact::Known(unit) = &mut facts.sshd.unit else { panic!("no unit") };
            unit.exec_start = vec!["/usr/sbin/sshd".into(), "-D".into()];
            unit.drop_ins.push(DropIn {
                path: "/etc/systemd/system/ssh.service.d/override.conf".into(),
                exec_start: Fact::Known(vec!["".into(), "/usr/sbin/sshd -D $SSHD_OPTS".into()]),
            });
        });
        let why = "for ubuntu sshd asks nobody for keys: `/etc/systemd/system/ssh.service.d/override.conf` starts sshd its own way \
                   and overrides the package's drop-in";
        assert_eq!(finding.why, why);
        let command = "sed -i.bak -e '1i AuthorizedKeysCommand /usr/share/ec2-instance-connect/eic_run_authorized_keys %u %f' \
                       -e '1i AuthorizedKeysCommandUser ec2-instance-connect' /etc/ssh/sshd_config && sshd -t && systemctl try-reload-or-restart ssh.service";
        assert_eq!(finding.remedy.command.as_deref(), Some(command));
    }

    #[test]
    fn a_daemon_that_was_not_restarted_needs_a_restart_alone() {
        let finding = finding(healthy::ubuntu_2204(), unstarted);
        assert_eq!(finding.remedy.command.as_deref(), Some("systemctl restart ssh.service"));
    }

    #[test]
    fn a_unit_that_was_not_reloaded_needs_a_reload_and_a_restart() {
        let finding = finding(healthy::ubuntu_2204(), |facts| {
            unstarted(facts);
            let Fact::Known(unit) = &mut facts.sshd.unit else { panic!("no unit") };
            unit.exec_start = vec!["/usr/sbin/sshd".into(), "-D".into()];
            unit.need_daemon_reload = Fact::Known(true);
        });
        let command = "systemctl daemon-reload && systemctl restart ssh.service";
        assert_eq!(finding.remedy.command.as_deref(), Some(command));
    }

    #[test]
    fn a_new_drop_in_that_systemd_has_not_seen_needs_a_reload_too() {
        let finding = finding(healthy::debian_12(), |facts| {
            unstarted(facts);
            let Fact::Known(unit) = &mut facts.sshd.unit else { panic!("no unit") };
            unit.exec_start = vec!["/usr/sbin/sshd".into(), "-D".into()];
            unit.drop_ins.clear();
            unit.need_daemon_reload = Fact::Known(true);
        });
        assert!(finding.why.ends_with("ssh.service changed on disk and was not reloaded since"), "{}", finding.why);
    }

    #[test]
    fn a_match_block_beats_the_options_and_its_line_is_named() {
        let finding = finding(healthy::ubuntu_2204(), |facts| {
            facts.sshd.configured =
                Fact::Known(vec![line("/etc/ssh/sshd_config", 124, "    AuthorizedKeysCommand none")]);
        });
        assert!(
            finding.why.ends_with("a `Match` block sets another value (/etc/ssh/sshd_config:124)"),
            "{}",
            finding.why
        );
        let command =
            "sed -i.bak '124s/^/#/' /etc/ssh/sshd_config && sshd -t && systemctl try-reload-or-restart ssh.service";
        assert_eq!(finding.remedy.command.as_deref(), Some(command));
    }

    #[test]
    fn a_line_for_which_the_package_left_sshd_alone_is_named() {
        let finding = finding(healthy::ubuntu_2204(), |facts| {
            unstarted(facts);
            let Fact::Known(unit) = &mut facts.sshd.unit else { panic!("no unit") };
            unit.exec_start = vec!["/usr/sbin/sshd".into(), "-D".into()];
            unit.drop_ins.clear();
            facts.sshd.configured =
                Fact::Known(vec![line("/etc/ssh/sshd_config", 7, "AuthorizedKeysCommandUser nobody")]);
        });
        assert!(
            finding.why.ends_with("the package left sshd alone because of /etc/ssh/sshd_config:7"),
            "{}",
            finding.why
        );
    }

    #[test]
    fn a_socket_that_starts_an_instance_for_each_connection_passes_the_drop_in_by() {
        let accept = |facts: &mut OsFacts| {
            facts.sshd.socket = Fact::Known(SocketUnit {
                name: "ssh.socket".into(),
                active_state: "active".into(),
                accept: Fact::Known(true),
                listen: vec!["[::]:22".into()],
            });
        };
        assert_eq!(changes(healthy::ubuntu_2204(), |facts, _| accept(facts)), FAIL);
        // Where sshd_config itself names the keys command, it holds for each instance as well.
        assert_eq!(changes(healthy::al2023(), |facts, _| accept(facts)), [""; 0]);
    }

    #[test]
    fn another_tools_keys_command_is_named_and_a_wrapper_is_a_warning() {
        let with = |command: &str| {
            changes(healthy::rhel9(), |facts, _| healthy::set_effective(facts, "authorizedkeyscommand", command))
        };
        assert_eq!(with("/usr/bin/sss_ssh_authorizedkeys %u"), FAIL);
        let wrapper = "/usr/local/bin/keys sss_ssh_authorizedkeys /opt/aws/bin/eic_run_authorized_keys %u %f";
        assert_eq!(with(wrapper), ["os.sshd.authorized-keys-command warn"]);
    }

    #[test]
    fn a_keys_command_without_arguments_is_fine() {
        let changed = changes(healthy::al2023(), |facts, _| {
            healthy::set_effective(facts, "authorizedkeyscommand", "/opt/aws/bin/eic_run_authorized_keys");
        });
        assert_eq!(changed, [""; 0]);
    }

    #[test]
    fn a_hostile_file_name_never_reaches_the_command() {
        let finding = finding(healthy::ubuntu_2204(), |facts| {
            facts.sshd.configured =
                Fact::Known(vec![line("/etc/ssh/sshd_config.d/$(reboot).conf", 1, "AuthorizedKeysCommand none")]);
        });
        assert_eq!(finding.remedy.command, None);
    }
}
