//! Every world's report in every format: it tells of every check, and what has a published schema or published rules keeps them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use eic_doctor::commands::generate::report_schema;
use serde_json::Value;

use crate::asff;
use crate::support::root;

fn worlds() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/worlds")).unwrap().map(|entry| entry.unwrap().path());
    let worlds: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    assert!(worlds.len() > 30, "{} worlds", worlds.len());
    worlds
}

/// Runs `check` over a world; the names of the outputs' files are relative to `folder`. `id`: the instance, where the world does not say it.
fn check(world: &Path, folder: &Path, id: Option<&str>, outputs: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_eic-doctor"))
        .current_dir(folder)
        .args(["check", "--via", "browser"])
        .args(id)
        .args(outputs.iter().flat_map(|output| ["--output", output]))
        .arg("--world")
        .arg(world)
        .env_clear()
        .output()
        .unwrap()
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_worlds_report_fits_the_schema_and_each_format_tells_of_every_check() {
    let folder = tempfile::tempdir().unwrap();
    let schema: Value = serde_json::from_str(&report_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for world in worlds() {
        let output = check(
            &world,
            folder.path(),
            None,
            &[
                "json",
                "junit=junit.xml",
                "sarif-all=all.sarif",
                "sarif=findings.sarif",
                "csv=report.csv",
                "markdown=report.md",
                "html=report.html",
                "yaml=report.yaml",
            ],
        );
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}: {}", world.display(), String::from_utf8_lossy(&output.stderr)));
        let problems: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{}: {problems:?}", world.display());
        for (format, told, expected) in told(folder.path(), &report) {
            assert_eq!(told, expected, "{}: {format}", world.display());
        }
        let yaml: Value = serde_yaml_ng::from_str(&read(folder.path(), "report.yaml")).unwrap();
        assert!(yaml == report, "{}: the YAML tells something else than the JSON", world.display());
    }
}

#[test]
fn findings_for_security_hub_and_for_ocsf_keep_the_published_rules_in_every_world() {
    let folder = tempfile::tempdir().unwrap();
    let schema =
        fs::read_to_string(root().join("tests/coordinator/schemas/ocsf-compliance-finding.schema.json")).unwrap();
    let ocsf = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for world in worlds() {
        let name = world.display();
        let json = check(&world, folder.path(), None, &["json"]);
        let report: Value = serde_json::from_slice(&json.stdout).unwrap();
        let total = report["results"].as_array().unwrap().len();
        let outputs = ["json", "asff=asff.jsonl", "ocsf=ocsf.jsonl"];
        let mut output = check(&world, folder.path(), None, &outputs);
        if report["subject"]["instance_id"].is_null() {
            // A finding is about an instance. Nobody has named it here, and nobody has seen it: that is said; then it is named.
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(5) && stderr.contains("and it is not known"), "{name}: {stderr}");
            output = check(&world, folder.path(), Some("i-0123456789abcdef0"), &outputs);
        }
        assert_eq!(output.status.code(), json.status.code(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let findings: Vec<Value> = read(folder.path(), "asff.jsonl").lines().flat_map(asff::findings).collect();
        let problems: Vec<String> = findings.iter().flat_map(asff::problems).collect();
        assert_eq!((findings.len(), problems), (total, Vec::new()), "{name}");
        let lines = read(folder.path(), "ocsf.jsonl");
        let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let problems: Vec<String> = events
            .iter()
            .flat_map(|event| {
                ocsf.iter_errors(event).map(|error| format!("{}: {error}", error.instance_path())).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!((events.len(), problems), (total, Vec::new()), "{name}");
    }
}

/// Of each format, how many results it tells of, and how many it should.
fn told(folder: &Path, report: &Value) -> [(&'static str, usize, usize); 9] {
    let read = |name: &str| read(folder, name);
    let junit = quick_junit::Report::deserialize_from_str(&read("junit.xml")).unwrap();
    let sarif = |name: &str| {
        let document: Value = serde_json::from_str(&read(name)).unwrap();
        document["runs"][0]["results"].as_array().unwrap().len()
    };
    let table = read("report.csv");
    let text = read("report.md");
    let page = read("report.html");
    let counts = &report["counts"];
    let count = |name: &str| usize::try_from(counts[name].as_u64().unwrap()).unwrap();
    let total = report["results"].as_array().unwrap().len();
    let hops = report["path"]["hops"].as_array().unwrap().len();
    [
        ("junit", junit.tests, total),
        ("junit failures", junit.failures, count("fail")),
        ("junit errors", junit.errors, count("unknown")),
        ("sarif-all", sarif("all.sarif"), total),
        ("sarif", sarif("findings.sarif"), count("fail") + count("warn")),
        ("csv", csv::Reader::from_reader(table.as_bytes()).records().map(Result::unwrap).count(), total),
        (
            "markdown",
            text.lines().filter(|line| line.contains(" | `") && line.matches(" | ").count() == 2).count(),
            total,
        ),
        ("html", page.matches("<tr><td><span class=\"badge ").count(), total + hops),
        ("html findings", page.matches("<article ").count(), count("fail") + count("warn")),
    ]
}
