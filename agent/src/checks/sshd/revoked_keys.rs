use eic_doctor_proto::{Attempt, Command, Fact, Remedy, Verdict, check};

use super::lines;
use crate::checks::keys_command;
use crate::facts::{ConfigSetting, OsFacts, RevokedContent, RevokedFile};

check! {
    /// sshd can read its list of revoked keys, where one is set.
    ///
    /// ## Why it matters
    /// With `RevokedKeys` sshd looks into a file before it takes any key. Where the file is missing, is a folder, or holds a line that is
    /// neither a public key nor a comment, sshd refuses every key of everybody (`Error checking authentication key … in revoked keys
    /// file`): safe, and mostly not meant. An empty file is fine. A pushed key is new each time, so no list names it.
    ///
    /// ## How to look by hand
    /// On the instance, as root: `sshd -T | grep revokedkeys`, then `ls -l` and `head` that file; for a key revocation list
    /// `ssh-keygen -Q -l -f FILE`.
    ///
    /// ## How to mend
    /// Put the file back, take the bad line out, or take `RevokedKeys` out; `sshd -t`, and reload sshd. A file that was mended needs no
    /// reload.
    ///
    /// ## References
    /// - sshd_config(5): RevokedKeys
    /// - ssh-keygen(1): KEY REVOCATION LISTS
    pub static CHECK: OsFacts = {
        id: "os.sshd.revoked-keys",
        title: "sshd can read its list of revoked keys",
        needs: ["os.sshd.configuration"],
        judge: judge,
    }
}

const KEYWORD: &str = "revokedkeys";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let config = lines::effective(facts)?;
    lines::over_sources(facts, attempt, KEYWORD, |value| {
        if value == "none" {
            return Ok(Verdict::ok("RevokedKeys none", lines::at(config)));
        }
        // The file was looked at for the value that holds; another one nobody has read.
        let revoked = facts.sshd.revoked_keys.need("the list of revoked keys")?;
        let mut unread = None;
        for path in value.split_whitespace() {
            let Some(file) = revoked.files.iter().find(|file| file.path.raw() == path) else {
                return Err(Verdict::unknown(format!("nobody looked at {path}")));
            };
            let what = match &file.content {
                Fact::Known(RevokedContent::Keys | RevokedContent::RevocationList) => continue,
                Fact::Known(RevokedContent::Broken) => "holds something that sshd cannot read",
                Fact::Absent => "is missing",
                Fact::Unreadable(why) if why.reason == "not a regular file" => "is no ordinary file",
                Fact::Unreadable(why) => {
                    unread = Some(Verdict::unknown(format!("{}: {}", file.path, why.reason)));
                    continue;
                }
                Fact::NotGathered => return Err(Verdict::unknown(format!("{}: not gathered", file.path))),
            };
            let bad = lines::bad(facts, KEYWORD, |value| value != "none");
            let remedy = remedy(facts, file, &bad);
            let why = format!("sshd refuses every key: its list of revoked keys {} {what}", file.path);
            return Ok(Verdict::fail(lines::finding(facts, KEYWORD, why, remedy, &bad)));
        }
        match unread {
            Some(verdict) => Err(verdict),
            None => Ok(Verdict::ok(format!("RevokedKeys {value} can be read"), lines::at(config))),
        }
    })
}

/// Where sshd's command line names the file no line can be taken out, but a list that revokes nothing does the same.
fn remedy(facts: &OsFacts, file: &RevokedFile, bad: &[&ConfigSetting]) -> Remedy {
    const TEXT: &str = "Put the file back as it should be, or take `RevokedKeys` out";
    const VERIFY: &str = "eic-doctor-agent check --only os.sshd";
    let path = file.path.raw();
    let is_option = bad.first().is_some_and(|line| line.at.is_none());
    if !is_option || !keys_command::is_plain(path) {
        return lines::comment_out(facts, TEXT, bad, VERIFY);
    }
    let empty = Command::new("install").args(["-D", "-m", "0644", "/dev/null", path]);
    let command = match file.content {
        Fact::Absent => empty,
        _ => Command::new("mv").args(["-T", path, &format!("{path}.broken")]).and(empty),
    };
    let text = format!("{TEXT} ({}); or let it be an empty list, as root on the instance", lines::hint(bad));
    Remedy::by_command(text, &command, VERIFY)
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, changes};
    use crate::facts::{ConfigPlace, ConfigSetting, RevokedContent, RevokedFile, RevokedKeys};

    fn with(content: Fact<RevokedContent>) -> Vec<String> {
        changes(healthy::al2023(), |facts, _| {
            healthy::set_effective(facts, "revokedkeys", "/etc/ssh/revoked");
            let file = RevokedFile { path: "/etc/ssh/revoked".into(), content };
            facts.sshd.revoked_keys = Fact::Known(RevokedKeys { files: vec![file] });
        })
    }

    #[test]
    fn a_list_that_is_missing_or_broken_refuses_every_key() {
        const FAIL: [&str; 1] = ["os.sshd.revoked-keys fail"];
        assert_eq!(with(Fact::Absent), FAIL);
        assert_eq!(with(Fact::Known(RevokedContent::Broken)), FAIL);
        assert_eq!(with(Fact::unreadable("not a regular file")), FAIL);
        assert_eq!(with(Fact::Known(RevokedContent::Keys)), [""; 0]);
        assert_eq!(with(Fact::Known(RevokedContent::RevocationList)), [""; 0]);
        assert_eq!(with(Fact::unreadable("permission denied")), ["os.sshd.revoked-keys unknown"]);
    }

    #[test]
    fn a_list_that_the_command_line_names_becomes_one_that_revokes_nothing() {
        let command = |content: Fact<RevokedContent>, path: &str, at: Option<ConfigPlace>| {
            let mut world = healthy::al2023();
            healthy::set_effective(&mut world.facts, "revokedkeys", path);
            let file = RevokedFile { path: path.into(), content };
            world.facts.sshd.revoked_keys = Fact::Known(RevokedKeys { files: vec![file] });
            let Fact::Known(config) = &mut world.facts.sshd.config else { panic!("no configuration") };
            let values = vec![path.into()];
            config.settings.push(ConfigSetting {
                keyword: "revokedkeys".into(),
                values,
                at,
                ..ConfigSetting::default()
            });
            let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
            finding.remedy.command.unwrap_or_default()
        };
        let empty = "install -D -m 0644 /dev/null /etc/ssh/revoked";
        assert_eq!(command(Fact::Absent, "/etc/ssh/revoked", None), empty);
        assert_eq!(
            command(Fact::Known(RevokedContent::Broken), "/etc/ssh/revoked", None),
            format!("mv -T /etc/ssh/revoked /etc/ssh/revoked.broken && {empty}")
        );
        assert_eq!(command(Fact::Absent, "/etc/ssh/$(reboot)", None), "");
        let at = Some(ConfigPlace { file: "/etc/ssh/sshd_config".into(), line: 4 });
        assert!(command(Fact::Absent, "/etc/ssh/revoked", at).starts_with("sed -i.bak '4s/^/#/' /etc/ssh/sshd_config"));
    }
}
