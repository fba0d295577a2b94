use eic_doctor_proto::{Attempt, Fact, Verdict, check};

use super::lines;
use crate::facts::{OsFacts, RevokedContent};

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
            let text = "Put the file back as it should be, or take `RevokedKeys` out";
            let remedy = lines::comment_out(facts, text, &bad, "eic-doctor-agent check --only os.sshd");
            let why = format!("sshd refuses every key: its list of revoked keys {} {what}", file.path);
            return Ok(Verdict::fail(lines::finding(facts, KEYWORD, why, remedy, &bad)));
        }
        match unread {
            Some(verdict) => Err(verdict),
            None => Ok(Verdict::ok(format!("RevokedKeys {value} can be read"), lines::at(config))),
        }
    })
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, changes};
    use crate::facts::{RevokedContent, RevokedFile, RevokedKeys};

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
}
