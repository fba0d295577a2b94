use eic_doctor_proto::{Attempt, Command, Finding, Remedy, Verdict, check};

use crate::checks::account::{EFFECTIVE, account};
use crate::checks::platform;
use crate::checks::sshd::lines::{self, edit};
use crate::facts::{ConfigSetting, OsFacts};

check! {
    /// Where the key is pushed for root, sshd lets root in by a key.
    ///
    /// ## Why it matters
    /// `PermitRootLogin no` refuses root whatever key it brings, and `forced-commands-only` wants a key that comes with a command of
    /// its own, which a pushed key never does. The value `prohibit-password` (`without-password` in the output of `sshd -T`), which
    /// is sshd's own default, lets a pushed key in, and so does `yes`. What counts is the number: every account with uid 0 is root.
    /// sshd logs `ROOT LOGIN REFUSED`, and the client sees `Permission denied (publickey)`. Amazon's images also keep a line in
    /// root's `authorized_keys` that tells people to log in as another user; it does not concern a pushed key.
    ///
    /// ## How to look by hand
    /// On the instance, as root: `sshd -T -C user=root,host=x,addr=192.0.2.1 | grep -i permitrootlogin`, and `grep -rni permitrootlogin
    /// /etc/ssh/sshd_config /etc/ssh/sshd_config.d`: the first one counts, and a `Match` block beats it.
    ///
    /// ## How to mend
    /// Push the key for the image's own user, and become root with `sudo`. Or set `PermitRootLogin prohibit-password` and reload sshd.
    ///
    /// ## References
    /// - sshd_config(5): PermitRootLogin
    /// - OpenSSH, `auth.c`: `auth_root_allowed`
    pub static CHECK: OsFacts = {
        id: "os.sshd.root-login",
        title: "sshd lets root in by a key where root is asked for",
        needs: ["os.account.os-user", "os.sshd.running"],
        judge: judge,
    }
}

const KEYWORD: &str = "permitrootlogin";
const GOOD: &str = "PermitRootLogin prohibit-password";
const VERIFY: &str = "eic-doctor-agent check --os-user root --only os.sshd.root-login";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let account = account(facts, attempt)?;
    if account.uid != 0 {
        let seen = format!("{} has uid {}, so PermitRootLogin does not concern it", account.name, account.uid);
        return Ok(Verdict::ok(seen, "passwd"));
    }
    lines::over_sources(facts, attempt, KEYWORD, |value| {
        let seen = format!("PermitRootLogin {value}");
        let why = match value {
            "yes" | "prohibit-password" | "without-password" => return Ok(Verdict::ok(seen, EFFECTIVE)),
            "no" => format!("sshd lets {} in by no means: PermitRootLogin no", attempt.os_user),
            "forced-commands-only" => {
                format!(
                    "sshd lets {} in only by a key with a command of its own, and a pushed key has none",
                    attempt.os_user
                )
            }
            _ => {
                let why = format!("sshd's effective configuration: {seen}, which is not understood");
                return Err(Verdict::unknown(why));
            }
        };
        let line = lines::of(facts, KEYWORD).find(|line| !line.is_uncertain);
        let finding = Finding::new(why, remedy(facts, attempt, line));
        Ok(Verdict::fail(match line {
            Some(line) => finding.with([lines::evidence(line)]),
            None => finding.seen(seen, EFFECTIVE),
        }))
    })
}

fn remedy(facts: &OsFacts, attempt: &Attempt, line: Option<&ConfigSetting>) -> Remedy {
    let other = platform::usual_user(facts).unwrap_or("another user");
    let text = format!("Push the key for `{other}` and become root with `sudo`; or let keys in for root");
    let command = match line.map(|line| &line.at) {
        Some(Some(place)) => edit::replace(place, GOOD),
        // The first value counts, and the command line comes first; a `Match` beats it.
        Some(None) => edit::match_user(facts, &attempt.os_user, GOOD),
        None => Some(Command::new("sed").args(["-i.bak", &format!("1i {GOOD}"), "/etc/ssh/sshd_config"])),
    };
    match command {
        Some(command) => {
            Remedy::by_command(format!("{text}, as root on the instance"), &lines::then_reload(facts, command), VERIFY)
        }
        None => {
            let line: Vec<&ConfigSetting> = line.into_iter().collect();
            Remedy::by_hand(format!("{text}: `{GOOD}` {}", lines::hint(&line)), VERIFY)
        }
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use crate::checks::healthy::{self, changes};
    use crate::facts::{ConfigPlace, ConfigSetting};

    /// The command, where this line decides.
    fn command(at: Option<(&str, u32)>) -> Option<String> {
        let mut world = healthy::rhel9();
        healthy::becomes_root(&mut world.facts, &mut world.attempt);
        healthy::set_effective(&mut world.facts, "permitrootlogin", "no");
        let Fact::Known(config) = &mut world.facts.sshd.config else { panic!("no configuration") };
        config.settings.retain(|setting| setting.keyword.raw() != "permitrootlogin");
        config.settings.push(ConfigSetting {
            keyword: "permitrootlogin".into(),
            values: vec!["no".into()],
            at: at.map(|(file, line)| ConfigPlace { file: file.into(), line }),
            condition: None,
            is_uncertain: false,
        });
        let Ok(Verdict::Fail(finding)) = super::judge(&world.facts, &world.attempt) else { panic!("no failure") };
        finding.remedy.command
    }

    #[test]
    fn the_line_that_decides_is_mended_wherever_it_stands() {
        let reload = "sshd -t && systemctl try-reload-or-restart sshd.service";
        let file = "/etc/ssh/sshd_config.d/50-hard.conf";
        assert_eq!(
            command(Some((file, 3))),
            Some(format!(
                r"sed -i.bak -E '3s/^([[:space:]]*).*/\1PermitRootLogin prohibit-password/' {file} && {reload}"
            ))
        );
        assert_eq!(
            command(None),
            Some(format!(
                "sed -i.bak -e '$a Match User root' -e '$a PermitRootLogin prohibit-password' /etc/ssh/sshd_config && {reload}"
            ))
        );
        assert_eq!(command(Some(("/etc/ssh/$(reboot).conf", 3))), None);
    }

    fn as_root(value: &str) -> Vec<String> {
        let mut changed = changes(healthy::rhel9(), |facts, attempt| {
            healthy::becomes_root(facts, attempt);
            healthy::set_effective(facts, "permitrootlogin", value);
        });
        changed.retain(|change| change.starts_with("os.sshd.root-login"));
        changed
    }

    #[test]
    fn root_needs_a_value_that_lets_keys_in() {
        for value in ["yes", "prohibit-password", "without-password"] {
            assert_eq!(as_root(value), [""; 0], "{value}");
        }
        for value in ["no", "forced-commands-only"] {
            assert_eq!(as_root(value), ["os.sshd.root-login fail"], "{value}");
        }
        assert_eq!(as_root("perhaps"), ["os.sshd.root-login unknown"]);
    }

    #[test]
    fn a_value_for_a_part_of_the_addresses_leaves_it_open() {
        let judged = |value: &str| {
            let mut world = healthy::rhel9();
            healthy::becomes_root(&mut world.facts, &mut world.attempt);
            healthy::set_effective(&mut world.facts, "permitrootlogin", "prohibit-password");
            healthy::perhaps(&mut world.facts, "permitrootlogin", "Address 203.0.113.7", value);
            super::judge(&world.facts, &world.attempt)
        };
        assert!(matches!(judged("no"), Err(Verdict::Unknown { .. })));
        assert!(matches!(judged("yes"), Ok(Verdict::Ok { .. })));
    }

    #[test]
    fn other_users_are_not_concerned() {
        let changed = changes(healthy::rhel9(), |facts, _| healthy::set_effective(facts, "permitrootlogin", "no"));
        assert_eq!(changed, [""; 0]);
    }
}
