use eic_doctor_proto::{Attempt, Finding, Remedy, Verdict, check};

use super::{Asked, answer, view};
use crate::checks::keys_command;
use crate::facts::OsFacts;

check! {
    /// The instance is in a zone whose name the keys command takes: an Availability Zone, not a Local Zone or Wavelength Zone.
    ///
    /// ## Why it matters
    /// EC2 Instance Connect is not offered in Local Zones. The keys command takes zone names such as `eu-west-1a` and
    /// `us-gov-west-1a`; at `us-west-2-lax-1a` (Local Zone) or `us-east-1-wl1-bos-wlz-1` (Wavelength Zone) it ends with status 255
    /// and logs nothing of its own, so that sshd's `failed, status 255` is all there is to see. Pushing a key can still succeed.
    ///
    /// ## How to look by hand
    /// Without a login: `aws ec2 describe-instances --instance-ids i-… --query 'Reservations[].Instances[].Placement'`, and
    /// `aws ec2 describe-availability-zones --all-availability-zones` for the zone's `ZoneType`. On the instance: the request
    /// `/latest/meta-data/placement/availability-zone` with an IMDSv2 token.
    ///
    /// ## How to mend
    /// No setting changes this. Log in with a key pair that is in the user's `authorized_keys`, by Session Manager, or by the EC2
    /// serial console; or launch the instance in an Availability Zone of the parent Region.
    ///
    /// ## References
    /// - EC2 User Guide: "Prerequisites for EC2 Instance Connect"
    /// - EC2 User Guide: "Regions and Zones"
    pub static CHECK: OsFacts = {
        id: "os.imds.availability-zone",
        title: "the instance is in an Availability Zone",
        needs: ["os.imds.instance-id"],
        runbook: ["CheckIMDSReachabilityFromOs"],
        judge: judge,
    }
}

const REQUEST: &str = "GET /latest/meta-data/placement/availability-zone";

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    match judge_scripts(facts) {
        // What the scripts take, others do not refuse.
        ok @ Ok(Verdict::Ok { .. }) => ok,
        judged => keys_command::by_scripts(facts, judged),
    }
}

fn judge_scripts(facts: &OsFacts) -> Result<Verdict, Verdict> {
    let (view, who) = view(facts);
    let asked = Asked { request: REQUEST, who: &who, root_was_answered: false, is_bystander: false };
    let answer = answer(&view.availability_zone, asked)?;
    let zone = answer.body.raw().trim_end();
    if is_availability_zone(zone) {
        return Ok(Verdict::ok(zone, REQUEST));
    }
    let (why, text) = match parent_region(zone) {
        Some(region) => (
            format!("`{zone}` is a Local Zone or Wavelength Zone, where EC2 Instance Connect is not offered"),
            format!(
                "Log in with a key pair or by Session Manager, or launch the instance in an Availability Zone of {region}"
            ),
        ),
        None => (
            format!("`{}` is no zone name that the keys command takes", answer.body),
            "Log in with a key pair or by Session Manager; the keys command stops at this zone's name".to_owned(),
        ),
    };
    let remedy = Remedy::by_hand(text, "aws ec2 describe-availability-zones --all-availability-zones");
    Ok(Verdict::fail(Finding::new(why, remedy).seen(format!("`{}`", answer.body), REQUEST)))
}

/// The keys command's own pattern, `^([a-z]+-){2,3}[0-9][a-z]$`.
pub(super) fn is_availability_zone(zone: &str) -> bool {
    let Some((words, last)) = zone.rsplit_once('-') else { return false };
    let words: Vec<&str> = words.split('-').collect();
    (2..=3).contains(&words.len())
        && words.iter().all(|word| is_word(word))
        && matches!(last.as_bytes(), [b'0'..=b'9', b'a'..=b'z'])
}

/// `us-west-2` of `us-west-2-lax-1a`: a Region, and more words than the letter of an Availability Zone.
fn parent_region(zone: &str) -> Option<String> {
    let parts: Vec<&str> = zone.split('-').collect();
    let number = parts.iter().position(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()))?;
    let (region, rest) = (parts.get(..=number)?, parts.get(number + 1..)?);
    let is_region = number >= 2 && region.iter().take(number).all(|word| is_word(word));
    let is_zone_of_it = !rest.is_empty() && rest.iter().all(|part| part.chars().all(|c| c.is_ascii_alphanumeric()));
    (is_region && is_zone_of_it).then(|| region.join("-"))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::{is_availability_zone, judge, parent_region};
    use crate::checks::healthy::{self, changes};

    #[test]
    fn zones_are_taken_as_the_keys_command_takes_them() {
        for zone in ["us-east-1a", "us-gov-west-1a", "cn-north-1a", "eusc-de-east-1a", "mx-central-1a"] {
            assert!(is_availability_zone(zone), "{zone}");
        }
        for zone in [
            "us-west-2-lax-1a",
            "us-east-1-wl1-bos-wlz-1",
            "us-east-1",
            "us-east-10a",
            "US-EAST-1a",
            "",
            "1a",
            "us--east-1a-",
        ] {
            assert!(!is_availability_zone(zone), "{zone}");
        }
    }

    #[test]
    fn the_parent_region_of_a_local_zone_is_named_and_no_other() {
        assert_eq!(parent_region("us-west-2-lax-1a").as_deref(), Some("us-west-2"));
        assert_eq!(parent_region("us-east-1-wl1-bos-wlz-1").as_deref(), Some("us-east-1"));
        for zone in ["", "somewhere", "us-east-10a", "2-a", "us-east-1-\u{1b}[2J"] {
            assert_eq!(parent_region(zone), None, "{zone}");
        }
    }

    #[test]
    fn what_the_one_program_makes_of_a_zone_is_not_known() {
        let changed = changes(healthy::rhel9(), |facts, _| {
            for view in [&mut facts.imds.as_root, &mut facts.imds.as_keys_user] {
                let Fact::Known(answer) = &mut view.availability_zone else { panic!("no zone") };
                answer.body = "us-west-2-lax-1a".into();
            }
        });
        assert_eq!(changed, ["os.imds.availability-zone unknown", "os.trust.signer unknown"]);
    }

    #[test]
    fn a_local_zone_fails_for_that_reason() {
        let mut world = healthy::al2023();
        for view in [&mut world.facts.imds.as_root, &mut world.facts.imds.as_keys_user] {
            let Fact::Known(answer) = &mut view.availability_zone else { panic!("no zone") };
            answer.body = "us-west-2-lax-1a".into();
        }
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        assert_eq!(
            finding.why,
            "`us-west-2-lax-1a` is a Local Zone or Wavelength Zone, where EC2 Instance Connect is not offered"
        );
    }
}
