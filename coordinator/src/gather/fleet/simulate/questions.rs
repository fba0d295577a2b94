//! What makes two questions to the simulator the same, and what of an answer about many instances is about one. Pure.

use std::collections::BTreeSet;

use eic_doctor_proto::Fact;

use crate::facts::{ContextEntry, EvaluationResult, Instance, Simulation, SimulationQuestion};
use crate::gather::run::Seen;

const TAGS: [&str; 2] = ["aws:ResourceTag/", "ec2:ResourceTag/"];

/// The values of the keys that are read: what makes two questions the same.
pub type Values = Vec<(String, String)>;

/// An instance and the account that owns it.
pub struct Owned<'a> {
    pub instance: &'a Instance,
    pub owner_id: &'a Fact<String>,
}

impl Owned<'_> {
    pub(in crate::gather) fn seen(&self) -> Seen {
        Seen {
            instance_id: self.instance.instance_id.clone().unwrap_or_default(),
            instance: Fact::Known(self.instance.clone()),
            owner_id: self.owner_id.clone(),
        }
    }
}

/// The tags that the policies read; all of them where nobody knows which are read.
pub fn values(instance: &Instance, keys: Option<&BTreeSet<String>>) -> Values {
    let is_read = |key: &str| {
        keys.is_none_or(|keys| TAGS.iter().any(|prefix| keys.contains(&format!("{prefix}{key}").to_ascii_lowercase())))
    };
    let tags = instance.tags.iter().filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default())));
    let mut values: Values = tags.filter(|(key, _)| is_read(key)).collect();
    values.sort_unstable();
    values
}

/// The entries of the first question, with these tags in place of that instance's.
pub fn with_tags(entries: &[ContextEntry], values: &Values) -> Vec<ContextEntry> {
    let is_tag = |entry: &&ContextEntry| TAGS.iter().any(|prefix| entry.context_key_name.starts_with(prefix));
    let others = entries.iter().filter(|entry| !is_tag(entry)).cloned();
    let tags = values.iter().flat_map(|(key, value)| {
        TAGS.iter().map(move |prefix| ContextEntry {
            context_key_name: format!("{prefix}{key}"),
            context_key_values: vec![value.clone()],
            context_key_type: "string".to_owned(),
        })
    });
    others.chain(tags).collect()
}

/// The first question's ARN, of this instance.
pub fn arn(asked: &SimulationQuestion, owned: &Owned<'_>) -> String {
    let first = asked.resource_arns.first().map(String::as_str).unwrap_or_default();
    let mut parts: Vec<&str> = first.splitn(6, ':').collect();
    let resource = format!("instance/{}", owned.instance.instance_id.as_deref().unwrap_or_default());
    if let (Some(account), Some(owner)) = (parts.get_mut(4), owned.owner_id.known()) {
        *account = owner;
    }
    if let Some(last) = parts.get_mut(5) {
        *last = &resource;
    }
    parts.join(":")
}

/// The keys that the answer misses, lower case.
pub fn missing(answer: &Fact<Simulation>) -> Vec<String> {
    let results = answer.known().into_iter().flat_map(|answer| &answer.evaluation_results).flat_map(|result| {
        let specific = result.resource_specific_results.iter().flat_map(|specific| &specific.missing_context_values);
        result.missing_context_values.iter().chain(specific)
    });
    results.map(|key| key.to_ascii_lowercase()).collect()
}

/// Keys that the answer misses although the instance has them.
pub fn missed(answer: &Fact<Simulation>, instance: &Instance, keys: Option<&BTreeSet<String>>) -> Vec<String> {
    // With nothing known of the keys, every tag was told.
    let Some(keys) = keys else { return Vec::new() };
    let missing = missing(answer).into_iter().filter(|key| !keys.contains(key));
    let has = |key: &String| {
        instance
            .tags
            .iter()
            .filter_map(|tag| tag.key.as_ref())
            .any(|tag| TAGS.iter().any(|prefix| format!("{prefix}{tag}").to_ascii_lowercase() == *key))
    };
    missing.filter(has).collect()
}

/// What of an answer about many is about one.
pub trait OneOfMany {
    fn clone_of(&self, arn: &str) -> Self;
}

impl OneOfMany for Fact<Simulation> {
    fn clone_of(&self, arn: &str) -> Self {
        let Fact::Known(answer) = self else { return self.clone() };
        let is_ours = |name: &Option<String>| name.as_deref() == Some(arn);
        let results = answer.evaluation_results.iter().filter_map(|result| {
            // Each shape of the answer says in its own place what it speaks of.
            let specific: Vec<_> = result
                .resource_specific_results
                .iter()
                .filter(|specific| is_ours(&specific.eval_resource_name))
                .cloned()
                .collect();
            let is_about_it = !specific.is_empty() || is_ours(&result.eval_resource_name);
            is_about_it.then(|| {
                // What the top level misses, it misses for some of the resources: each has its own list.
                let missing = if specific.is_empty() { result.missing_context_values.clone() } else { Vec::new() };
                EvaluationResult {
                    eval_action_name: result.eval_action_name.clone(),
                    eval_resource_name: result.eval_resource_name.clone(),
                    eval_decision: result.eval_decision.clone(),
                    matched_statements: if specific.is_empty() {
                        result.matched_statements.clone()
                    } else {
                        Vec::new()
                    },
                    missing_context_values: missing,
                    organizations_decision_detail: result.organizations_decision_detail.clone(),
                    permissions_boundary_decision_detail: result.permissions_boundary_decision_detail.clone(),
                    resource_specific_results: specific,
                }
            })
        });
        let evaluation_results = results.collect();
        let asked = answer
            .asked
            .as_ref()
            .map(|asked| SimulationQuestion { resource_arns: vec![arn.to_owned()], ..asked.clone() });
        Fact::Known(Simulation { evaluation_results, asked, policies: Vec::new() })
    }
}
