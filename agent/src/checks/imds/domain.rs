use std::cmp::Ordering;

use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use super::{Asked, answer, view};
use crate::checks::{keys_command, version};
use crate::facts::OsFacts;

check! {
    /// The metadata service names a service domain that the keys command trusts.
    ///
    /// ## Why it matters
    /// Keys come signed by `managed-ssh-signer.REGION.DOMAIN`. Since 1.1.13 the keys command takes DOMAIN from
    /// `/latest/meta-data/services/domain` and goes on only for `amazonaws.com`, `amazonaws.com.cn`, `c2s.ic.gov` and
    /// `sc2s.sgov.gov`; for others, such as the AWS European Sovereign Cloud's `amazonaws.eu`, it ends with status 255 and logs
    /// that the domain is not valid. EC2 Instance Connect is not offered there.
    ///
    /// ## How to look by hand
    /// On the instance, over Session Manager or the serial console:
    ///
    /// ```text
    /// TOKEN=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
    /// curl -s -H "X-aws-ec2-metadata-token: $TOKEN" http://169.254.169.254/latest/meta-data/services/domain
    /// journalctl -t ec2-instance-connect
    /// ```
    ///
    /// ## How to mend
    /// Where AWS does not offer EC2 Instance Connect, log in with a key pair or by Session Manager. Where it does and the domain is
    /// still another, something else than EC2 answers at 169.254.169.254: stop it.
    ///
    /// ## References
    /// - EC2 User Guide: "Prerequisites for EC2 Instance Connect"
    /// - EC2 User Guide: "Instance metadata categories"
    pub static CHECK: OsFacts = {
        id: "os.imds.domain",
        title: "IMDS names a domain of EC2 Instance Connect",
        needs: ["os.imds.instance-id"],
        runbook: ["CheckIMDSReachabilityFromOs"],
        judge: judge,
    }
}

const REQUEST: &str = "GET /latest/meta-data/services/domain";

/// The keys command's own list.
const DOMAINS: [&str; 4] = ["amazonaws.com", "amazonaws.com.cn", "c2s.ic.gov", "sc2s.sgov.gov"];

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let judged = judge_scripts(facts);
    // What the scripts take, others do not refuse.
    if let Ok(Verdict::Ok { .. }) = judged {
        return judged;
    }
    let package = facts.package.ec2_instance_connect.known();
    let release = package.and_then(|package| version::release(package.version.raw()));
    if let (Some(package), Some(release)) = (package, release)
        && version::compare(&release, version::FIRST_WITH_DOMAINS) == Ordering::Less
    {
        let why = format!("ec2-instance-connect {} does not ask for the domain; 1.1.13 was the first", package.version);
        return Ok(Verdict::not_applicable(why));
    }
    keys_command::by_scripts(facts, judged)
}

fn judge_scripts(facts: &OsFacts) -> Result<Verdict, Verdict> {
    let (view, who) = view(facts);
    let asked = Asked { request: REQUEST, who: &who, root_was_answered: false, is_bystander: false };
    let answer = answer(&view.domain, asked)?;
    let domain = answer.body.raw().trim_end();
    if is_trusted(domain) {
        return Ok(Verdict::ok(domain, REQUEST));
    }
    let why = format!("the keys command does not trust the service domain `{}`", answer.body);
    let remedy = Remedy::by_hand(
        "Log in with a key pair or by Session Manager: EC2 Instance Connect is not offered in this partition",
        "EC2 User Guide, \"Prerequisites for EC2 Instance Connect\", names the Regions",
    );
    Ok(Verdict::fail(Finding::new(why, remedy).seen(format!("`{}`", answer.body), REQUEST)))
}

pub(super) fn is_trusted(domain: &str) -> bool {
    DOMAINS.contains(&domain)
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, World, changes};

    const FAIL: [&str; 2] = ["os.imds.domain fail", "os.trust.signer unknown"];

    fn with_domain(domain: &str) -> Vec<String> {
        in_world(healthy::al2023(), domain)
    }

    fn in_world(world: World, domain: &str) -> Vec<String> {
        changes(world, |facts, _| {
            let Fact::Known(signer) = &mut facts.trust.signer else { panic!("no signer") };
            let Fact::Known(chain) = &mut signer.chain else { panic!("no chain") };
            chain[0].name = format!("managed-ssh-signer.eu-west-1.{}", domain.trim_end()).into();
            for view in [&mut facts.imds.as_root, &mut facts.imds.as_keys_user] {
                let Fact::Known(answer) = &mut view.domain else { panic!("no domain") };
                answer.body = domain.into();
            }
        })
    }

    #[test]
    fn china_is_trusted_and_the_sovereign_cloud_is_not() {
        assert_eq!(with_domain("amazonaws.com.cn\n"), [""; 0]);
        assert_eq!(with_domain("amazonaws.eu"), FAIL);
        assert_eq!(with_domain("evil-amazonaws.com"), FAIL);
    }

    #[test]
    fn only_the_scripts_that_ask_for_the_domain_mind_it() {
        let of = |version: &'static str| {
            let mut world = healthy::ubuntu_2204();
            let Fact::Known(package) = &mut world.facts.package.ec2_instance_connect else { panic!("no package") };
            package.version = version.into();
            in_world(world, "amazonaws.eu")
        };
        assert_eq!(of("1.1.12+dfsg1-0ubuntu3"), ["os.imds.domain not-applicable", "os.trust.signer unknown"]);
        assert_eq!(of("1.1.13-0ubuntu1"), FAIL);
        let unknown = ["os.imds.domain unknown", "os.trust.signer unknown"];
        assert_eq!(in_world(healthy::rhel9(), "amazonaws.eu"), unknown);
    }
}
