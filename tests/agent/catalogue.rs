//! What holds for every check on the instance: its declaration, its silence where all is well, and its voice where it is not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use eic_doctor_agent::{checks, facts};
use eic_doctor_proto::testing::{orphans, problems_of_catalogue, problems_of_results};
use eic_doctor_proto::{Attempt, CheckResult, Selection, Status, Why, judge};
use facts::OsFacts;

mod faults;
mod healthy;

use faults::{AREAS, Fault};
use healthy::{World, changes, results};

/// The steps of AWS's runbook that look inside the instance.
const RUNBOOK: [&str; 4] = [
    "CheckIfInstanceAMIIsSupported",
    "CheckIMDSReachabilityFromOs",
    "CheckEICPackageInstallation",
    "CheckSSHConfigFromOs",
];

/// Worlds whose operating-system half is one of ours; the other half is the coordinator's.
const WORLDS: [&str; 4] = ["al2023-public", "al2-private", "ubuntu-2204-browser", "rhel9-public"];

fn is_listed_by_aws(world: &World) -> bool {
    world.name != "debian-12-public"
}

fn broken() -> impl Iterator<Item = (&'static str, World)> {
    faults::all().map(broken_by)
}

fn broken_by(fault: &Fault) -> (&'static str, World) {
    let mut world = (fault.world)();
    (fault.break_it)(&mut world.facts, &mut world.attempt);
    (fault.name, world)
}

#[test]
fn ids_needs_titles_and_manuals_are_in_order() {
    assert_eq!(problems_of_catalogue(&checks::abouts()), Vec::<String>::new());
}

#[test]
fn no_check_file_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/checks");
    assert_eq!(orphans(&folder, &checks::abouts()).unwrap(), Vec::<String>::new());
}

#[test]
fn every_step_of_the_runbook_inside_the_instance_is_covered() {
    let covered: BTreeSet<&str> = checks::abouts().iter().flat_map(|about| about.runbook.iter().copied()).collect();
    assert_eq!(covered, BTreeSet::from(RUNBOOK));
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
    let world = World { name: "empty", attempt: Attempt::usual(), facts: OsFacts::default() };
    let others: Vec<String> = results(&world)
        .iter()
        .filter(|result| result.status != Status::Unknown)
        .map(|result| format!("{} {}", result.id, result.status))
        .collect();
    assert_eq!(others, Vec::<String>::new());
    let entries = checks::entries_without_facts(&Why::new("no agent and no Systems Manager"));
    let results = judge(entries, &Selection::default());
    assert!(results.iter().all(|result| result.status == Status::Unknown));
    assert_eq!(problems_of_results(&results), Vec::<String>::new());
}

#[test]
fn a_healthy_instance_gives_no_finding_and_every_answer() {
    for world in healthy::all() {
        let others: Vec<String> = results(&world)
            .iter()
            .filter(|result| !matches!(result.status, Status::Ok | Status::NotApplicable))
            .map(|result| format!("{} {}: {}", result.id, result.status, result.why))
            .collect();
        let expected: &[&str] = if is_listed_by_aws(&world) {
            &[]
        } else {
            &[
                "os.host.supported warn: AWS does not list Debian GNU/Linux 12 (bookworm); sshd asks EC2 Instance Connect all the same",
            ]
        };
        assert_eq!(others, expected, "{}", world.name);
    }
}

#[test]
fn each_check_is_well_in_some_healthy_world() {
    let mut never: BTreeSet<String> = checks::abouts().iter().map(|about| about.id.to_owned()).collect();
    for result in healthy::all().iter().flat_map(results).filter(|result| result.status == Status::Ok) {
        never.remove(&result.id);
    }
    assert_eq!(never, BTreeSet::new());
}

#[test]
fn each_fault_changes_exactly_what_hangs_on_it() {
    let found: BTreeMap<&str, Vec<String>> =
        faults::all().map(|fault| (fault.name, changes((fault.world)(), fault.break_it))).collect();
    assert_eq!(found.len(), faults::all().count(), "two faults of one name");
    for fault in faults::all() {
        assert_eq!(found[fault.name], fault.changes, "{}", fault.name);
    }
}

#[test]
fn each_check_finds_something_in_some_broken_world() {
    let mut silent: BTreeSet<String> = checks::abouts().iter().map(|about| about.id.to_owned()).collect();
    for (name, world) in broken() {
        let results = results(&world);
        assert_eq!(problems_of_results(&results), Vec::<String>::new(), "{name}");
        for result in results.iter().filter(|result| result.status.is_finding()) {
            silent.remove(&result.id);
        }
    }
    assert_eq!(silent, BTreeSet::new());
}

#[test]
fn the_words_of_every_finding_are_these() {
    for (area, faults) in AREAS {
        insta::assert_snapshot!(area, words_of_findings(faults));
    }
}

fn words_of_findings(faults: &'static [Fault]) -> String {
    let mut text = String::new();
    for (name, world) in faults.iter().map(broken_by) {
        let _ = writeln!(text, "== {name} ({})", world.name);
        for CheckResult { id, status, why, evidence, remedy, .. } in results(&world) {
            if !status.is_finding() || (id == "os.host.supported" && !is_listed_by_aws(&world)) {
                continue;
            }
            let _ = writeln!(text, "{} {id}: {why}", status.word().to_uppercase());
            for evidence in evidence {
                let _ = writeln!(text, "  seen: {} [{}]", evidence.seen, evidence.at);
            }
            if let Some(remedy) = remedy {
                let command = remedy.command.as_deref().unwrap_or("-");
                let _ = writeln!(text, "  mend: {}\n    {command}\n    {}", remedy.text, remedy.verify);
            }
        }
    }
    text
}

/// `EIC_BLESS=1` writes the files anew.
#[test]
fn the_worlds_hold_the_facts_of_these_builders() {
    for world in healthy::all().into_iter().filter(|world| WORLDS.contains(&world.name)) {
        let path = world_file(world.name);
        if std::env::var_os("EIC_BLESS").is_some() {
            let text = serde_json::to_string_pretty(&world.facts).unwrap() + "\n";
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut unknown = Vec::new();
        let mut reader = serde_json::Deserializer::from_str(&text);
        let facts: OsFacts = serde_ignored::deserialize(&mut reader, |name| unknown.push(name.to_string())).unwrap();
        assert_eq!(unknown, Vec::<String>::new(), "{} has names that no fact has", path.display());
        assert!(facts == world.facts, "{} differs from its builder: EIC_BLESS=1 writes it anew", path.display());
    }
}

fn world_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/worlds").join(name).join("os.json")
}
