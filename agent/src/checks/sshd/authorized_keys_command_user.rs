use eic_doctor_proto::{Attempt, Command, Finding, Remedy, Verdict, check};

use super::lines;
use crate::checks::keys_command;
use crate::facts::OsFacts;

check! {
    /// sshd has a user to run the keys command as: `AuthorizedKeysCommandUser` is set, and is an account of the instance.
    ///
    /// ## Why it matters
    /// A keys command without `AuthorizedKeysCommandUser` in the global part of the configuration keeps sshd from starting
    /// (`AuthorizedKeysCommand set without AuthorizedKeysCommandUser`); one that only a `Match` block sets is skipped at the login
    /// with `No user for AuthorizedKeysCommand specified`. Any existing account does: `ec2-instance-connect`, which the package makes,
    /// or `nobody`.
    ///
    /// ## How to look by hand
    /// `sshd -T` alone does not see what the unit passes by `-o`. On the instance, take the options of the running sshd
    /// (`systemctl show -p ExecStart ssh.service` or `sshd.service`) and give them to
    /// `sshd -T -C user=NAME,host=x,addr=192.0.2.1`; look for `authorizedkeyscommanduser`. Then `getent passwd` that name.
    ///
    /// ## How to mend
    /// Put `AuthorizedKeysCommandUser ec2-instance-connect` at the top of `/etc/ssh/sshd_config`, before any `Match`, and reload sshd.
    ///
    /// ## References
    /// - sshd_config(5): AuthorizedKeysCommand, AuthorizedKeysCommandUser
    /// - sshd(8): -T, -C
    pub static CHECK: OsFacts = {
        id: "os.sshd.authorized-keys-command-user",
        title: "sshd has a user to run the keys command as",
        needs: ["os.account.keys-user", "os.sshd.authorized-keys-command"],
        runbook: ["CheckSSHConfigFromOs"],
        judge: judge,
    }
}

const VERIFY: &str = "eic-doctor-agent check --only os.sshd";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let config = facts.sshd.effective.need("sshd's effective configuration")?;
    let Some(configured) = config.first("authorizedkeyscommanduser") else {
        return Err(Verdict::unknown("sshd's effective configuration: it has no `authorizedkeyscommanduser`"));
    };
    if configured.raw().is_empty() || configured.raw().eq_ignore_ascii_case("none") {
        let why = "sshd has a keys command and no user to run it as, so it skips it";
        return Ok(Verdict::fail(
            Finding::new(why, remedy(facts)).seen("AuthorizedKeysCommandUser none", lines::at(config)),
        ));
    }
    // sshd_config(5): the keyword takes the token %u.
    let name = configured.raw().replace("%u", attempt.os_user.as_str());
    match facts.account.keys_user.present("the keys user's account")? {
        Some(account) if account.name.raw() == name => {
            Ok(Verdict::ok(format!("AuthorizedKeysCommandUser {configured}"), lines::at(config))
                .seen(format!("{} has uid {}", account.name, account.uid), "passwd"))
        }
        Some(account) => {
            Err(Verdict::unknown(format!("the account of `{name}`: the facts are about `{}`", account.name)))
        }
        None => {
            let why = format!("AuthorizedKeysCommandUser is `{name}`, and there is no such account");
            let seen = format!("AuthorizedKeysCommandUser {configured}");
            Ok(Verdict::fail(Finding::new(why, remedy(facts)).seen(seen, lines::at(config))))
        }
    }
}

/// The line that counts is what must change: what stands first in the file counts for those that set no other.
fn remedy(facts: &OsFacts) -> Remedy {
    const LINE: &str = "AuthorizedKeysCommandUser ec2-instance-connect";
    let text = "Name the package's account as the user of the keys command, as root on the instance";
    let behind = lines::of(facts, "authorizedkeyscommanduser").find(|setting| !setting.is_uncertain);
    let sed = match behind.map(|setting| setting.at.as_ref()) {
        Some(None) => {
            let text = format!("{text}, in the `-o` options with which its unit starts sshd (`systemctl cat`)");
            return Remedy::by_hand(text, VERIFY);
        }
        Some(Some(place)) if keys_command::is_plain(place.file.raw()) => Command::new("sed").args([
            "-i.bak".to_owned(),
            format!("{}s/^\\([[:space:]]*\\).*/\\1{LINE}/", place.line),
            place.file.raw().to_owned(),
        ]),
        Some(Some(place)) => return Remedy::by_hand(format!("{text}, at {}:{}", place.file, place.line), VERIFY),
        None => {
            Command::new("sed").args(["-i.bak".to_owned(), format!("1i {LINE}"), "/etc/ssh/sshd_config".to_owned()])
        }
    };
    Remedy::by_command(text, &lines::then_reload(facts, sed), VERIFY)
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, changes};

    #[test]
    fn a_keys_command_that_a_match_block_sets_without_a_user_is_one_failure() {
        let changed = changes(healthy::al2023(), |facts, _| {
            healthy::set_effective(facts, "authorizedkeyscommanduser", "none");
        });
        assert_eq!(changed, ["os.sshd.authorized-keys-command-user fail"]);
    }

    #[test]
    fn the_token_for_the_user_who_logs_in_is_understood() {
        let changed = changes(healthy::al2023(), |facts, _| {
            healthy::set_effective(facts, "authorizedkeyscommanduser", "%u");
            facts.account.keys_user = facts.account.os_user.clone();
        });
        assert_eq!(changed, [""; 0]);
    }

    #[test]
    fn an_account_that_was_not_looked_up_is_unknown() {
        let changed = changes(healthy::al2023(), |facts, _| {
            let Fact::Known(account) = &mut facts.account.keys_user else { panic!("no account") };
            account.name = "somebody-else".into();
        });
        assert_eq!(changed, ["os.sshd.authorized-keys-command-user unknown"]);
    }
}
