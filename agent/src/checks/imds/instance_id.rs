use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use super::{Asked, answer, view};
use crate::facts::OsFacts;

check! {
    /// The metadata service names this instance by an id of EC2's form.
    ///
    /// ## Why it matters
    /// The keys command takes the instance's id from `/latest/meta-data/instance-id` and goes on only when it is `i-` and 8 to 32
    /// hexadecimal digits; later it takes only keys that were pushed for this very id. For anything else it ends with
    /// status 0 and says nothing, so sshd logs nothing either and the client is refused as if no key had been pushed. Mostly it
    /// means that something else than EC2 answers at 169.254.169.254.
    ///
    /// ## How to look by hand
    /// On the instance:
    ///
    /// ```text
    /// TOKEN=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
    /// curl -s -H "X-aws-ec2-metadata-token: $TOKEN" http://169.254.169.254/latest/meta-data/instance-id
    /// cat /sys/devices/virtual/dmi/id/board_asset_tag
    /// ```
    ///
    /// On Nitro instances the last line is the same id, from the hardware.
    ///
    /// ## How to mend
    /// Stop the metadata proxy, or the metadata server of another cloud or test rig, that answers instead: `ip addr show`,
    /// `iptables -t nat -S` and `nft list ruleset` show where packets to 169.254.169.254 go.
    ///
    /// ## References
    /// - EC2 User Guide: "Instance metadata categories"
    /// - EC2 Instance Connect API Reference: SendSSHPublicKey
    pub static CHECK: OsFacts = {
        id: "os.imds.instance-id",
        title: "IMDS names the instance",
        needs: ["os.imds.token"],
        runbook: ["CheckIMDSReachabilityFromOs"],
        judge: judge,
    }
}

const REQUEST: &str = "GET /latest/meta-data/instance-id";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let (view, who) = view(facts);
    let asked = Asked { request: REQUEST, who: &who, root_was_answered: false, is_bystander: false };
    let answer = answer(&view.instance_id, asked)?;
    let id = answer.body.raw().trim_end();
    if is_instance_id(id) {
        return Ok(Verdict::ok(id, REQUEST));
    }
    let why = if id.is_empty() {
        "IMDS answered with an empty instance id, at which the keys command stops without a word".to_owned()
    } else {
        format!("IMDS calls this instance `{}`, at which the keys command stops without a word", answer.body)
    };
    let remedy = Remedy::by_hand(
        "Stop what answers at 169.254.169.254 instead of EC2: `ip addr show`, `iptables -t nat -S` and `nft list ruleset` show it",
        "The same request gives the id that the EC2 console shows",
    );
    Ok(Verdict::fail(Finding::new(why, remedy).seen(format!("`{}`", answer.body), REQUEST)))
}

/// The keys command's own pattern, `^i-[0-9a-f]{8,32}$`.
pub(in crate::checks) fn is_instance_id(text: &str) -> bool {
    text.strip_prefix("i-").is_some_and(|digits| {
        (8..=32).contains(&digits.len()) && digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
    })
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use super::is_instance_id;
    use crate::checks::healthy::{self, changes};

    #[test]
    fn ids_are_taken_as_the_keys_command_takes_them() {
        for id in ["i-0123abcd", "i-0123456789abcdef0"] {
            assert!(is_instance_id(id), "{id}");
        }
        for id in
            ["", "i-", "i-0123abc", "i-0123456789ABCDEF0", "mi-0123456789abcdef0", "i-0123456789abcdef0\nx", "<html>"]
        {
            assert!(!is_instance_id(id), "{id}");
        }
    }

    #[test]
    fn a_stranger_at_the_address_of_imds_is_one_failure() {
        let changed = changes(healthy::al2023(), |facts, _| {
            for view in [&mut facts.imds.as_root, &mut facts.imds.as_keys_user] {
                let Fact::Known(answer) = &mut view.instance_id else { panic!("no instance id") };
                answer.body = "<html>It works!</html>".into();
            }
        });
        let expected = [
            "os.imds.instance-id fail",
            "os.imds.availability-zone blocked",
            "os.imds.domain blocked",
            "os.host.identity blocked",
        ];
        assert_eq!(changed, expected);
    }
}
