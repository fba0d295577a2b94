//! The worlds in `tests/worlds/`, and what is judged over them.

use std::fs;
use std::path::{Path, PathBuf};

use eic_doctor::facts::Facts;
use eic_doctor::gather::recorded::{WorldFile, read_world};
use eic_doctor::{checks, path};
use eic_doctor_proto::{Attempt, CheckResult, Connectable, Report, Scope, Selection, Subject, Tool, judge};
use serde::Deserialize;

pub struct World {
    pub name: String,
    pub folder: PathBuf,
    pub facts: Facts,
    pub expected: Option<Expected>,
}

/// `test` of a world's `world.json`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub attempt: Attempt,
    pub connectable: Connectable,
    pub root_causes: Vec<String>,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate stands in a folder of the workspace")
}

pub fn worlds() -> Vec<World> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root().join("tests/worlds")).unwrap().map(|e| e.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    assert!(folders.len() > 30, "only {} worlds were found", folders.len());
    folders.iter().map(|folder| world(folder)).collect()
}

pub fn named(name: &str) -> World {
    world(&root().join("tests/worlds").join(name))
}

fn world(folder: &Path) -> World {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let facts = read_world(folder, None).unwrap_or_else(|error| panic!("{name}: {error}"));
    let expected = fs::read(folder.join("world.json")).ok().and_then(|bytes| {
        let file: WorldFile = serde_json::from_slice(&bytes).unwrap();
        file.test.map(|test| serde_json::from_value(test).unwrap_or_else(|error| panic!("{name}: {error}")))
    });
    World { name, folder: folder.to_owned(), facts, expected }
}

impl World {
    pub fn attempt(&self) -> Attempt {
        let attempt = self.expected.as_ref().map_or_else(Attempt::usual, |expected| expected.attempt.clone());
        path::resolve(&attempt, &self.facts.aws.instance)
    }

    pub fn results(&self) -> Vec<CheckResult> {
        results(&self.facts, &self.attempt())
    }

    pub fn report(&self) -> Report {
        report(&self.facts, &self.attempt())
    }
}

pub fn results(facts: &Facts, attempt: &Attempt) -> Vec<CheckResult> {
    judge(checks::entries(facts, &path::with_known_sources(&facts.aws, attempt)), &Selection::default())
}

pub fn report(facts: &Facts, attempt: &Attempt) -> Report {
    let tool = Tool { name: "test".into(), version: "0".into() };
    Report::of(tool, Scope::Whole, Subject::default(), attempt.clone(), String::new(), results(facts, attempt))
        .with_path(path::evaluate(&facts.aws, attempt))
}

/// One line a check, with the reason where it is not ok; then the network's way.
pub fn lines(report: &Report) -> String {
    use std::fmt::Write as _;
    let mut text =
        format!("connectable: {}\nroot causes: {}\n\n", report.connectable.word(), report.root_causes.join(", "));
    for result in &report.results {
        let _ = write!(text, "{:<14} {}", result.status.word(), result.id);
        if !result.why.is_empty() {
            let _ = write!(text, ": {}", result.why);
        }
        text.push('\n');
        if let Some(command) = result.remedy.as_ref().and_then(|remedy| remedy.command.as_ref()) {
            let _ = writeln!(text, "{:15}$ {command}", "");
        }
    }
    if let Some(path) = &report.path {
        let _ = writeln!(text, "\npath: {:?}", path.answer);
        for hop in &path.hops {
            let _ = writeln!(text, "{:?} {} {} {}: {}", hop.decision, hop.direction, hop.element, hop.id, hop.rule);
        }
    }
    text
}
