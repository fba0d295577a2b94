use eic_doctor_proto::{Attempt, Command, Evidence, Finding, Remedy, Verdict, check};

use super::login::{self, account, is_local, usermod, uses_pam};
use crate::facts::{OsFacts, Shadow};
use crate::pam::{Concern, Expiry, Phase, expiry};
use crate::report::rfc3339;

check! {
    /// Neither the OS user's account nor its password has run out.
    ///
    /// ## Why it matters
    /// `/etc/shadow` may hold a day on which the account ends, and a number of days after which the password must be changed. Both
    /// count for logins by key too. An expired account: the pushed key is accepted, then PAM closes the connection
    /// (`pam_unix(sshd:account): account … has expired`). A password that is due: the session begins, says `WARNING: Your password
    /// has expired`, and ends, since nobody who logs in by a pushed key knows the old password. It happens when a policy such as
    /// `PASS_MAX_DAYS 90` of `/etc/login.defs` or an image's hardening is applied to users that never had a password.
    ///
    /// ## How to look by hand
    /// On the instance, as root: `chage -l NAME`. The log: `journalctl -u ssh.service -u sshd.service | grep -e expired -e 'PAM account'`.
    ///
    /// ## How to mend
    /// - The account: `usermod -e '' NAME`.
    /// - A password that is too old, or was never changed in time: `chage -M -1 NAME`.
    /// - A password that an administrator wants changed (`chage -d 0`, a new user of a tool): `chage -d` with today's date.
    ///
    /// ## References
    /// - shadow(5), chage(1), usermod(8), pam_unix(8)
    /// - OpenSSH, `auth-pam.c`: `do_pam_account`; `session.c`: `do_pwchange`
    pub static CHECK: OsFacts = {
        id: "os.account.expired",
        title: "neither account nor password has run out",
        needs: ["os.account.os-user"],
        judge: judge,
    }
}

const SHADOW: &str = "/etc/shadow";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let account = account(facts, attempt)?;
    if !uses_pam(facts)? {
        return without_pam(facts, attempt);
    }
    let login = login::login(facts, attempt)?;
    let shadow = facts.account.shadow.known();
    let today = facts.account.today.known().map(|today| i64::from(*today));
    let expiry = shadow.zip(today).map(|(shadow, today)| expiry(shadow, today));
    let refusal = match login::refusal(&login, Phase::Account, Concern::Expiry) {
        // Which release of Linux-PAM this is would tell.
        Err(_) if expiry == Some(Expiry::Border) => {
            let why = format!("the password of {} falls due today", account.name);
            return Ok(Verdict::warn(finding(facts, attempt, why, expiry, shadow)));
        }
        other => other?,
    };
    let Some(refusal) = refusal else {
        let seen = match shadow {
            Some(shadow) => words(shadow),
            None => "the password does not stand there".to_owned(),
        };
        return Ok(Verdict::ok(seen, SHADOW));
    };
    let name = &account.name;
    let why = match expiry {
        Some(Expiry::Account(day)) => {
            format!(
                "the account of {name} has expired on {}: the key is accepted, and the connection closed",
                date(day)
            )
        }
        Some(Expiry::ChangeWanted) => {
            format!("{name} must set a new password: the key is accepted, and the session ends at once")
        }
        Some(Expiry::Aged { days, maximum }) => format!(
            "the password of {name} is {days} days old and may be {maximum}: the key is accepted, and the login ends at once"
        ),
        Some(Expiry::None | Expiry::Border) | None => {
            format!("{}, so PAM refuses the user after the key", refusal.reply.why)
        }
    };
    Ok(Verdict::fail(finding(facts, attempt, why, expiry, shadow).with(refusal.evidence())))
}

/// sshd looks at the account's end alone, and lets in on that day.
fn without_pam(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let Some(shadow) = facts.account.shadow.present("the OS user's line in /etc/shadow")? else {
        return Ok(Verdict::ok("no line, and so no end", SHADOW));
    };
    let Some(expires) = shadow.expires else { return Ok(Verdict::ok(words(shadow), SHADOW)) };
    let today = i64::from(*facts.account.today.need("today's date on the instance")?);
    if today <= expires {
        return Ok(Verdict::ok(words(shadow), SHADOW));
    }
    let why = format!(
        "the account of {} has expired on {}, so sshd takes it for no user at all",
        attempt.os_user,
        date(expires)
    );
    Ok(Verdict::fail(finding(facts, attempt, why, Some(Expiry::Account(expires)), Some(shadow))))
}

fn finding(
    facts: &OsFacts,
    attempt: &Attempt,
    why: String,
    expiry: Option<Expiry>,
    shadow: Option<&Shadow>,
) -> Finding {
    let finding = Finding::new(why, remedy(facts, attempt, expiry));
    finding.with(shadow.map(|shadow| Evidence::new(words(shadow), SHADOW)))
}

fn remedy(facts: &OsFacts, attempt: &Attempt, expiry: Option<Expiry>) -> Remedy {
    let user = attempt.os_user.as_str();
    let verify = Command::new("chage").args(["-l", user]).to_string();
    if !is_local(facts) {
        return Remedy::by_hand("Extend the account or its password in the directory service that has it", verify);
    }
    let today = facts.account.today.known().map(|today| date(i64::from(*today)));
    let (text, command) = match (expiry, today) {
        (Some(Expiry::Account(_)), _) => ("Let the account have no end", usermod(attempt, "-e", "")),
        (Some(Expiry::ChangeWanted), Some(today)) => {
            ("Count the password as changed today", Command::new("chage").args(["-d", &today, user]))
        }
        (Some(Expiry::Aged { .. } | Expiry::Border), _) => {
            ("Let the password have no end", Command::new("chage").args(["-M", "-1", user]))
        }
        _ => ("Make the lines that /etc/shadow lacks", Command::new("pwconv")),
    };
    Remedy::by_command(format!("{text}, as root on the instance"), &command, verify)
}

fn words(shadow: &Shadow) -> String {
    let changed = match shadow.last_change {
        Some(0) => "password to be changed at the next login".to_owned(),
        Some(day) => format!("password changed on {}", date(day)),
        None => "no date of a change of password".to_owned(),
    };
    let maximum = match shadow.maximum {
        Some(days) if days < 99_999 => format!("due after {days} days"),
        _ => "never due".to_owned(),
    };
    let expires = match shadow.expires {
        Some(day) => format!("account ends on {}", date(day)),
        None => "account without end".to_owned(),
    };
    format!("{changed}, {maximum}, {expires}")
}

fn date(day: i64) -> String {
    let day = u64::try_from(day).unwrap_or(0).min(4_000_000);
    rfc3339(day * 86_400).chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World, changes};
    use crate::facts::{OsFacts, Shadow};

    fn today(facts: &OsFacts) -> i64 {
        i64::from(*facts.account.today.known().unwrap())
    }

    fn with(change: impl Fn(&mut Shadow, i64)) -> Vec<String> {
        changes(healthy::debian_12(), |facts, _| {
            let today = today(facts);
            let Fact::Known(shadow) = &mut facts.account.shadow else { panic!("no shadow") };
            change(shadow, today);
        })
    }

    fn command(change: impl Fn(&mut Shadow, i64)) -> Option<String> {
        let World { mut facts, attempt, .. } = healthy::debian_12();
        let today = today(&facts);
        let Fact::Known(shadow) = &mut facts.account.shadow else { panic!("no shadow") };
        change(shadow, today);
        match judge(&facts, &attempt) {
            Ok(Verdict::Fail(finding) | Verdict::Warn(finding)) => finding.remedy.command,
            other => panic!("{other:?}"),
        }
    }

    const FAIL: [&str; 1] = ["os.account.expired fail"];
    const OK: [&str; 0] = [];

    #[test]
    fn an_account_ends_on_its_day_and_not_before() {
        assert_eq!(with(|shadow, today| shadow.expires = Some(today + 1)), OK);
        assert_eq!(with(|shadow, today| shadow.expires = Some(today)), FAIL);
        assert_eq!(with(|shadow, _| shadow.expires = Some(0)), FAIL);
        assert_eq!(command(|shadow, _| shadow.expires = Some(1)).as_deref(), Some("usermod -e '' admin"));
    }

    #[test]
    fn a_password_may_be_as_old_as_it_may_be() {
        let aged = |days: i64| {
            with(move |shadow, today| (shadow.last_change, shadow.maximum) = (Some(today - days), Some(90)))
        };
        assert_eq!(aged(89), OK);
        assert_eq!(aged(90), ["os.account.expired warn"]);
        assert_eq!(aged(91), FAIL);
        assert_eq!(aged(-5), OK);
        assert_eq!(with(|shadow, _| shadow.last_change = Some(0)), FAIL);
        assert_eq!(command(|shadow, _| shadow.maximum = Some(1)).as_deref(), Some("chage -M -1 admin"));
        assert_eq!(command(|shadow, _| shadow.last_change = Some(0)).as_deref(), Some("chage -d 2026-11-24 admin"));
    }

    #[test]
    fn a_rule_may_leave_the_password_out_of_it() {
        let changed = changes(healthy::debian_12(), |facts, _| {
            let Fact::Known(shadow) = &mut facts.account.shadow else { panic!("no shadow") };
            shadow.last_change = Some(0);
            let Fact::Known(pam) = &mut facts.account.pam else { panic!("no PAM") };
            let Fact::Known(rules) = &mut pam.account else { panic!("no rules") };
            let rule = rules.iter_mut().find(|rule| rule.module.raw() == "pam_unix.so").unwrap();
            rule.arguments.push("no_pass_expiry".into());
        });
        assert_eq!(changed, OK);
    }

    #[test]
    fn without_pam_sshd_looks_at_the_account_alone_and_a_day_later() {
        let with = |change: fn(&mut Shadow, i64)| {
            let mut changed = changes(healthy::debian_12(), |facts, _| {
                healthy::set_effective(facts, "usepam", "no");
                let today = today(facts);
                let Fact::Known(shadow) = &mut facts.account.shadow else { panic!("no shadow") };
                change(shadow, today);
            });
            changed.retain(|change| change.starts_with("os.account.expired"));
            changed
        };
        assert_eq!(with(|shadow, today| shadow.expires = Some(today)), OK);
        assert_eq!(with(|shadow, today| shadow.expires = Some(today - 1)), FAIL);
        assert_eq!(with(|shadow, _| shadow.last_change = Some(0)), OK);
    }

    #[test]
    fn a_missing_line_is_made_again() {
        let World { mut facts, attempt, .. } = healthy::debian_12();
        facts.account.shadow = Fact::Absent;
        let Ok(Verdict::Fail(finding)) = judge(&facts, &attempt) else { panic!("no failure") };
        assert_eq!(finding.remedy.command.as_deref(), Some("pwconv"));
    }
}
