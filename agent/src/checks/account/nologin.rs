use eic_doctor_proto::{Attempt, Command, Fact, Finding, Remedy, Untrusted, Verdict, check};

use super::login::{self, account, uses_pam};
use crate::checks::keys_command;
use crate::facts::OsFacts;
use crate::pam::{Concern, Phase};

check! {
    /// No file `nologin` turns away everybody but root.
    ///
    /// ## Why it matters
    /// `/run/nologin` and `/etc/nologin` close the instance to all users but root. systemd makes `/run/nologin` at the beginning of
    /// the boot and takes it away, with `/etc/nologin`, when the boot is far enough (`systemd-user-sessions.service`); it makes it
    /// again shortly before a planned shutdown. A boot that hangs, or a file that somebody made and forgot, keeps everybody out: the
    /// pushed key is accepted, and then `pam_nologin` closes the connection, with the file's text where it has one. The log says
    /// `Access denied for user … by PAM account configuration`. Where sshd does not ask PAM (`UsePAM no`) it looks at `/etc/nologin`
    /// alone.
    ///
    /// ## How to look by hand
    /// On the instance: `cat /run/nologin /etc/nologin`, `systemctl status systemd-user-sessions.service`, `systemctl list-jobs` for
    /// a boot that is not over, `shutdown --show` for a planned shutdown.
    ///
    /// ## How to mend
    /// Remove the file that is there. Where the boot hangs, look at what it waits for; where a shutdown is planned, `shutdown -c`.
    ///
    /// ## References
    /// - nologin(5), pam_nologin(8)
    /// - systemd-user-sessions.service(8)
    /// - OpenSSH, `session.c`: `do_nologin`
    pub static CHECK: OsFacts = {
        id: "os.account.nologin",
        title: "the instance is open to users",
        needs: ["os.account.os-user"],
        judge: judge,
    }
}

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let account = account(facts, attempt)?;
    let found = |looks: &[(&'static str, &Fact<Untrusted>)]| -> Vec<(&'static str, String)> {
        let known = looks.iter().filter_map(|(path, text)| Some((*path, text.known()?.to_string())));
        known.collect()
    };
    let (run, etc) = (("/run/nologin", &facts.account.run_nologin), ("/etc/nologin", &facts.account.etc_nologin));
    if !uses_pam(facts)? {
        if account.uid == 0 {
            return Ok(Verdict::not_applicable("root may always log in"));
        }
        return match facts.account.etc_nologin.present("/etc/nologin")? {
            None => Ok(Verdict::ok("there is no /etc/nologin, and sshd does not ask PAM", "/etc/nologin")),
            Some(_) => Ok(closed(attempt, &found(&[etc]), "sshd itself")),
        };
    }
    let login = login::login(facts, attempt)?;
    let Some(refusal) = login::refusal(&login, Phase::Account, Concern::Nologin)? else {
        return Ok(match found(&[run, etc]).first() {
            Some((path, _)) => Verdict::ok(format!("{path} does not concern {}", account.name), *path),
            None => Verdict::ok("there is neither /run/nologin nor /etc/nologin", "/run, /etc"),
        });
    };
    let named =
        refusal.rule.and_then(|rule| rule.arguments.iter().find_map(|argument| argument.raw().strip_prefix("file=")));
    let verdict = match named {
        Some(path) => other_file(path),
        None => closed(attempt, &found(&[run, etc]), "pam_nologin"),
    };
    Ok(match refusal.evidence() {
        Some(evidence) => verdict.seen(evidence.seen, evidence.at),
        None => verdict,
    })
}

fn closed(attempt: &Attempt, files: &[(&'static str, String)], by: &str) -> Verdict {
    let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    let text = files.iter().map(|(_, text)| text.as_str()).find(|text| !text.is_empty());
    let why = format!("{} exists, so {by} turns {} away after the key", paths.join(" and "), attempt.os_user);
    let is_systemd = text.is_some_and(|text| text.contains("booting up") || text.contains("going down"));
    let words = if is_systemd {
        "systemd made it for a boot that is not over or a shutdown that is planned: wait, or `shutdown -c`; or remove it, as root on \
         the instance"
    } else {
        "Open the instance to users, as root on the instance"
    };
    let verify = Command::new("ls").args(paths.iter().copied()).to_string();
    let command = Command::new("rm").args(["-f"]).args(paths.iter().copied());
    let finding = Finding::new(why, Remedy::by_command(words, &command, format!("`{verify}` finds nothing")));
    let seen = |text: &str| if text.is_empty() { "it says nothing".to_owned() } else { format!("it says: {text}") };
    Verdict::fail(files.iter().fold(finding, |finding, (path, text)| finding.seen(seen(text), path)))
}

fn other_file(path: &str) -> Verdict {
    let shown = Untrusted::from(path);
    let why = format!("{shown} exists, and pam_nologin turns users away for it");
    let text = "Remove the file, as root on the instance";
    let verify = "The login succeeds";
    let remedy = if keys_command::is_plain(path) {
        Remedy::by_command(text, &Command::new("rm").args(["-f", path]), verify)
    } else {
        Remedy::by_hand(text, verify)
    };
    Verdict::fail(Finding::new(why, remedy))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, changes};
    use crate::facts::OsFacts;

    fn with(change: impl Fn(&mut OsFacts)) -> Vec<String> {
        let mut changed = changes(healthy::ubuntu_2204(), |facts, _| change(facts));
        changed.retain(|change| change.starts_with("os.account.nologin"));
        changed
    }

    const FAIL: [&str; 1] = ["os.account.nologin fail"];

    #[test]
    fn either_file_closes_the_instance_also_an_empty_one() {
        assert_eq!(with(|facts| facts.account.run_nologin = Fact::Known("".into())), FAIL);
        assert_eq!(with(|facts| facts.account.etc_nologin = Fact::Known("Maintenance".into())), FAIL);
    }

    #[test]
    fn root_passes() {
        let changed = with(|facts| {
            facts.account.run_nologin = Fact::Known("".into());
            let Fact::Known(account) = &mut facts.account.os_user else { panic!("no account") };
            account.uid = 0;
        });
        assert_eq!(changed, [""; 0]);
    }

    #[test]
    fn without_pam_only_the_file_of_etc_counts() {
        let no_pam = |facts: &mut OsFacts| {
            healthy::set_effective(facts, "usepam", "no");
            facts.account.pam = Fact::NotGathered;
        };
        assert_eq!(
            with(|facts| {
                no_pam(facts);
                facts.account.run_nologin = Fact::Known("".into());
            }),
            [""; 0]
        );
        assert_eq!(
            with(|facts| {
                no_pam(facts);
                facts.account.etc_nologin = Fact::Known("".into());
            }),
            FAIL
        );
    }
}
