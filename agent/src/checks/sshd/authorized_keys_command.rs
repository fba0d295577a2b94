use eic_doctor_proto::{Attempt, Command, Fact, Finding, Remedy, Verdict, check};

use super::lines;
use super::reason::{Reason, remedy};
use crate::checks::keys_command::{self, Wired};
use crate::facts::{ConfigSetting, OsFacts};

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

const KEYWORD: &str = "authorizedkeyscommand";
const DIGEST: &str = "fingerprinthash";
/// As the gatherer says it.
const NO_FILE: &str = "there is no such file";
const VERIFY: &str = "eic-doctor-agent check --only os.sshd";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    lines::over_sources(facts, attempt, KEYWORD, |value| of_value(facts, attempt, value))
}

fn of_value(facts: &OsFacts, attempt: &Attempt, value: &str) -> Result<Verdict, Verdict> {
    let config = lines::effective(facts)?;
    match keys_command::read(value.trim()) {
        Wired::Own { line, program, arguments } => {
            if let Some(reason) = Reason::of_what_passes_by_the_unit(facts) {
                return Ok(not_asked(facts, attempt, &line, &reason));
            }
            let is_awss = program.rsplit('/').next() == Some(keys_command::PROGRAM);
            let wrong = keys_command::wrong_arguments(arguments.as_deref(), attempt.os_user.as_str());
            if let Some(why) = wrong.filter(|_| is_awss) {
                return Ok(wrong_arguments(facts, &line, &program, &why));
            }
            let has_fingerprint = arguments.iter().flatten().any(|argument| argument == "%f");
            let digest = lines::value_if_any(config, DIGEST).filter(|digest| *digest != "SHA256");
            match digest.filter(|_| has_fingerprint && is_awss) {
                Some(digest) => Ok(other_fingerprint(facts, digest)),
                None => Ok(Verdict::ok(format!("AuthorizedKeysCommand {line}"), lines::at(config))),
            }
        }
        Wired::Nothing => Ok(not_asked(facts, attempt, "none", &Reason::of(facts))),
        Wired::Wrapper { line, program } => anothers(facts, attempt, &line, &program, true),
        Wired::Other { line, program } => anothers(facts, attempt, &line, &program, false),
    }
}

/// Somebody else's program, which may or may not run EC2 Instance Connect's as well.
fn anothers(facts: &OsFacts, attempt: &Attempt, line: &str, program: &str, is_told: bool) -> Result<Verdict, Verdict> {
    let config = lines::effective(facts)?;
    let user = &attempt.os_user;
    let seen = format!("AuthorizedKeysCommand {line}");
    let fail = |why: String| {
        let remedy = Remedy::by_hand(
            format!(
                "Let a small program print the keys of both `{program}` and `eic_run_authorized_keys %u %f`, and make that one the \
                 AuthorizedKeysCommand; or take the line out for the users who come through EC2 Instance Connect"
            ),
            VERIFY,
        );
        let finding = Finding::new(why, remedy).seen(&seen, lines::at(config));
        let is_it = |setting: &&ConfigSetting| setting.values.first().is_some_and(|value| value.raw().trim() == line);
        let behind = lines::of(facts, KEYWORD).find(is_it).map(lines::evidence);
        Verdict::fail(match behind {
            Some(behind) => finding.with([behind]),
            None => finding.with(Reason::of(facts).evidence()),
        })
    };
    let warn = || {
        let remedy = Remedy::by_hand(
            format!(
                "Try the wrapper `{program}`: it must pass the user and the fingerprint on to `eic_run_authorized_keys`, print what that \
                 prints, and end with status 0"
            ),
            "A login with a pushed key",
        );
        let why = format!("sshd asks `{program}`, which seems to ask EC2 Instance Connect's keys command");
        Verdict::warn(Finding::new(why, remedy).seen(&seen, lines::at(config)))
    };
    if let Some(tool) = keys_command::tool(program) {
        return Ok(fail(format!("for {user} sshd asks `{program}` of {tool} for keys, not EC2 Instance Connect")));
    }
    if keys_command::runs_nothing(program) {
        return Ok(fail(format!("for {user} sshd asks `{program}`, which prints no key")));
    }
    if is_told && keys_command::runs_its_arguments(program) {
        return Ok(warn());
    }
    let unknown = |why: String| Verdict::unknown(why).seen(&seen, lines::at(config));
    let script = match &facts.sshd.keys_program {
        Fact::Known(script) => script,
        Fact::Absent | Fact::NotGathered => return Err(unknown(format!("nobody looked at `{program}`"))),
        Fact::Unreadable(why) if why.reason == NO_FILE => {
            return Ok(fail(format!("for {user} sshd asks `{program}` for keys, and there is no such file")));
        }
        Fact::Unreadable(why) => {
            return Err(unknown(format!("whether `{program}` asks EC2 Instance Connect too: {}", why.reason)));
        }
    };
    // What it runs in its turn is not read.
    if script.names_keys_command || (is_told && script.uses_arguments) {
        Ok(warn())
    } else if script.names_other_programs {
        Err(unknown(format!("`{}` runs other programs, which may ask EC2 Instance Connect", script.path)))
    } else {
        Ok(fail(format!("for {user} sshd asks `{program}` for keys, not EC2 Instance Connect")))
    }
}

fn wrong_arguments(facts: &OsFacts, line: &str, program: &str, why: &str) -> Verdict {
    let text = "Give the keys command the user and the fingerprint, `%u %f`";
    let behind = lines::of(facts, KEYWORD).find(|setting| !setting.is_uncertain);
    let place = behind.and_then(|setting| setting.at.as_ref());
    let plain = |path: &str| keys_command::is_plain(path);
    let remedy = match place.filter(|place| plain(place.file.raw()) && plain(program)) {
        Some(place) => {
            let sed = Command::new("sed").args([
                "-i.bak".to_owned(),
                format!("{}s|^\\([[:space:]]*\\).*|\\1AuthorizedKeysCommand {program} %u %f|", place.line),
                place.file.raw().to_owned(),
            ]);
            Remedy::by_command(format!("{text}, as root on the instance"), &lines::then_reload(facts, sed), VERIFY)
        }
        None => {
            Remedy::by_hand(format!("{text}, where sshd is started (`systemctl cat`; `%%u %%f` in a unit)"), VERIFY)
        }
    };
    let why = format!("sshd asks EC2 Instance Connect wrongly: {why}");
    let finding = Finding::new(why, remedy).with(behind.map(lines::evidence));
    Verdict::fail(finding.seen(format!("AuthorizedKeysCommand {line}"), "sshd's effective configuration"))
}

/// EC2 Instance Connect compares with what `ssh-keygen -l` prints.
fn other_fingerprint(facts: &OsFacts, digest: &str) -> Verdict {
    let bad = lines::bad(facts, DIGEST, |value| value != "SHA256");
    let text = "Take FingerprintHash out, so that the default of SHA256 holds";
    let remedy = lines::comment_out(facts, text, &bad, VERIFY);
    let why =
        format!("sshd gives the keys command {digest} fingerprints, and EC2 Instance Connect knows SHA256 ones alone");
    Verdict::fail(lines::finding(facts, DIGEST, why, remedy, &bad))
}

fn not_asked(facts: &OsFacts, attempt: &Attempt, line: &str, reason: &Reason) -> Verdict {
    let why = format!("for {} sshd asks nobody for keys: {}", attempt.os_user, reason.words());
    let at = facts.sshd.effective.known().map_or("", lines::at);
    let finding = Finding::new(why, remedy(facts, reason, VERIFY)).seen(format!("AuthorizedKeysCommand {line}"), at);
    Verdict::fail(finding.with(reason.evidence()))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Finding, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World, changes};
    use crate::facts::{ConfiguredLine, DropIn, KeysProgram, OsFacts, SocketUnit};

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
                is_ipv6_only: Fact::NotGathered,
                follows_config: Fact::NotGathered,
            });
        };
        assert_eq!(changes(healthy::ubuntu_2204(), |facts, _| accept(facts)), FAIL);
        // Where sshd_config itself names the keys command, it holds for each instance as well.
        assert_eq!(changes(healthy::al2023(), |facts, _| accept(facts)), [""; 0]);
    }

    /// With this value, and what was found in the program that it names.
    fn with(command: &str, script: Fact<KeysProgram>) -> Vec<String> {
        changes(healthy::rhel9(), |facts, _| {
            healthy::set_effective(facts, "authorizedkeyscommand", command);
            facts.sshd.keys_program = script;
        })
    }

    fn script(names_keys_command: bool, uses_arguments: bool, names_other_programs: bool) -> Fact<KeysProgram> {
        let path = "/usr/local/bin/keys".into();
        Fact::Known(KeysProgram { path, names_keys_command, uses_arguments, names_other_programs })
    }

    const WARN: [&str; 1] = ["os.sshd.authorized-keys-command warn"];
    const UNKNOWN: [&str; 1] = ["os.sshd.authorized-keys-command unknown"];

    #[test]
    fn a_tool_that_everybody_knows_is_named_whatever_is_in_its_file() {
        for script in [script(true, true, true), Fact::unreadable("it is no script"), Fact::NotGathered] {
            assert_eq!(with("/usr/bin/sss_ssh_authorizedkeys %u", script), FAIL);
        }
    }

    #[test]
    fn a_wrapper_is_never_a_failure_and_a_program_that_runs_nothing_is() {
        let told = "/usr/local/bin/keys /opt/aws/bin/eic_run_authorized_keys %u %f";
        assert_eq!(with(told, script(false, true, false)), WARN);
        assert_eq!(with("/usr/local/bin/keys %u %f", script(true, false, false)), WARN);
        assert_eq!(with("/bin/sh /opt/aws/bin/eic_run_authorized_keys %u %f", Fact::NotGathered), WARN);
        assert_eq!(
            with("/bin/true /opt/aws/bin/eic_run_authorized_keys %u %f", Fact::unreadable("it is no script")),
            FAIL
        );
        // It is told of it and looks at nothing that it is told.
        assert_eq!(with(told, script(false, false, false)), FAIL);
        assert_eq!(with("/usr/local/bin/keys %u", script(false, true, false)), FAIL);
    }

    #[test]
    fn what_cannot_be_read_is_open() {
        assert_eq!(with("/usr/local/bin/keys %u", script(false, true, true)), UNKNOWN);
        assert_eq!(with("/usr/local/bin/keys %u", Fact::unreadable("it is no script")), UNKNOWN);
        assert_eq!(with("/usr/local/bin/keys %u", Fact::NotGathered), UNKNOWN);
        assert_eq!(with("/usr/local/bin/keys %u", Fact::unreadable("there is no such file")), FAIL);
    }

    #[test]
    fn wrong_arguments_are_put_right_where_they_stand() {
        let finding = |line: Option<(&str, u32)>| {
            let mut world = healthy::al2023();
            let value = "/opt/aws/bin/eic_run_authorized_keys %f %u";
            match line {
                Some((file, line)) => {
                    healthy::set_line(&mut world.facts, file, line, None, "authorizedkeyscommand", value);
                }
                None => {
                    healthy::set_effective(&mut world.facts, "authorizedkeyscommand", value);
                    let Fact::Known(config) = &mut world.facts.sshd.config else { panic!("no configuration") };
                    config.settings.clear();
                }
            }
            let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
            finding
        };
        let found = finding(Some(("/etc/ssh/sshd_config", 141)));
        assert!(found.why.ends_with("its first argument is `%f`, and not the user (`%u`)"), "{}", found.why);
        let command = "sed -i.bak '141s|^\\([[:space:]]*\\).*|\\1AuthorizedKeysCommand /opt/aws/bin/eic_run_authorized_keys %u %f|' \
                       /etc/ssh/sshd_config && sshd -t && systemctl try-reload-or-restart sshd.service";
        assert_eq!(found.remedy.command.as_deref(), Some(command));
        assert_eq!(finding(None).remedy.command, None);
    }

    #[test]
    fn fingerprints_of_another_kind_are_told_to_the_keys_command_in_vain() {
        let md5 = |command: &str| {
            changes(healthy::al2023(), |facts, _| {
                healthy::set_effective(facts, "fingerprinthash", "MD5");
                healthy::set_effective(facts, "authorizedkeyscommand", command);
            })
        };
        assert_eq!(md5("/opt/aws/bin/eic_run_authorized_keys %u %f"), FAIL);
        assert_eq!(md5("/opt/aws/bin/eic_run_authorized_keys %u"), [""; 0]);
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
