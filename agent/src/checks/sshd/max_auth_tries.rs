use eic_doctor_proto::{Attempt, Verdict, check};

use super::lines;
use crate::facts::OsFacts;

check! {
    /// sshd lets a client try a key: `MaxAuthTries` is not 0.
    ///
    /// ## Why it matters
    /// sshd counts each key that it does not take. With `MaxAuthTries 0` it hangs up at the first look (`Too many authentication failures`).
    /// With 1 one key works, but `aws ec2-instance-connect ssh` offers the keys of your agent too, before the pushed one: with any key in
    /// `ssh-add -l` it is turned away. The default of 6 is used up by as many keys.
    ///
    /// ## How to look by hand
    /// On the instance, as root: `sshd -T | grep maxauthtries`. On the client: `ssh-add -l`, and `ssh -v` shows each key that is offered.
    ///
    /// ## How to mend
    /// Take the line out (the default is 6), `sshd -t`, and reload sshd. On the client: `SSH_AUTH_SOCK= aws ec2-instance-connect ssh …`,
    /// or plain `ssh -o IdentitiesOnly=yes -i KEY`.
    ///
    /// ## References
    /// - sshd_config(5): MaxAuthTries
    /// - ssh_config(5): IdentitiesOnly
    pub static CHECK: OsFacts = {
        id: "os.sshd.max-auth-tries",
        title: "sshd lets a client try its key",
        needs: ["os.sshd.configuration"],
        judge: judge,
    }
}

const KEYWORD: &str = "maxauthtries";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let config = lines::effective(facts)?;
    lines::over_sources(facts, attempt, KEYWORD, |value| {
        let Ok(tries) = value.parse::<u32>() else {
            return Err(Verdict::unknown(format!("MaxAuthTries is `{value}`")));
        };
        if tries > 1 {
            return Ok(Verdict::ok(format!("MaxAuthTries {tries}"), lines::at(config)));
        }
        let bad = lines::bad(facts, KEYWORD, |value| value.parse::<u32>().is_ok_and(|tries| tries <= 1));
        let text = "Take MaxAuthTries out, so that the default of 6 holds";
        let verify = "eic-doctor-agent check --only os.sshd";
        let remedy = lines::comment_out_or_match(facts, attempt, text, "MaxAuthTries 6", &bad, verify);
        let finding = |why: &str| lines::finding(facts, KEYWORD, why, remedy.clone(), &bad);
        Ok(match tries {
            0 => Verdict::fail(finding("sshd hangs up before any key is tried: MaxAuthTries is 0")),
            _ => Verdict::warn(finding(
                "MaxAuthTries is 1: a client that offers another key first, as from an agent, is turned away",
            )),
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::checks::healthy::{self, changes};

    #[test]
    fn one_try_is_enough_for_one_key() {
        let with =
            |tries: &str| changes(healthy::al2023(), |facts, _| healthy::set_effective(facts, "maxauthtries", tries));
        assert_eq!(with("0"), ["os.sshd.max-auth-tries fail"]);
        assert_eq!(with("1"), ["os.sshd.max-auth-tries warn"]);
        assert_eq!(with("2"), [""; 0]);
        assert_eq!(with("many"), ["os.sshd.max-auth-tries unknown"]);
    }
}
