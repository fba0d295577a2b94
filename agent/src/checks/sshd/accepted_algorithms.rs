use eic_doctor_proto::{Attempt, Verdict, check};

use super::lines;
use crate::facts::{EffectiveConfig, OsFacts};
use crate::sshd_config::list_matches;

check! {
    /// sshd accepts signatures by Ed25519 keys, which is what AWS's clients push.
    ///
    /// ## Why it matters
    /// `aws ec2-instance-connect ssh` and the console make an Ed25519 key for each connection. Where `PubkeyAcceptedAlgorithms`
    /// (`PubkeyAcceptedKeyTypes` before OpenSSH 8.5) lacks `ssh-ed25519`, sshd refuses it before it asks the keys command
    /// (`signature algorithm ssh-ed25519 not in PubkeyAcceptedAlgorithms`). Hardening guides for FIPS and crypto policies take it out.
    /// An RSA key, pushed by `aws ec2-instance-connect send-ssh-public-key`, works where the list has `rsa-sha2-512` or `rsa-sha2-256`.
    ///
    /// ## How to look by hand
    /// On the instance, as root: `sshd -T | grep -i ^pubkeyaccepted`.
    ///
    /// ## How to mend
    /// Take the line out, or add `ssh-ed25519` to it; `sshd -t`, and reload sshd. In FIPS mode push an RSA key.
    ///
    /// ## References
    /// - sshd_config(5): PubkeyAcceptedAlgorithms
    /// - crypto-policies(7)
    pub static CHECK: OsFacts = {
        id: "os.sshd.accepted-algorithms",
        title: "sshd accepts Ed25519 keys",
        needs: ["os.sshd.configuration"],
        judge: judge,
    }
}

const KEYWORD: &str = "pubkeyacceptedalgorithms";
const ED25519: &str = "ssh-ed25519";
const RSA: [&str; 2] = ["rsa-sha2-512", "rsa-sha2-256"];

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let config = lines::effective(facts)?;
    if config.is_worked_out && lines::value(config, KEYWORD).is_err() {
        return Ok(Verdict::ok("no line changes the built-in list, which has ssh-ed25519", lines::at(config)));
    }
    lines::over_sources(facts, attempt, KEYWORD, |value| {
        if has(value, ED25519) {
            return Ok(Verdict::ok(format!("{ED25519} is in PubkeyAcceptedAlgorithms"), lines::at(config)));
        }
        let bad = lines::bad(facts, KEYWORD, |value| !has(value, ED25519));
        let text = "Take the line out, or add `ssh-ed25519` to it (an RSA key, pushed by \
                    `aws ec2-instance-connect send-ssh-public-key`, may work without)";
        let good = format!("{} +{ED25519}", keyword(config));
        let verify = "eic-doctor-agent check --only os.sshd";
        let remedy = lines::comment_out_or_match(facts, attempt, text, &good, &bad, verify);
        let rsa = if has(value, RSA[0]) || has(value, RSA[1]) { "; an RSA key would be let in" } else { "" };
        let why = format!("sshd accepts no Ed25519 key, and that is what AWS's clients push{rsa}");
        Ok(Verdict::fail(lines::finding(facts, KEYWORD, why, remedy, &bad)))
    })
}

/// The name by which this version knows it.
fn keyword(config: &EffectiveConfig) -> &'static str {
    match lines::value_if_any(config, KEYWORD) {
        Some(_) => "PubkeyAcceptedAlgorithms",
        None => "PubkeyAcceptedKeyTypes",
    }
}

/// As `sshd -T` prints the list, or as a line has it. The built-in list has the algorithms that are asked for here.
fn has(list: &str, algorithm: &str) -> bool {
    if let Some(taken_away) = list.strip_prefix('-') {
        return !list_matches(algorithm, taken_away);
    }
    // Added to the built-in list, or put before it.
    list.starts_with(['+', '^'])
        || list.split(',').any(|name| name.trim() == algorithm || list_matches(algorithm, name))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Verdict;

    use super::{ED25519, has, judge};
    use crate::checks::healthy::{self, changes};

    #[test]
    fn a_list_that_lets_an_rsa_key_in_is_told_from_one_that_does_not() {
        let why = |list: &str| {
            let mut world = healthy::al2023();
            healthy::set_effective(&mut world.facts, "pubkeyacceptedalgorithms", list);
            let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
            finding.why
        };
        assert!(why("rsa-sha2-512,rsa-sha2-256").ends_with("push; an RSA key would be let in"));
        assert!(why("ecdsa-sha2-nistp256").ends_with("push"));
    }

    #[test]
    fn a_list_as_it_is_printed_and_as_it_is_written() {
        for list in ["ssh-ed25519", "rsa-sha2-512,ssh-ed25519", "+ssh-rsa", "^rsa-sha2-512", "-ssh-rsa,ecdsa*", "ssh-*"]
        {
            assert!(has(list, ED25519), "{list}");
        }
        for list in ["rsa-sha2-512", "ssh-ed25519-cert-v01@openssh.com", "-ssh-ed25519*", "-*", ""] {
            assert!(!has(list, ED25519), "{list}");
        }
    }

    #[test]
    fn the_keywords_older_name_is_read_too() {
        let changed = changes(healthy::al2(), |facts, _| {
            healthy::set_effective(facts, "pubkeyacceptedkeytypes", "rsa-sha2-512,rsa-sha2-256");
        });
        assert_eq!(changed, ["os.sshd.accepted-algorithms fail"]);
    }
}
