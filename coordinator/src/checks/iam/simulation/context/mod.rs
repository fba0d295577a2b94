//! The condition keys that the policies read: which were supplied, which are known not to be there, and which are left unset.

use std::collections::BTreeSet;

use eic_doctor_proto::{Evidence, Fact};

use crate::facts::{Simulation, Tag};

const TAGS: [&str; 2] = ["aws:resourcetag/", "ec2:resourcetag/"];
/// Whose keys a request of a client can have. A key of any other service is in none of them, so a condition on it is settled.
const SERVICES: [&str; 3] = ["aws", "ec2", "ec2-instance-connect"];
/// What the simulator fills in by itself. Source: botocore, iam/2010-05-08, commit 885f434f7, SimulatePrincipalPolicy.
const FILLED_IN: [&str; 9] = [
    "aws:principalaccount",
    "aws:principalid",
    "aws:principaltype",
    "aws:userid",
    "aws:username",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalorgmasteraccountid",
    "aws:requestedregion",
];

/// What is known of the context of one question.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Every key that the principal's policies read.
    pub keys: &'a Fact<Vec<String>>,
    /// The tags of the resource, as a person calls it; `None`: it has none, or they are not known.
    pub tags: Option<(&'a str, &'a [Tag])>,
}

impl Context<'_> {
    /// Of the keys that the simulator missed, those whose value could change the answer.
    pub fn open<'k>(&self, missing: &'k [String]) -> Vec<&'k str> {
        missing.iter().map(String::as_str).filter(|key| self.can_be_set(key)).collect()
    }

    /// What of the context the answer rests on, and what was left unset.
    pub fn evidence(&self, simulation: &Simulation, missing: &[String]) -> Vec<Evidence> {
        const AT: &str = "iam:GetContextKeysForPrincipalPolicy";
        let mut found = Vec::new();
        let read = self.keys.known().into_iter().flatten().chain(missing);
        if let Some((whose, _)) = self.tags {
            let absent: BTreeSet<&str> = read.clone().filter_map(|key| self.absent_tag(key)).collect();
            if !absent.is_empty() {
                let absent: Vec<&str> = absent.into_iter().collect();
                let seen = format!("{whose} has no tag {}, which the policies ask for", absent.join(", "));
                found.push(Evidence::new(seen, "ec2:DescribeInstances"));
            }
        }
        let supplied: BTreeSet<String> = simulation
            .asked
            .iter()
            .flat_map(|asked| &asked.context_entries)
            .map(|entry| entry.context_key_name.to_ascii_lowercase())
            .chain(FILLED_IN.map(str::to_owned))
            .collect();
        match self.keys {
            Fact::Known(keys) => {
                let unset: BTreeSet<&str> = keys
                    .iter()
                    .map(String::as_str)
                    .filter(|key| self.can_be_set(key) && !supplied.contains(&key.to_ascii_lowercase()))
                    .collect();
                if !unset.is_empty() {
                    let unset: Vec<&str> = unset.into_iter().collect();
                    found.push(Evidence::new(
                        format!("left unset, although a policy reads it: {}", unset.join(", ")),
                        AT,
                    ));
                }
            }
            Fact::Unreadable(why) => {
                found.push(Evidence::new(format!("which keys the policies read is not known: {}", why.reason), AT));
            }
            Fact::Absent | Fact::NotGathered => {}
        }
        found
    }

    fn can_be_set(&self, key: &str) -> bool {
        let service = key.split_once(':').map_or("aws", |(service, _)| service);
        SERVICES.iter().any(|known| known.eq_ignore_ascii_case(service)) && self.absent_tag(key).is_none()
    }

    /// The tag that the key names, where the resource is known not to have it: then the key is not in the request, and what the
    /// simulator makes of that is what AWS makes of it.
    fn absent_tag<'k>(&self, key: &'k str) -> Option<&'k str> {
        let (_, tags) = self.tags?;
        let prefix = TAGS
            .iter()
            .find(|prefix| key.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)))?;
        let name = key.get(prefix.len()..).filter(|name| !name.is_empty())?;
        // Names of condition keys do not heed case, and so neither does the tag's key in them.
        let is_there = tags.iter().filter_map(|tag| tag.key.as_deref()).any(|known| known.eq_ignore_ascii_case(name));
        (!is_there).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{ContextEntry, SimulationQuestion};

    fn tags() -> Vec<Tag> {
        vec![Tag { key: Some("Env".into()), value: Some("prod".into()) }]
    }

    #[test]
    fn a_tag_that_is_not_there_and_a_key_of_another_service_leave_nothing_open() {
        let tags = tags();
        let context = Context { keys: &Fact::NotGathered, tags: Some(("the instance", &tags)) };
        let missing =
            ["aws:ResourceTag/team", "ec2:resourcetag/ENV", "s3:prefix", "aws:SourceIp", "ec2:Vpc"].map(String::from);
        assert_eq!(context.open(&missing), ["ec2:resourcetag/ENV", "aws:SourceIp", "ec2:Vpc"]);
        let unknown_tags = Context { tags: None, ..context };
        assert_eq!(
            unknown_tags.open(&missing),
            ["aws:ResourceTag/team", "ec2:resourcetag/ENV", "aws:SourceIp", "ec2:Vpc"]
        );
    }

    #[test]
    fn what_is_left_unset_is_listed_and_what_was_told_is_not() {
        let tags = tags();
        let keys = ["aws:SourceIp", "aws:RequestedRegion", "aws:username", "s3:prefix", "aws:ResourceTag/team"];
        let keys = Fact::Known(keys.map(String::from).to_vec());
        let context = Context { keys: &keys, tags: Some(("the instance", &tags)) };
        let seen = |simulation: &Simulation| {
            context.evidence(simulation, &[]).into_iter().map(|found| found.seen.to_string()).collect::<Vec<_>>()
        };
        let no_tag = "the instance has no tag team, which the policies ask for";
        let unset = "left unset, although a policy reads it: aws:SourceIp";
        assert_eq!(seen(&Simulation::default()), [no_tag, unset]);
        let told = ContextEntry { context_key_name: "AWS:SourceIp".into(), ..ContextEntry::default() };
        let asked = SimulationQuestion { context_entries: vec![told], ..SimulationQuestion::default() };
        assert_eq!(seen(&Simulation { asked: Some(asked), ..Simulation::default() }), [no_tag]);
    }
}
