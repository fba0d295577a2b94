use eic_doctor_proto::{Attempt, Command, Finding, OsUser, Remedy, Verdict, check};

use crate::facts::OsFacts;

check! {
    /// The account exists that sshd becomes to run the keys command: `AuthorizedKeysCommandUser`.
    ///
    /// ## Why it matters
    /// sshd never runs a keys command as root of its own accord; it becomes `AuthorizedKeysCommandUser`, which the package sets to a
    /// system account of its own, `ec2-instance-connect`. Without the account sshd logs `AuthorizedKeysCommandUser "…" not found`,
    /// asks nobody for keys and refuses the login. That happens when the package was removed but a line about it stayed in
    /// `sshd_config`, when an image was cleaned of system accounts, or when a tool rewrote `/etc/passwd`. Any existing account
    /// does, also one that is locked, expired or without a shell.
    ///
    /// ## How to look by hand
    /// On the instance: `getent passwd ec2-instance-connect`, and `journalctl -u ssh.service -u sshd.service | grep 'not found'`.
    /// The name that counts is the one the running sshd has: see `os.sshd.authorized-keys-command-user`.
    ///
    /// ## How to mend
    /// `useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ec2-instance-connect`, as the package
    /// does; reinstalling the package does it too. sshd looks the account up at each login, so no restart is needed.
    ///
    /// ## References
    /// - sshd_config(5): AuthorizedKeysCommandUser
    /// - EC2 User Guide: "Install EC2 Instance Connect on your EC2 instances"
    pub static CHECK: OsFacts = {
        id: "os.account.keys-user",
        title: "the keys user exists",
        needs: ["os.package.installed"],
        judge: judge,
    }
}

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    if let Some(account) = facts.account.keys_user.present("the keys user's account")? {
        return Ok(Verdict::ok(format!("{} has uid {}", account.name, account.uid), "passwd"));
    }
    let configured = facts
        .sshd
        .effective
        .known()
        .and_then(|config| config.first("authorizedkeyscommanduser"))
        .map(|user| user.raw())
        .filter(|user| !user.eq_ignore_ascii_case("none"));
    let name = configured.unwrap_or("ec2-instance-connect");
    let verify = "getent passwd ec2-instance-connect";
    let remedy = match name.parse::<OsUser>() {
        Ok(name) => Remedy::by_command(
            "Create the account again, as root on the instance",
            &Command::new("useradd")
                .args(["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"])
                .arg(name.as_str()),
            Command::new("getent").args(["passwd", name.as_str()]).to_string(),
        ),
        Err(_) => Remedy::by_hand(
            "Set `AuthorizedKeysCommandUser` to an account that exists, mostly `ec2-instance-connect`",
            verify,
        ),
    };
    let why = format!("there is no account `{name}`, so sshd cannot run the keys command");
    let from = if configured.is_some() {
        "the running sshd's AuthorizedKeysCommandUser"
    } else {
        "the package's configuration"
    };
    Ok(Verdict::fail(Finding::new(why, remedy).seen(format!("no line for `{name}`, the name in {from}"), "passwd")))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, changes};

    #[test]
    fn a_missing_keys_user_is_one_failure_and_what_asks_as_it_is_blocked() {
        let changed = changes(healthy::ubuntu_2204(), |facts, _| facts.account.keys_user = Fact::Absent);
        let expected = [
            "os.account.keys-user fail",
            "os.imds.token-as-keys-user blocked",
            "os.imds.time-budget blocked",
            "os.imds.pushed-keys blocked",
            "os.host.identity blocked",
            "os.host.tools blocked",
            "os.host.null-device blocked",
            "os.host.syslog blocked",
            "os.trust.certificate-authority blocked",
            "os.trust.openssl blocked",
            "os.trust.signer blocked",
            "os.sshd.authorized-keys-command-user blocked",
        ];
        assert_eq!(changed, expected);
    }

    #[test]
    fn another_existing_account_does_as_well() {
        let changed = changes(healthy::ubuntu_2204(), |facts, _| {
            healthy::set_effective(facts, "authorizedkeyscommanduser", "nobody");
            let Fact::Known(account) = &mut facts.account.keys_user else { panic!("no account") };
            account.name = "nobody".into();
        });
        assert_eq!(changed, [""; 0]);
    }

    #[test]
    fn a_hostile_name_never_reaches_the_command() {
        let mut world = healthy::ubuntu_2204();
        healthy::set_effective(&mut world.facts, "authorizedkeyscommanduser", "x;reboot\u{1b}[2J");
        world.facts.account.keys_user = Fact::Absent;
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        assert_eq!(finding.remedy.command, None);
        assert!(!finding.why.contains('\u{1b}'));
    }
}
