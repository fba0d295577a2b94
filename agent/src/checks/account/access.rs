use eic_doctor_proto::{Attempt, Command, Finding, Remedy, Untrusted, Verdict, check};

use super::login::{self, Refusal, is_local, uses_pam};
use crate::checks::keys_command;
use crate::facts::{OsFacts, PamRule};
use crate::pam::{Concern, Login, Mend, Phase};

check! {
    /// PAM's rules for sshd let this user in from this source.
    ///
    /// ## Why it matters
    /// After the key is accepted, sshd asks PAM twice: whether the account may be used now (the phase `account`), and to open a
    /// session. A no of either closes the connection, although the log says `Accepted publickey`, or would have. The rules stand in
    /// `/etc/pam.d/sshd` and what it draws in (`common-account`, `password-auth`, …). Those that keep users out in practice:
    /// `pam_access` with `/etc/security/access.conf`, which hardening guides and domain joins write; `pam_listfile`,
    /// `pam_succeed_if … ingroup`, `pam_time`, `pam_shells`; `pam_limits` with `maxlogins`, or with
    /// no processes, files or memory for the session; a rule whose module was removed with its
    /// package; an edited file that PAM does not understand. The client sees `Connection closed`, the log `Access denied for user …
    /// by PAM account configuration`, or `pam_open_session()` and a reason.
    ///
    /// What counters of failed passwords (`pam_faillock`, `pam_tally2`) say does not matter: they refuse in the phase `auth`, which a
    /// login by key does not run.
    ///
    /// ## How to look by hand
    /// On the instance: `grep -rn '^[^#]' /etc/pam.d/sshd` and the files that it names, `grep -v '^#' /etc/security/access.conf`, and
    /// `journalctl -t sshd -t sshd-session | grep -i pam`.
    ///
    /// ## How to mend
    /// Admit the user in the list that refuses it, ahead of the line that does: in `access.conf`, `+:NAME:ALL` above the line. PAM
    /// reads its files at each login, so nothing is restarted. Keep a session open while you edit PAM's files. Where a tool writes
    /// them (authselect, pam-auth-update, realmd), change it there.
    ///
    /// ## References
    /// - pam.d(5), pam_access(8), access.conf(5), pam_listfile(8), pam_succeed_if(8), pam_limits(8), limits.conf(5), pam_time(8)
    /// - sshd_config(5): UsePAM
    /// - OpenSSH, `auth-pam.c`: `do_pam_account`, `do_pam_session`
    pub static CHECK: OsFacts = {
        id: "os.account.access",
        title: "PAM lets the OS user in",
        needs: ["os.account.os-user"],
        judge: judge,
    }
}

const VERIFY: &str = "eic-doctor-agent check --only os.account";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    if !uses_pam(facts)? {
        return Ok(Verdict::not_applicable("sshd does not ask PAM (`UsePAM no`)"));
    }
    let login = login::login(facts, attempt)?;
    // The session is asked only of those whom the account's rules admit.
    for (phase, after) in [(Phase::Account, "the connection is closed"), (Phase::Session, "the session ends at once")] {
        if let Some(refusal) = login::refusal(&login, phase, Concern::Access)? {
            let why = format!("PAM refuses {} after the key, and {after}: {}", attempt.os_user, refusal.reply.why);
            let finding = Finding::new(why, remedy(facts, attempt, &login, &refusal));
            return Ok(Verdict::fail(finding.with(refusal.evidence())));
        }
    }
    let of = |rules: Option<&Vec<PamRule>>| rules.map_or(0, Vec::len);
    let (account, session) = (of(login.pam.account.known()), of(login.pam.session.known()));
    Ok(Verdict::ok(
        format!("{account} rules of the phase account and {session} of the phase session admit"),
        "/etc/pam.d",
    ))
}

fn remedy(facts: &OsFacts, attempt: &Attempt, login: &Login<'_>, refusal: &Refusal<'_>) -> Remedy {
    let user = attempt.os_user.as_str();
    let sed = |edit: String, file: &str| {
        keys_command::is_plain(file).then(|| Command::new("sed").args(["-i.bak", &edit, file]))
    };
    let has =
        |name: &str| refusal.rule.is_some_and(|rule| rule.arguments.iter().any(|word| word.raw().starts_with(name)));
    let (text, command) = match &refusal.reply.mend {
        Mend::Admit { file, line } => {
            let origin = origin(login);
            let text = format!("Admit `{user}` ahead of the line that refuses it");
            let has_usual_form = !has("fieldsep=") && !has("listsep=");
            (text, sed(format!("{line}i +:{user}:{origin}"), file).filter(|_| has_usual_form))
        }
        Mend::Comment { file, line } => {
            (format!("Take line {line} of {} out of force", shown(file)), sed(format!("{line}s/^/#/"), file))
        }
        Mend::Delete { file, line } => {
            (format!("Take line {line} out of {}", shown(file)), sed(format!("{line}d"), file))
        }
        Mend::Append { file, text } => {
            let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._@-".contains(c));
            let has_lines =
                login.pam.files.iter().any(|found| {
                    found.path.raw() == file && found.lines.known().is_some_and(|lines| !lines.is_empty())
                });
            let command = sed(format!("$a {text}"), file).filter(|_| is_plain && has_lines);
            (format!("Add `{}` to {}", shown(text), shown(file)), command)
        }
        Mend::JoinGroup(group) => {
            let is_plain =
                group.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) && !group.starts_with('-');
            let command = Command::new("usermod").args(["-aG", group.as_str(), user]);
            (format!("Make `{user}` a member of `{}`", shown(group)), (is_plain && is_local(facts)).then_some(command))
        }
        Mend::Rule => return by_rule(refusal),
    };
    let text = format!("{text}, as root on the instance");
    match command {
        Some(command) => Remedy::by_command(text, &command, VERIFY),
        None => Remedy::by_hand(text, VERIFY),
    }
}

/// Only a rule that nothing else jumps over can simply be left out.
fn by_rule(refusal: &Refusal<'_>) -> Remedy {
    let Some(rule) = refusal.rule else {
        let text = "Put the package's own `/etc/pam.d/sshd`, and what it draws in, back";
        return Remedy::by_hand(text, VERIFY);
    };
    let at = format!("{}:{}", rule.file, rule.line);
    let is_simple = ["required", "requisite"].iter().any(|control| rule.control.raw().eq_ignore_ascii_case(control));
    if is_simple && keys_command::is_plain(rule.file.raw()) {
        let edit = format!("{}s/^/#/", rule.line);
        return Remedy::by_command(
            format!("Take the rule at {at} out of force, as root on the instance, or give it what it asks for"),
            &Command::new("sed").args(["-i.bak", &edit, rule.file.raw()]),
            VERIFY,
        );
    }
    Remedy::by_hand(format!("Change the rule at {at} so that it admits the user"), VERIFY)
}

/// Where the login comes from, as access.conf writes it.
fn origin(login: &Login<'_>) -> String {
    let Some(from) = login.from.as_ref().filter(|from| !from.is_empty() && !login.uses_dns) else {
        return "ALL".to_owned();
    };
    let words = from.iter().map(|net| {
        if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.trunc().to_string() }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn shown(text: &str) -> String {
    Untrusted::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Finding, Verdict};

    use super::judge;
    use crate::checks::healthy::account::{first_rule, pam_file};
    use crate::checks::healthy::{self, World};
    use crate::facts::{Logins, OsFacts};

    const ACCESS: &str = "/etc/security/access.conf";

    fn verdict(mut world: World, change: impl Fn(&mut OsFacts)) -> Verdict {
        change(&mut world.facts);
        judge(&world.facts, &world.attempt).unwrap_or_else(|verdict| verdict)
    }

    fn finding(world: World, change: impl Fn(&mut OsFacts)) -> Finding {
        match verdict(world, change) {
            Verdict::Fail(finding) => finding,
            other => panic!("{other:?}"),
        }
    }

    fn word(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Ok { .. } => "ok",
            Verdict::Warn(_) => "warn",
            Verdict::Fail(_) => "fail",
            Verdict::Unknown { .. } => "unknown",
            Verdict::NotApplicable { .. } => "not-applicable",
        }
    }

    /// A rule of pam_access before all others, with these lines, for `ec2-user` from 203.0.113.7.
    fn access(lines: &[&str]) -> &'static str {
        word(&verdict(healthy::al2023(), |facts| with_access(facts, lines)))
    }

    fn with_access(facts: &mut OsFacts, lines: &[&str]) {
        let Fact::Known(sources) = &facts.account.os_user else { panic!("no account") };
        assert_eq!(sources.name.raw(), "ec2-user");
        first_rule(facts, "account", "required", "pam_access.so", &[]);
        pam_file(facts, ACCESS, lines);
    }

    /// Each line here was tried against a real pam_access 1.5.2.
    #[test]
    fn the_first_line_of_access_conf_that_fits_decides() {
        for (lines, expected) in [
            (&["-:ALL EXCEPT root:ALL"][..], "fail"),
            (&["+:ec2-user:203.0.113.0/24", "-:ALL:ALL"], "ok"),
            (&["+ : EC2-user : 203.0.113.7", "-:ALL:ALL"], "ok"),
            // A mask of 0 is none.
            (&["+:ec2-user:0.0.0.0/0", "-:ALL:ALL"], "fail"),
            (&["+:ec2-user:203.0.113.", "-:ALL:ALL"], "ok"),
            (&["+:ec2-user:10.0.0.0/8", "-:ALL:ALL"], "fail"),
            (&["+:ec2-user:LOCAL", "-:ALL:ALL"], "fail"),
            (&["+:(ec2-user):ALL", "-:ALL:ALL"], "ok"),
            (&["-:staff:ALL"], "ok"),
            (&["-:adm:ALL"], "fail"),
            (&["-:ALL EXCEPT (adm) root:ALL"], "ok"),
            (&["-:ec2-user:ALL EXCEPT 203.0.113.7"], "ok"),
            (&["-:ec2-user:203.0.113.99/255.255.255.0"], "fail"),
            (&[" -:ec2-user:ALL"], "ok"),
            (&["-:ec2-user:tty1 cron"], "ok"),
            (&["rubbish", "-:ec2-user"], "ok"),
            (&["-:@admins:ALL"], "unknown"),
            (&["-:ec2-user:bastion.example.com"], "unknown"),
            (&["+:ec2-user:bastion.example.com", "+:ALL:203.0.113.7", "-:ALL:ALL"], "ok"),
        ] {
            assert_eq!(access(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_source_that_is_judged_in_parts_or_not_named_is_unknown() {
        let al2 = |lines: &[&str]| word(&verdict(healthy::al2(), |facts| with_access(facts, lines)));
        // From 10.0.8.0/24.
        assert_eq!(al2(&["+:ALL:10.0.0.0/8", "-:ALL:ALL"]), "ok");
        assert_eq!(al2(&["+:ALL:10.0.8.0/25", "-:ALL:ALL"]), "unknown");
        let nobody_said = |lines: &[&str]| {
            let mut world = healthy::al2();
            world.attempt.source = None;
            word(&verdict(world, |facts| with_access(facts, lines)))
        };
        assert_eq!(nobody_said(&["+:ALL:10.0.0.0/8", "-:ALL:ALL"]), "unknown");
        assert_eq!(nobody_said(&["+:ALL:10.0.0.0/8", "+:ALL:ALL"]), "ok");
        assert_eq!(nobody_said(&["-:ALL:ALL"]), "fail");
    }

    #[test]
    fn the_user_is_admitted_ahead_of_the_line_that_refuses() {
        let refused = finding(healthy::al2023(), |facts| with_access(facts, &["+:root:ALL", "-:ALL:ALL"]));
        assert!(refused.why.ends_with("/etc/security/access.conf:2 refuses it"), "{}", refused.why);
        let command = "sed -i.bak '2i +:ec2-user:203.0.113.7' /etc/security/access.conf";
        assert_eq!(refused.remedy.command.as_deref(), Some(command));
    }

    #[test]
    fn the_browsers_client_comes_from_its_regions_range() {
        let world = healthy::ubuntu_2204();
        let refused = finding(world, |facts| {
            first_rule(facts, "account", "required", "pam_access.so", &[]);
            pam_file(facts, ACCESS, &["+:ALL:198.51.100.0/24", "-:ALL:ALL"]);
        });
        let command = "sed -i.bak '2i +:ubuntu:18.202.216.48/29' /etc/security/access.conf";
        assert_eq!(refused.remedy.command.as_deref(), Some(command));
    }

    #[test]
    fn lists_conditions_and_shells_are_mended_where_they_stand() {
        let of = |module: &str, arguments: &[&str], path: &str, lines: &[&str]| {
            finding(healthy::debian_12(), |facts| {
                first_rule(facts, "account", "required", module, arguments);
                pam_file(facts, path, lines);
            })
            .remedy
            .command
        };
        let list = ["item=user", "sense=deny", "file=/etc/deny", "onerr=succeed"];
        let command = of("pam_listfile.so", &list, "/etc/deny", &["bob", "admin"]);
        assert_eq!(command.as_deref(), Some("sed -i.bak 2d /etc/deny"));
        let list = ["item=user", "sense=allow", "file=/etc/allow", "onerr=fail"];
        let command = of("pam_listfile.so", &list, "/etc/allow", &["bob"]);
        assert_eq!(command.as_deref(), Some("sed -i.bak '$a admin' /etc/allow"));
        let command = of("pam_succeed_if.so", &["user", "ingroup", "ssh-users"], "/x", &[]);
        assert_eq!(command.as_deref(), Some("usermod -aG ssh-users admin"));
        let command = of("pam_shells.so", &[], "/etc/shells", &["/bin/sh"]);
        assert_eq!(command.as_deref(), Some("sed -i.bak '$a /bin/bash' /etc/shells"));
        let command = of("pam_time.so", &[], "/etc/security/time.conf", &["sshd;*;admin;!Al0000-2400"]);
        // The time of day was not gathered.
        assert_eq!(command.as_deref(), Some("sed -i.bak '1s/^/#/' /etc/security/time.conf"));
    }

    #[test]
    fn a_module_that_is_not_there_refuses_where_it_is_required() {
        let with = |control: &'static str, phase: &'static str| {
            word(&verdict(healthy::rhel9(), move |facts| {
                first_rule(facts, phase, control, "pam_nope.so", &[]);
                let Fact::Known(pam) = &mut facts.account.pam else { panic!("no PAM") };
                pam.missing_modules = Fact::Known(vec!["pam_nope.so".into()]);
            }))
        };
        assert_eq!(with("required", "account"), "fail");
        assert_eq!(with("required", "session"), "fail");
        assert_eq!(with("optional", "account"), "ok");
        assert_eq!(with("success=ok module_unknown=ignore default=bad", "session"), "ok");
    }

    #[test]
    fn a_module_that_nobody_here_knows_is_named() {
        let with = |control: &'static str| {
            verdict(healthy::rhel9(), move |facts| first_rule(facts, "account", control, "pam_corporate.so", &[]))
        };
        assert_eq!(word(&with("optional")), "ok");
        let Verdict::Unknown { why, .. } = with("required") else { panic!("not unknown") };
        assert!(why.contains("`pam_corporate.so` (/etc/pam.d/sshd:1)"), "{why}");
    }

    #[test]
    fn locked_out_by_failed_passwords_is_not_locked_out_by_key() {
        for module in ["pam_faillock.so", "pam_tally2.so"] {
            let found = verdict(healthy::rhel9(), |facts| first_rule(facts, "account", "required", module, &[]));
            assert_eq!(word(&found), "ok", "{module}");
        }
    }

    #[test]
    fn a_limit_on_logins_counts_those_that_are_there() {
        let with = |line: &str, of_user: u32| {
            word(&verdict(healthy::rhel9(), |facts| {
                pam_file(facts, "/etc/security/limits.d/x.conf", &[line]);
                facts.account.logins = Fact::Known(Logins { of_user, all: 5 });
            }))
        };
        assert_eq!(with("* hard maxlogins 10", 3), "ok");
        assert_eq!(with("* hard maxlogins 2", 1), "ok");
        assert_eq!(with("* hard maxlogins 2", 2), "fail");
        assert_eq!(with("ec2-user - maxlogins 0", 0), "fail");
        assert_eq!(with("@adm - maxlogins 0", 0), "fail");
        assert_eq!(with("@staff - maxlogins 0", 0), "ok");
        assert_eq!(with("* - maxsyslogins 5", 0), "fail");
        assert_eq!(with("root - maxlogins 0", 0), "ok");
        assert_eq!(with("* soft nofile 65536", 0), "ok");
    }

    #[test]
    fn limits_of_the_kernel_end_a_session_that_they_leave_nothing() {
        let with = |lines: &[&str]| {
            word(&verdict(healthy::rhel9(), |facts| pam_file(facts, "/etc/security/limits.d/x.conf", lines)))
        };
        for line in ["nproc 0", "nproc 1", "nofile 3", "as 1", "data 0", "stack 0"] {
            assert_eq!(with(&[&format!("ec2-user hard {line}")]), "fail", "{line}");
            assert_eq!(with(&[&format!("* soft {line}")]), "fail", "{line}");
        }
        for line in ["nproc 2", "nofile 10", "as 20000", "data 500", "stack 8"] {
            assert_eq!(with(&[&format!("* - {line}")]), "unknown", "{line}");
        }
        for line in ["nproc 20", "nofile 1024", "as unlimited", "core 0", "fsize 0", "cpu 1"] {
            assert_eq!(with(&[&format!("* - {line}")]), "ok", "{line}");
        }
        // Who is named is taken before everybody, a soft limit is never above the hard one, and other users' limits are theirs.
        assert_eq!(with(&["ec2-user - nproc 100", "* - nproc 0"]), "ok");
        assert_eq!(with(&["* hard nproc 0", "* soft nproc 100"]), "fail");
        assert_eq!(with(&["bob hard nproc 0", "@staff hard nproc 0"]), "ok");
    }

    #[test]
    fn a_hostile_file_name_reaches_no_command() {
        let file = "accessfile=/etc/x;reboot";
        let refused = finding(healthy::al2023(), |facts| {
            first_rule(facts, "account", "required", "pam_access.so", &[file]);
            pam_file(facts, "/etc/x;reboot", &["-:ALL:ALL"]);
        });
        assert_eq!(refused.remedy.command, None);
    }

    #[test]
    fn sshd_without_pam_asks_nothing_of_it() {
        let found = verdict(healthy::al2023(), |facts| {
            healthy::set_effective(facts, "usepam", "no");
            first_rule(facts, "account", "required", "pam_deny.so", &[]);
        });
        assert_eq!(word(&found), "not-applicable");
    }
}
