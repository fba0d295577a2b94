//! The lists as they are for others of the attempt's addresses, where a `Match` may apply to some of them alone.

use eic_doctor_proto::{Untrusted, Verdict};

use super::lists::Lists;
use crate::facts::{Account, ConfigSetting, EffectiveConfig, OsFacts};

const KEYWORDS: [&str; 4] = ["denyusers", "allowusers", "denygroups", "allowgroups"];
/// Each may apply or not, which makes up to 64 ways.
const CONDITIONS: usize = 6;

/// Each way in which the conditions that may hold do or do not, with a line that one of them is about.
///
/// Lines of a list count together; those of `Match` blocks are taken instead of all others (`copy_set_server_options` in `servconf.c`).
pub(super) fn others<'a>(
    facts: &'a OsFacts,
    config: &'a EffectiveConfig,
    account: &'a Account,
) -> Result<Vec<(Lists<'a>, &'a ConfigSetting)>, Verdict> {
    let settings = facts.sshd.config.known().map_or(&[][..], |config| config.settings.as_slice());
    let of_lists: Vec<&ConfigSetting> =
        settings.iter().filter(|setting| KEYWORDS.contains(&setting.keyword.raw())).collect();
    // The first line of each condition.
    let mut perhaps: Vec<&ConfigSetting> = Vec::new();
    for setting in of_lists.iter().filter(|setting| setting.is_uncertain) {
        if perhaps.iter().all(|known| known.condition != setting.condition) {
            perhaps.push(setting);
        }
    }
    if perhaps.len() > CONDITIONS {
        let why = format!("{} `Match` blocks have lists of users or groups for some addresses alone", perhaps.len());
        return Err(Verdict::unknown(why));
    }
    let Some(first) = perhaps.first() else { return Ok(Vec::new()) };
    let ways = 0_u32..1 << perhaps.len();
    Ok(ways
        .map(|way| {
            let holding: Vec<&ConfigSetting> = perhaps
                .iter()
                .enumerate()
                .filter(|(place, _)| way >> place & 1 == 1)
                .map(|(_, setting)| *setting)
                .collect();
            let values = |keyword| values(&of_lists, &holding, keyword);
            (Lists::from(facts, config, account, values), holding.first().copied().unwrap_or(first))
        })
        .collect())
}

fn values<'a>(
    of_lists: &[&'a ConfigSetting],
    holding: &[&'a ConfigSetting],
    keyword: &'static str,
) -> Vec<&'a Untrusted> {
    let holds = |setting: &ConfigSetting| {
        !setting.is_uncertain || holding.iter().any(|holding| holding.condition == setting.condition)
    };
    let lines = || of_lists.iter().filter(|setting| setting.keyword.raw() == keyword && holds(setting));
    let is_of_match = lines().any(|setting| setting.condition.is_some());
    lines().filter(|setting| setting.condition.is_some() == is_of_match).flat_map(|setting| &setting.values).collect()
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::super::judge;
    use crate::checks::healthy;
    use crate::facts::ConfigSetting;

    type Perhaps<'a> = (&'a str, &'a str, &'a str);

    /// Where these lists are in effect, and those of `Match` blocks may be.
    fn judged(effective: &[(&str, &str)], perhaps: &[Perhaps<'_>]) -> String {
        let mut world = healthy::rhel9();
        for (keyword, value) in effective {
            healthy::set_effective(&mut world.facts, keyword, value);
            let Fact::Known(config) = &mut world.facts.sshd.config else { panic!("no configuration") };
            let (keyword, values) = ((*keyword).into(), vec![(*value).into()]);
            config.settings.push(ConfigSetting { keyword, values, ..ConfigSetting::default() });
        }
        for (keyword, condition, value) in perhaps {
            healthy::perhaps(&mut world.facts, keyword, condition, value);
        }
        match judge(&world.facts, &world.attempt).unwrap_or_else(|verdict| verdict) {
            Verdict::Ok { .. } => "ok".to_owned(),
            Verdict::Fail(_) => "fail".to_owned(),
            Verdict::Unknown { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    const HERE: &str = "Address 203.0.113.7";
    const THERE: &str = "Address 203.0.113.8";

    #[test]
    fn a_list_for_a_part_of_the_addresses_leaves_it_open() {
        let open = judged(&[], &[("denyusers", HERE, "ec2-user")]);
        assert!(open.ends_with("sshd has another value for `Match Address 203.0.113.7`"), "{open}");
        for perhaps in [("allowusers", HERE, "bob"), ("denygroups", HERE, "ec2-*"), ("allowgroups", HERE, "wheel-not")]
        {
            assert!(judged(&[], &[perhaps]).starts_with("it depends on "), "{perhaps:?}");
        }
        // Refused from all addresses but those of the block.
        let admitted = judged(&[("allowusers", "bob")], &[("allowusers", HERE, "ec2-user")]);
        assert!(admitted.starts_with("it depends on "), "{admitted}");
    }

    #[test]
    fn what_all_addresses_agree_on_is_said() {
        assert_eq!(judged(&[], &[("denyusers", HERE, "bob")]), "ok");
        assert_eq!(judged(&[("allowusers", "ec2-user")], &[("allowusers", HERE, "ec2-*")]), "ok");
        assert_eq!(judged(&[("denyusers", "ec2-user")], &[("denyusers", HERE, "ec2-*")]), "fail");
        // The block's own list is taken instead of the other one.
        let instead = judged(&[("denyusers", "ec2-user")], &[("denyusers", HERE, "bob")]);
        assert!(instead.starts_with("it depends on "), "{instead}");
    }

    #[test]
    fn blocks_that_both_may_apply_are_taken_apart_and_together() {
        let both = |second: &str| judged(&[], &[("denyusers", HERE, "bob"), ("denyusers", THERE, second)]);
        assert_eq!(both("eve"), "ok");
        assert!(both("ec2-user").ends_with("`Match Address 203.0.113.8`"), "{}", both("ec2-user"));
        let conditions: Vec<String> = (0..7).map(|place| format!("Address 203.0.113.{place}")).collect();
        let many: Vec<Perhaps<'_>> =
            conditions.iter().map(|condition| ("denyusers", condition.as_str(), "bob")).collect();
        assert_eq!(judged(&[], &many), "7 `Match` blocks have lists of users or groups for some addresses alone");
    }
}
