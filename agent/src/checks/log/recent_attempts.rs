use std::net::IpAddr;

use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use super::login::{self, Cause, Login, Outcome};
use crate::facts::{OsFacts, RecentLog};
use crate::parse::{Rule, Trouble};
use crate::report::rfc3339;

check! {
    /// The host's log gives no reason for which the last login of this OS user was refused.
    ///
    /// ## Why it matters
    /// sshd tells the client only "Permission denied"; the reason stands in the log, when it stands anywhere. Two programs write:
    ///
    /// - The keys command, as `ec2-instance-connect`: "Querying …" when it has keys and trusts them, "Providing …" when it hands
    ///   out the right one. The first without the second: the key is another, or has expired, or its signature is wrong.
    /// - sshd: `AuthorizedKeysCommand … failed, status N`. 7: IMDS refused the connection; 28: it did not answer in time; 22: it
    ///   answered with an error; 2: the certificates were not trusted, or the clock is wrong; 1: as 2, or `/dev/shm` or `/dev/log`;
    ///   124: not done within five seconds; 126 and 127: a program is missing or may not be run; 255: no valid key, or the
    ///   Availability Zone or domain. Nothing at all: no key was pushed for this user in the last minute, or sshd does not ask.
    ///
    /// And after the key was accepted, PAM and the session can still refuse: then the key is not to blame.
    ///
    /// Looked at are the last fifteen minutes. Status 22 without a pushed key, attempts with other names and those that come from
    /// elsewhere than this attempt are left alone, and so is what was mended: a later login by a pushed key. Never more than `warn`:
    /// what is wrong now, the other checks say.
    ///
    /// ## How to look by hand
    /// ```text
    /// journalctl --since -15min -t sshd -t sshd-session -t ec2-instance-connect
    /// tail -n 100 /var/log/secure /var/log/auth.log
    /// ```
    ///
    /// ## How to mend
    /// Mend what the check that is named with the reason finds, push a key and log in again within 60 seconds.
    ///
    /// ## References
    /// - sshd_config(5): AuthorizedKeysCommand, LogLevel
    /// - aws/aws-ec2-instance-connect-config: `src/bin/eic_curl_authorized_keys`, `src/bin/eic_parse_authorized_keys`; issues 20, 27, 38
    /// - EC2 User Guide: "Troubleshoot issues connecting to your Amazon EC2 Linux instance"
    pub static CHECK: OsFacts = {
        id: "os.log.recent-attempts",
        title: "the log gives no reason for a refused login",
        needs: [],
        required: false,
        judge: judge,
    }
}

/// Seconds for which IMDS has a pushed key.
const KEY_LIFE: u64 = 60;
const VERIFY: &str = "A login with a pushed key, within 60 seconds of the push";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let Some(recent) = facts.log.recent.present("the log of logins")? else {
        return Ok(Verdict::not_applicable("this system keeps neither a journal nor a log of authentications"));
    };
    let user = attempt.os_user.as_str();
    let logins = login::logins(recent);
    let was_let_in = logins.iter().any(|one| one.user == Some(user) && is_by_pushed_key(facts, recent, one));
    let mut passed_over = None;
    for one in logins.iter().rev() {
        let whose =
            Whose { is_this_users: one.user == Some(user), is_own: is_own(facts, attempt, one.address), was_let_in };
        match one.outcome() {
            Outcome::LetIn { .. } if whose.is_this_users && is_by_pushed_key(facts, recent, one) => {
                let seen = format!("{user} was let in with a pushed key at {}", rfc3339(one.at));
                return Ok(Verdict::ok(seen, recent.source.to_string()));
            }
            // With a key of the user's own, or a password: that says nothing of EC2 Instance Connect.
            Outcome::LetIn { .. } => {}
            Outcome::Refused(cause) if counts(facts, recent, &whose, one, cause) => {
                return Ok(refused(recent, user, one, cause));
            }
            Outcome::Silent if whose.is_this_users && login::was_given_a_key(recent, one) => {
                return Ok(given_and_refused(recent, user, one));
            }
            Outcome::Silent if whose.is_this_users && whose.is_own == Some(true) => {
                return Ok(silent(recent, user, one));
            }
            Outcome::Silent | Outcome::Refused(_) => passed_over = passed_over.or(whose.is_this_users.then_some(one)),
        }
    }
    let source = recent.source.to_string();
    Ok(match passed_over {
        None => Verdict::ok(format!("no login of {user} by a pushed key was refused in the last 15 minutes"), source),
        Some(one) => {
            let from = one.address.map_or_else(|| "elsewhere".to_owned(), |address| address.to_string());
            Verdict::ok(
                format!("{user} was refused from {from} at {}; nothing shows a pushed key", rfc3339(one.at)),
                source,
            )
        }
    })
}

struct Whose {
    is_this_users: bool,
    /// It comes from where this attempt comes from; `None` when nobody knows.
    is_own: Option<bool>,
    /// A pushed key has let this user in during the time that the log covers.
    was_let_in: bool,
}

/// Whether a refusal says something about the attempt that is asked about.
fn counts(facts: &OsFacts, recent: &RecentLog, whose: &Whose, login: &Login<'_>, cause: Cause<'_>) -> bool {
    let is_theirs = whose.is_this_users && whose.is_own != Some(false);
    match cause {
        Cause::Dropped(_) => whose.is_own == Some(true),
        Cause::Account(_) | Cause::PasswordChange(_) | Cause::Session(_) => is_theirs,
        // Strangers try passwords until sshd has enough; a key counts.
        Cause::Rule(Rule::TooManyTries) => {
            is_theirs && (whose.is_own == Some(true) || has_keys_command(login) || login::has_queried(recent, login.at))
        }
        Cause::Rule(_) => is_theirs,
        // This hangs on the key: a client, or a stranger, offers others too while a pushed one waits.
        Cause::KeysCommand(Trouble::Status(255)) => is_theirs && (whose.is_own == Some(true) || !whose.was_let_in),
        Cause::KeysCommand(Trouble::Status(1)) => is_theirs,
        Cause::KeysCommand(Trouble::Status(22)) => is_theirs && !whose.was_let_in && is_no_noise(facts, recent, login),
        Cause::KeysCommand(_) => whose.is_this_users || login.user.is_none() || !whose.was_let_in,
    }
}

fn has_keys_command(login: &Login<'_>) -> bool {
    login.lines.iter().any(|(_, said)| matches!(said, crate::parse::Said::KeysCommand { .. }))
}

/// An older package ends with 22 at every login without a pushed key: IMDS has one that may have been there at that login, or gives no
/// token.
fn is_no_noise(facts: &OsFacts, recent: &RecentLog, login: &Login<'_>) -> bool {
    let is_within_key_life = recent.until.saturating_sub(login.at) <= KEY_LIFE;
    [&facts.imds.as_root, &facts.imds.as_keys_user].iter().any(|view| {
        (is_within_key_life && view.active_keys.known().is_some_and(|answer| answer.status == 200))
            || view.token.known().is_some_and(|answer| answer.status != 200)
    })
}

/// sshd let somebody in with a key that the keys command handed out.
fn is_by_pushed_key(facts: &OsFacts, recent: &RecentLog, login: &Login<'_>) -> bool {
    let Outcome::LetIn { fingerprint: Some(key) } = login.outcome() else { return false };
    // Only the scripts of 1.x are known to write what they hand out.
    let package = facts.package.ec2_instance_connect.known();
    let writes = package.is_some_and(|package| package.version.raw().starts_with("1."));
    login::has_provided(recent, key) || !writes
}

fn is_own(facts: &OsFacts, attempt: &Attempt, address: Option<IpAddr>) -> Option<bool> {
    let address = address?;
    let nets = crate::source::of(facts, attempt)?;
    Some(nets.iter().any(|net| net.contains(&address)))
}

fn refused(recent: &RecentLog, user: &str, login: &Login<'_>, cause: Cause<'_>) -> Verdict {
    let (what, mend) = words(recent, login, cause);
    let why = match cause {
        Cause::Dropped(_) => format!("the last connection was dropped: {what}"),
        _ if login.user.is_some_and(|other| other != user) => format!("the last login was refused: {what}"),
        _ => format!("the last login of {user} was refused: {what}"),
    };
    Verdict::warn(Finding::new(why, Remedy::by_hand(mend, VERIFY)).with(login.evidence(recent.source.raw())))
}

fn silent(recent: &RecentLog, user: &str, login: &Login<'_>) -> Verdict {
    let why = format!(
        "the last login of {user} was refused, and the log names no reason: mostly no key was pushed for it, or sshd did not ask for one"
    );
    let mend = "Push the key for this OS user and this instance, and log in with that key within 60 seconds: \
                `aws ec2-instance-connect ssh` does both";
    Verdict::warn(Finding::new(why, Remedy::by_hand(mend, VERIFY)).with(login.evidence(recent.source.raw())))
}

fn given_and_refused(recent: &RecentLog, user: &str, login: &Login<'_>) -> Verdict {
    let why = format!(
        "the last login of {user} was refused although the keys command handed out the key: sshd wanted more than it"
    );
    let mend =
        "Mend what `os.sshd.authentication-methods` or `os.sshd.revoked-keys` finds, then push a key and log in again";
    Verdict::warn(Finding::new(why, Remedy::by_hand(mend, VERIFY)).with(login.evidence(recent.source.raw())))
}

/// What a cause means, and what to do. Source: `domain.md` §3.3 and §3.4, measured there.
fn words(recent: &RecentLog, login: &Login<'_>, cause: Cause<'_>) -> (String, String) {
    let look = |checks: &str| format!("Mend what {checks} finds, then push a key and log in again");
    match cause {
        Cause::KeysCommand(Trouble::Status(status)) => {
            let (what, checks) = of_status(status, login::has_queried(recent, login.at));
            (format!("{what} (the keys command ended with status {status})"), checks.to_owned())
        }
        Cause::KeysCommand(Trouble::Signal(signal)) => {
            let what = format!("the keys command was ended by signal {signal}, mostly for want of memory");
            (what, look("`os.host.resources`"))
        }
        Cause::KeysCommand(Trouble::Start(text)) => {
            let check = if text.contains("fork") {
                "`os.host.resources`"
            } else if text.contains("AuthorizedKeysCommandUser") || text.contains("No user") {
                "`os.account.keys-user` or `os.sshd.authorized-keys-command-user`"
            } else {
                "`os.package.keys-command-files` or `os.sshd.authorized-keys-command`"
            };
            (format!("sshd could not run the keys command: {text}"), look(check))
        }
        Cause::Rule(rule) => of_rule(rule),
        Cause::Account(text) => {
            let said = text.map_or_else(|| "no module says why".to_owned(), str::to_owned);
            let what = format!("the key was accepted, and then PAM's account rules refused the user ({said})");
            (what, look("`os.account.expired`, `os.account.nologin` or `os.account.access`"))
        }
        Cause::PasswordChange(text) => (
            format!("the key was accepted, and then a new password is demanded first ({text})"),
            look("`os.account.expired`"),
        ),
        Cause::Session(text) => {
            let what = format!("the key was accepted, and then the session was refused ({text})");
            (what, look("`os.account.access` or `os.sshd.session`"))
        }
        Cause::Dropped(text) => {
            let check = if text.starts_with("refused connect") {
                "`os.firewall.hosts-access`"
            } else {
                "`os.sshd.connection-limits`"
            };
            (text.to_owned(), look(check))
        }
    }
}

fn of_rule(rule: Rule<'_>) -> (String, String) {
    let look = |check: &str| format!("Mend what `{check}` finds, then push a key and log in again");
    match rule {
        Rule::NotAllowed(because) => {
            let check = match because {
                because if because.contains("shell") => "os.account.shell",
                because if because.contains("locked") => "os.account.locked",
                because if because.contains("exists") => "os.account.nologin",
                _ => "os.sshd.user-allowed",
            };
            (format!("sshd does not allow this user: {because}"), look(check))
        }
        Rule::NoAccount => ("there was no such account".to_owned(), look("os.account.os-user")),
        Rule::Root => ("sshd does not let root in".to_owned(), look("os.sshd.root-login")),
        Rule::Algorithm(text) => {
            (format!("sshd does not take this kind of key ({text})"), look("os.sshd.accepted-algorithms"))
        }
        Rule::Revoked(text) => (format!("the key is revoked ({text})"), look("os.sshd.revoked-keys")),
        Rule::Prohibited => ("`RefuseConnection` of a `Match` block applies".to_owned(), look("os.sshd.user-allowed")),
        Rule::TooManyTries => (
            "the client offered so many keys that sshd gave up before the pushed one".to_owned(),
            "Offer the pushed key alone, `ssh -o IdentitiesOnly=yes -i KEY`, or raise `MaxAuthTries`".to_owned(),
        ),
    }
}

/// What the keys command's exit status means when it had looked through its keys, or had not come so far.
fn of_status(status: u32, has_queried: bool) -> (&'static str, &'static str) {
    match (status, has_queried) {
        (1, true) => (
            "the signature of a pushed key is not that of EC2 Instance Connect",
            "Push the key anew; where it comes again, mend what `os.trust.openssl` finds",
        ),
        (1, false) => (
            "the keys command could not make its files, or did not trust the certificate that signs pushed keys",
            "Mend what `os.host.shared-memory`, `os.host.syslog`, `os.trust.certificate-authority` or `os.trust.clock` finds",
        ),
        (2, _) => (
            "the certificate that signs pushed keys was not trusted, or a script could not be read",
            "Mend what `os.trust.certificate-authority`, `os.trust.clock`, `os.trust.openssl` or `os.package.keys-command-files` finds",
        ),
        (6 | 7, _) => (
            "IMDS refused the keys command's connection",
            "Mend what `os.imds.token` or `os.imds.token-as-keys-user` finds",
        ),
        (28, _) => (
            "IMDS did not answer the keys command within a second",
            "Mend what `os.imds.token`, `os.imds.token-as-keys-user` or `os.imds.time-budget` finds",
        ),
        (22, _) => {
            ("IMDS answered the keys command with an error", "Mend what `os.imds.token` or `os.package.version` finds")
        }
        (124, _) => (
            "the keys command was not done within five seconds",
            "Mend what `os.imds.time-budget` or `os.host.resources` finds",
        ),
        (125, _) => ("the keys command could not start another program", "Mend what `os.host.resources` finds"),
        (126 | 127, _) => (
            "a program that the keys command needs is missing or may not be run",
            "Mend what `os.package.keys-command-files` or `os.host.tools` finds",
        ),
        (255, true) => (
            "no pushed key was the one that was offered, or it had expired",
            "Log in with the very key that was pushed, for this OS user and instance, within 60 seconds of the push; mend what \
             `os.trust.clock` or `os.security.selinux` finds",
        ),
        (255, false) => (
            "the keys command found no valid key, or refuses the Availability Zone or the domain that IMDS names",
            "Mend what `os.imds.availability-zone` or `os.imds.domain` finds; where they find nothing, push the key anew",
        ),
        _ => (
            "the keys command failed",
            "Run the keys command by hand as its user, with the OS user as its argument, and look at what it says",
        ),
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Attempt, Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World};

    const END: &str = "Connection closed by authenticating user ubuntu";
    const ENDED: &str =
        "AuthorizedKeysCommand /usr/share/ec2-instance-connect/eic_run_authorized_keys ubuntu SHA256:y failed, status";
    const PROVIDED: &str =
        "Providing ssh key from EC2 Instance Connect with fingerprint: SHA256:x, request-id: 1, for IAM principal: a";
    const ACCEPTED: &str = "Accepted publickey for ubuntu from 203.0.113.7 port 7 ssh2: ED25519 SHA256:x";

    /// Lines of one process each, a second apart.
    fn judged(lines: &[(&str, String)], change: impl FnOnce(&mut World)) -> Verdict {
        let mut world = healthy::ubuntu_2404();
        let lines: Vec<(u64, &str, u32, &str)> = (1..)
            .zip(lines)
            .map(|(n, (program, message))| (u64::from(n), *program, 100 + n, message.as_str()))
            .collect();
        healthy::log::set(&mut world.facts, &lines);
        change(&mut world);
        judge(&world.facts, &world.attempt).unwrap_or_else(|verdict| verdict)
    }

    fn is_ok(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Ok { .. })
    }

    #[test]
    fn what_a_later_login_by_a_pushed_key_has_mended_is_left_alone() {
        let mended = [
            ("sshd", format!("{ENDED} 7")),
            ("ec2-instance-connect", PROVIDED.to_owned()),
            ("sshd", ACCEPTED.to_owned()),
        ];
        assert!(is_ok(&judged(&mended, |_| {})));
        let broken_since = [mended[1].clone(), mended[2].clone(), mended[0].clone()];
        assert!(matches!(judged(&broken_since, |_| {}), Verdict::Warn(_)));
    }

    #[test]
    fn a_login_by_a_key_of_the_users_own_mends_nothing() {
        let lines = [("sshd", format!("{ENDED} 7")), ("sshd", ACCEPTED.to_owned())];
        assert!(matches!(judged(&lines, |_| {}), Verdict::Warn(_)));
        // A package that does not write what it hands out.
        let verdict = judged(&lines, |world| {
            let Fact::Known(package) = &mut world.facts.package.ec2_instance_connect else { panic!("no package") };
            package.version = "2.0.0-5.rhel9".into();
        });
        assert!(is_ok(&verdict));
    }

    #[test]
    fn attempts_from_elsewhere_are_left_alone() {
        let own = [("sshd", format!("{END} 203.0.113.7 port 9 [preauth]"))];
        assert!(matches!(judged(&own, |_| {}), Verdict::Warn(_)));
        let other = [("sshd", format!("{END} 198.51.100.9 port 9 [preauth]"))];
        assert!(is_ok(&judged(&other, |_| {})));
        let because = "User ubuntu from 198.51.100.9 not allowed because not listed in AllowUsers";
        assert!(is_ok(&judged(&[("sshd", because.to_owned())], |_| {})));
        // Nobody knows where the attempt comes from: what says nothing of a key is a stranger's.
        let nowhere = |world: &mut World| world.attempt.source = None;
        assert!(is_ok(&judged(&own, nowhere)));
        let many = "maximum authentication attempts exceeded for ubuntu from 198.51.100.9 port 9 ssh2 [preauth]";
        assert!(is_ok(&judged(&[("sshd", many.to_owned())], nowhere)));
    }

    #[test]
    fn the_browser_client_comes_from_the_regions_range() {
        let from = |address: &str| {
            let end = format!("Connection closed by authenticating user ubuntu {address} port 9 [preauth]");
            judged(&[("sshd", end)], |world| {
                world.attempt = Attempt { os_user: world.attempt.os_user.clone(), ..healthy::ubuntu_2204().attempt };
            })
        };
        // eu-west-1 has 18.202.216.48/29.
        assert!(matches!(from("18.202.216.50"), Verdict::Warn(_)));
        assert!(is_ok(&from("18.202.216.60")));
    }

    #[test]
    fn status_22_counts_only_while_a_key_is_pushed() {
        let lines = [("sshd", format!("{ENDED} 22"))];
        assert!(is_ok(&judged(&lines, |_| {})));
        let verdict = judged(&lines, |world| {
            let Fact::Known(answer) = &mut world.facts.imds.as_keys_user.active_keys else { panic!("no answer") };
            answer.status = 200;
        });
        assert!(matches!(verdict, Verdict::Warn(_)));
        let long_before_the_push = judged(&lines, |world| {
            let Fact::Known(answer) = &mut world.facts.imds.as_keys_user.active_keys else { panic!("no answer") };
            answer.status = 200;
            let Fact::Known(recent) = &mut world.facts.log.recent else { panic!("no log") };
            recent.until = recent.lines[0].at + 61;
        });
        assert!(is_ok(&long_before_the_push));
        let verdict = judged(&lines, |world| {
            let Fact::Known(answer) = &mut world.facts.imds.as_root.token else { panic!("no answer") };
            answer.status = 403;
        });
        assert!(
            matches!(verdict, Verdict::Warn(_)),
            "IMDS is switched off, and nobody can see whether a key was pushed"
        );
    }

    #[test]
    fn another_users_login_counts_where_its_reason_is_everybodys() {
        let of = |status: u32| {
            let line =
                format!("AuthorizedKeysCommand /x/eic_run_authorized_keys root SHA256:y failed, status {status}");
            judged(&[("sshd", line), ("sshd", "Invalid user admin from 198.51.100.9 port 1".to_owned())], |_| {})
        };
        assert!(matches!(of(28), Verdict::Warn(_)));
        assert!(is_ok(&of(255)));
    }

    #[test]
    fn without_a_log_there_is_nothing_to_say() {
        assert!(matches!(judged(&[], |world| world.facts.log.recent = Fact::Absent), Verdict::NotApplicable { .. }));
        let unreadable = |world: &mut World| world.facts.log.recent = Fact::unreadable("permission denied");
        assert!(matches!(judged(&[], unreadable), Verdict::Unknown { .. }));
    }
}
