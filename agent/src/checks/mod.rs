//! Pure functions from [`OsFacts`](crate::facts::OsFacts) to a verdict. No clock, no I/O, no log.
//!
//! A folder that holds checks is an area and lists them in `ALL` (`host` in two parts); `keys_command`, `platform` and `version` hold no checks but what
//! several of them know.

use eic_doctor_proto::{About, Attempt, Check, Entry, Why};

use crate::facts::OsFacts;

pub mod account;
mod arrival;
pub mod firewall;
pub mod host;
pub mod imds;
mod keys_command;
pub mod log;
pub mod network;
pub mod package;
mod packet_filter;
mod platform;
pub mod security;
mod source;
pub mod sshd;
pub mod trust;
pub mod version;

#[cfg(test)]
#[path = "../../../tests/agent/healthy/mod.rs"]
mod healthy;
#[cfg(test)]
use crate::{checks, facts};

/// The version of this catalogue: it grows with every change of a check's meaning.
pub const CATALOGUE: u32 = 1;

/// Retired ids and what they are called now.
pub const RETIRED: &[(&str, &str)] = &[];

/// Every check on the instance, in the order in which they are judged and reported; a need comes before what needs it.
///
/// The keys command asks IMDS as an account that the package makes, hence package, account, IMDS.
pub fn all() -> Vec<&'static Check<OsFacts>> {
    [
        host::SYSTEM,
        package::ALL,
        account::ALL,
        imds::ALL,
        host::KEYS_COMMAND,
        trust::ALL,
        sshd::ALL,
        security::ALL,
        firewall::ALL,
        network::ALL,
        log::ALL,
    ]
    .concat()
}

pub fn abouts() -> Vec<&'static About> {
    all().into_iter().map(|check| &check.about).collect()
}

/// The catalogue over these facts.
pub fn entries<'a>(facts: &'a OsFacts, attempt: &'a Attempt) -> Vec<Entry<'a>> {
    all().into_iter().map(|check| check.on(facts, attempt)).collect()
}

/// The catalogue when no courier brought facts.
pub fn entries_without_facts(why: &Why) -> Vec<Entry<'static>> {
    all().into_iter().map(|check| check.without_facts(why)).collect()
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{CheckResult, Status};
    use serde_json::Value as Json;

    use super::healthy::{self, World, results};
    use crate::facts::OsFacts;

    /// Every world that differs from `world` in one place of its facts, the place being named.
    fn variants(world: &World, change: impl Fn(&Json) -> Option<Json>) -> Vec<(String, World)> {
        let tree = serde_json::to_value(&world.facts).unwrap();
        let mut places = Vec::new();
        walk(&tree, &mut String::new(), &mut |place, value| {
            if let Some(changed) = change(value) {
                places.push((place.to_owned(), changed));
            }
        });
        let with = |(place, changed): (String, Json)| {
            let mut tree = tree.clone();
            *tree.pointer_mut(&place)? = changed;
            // A place that only takes certain words refuses others when it is read.
            let facts: OsFacts = serde_json::from_value(tree).ok()?;
            Some((place, World { name: world.name, attempt: world.attempt.clone(), facts }))
        };
        places.into_iter().filter_map(with).collect()
    }

    fn walk(value: &Json, place: &mut String, see: &mut impl FnMut(&str, &Json)) {
        see(place, value);
        let children: Vec<(String, &Json)> = match value {
            Json::Object(values) => values.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Json::Array(values) => values.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
            _ => Vec::new(),
        };
        for (name, child) in children {
            let length = place.len();
            place.push('/');
            place.push_str(&name.replace('~', "~0").replace('/', "~1"));
            walk(child, place, see);
            place.truncate(length);
        }
    }

    fn is_known(value: &Json) -> bool {
        value.as_object().is_some_and(|object| object.len() == 1 && object.contains_key("known"))
    }

    #[test]
    fn a_fact_that_nobody_could_read_never_makes_a_finding() {
        let mut tried = 0;
        for world in healthy::all() {
            let before: Vec<Status> = results(&world).iter().map(|result| result.status).collect();
            for unseen in
                [serde_json::json!("not-gathered"), serde_json::json!({"unreadable": {"reason": "permission denied"}})]
            {
                for (place, variant) in variants(&world, |value| is_known(value).then(|| unseen.clone())) {
                    tried += 1;
                    for (result, before) in results(&variant).iter().zip(&before) {
                        let is_new = result.status.is_finding() && result.status != *before;
                        assert!(!is_new, "{}{place}: {} {}: {}", world.name, result.id, result.status, result.why);
                    }
                }
            }
        }
        assert!(tried > 500, "{tried} variants");
    }

    #[test]
    fn hostile_text_reaches_no_command_and_no_terminal() {
        let hostile = "/x/eic_run_authorized_keys';reboot #\u{1b}[31m\u{202e}\n";
        let mut tried = 0;
        for world in healthy::all() {
            for (place, variant) in variants(&world, |value| value.is_string().then(|| hostile.into())) {
                tried += 1;
                for CheckResult { id, why, evidence, remedy, .. } in results(&variant) {
                    let mut texts = vec![why];
                    texts.extend(evidence.into_iter().flat_map(|evidence| [evidence.seen, evidence.at]));
                    if let Some(remedy) = remedy {
                        let command = remedy.command.unwrap_or_default();
                        assert!(!command.contains("reboot"), "{place}: {id}: {command}");
                        assert!(!remedy.verify.contains("reboot"), "{place}: {id}: {}", remedy.verify);
                        texts.extend([remedy.text, remedy.verify, command]);
                    }
                    for text in texts {
                        assert_eq!(eic_doctor_proto::visible(&text), text, "{place}: {id}");
                    }
                }
            }
        }
        assert!(tried > 300, "{tried} variants");
    }
}
