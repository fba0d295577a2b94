use eic_doctor_proto::{Attempt, Verdict, check};

use super::lines;
use crate::facts::OsFacts;

check! {
    /// sshd is content with a public key alone: some list of `AuthenticationMethods` is `publickey`, or none is set.
    ///
    /// ## Why it matters
    /// Each list of `AuthenticationMethods` is a way in, and all of its methods must succeed. With `publickey,keyboard-interactive` sshd
    /// accepts the pushed key and then wants a password or a code as well (`Permission denied (keyboard-interactive)`);
    /// `publickey,publickey` wants two different keys. A client that was only given a pushed key gets no further.
    ///
    /// ## How to look by hand
    /// On the instance, as root: `sshd -T -C user=NAME,host=x,addr=SOURCE | grep authenticationmethods`.
    ///
    /// ## How to mend
    /// Where the second factor is wanted for people and not for EC2 Instance Connect, add the list `publickey` for the users or
    /// addresses that come through it, in a `Match` block; else take the line out. `sshd -t`, and reload sshd.
    ///
    /// ## References
    /// - sshd_config(5): AuthenticationMethods
    pub static CHECK: OsFacts = {
        id: "os.sshd.authentication-methods",
        title: "a public key alone is enough for sshd",
        needs: ["os.sshd.configuration"],
        judge: judge,
    }
}

const KEYWORD: &str = "authenticationmethods";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let config = lines::effective(facts)?;
    lines::over_sources(facts, attempt, KEYWORD, |value| {
        if is_enough(value) {
            return Ok(Verdict::ok(format!("AuthenticationMethods {value}"), lines::at(config)));
        }
        let bad = lines::bad(facts, KEYWORD, |value| !is_enough(value));
        let text = "Take the AuthenticationMethods out, or let `publickey` alone be one of its lists";
        let good = "AuthenticationMethods publickey";
        let verify = "eic-doctor-agent check --only os.sshd";
        let remedy = lines::comment_out_or_match(facts, attempt, text, good, &bad, verify);
        let why = format!("a pushed key alone is not enough: sshd wants `{value}` of {}", attempt.os_user);
        Ok(Verdict::fail(lines::finding(facts, KEYWORD, why, remedy, &bad)))
    })
}

fn is_enough(value: &str) -> bool {
    value.split_whitespace().any(|list| list == "any" || list == "publickey")
}

#[cfg(test)]
mod tests {
    use super::is_enough;
    use crate::checks::healthy::{self, changes};

    #[test]
    fn one_list_that_is_a_public_key_alone_is_enough() {
        for value in ["any", "publickey", "password publickey", "publickey,password publickey"] {
            assert!(is_enough(value), "{value}");
        }
        for value in ["publickey,password", "publickey,publickey", "password", "publickey,keyboard-interactive:pam"] {
            assert!(!is_enough(value), "{value}");
        }
    }

    #[test]
    fn a_second_factor_is_one_failure() {
        let changed = changes(healthy::ubuntu_2204(), |facts, _| {
            healthy::set_effective(facts, "authenticationmethods", "publickey,keyboard-interactive");
        });
        assert_eq!(changed, ["os.sshd.authentication-methods fail"]);
    }
}
