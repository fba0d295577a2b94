use eic_doctor_proto::{Attempt, Verdict, check};

use super::{Asked, SLOW_MS, answer, by_way_out, keys_user, seen, slow};
use crate::facts::{ImdsAnswer, OsFacts};

check! {
    /// The instance metadata service answers the account that runs the keys command, not only root.
    ///
    /// ## Why it matters
    /// sshd runs the keys command as `AuthorizedKeysCommandUser`, mostly `ec2-instance-connect`, never as root. A firewall rule with
    /// an owner match, which AWS's own guide shows as a way to protect the metadata service, can let root through and stop this
    /// account. Every look by hand as root is then fine, and each login fails with status 7 (rejected) or 28 (dropped).
    ///
    /// ## How to look by hand
    /// On the instance, as root:
    ///
    /// ```text
    /// runuser -u ec2-instance-connect -- curl -i -m 1 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 5' \
    ///     http://169.254.169.254/latest/api/token
    /// iptables -S OUTPUT | grep owner
    /// nft list ruleset | grep skuid
    /// ```
    ///
    /// Should `runuser` refuse because of the account's shell, `setpriv --reuid ec2-instance-connect --clear-groups` does the same.
    ///
    /// ## How to mend
    /// Put an exception for this account before the rule that stops it:
    /// `iptables -I OUTPUT 1 -d 169.254.169.254 -m owner --uid-owner ec2-instance-connect -j ACCEPT`, or in nftables
    /// `meta skuid "ec2-instance-connect" ip daddr 169.254.169.254 accept` in the same chain, and keep it where the firewall
    /// is configured so that it survives a restart.
    ///
    /// ## References
    /// - EC2 User Guide: "Limit access to the Instance Metadata Service"
    /// - sshd_config(5): AuthorizedKeysCommandUser
    pub static CHECK: OsFacts = {
        id: "os.imds.token-as-keys-user",
        title: "IMDS answers the keys user with a token",
        needs: ["os.account.keys-user", "os.imds.token"],
        runbook: ["CheckIMDSReachabilityFromOs"],
        judge: judge,
    }
}

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let who = keys_user(facts);
    let root = facts.imds.as_root.token.known();
    let asked = Asked {
        request: "PUT /latest/api/token",
        who: &who,
        root_was_answered: root.is_some_and(|token| token.status == 200),
        is_bystander: false,
    };
    let token = &facts.imds.as_keys_user.token;
    let token = answer(token, asked).map_err(|verdict| by_way_out(facts, attempt, token, asked, verdict))?;
    // Slow for root too is os.imds.token's finding, and one finding is enough.
    let is_slow = |token: &ImdsAnswer| token.latency_ms > SLOW_MS;
    if is_slow(token) && !root.is_some_and(is_slow) {
        return Ok(slow(token, asked));
    }
    Ok(Verdict::ok(seen(token, asked), "169.254.169.254"))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, changes};
    use crate::facts::{ImdsAnswer, ImdsView};

    #[test]
    fn an_owner_match_rule_that_stops_the_keys_user_alone_is_one_failure() {
        let changed = changes(healthy::ubuntu_2204(), |facts, _| {
            facts.imds.as_keys_user = ImdsView { token: Fact::unreadable("connection refused"), ..ImdsView::default() };
        });
        let expected = [
            "os.imds.token-as-keys-user fail",
            "os.imds.time-budget blocked",
            "os.imds.pushed-keys blocked",
            "os.trust.signer blocked",
        ];
        assert_eq!(changed, expected);
    }

    #[test]
    fn slowness_for_everybody_is_one_warning() {
        let changed = changes(healthy::al2(), |facts, _| {
            for view in [&mut facts.imds.as_root, &mut facts.imds.as_keys_user] {
                view.token = Fact::Known(ImdsAnswer { status: 200, latency_ms: 800, ..ImdsAnswer::default() });
            }
        });
        assert_eq!(changed, ["os.imds.token warn"]);
    }

    #[test]
    fn an_agent_that_may_not_become_the_keys_user_does_not_know() {
        let changed = changes(healthy::al2023(), |facts, _| {
            facts.imds.as_keys_user =
                ImdsView { token: Fact::unreadable("operation not permitted"), ..ImdsView::default() };
        });
        let expected = [
            "os.imds.token-as-keys-user unknown",
            "os.imds.time-budget unknown",
            "os.imds.pushed-keys unknown",
            "os.trust.signer unknown",
        ];
        assert_eq!(changed, expected);
    }
}
