//! What holds for every check: its declaration, its silence where all is well, its voice where it is not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use eic_doctor::checks::{self, OS_CHECKS_NEED, os_needs};
use eic_doctor::facts::Facts;
use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::testing::{orphans, problems_of_catalogue, problems_of_results};
use eic_doctor_proto::{Attempt, CheckResult, Fact, Status, Via};

use crate::support::{World, named, results, root, worlds};

/// Nothing is wrong in these, and everything could be looked at.
const HEALTHY: [&str; 7] = [
    "al2023-public",
    "al2-private",
    "rhel9-public",
    "ubuntu-2204-browser",
    "ipv6-public",
    "recorded-healthy",
    "endpoint",
];

/// Judged from outside, so only healthy where the instance itself tells nothing.
const FROM_OUTSIDE: [(&str, &str); 3] = [
    ("both.instance.operating-system", "recorded-ssm-connection-lost"),
    ("both.account.os-user", "seen-from-outside"),
    ("aws.instance.console", "console-quiet"),
];

#[test]
fn ids_needs_titles_and_manuals_are_in_order() {
    assert_eq!(problems_of_catalogue(&checks::abouts()), Vec::<String>::new());
}

#[test]
fn no_check_file_is_forgotten_and_one_that_is_would_be_found() {
    let folder = root().join("coordinator/src/checks");
    let mut abouts = checks::abouts();
    assert_eq!(orphans(&folder, &abouts).unwrap(), Vec::<String>::new());
    abouts.retain(|about| about.id != "aws.network.route-to-source");
    assert_eq!(orphans(&folder, &abouts).unwrap(), [folder.join("network/route_to_source.rs").to_str().unwrap()]);
}

#[test]
fn what_checks_on_the_instance_need_from_outside_exists_and_comes_before_them() {
    let position: BTreeMap<&str, usize> = checks::abouts().iter().enumerate().map(|(n, about)| (about.id, n)).collect();
    let os: Vec<&str> = position.keys().copied().filter(|id| id.starts_with("os.")).collect();
    assert!(os.len() > 10);
    for id in &os {
        for need in os_needs(id) {
            assert!(position.get(need).is_some_and(|before| *before < position[id]), "{id} needs {need}");
        }
    }
    let every: BTreeSet<&str> = os_needs("os.sshd.running").iter().copied().collect();
    for (id, needs) in OS_CHECKS_NEED {
        assert!(os.contains(id), "{id} is no check");
        assert!(every.is_subset(&needs.iter().copied().collect()), "{id} lacks what every check needs");
    }
}

#[test]
fn retired_ids_lead_to_checks_and_are_none_themselves() {
    let ids: BTreeSet<&str> = checks::abouts().iter().map(|about| about.id).collect();
    for (retired, current) in checks::RETIRED {
        assert!(ids.contains(current) && !ids.contains(retired), "{retired} {current}");
    }
}

#[test]
fn facts_that_nobody_gathered_are_unknown_to_every_check() {
    for via in [Via::Auto, Via::Browser, Via::Public, Via::Private, Via::Endpoint] {
        let attempt = Attempt { via, ..Attempt::usual() };
        let found = results(&Facts::default(), &attempt);
        let others: Vec<String> = found
            .iter()
            .filter(|result| result.status != Status::Unknown)
            .map(|result| format!("{} {}: {}", result.id, result.status, result.why))
            .collect();
        assert_eq!(others, Vec::<String>::new(), "{via}");
        assert_eq!(problems_of_results(&found), Vec::<String>::new());
    }
}

#[test]
fn credentials_that_may_call_nothing_leave_every_check_unknown_and_each_of_awss_names_a_permission() {
    for result in named("nothing-allowed").results() {
        assert_eq!(result.status, Status::Unknown, "{}: {}", result.id, result.why);
        assert!(result.missing_action.is_some(), "{}: {}", result.id, result.why);
    }
}

#[test]
fn a_healthy_world_has_no_finding_and_every_check_is_ok_in_one() {
    let mut silent: BTreeSet<&str> = checks::abouts().iter().map(|about| about.id).collect();
    for name in HEALTHY {
        let results = named(name).results();
        assert_eq!(complaints(&results), Vec::<String>::new(), "{name}");
        for result in results.iter().filter(|result| result.status == Status::Ok) {
            silent.remove(result.id.as_str());
        }
    }
    for (id, world) in FROM_OUTSIDE {
        assert_eq!(status(&named(world).results(), id), Status::Ok);
        silent.remove(id);
    }
    assert_eq!(silent, BTreeSet::new());
}

#[test]
fn a_healthy_world_that_is_broken_in_one_place_is_no_longer_silent() {
    let mut world = named("al2023-public");
    let Fact::Known(groups) = &mut world.facts.aws.security_groups else { panic!("no security groups") };
    groups.iter_mut().for_each(|group| group.ip_permissions.clear());
    assert_eq!(complaints(&world.results()).len(), 1);
}

#[test]
fn each_check_of_this_side_finds_something_in_some_world() {
    let ours = |about: &&&eic_doctor_proto::About| !about.id.starts_with("os.");
    let abouts = checks::abouts();
    let mut silent: BTreeSet<String> = abouts.iter().filter(ours).map(|about| about.id.to_owned()).collect();
    for world in worlds() {
        for result in world.results().iter().filter(|result| result.status.is_finding()) {
            silent.remove(&result.id);
        }
    }
    assert_eq!(silent, BTreeSet::new());
}

#[test]
fn one_broken_thing_is_one_failure() {
    for World { name, expected, facts, .. } in worlds() {
        let Some(expected) = expected else { continue };
        let attempt = eic_doctor::path::resolve(&expected.attempt, &facts.aws.instance);
        let fails = results(&facts, &attempt).iter().filter(|result| result.status == Status::Fail).count();
        assert!(fails <= 1, "{name} has {fails}");
    }
}

#[test]
fn no_world_has_a_key_in_our_own_part_that_nobody_reads() {
    for world in worlds() {
        let Ok(bytes) = fs::read(world.folder.join("os.json")) else { continue };
        let keys = unread_keys(&bytes);
        let is_ours_for_refusals = keys.iter().all(|key| key.starts_with("EicDoctorUnreadable"));
        assert!(is_ours_for_refusals, "{}: {keys:?}", world.name);
    }
    assert_eq!(unread_keys(br#"{"uid": {"known": 0}, "sshd": {"listners": "absent"}}"#), ["sshd.listners"]);
}

fn unread_keys(bytes: &[u8]) -> Vec<String> {
    let mut keys = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let _: OsFacts = serde_ignored::deserialize(&mut reader, |key| keys.push(key.to_string())).unwrap();
    keys
}

fn complaints(results: &[CheckResult]) -> Vec<String> {
    let is_quiet = |status| matches!(status, Status::Ok | Status::NotApplicable);
    let loud = results.iter().filter(|result| !is_quiet(result.status));
    loud.map(|result| format!("{} {}: {}", result.id, result.status, result.why)).collect()
}

fn status(results: &[CheckResult], id: &str) -> Status {
    results.iter().find(|result| result.id == id).unwrap().status
}
