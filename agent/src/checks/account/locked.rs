use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use super::login::{EFFECTIVE, account, is_local, usermod, uses_pam};
use crate::checks::sshd::reason;
use crate::facts::{OsFacts, PasswordField};

check! {
    /// A locked password does not keep the OS user out.
    ///
    /// ## Why it matters
    /// The users of Amazon's images have a locked password, `!` or `!!` in `/etc/shadow`, and log in by key all the same: as long as
    /// sshd asks PAM (`UsePAM yes`, as every supported system is delivered), a lock concerns passwords alone. With `UsePAM no` sshd
    /// looks itself, and a password that begins with `!` makes it treat the user as unknown: `User … not allowed because account is
    /// locked`, and `Permission denied (publickey)` at the client. `*` is not locked to it.
    ///
    /// ## How to look by hand
    /// On the instance, as root: `sshd -T | grep -i usepam`, and `passwd -S NAME` (`L` or `LK` is locked).
    ///
    /// ## How to mend
    /// `usermod -p '*' NAME`: no password fits, and the account is not locked to sshd. Or set `UsePAM yes` and reload sshd.
    ///
    /// ## References
    /// - sshd_config(5): UsePAM
    /// - OpenSSH, `platform.c`: `platform_locked_account`
    /// - shadow(5)
    pub static CHECK: OsFacts = {
        id: "os.account.locked",
        title: "no locked password keeps the OS user out",
        needs: ["os.account.os-user"],
        judge: judge,
    }
}

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let account = account(facts, attempt)?;
    if uses_pam(facts)? {
        return Ok(Verdict::ok("UsePAM yes: a locked password keeps no key out", EFFECTIVE));
    }
    let (field, at) = if account.password == PasswordField::Shadowed {
        match facts.account.shadow.present(&format!("the line of `{}` in /etc/shadow", account.name))? {
            Some(shadow) => (shadow.password, "/etc/shadow"),
            None => return Ok(Verdict::ok("no line, and so no lock", "/etc/shadow")),
        }
    } else {
        (account.password, "passwd")
    };
    if field != PasswordField::Locked {
        return Ok(Verdict::ok(format!("the password of {} does not begin with `!`", account.name), at));
    }
    if let Some(line) = reason::use_pam_passed_over(facts) {
        let why = "sshd does not ask PAM, but only since nothing includes the file that has it do so; that is \
                   `os.sshd.authorized-keys-command`, and here is to be looked at again when it is mended";
        return Err(Verdict::unknown(why).seen(line.text.raw().trim(), format!("{}:{}", line.file, line.line)));
    }
    let verify = "eic-doctor-agent check --only os.account";
    let remedy = if is_local(facts) {
        Remedy::by_command(
            "Replace the locked password by one that nothing fits, as root on the instance",
            &usermod(attempt, "-p", "*"),
            verify,
        )
    } else {
        Remedy::by_hand("Unlock the account in the directory service that has it, or set `UsePAM yes`", verify)
    };
    let why = format!(
        "the password of {} is locked, and sshd, which does not ask PAM, refuses the user for it",
        account.name
    );
    Ok(Verdict::fail(Finding::new(why, remedy).seen("the password begins with `!`", at).seen("UsePAM no", EFFECTIVE)))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, changes};
    use crate::facts::PasswordField;

    fn with(use_pam: &str, field: PasswordField) -> Vec<String> {
        let mut changed = changes(healthy::al2023(), |facts, _| {
            healthy::set_effective(facts, "usepam", use_pam);
            let Fact::Known(shadow) = &mut facts.account.shadow else { panic!("no shadow") };
            shadow.password = field;
        });
        changed.retain(|change| change.starts_with("os.account.locked"));
        changed
    }

    #[test]
    fn a_lock_counts_only_where_sshd_looks_itself_and_only_as_an_exclamation_mark() {
        assert_eq!(with("yes", PasswordField::Locked), [""; 0]);
        assert_eq!(with("no", PasswordField::Locked), ["os.account.locked fail"]);
        for field in [PasswordField::Unmatchable, PasswordField::Empty, PasswordField::Set] {
            assert_eq!(with("no", field), [""; 0], "{field:?}");
        }
    }
}
