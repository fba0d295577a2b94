use eic_doctor_proto::{Attempt, Evidence, Finding, Remedy, Verdict, check};

use crate::facts::OsFacts;

check! {
    /// Neither FIPS mode nor the system-wide crypto policy takes Ed25519 keys away from sshd.
    ///
    /// ## Why it matters
    /// `aws ec2-instance-connect ssh` and the console push an Ed25519 key. In FIPS mode, and under some policies of RHEL and
    /// Amazon Linux 2023 (`FIPS`, or one of your own), sshd does not take such keys: every login of those clients fails, while an
    /// RSA key that one pushes oneself works. That sshd refuses the key is what `os.sshd.accepted-algorithms` says; this check
    /// says where that comes from, so it is never more than `warn`.
    ///
    /// ## How to look by hand
    /// ```text
    /// cat /proc/sys/crypto/fips_enabled /etc/crypto-policies/state/current
    /// grep -i PubkeyAccepted /etc/crypto-policies/back-ends/opensshserver.config
    /// ```
    ///
    /// ## How to mend
    /// Where FIPS is demanded, push an RSA key: `aws ec2-instance-connect send-ssh-public-key` with the public half of a key made by
    /// `ssh-keygen -t rsa -b 3072`, then plain `ssh -i` within 60 seconds. Where it is not, `update-crypto-policies --set DEFAULT`
    /// and a restart of sshd bring Ed25519 back.
    ///
    /// ## References
    /// - crypto-policies(7), update-crypto-policies(8), fips-mode-setup(8)
    /// - sshd_config(5): PubkeyAcceptedAlgorithms
    /// - plus3it/spel, issue 645
    pub static CHECK: OsFacts = {
        id: "os.security.crypto-policy",
        title: "FIPS and crypto policies leave Ed25519 keys to sshd",
        needs: [],
        required: false,
        judge: judge,
    }
}

/// The kind of key that AWS's clients push.
const ED25519: &str = "ssh-ed25519";
const FIPS_AT: &str = "/proc/sys/crypto/fips_enabled";
const POLICY_AT: &str = "/etc/crypto-policies/state/current";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let security = &facts.security;
    let is_fips = security.fips.present("FIPS mode")? == Some(&true);
    let policy = security.crypto_policy.present("the crypto policy")?;
    let listed = security.policy_algorithms.present("the crypto policy's algorithms")?;
    let mode = Evidence::new(if is_fips { "FIPS mode is on" } else { "FIPS mode is off" }, FIPS_AT);
    let policy_seen = policy.map(|policy| Evidence::new(format!("crypto policy {policy}"), POLICY_AT));
    let evidence: Vec<Evidence> = [mode].into_iter().chain(policy_seen).collect();

    let policy_lacks = listed.is_some_and(|listed| !listed.iter().any(|name| name.raw() == ED25519));
    if !is_fips && !policy_lacks {
        return Ok(Verdict::Ok { evidence });
    }
    // A line of `sshd_config` may give back what the policy takes away.
    let config = facts.sshd.effective.need("sshd's effective configuration")?;
    let keywords = ["pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"];
    let effective = keywords.into_iter().find_map(|keyword| config.first(keyword));
    let takes_it = match effective {
        Some(list) => list.raw().split(',').any(|name| name.trim() == ED25519),
        None => !policy_lacks,
    };
    if takes_it {
        return Ok(Verdict::Ok { evidence });
    }
    let by = match policy {
        Some(policy) if !is_fips => format!("the crypto policy {policy}"),
        _ => "FIPS mode".to_owned(),
    };
    let remedy = Remedy::by_hand(
        "Push an RSA key: `aws ec2-instance-connect send-ssh-public-key` and then plain `ssh -i`; `aws ec2-instance-connect ssh` and the \
         console always push an Ed25519 key",
        "A login with a pushed RSA key",
    );
    let why = format!("{by} takes Ed25519 keys away from sshd, and that is what AWS's clients push");
    Ok(Verdict::warn(Finding::new(why, remedy).with(evidence)))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::judge;
    use crate::checks::healthy;

    #[test]
    fn a_line_in_sshds_own_configuration_may_give_back_what_the_policy_takes() {
        let mut world = healthy::rhel9();
        world.facts.security.fips = Fact::Known(true);
        world.facts.security.policy_algorithms = Fact::Known(vec!["rsa-sha2-256".into()]);
        healthy::set_effective(&mut world.facts, "pubkeyacceptedalgorithms", "rsa-sha2-256,ssh-ed25519");
        assert!(matches!(judge(&world.facts, &world.attempt), Ok(Verdict::Ok { .. })));
        healthy::set_effective(&mut world.facts, "pubkeyacceptedalgorithms", "rsa-sha2-256");
        assert!(matches!(judge(&world.facts, &world.attempt), Ok(Verdict::Warn(_))));
    }

    #[test]
    fn what_sshds_own_configuration_takes_away_is_not_the_policys_doing() {
        let mut world = healthy::rhel9();
        healthy::set_effective(&mut world.facts, "pubkeyacceptedalgorithms", "rsa-sha2-256");
        assert!(matches!(judge(&world.facts, &world.attempt), Ok(Verdict::Ok { .. })));
    }
}
