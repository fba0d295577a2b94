//! What is generated from the code equals what is committed, and every world's JSON fits the committed schema.

use std::fs;
use std::path::Path;
use std::process::Command;

use eic_doctor::commands::generate::{check_reference, report_schema};
use eic_doctor::fleet::document_schema;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate stands in a folder of the workspace")
}

#[test]
fn the_committed_reference_and_schema_are_what_the_code_says() {
    for (name, generated) in [
        ("checks.md", check_reference()),
        ("report.schema.json", report_schema()),
        ("fleet.schema.json", document_schema()),
    ] {
        let path = root().join("packaging/reference").join(name);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        // Not assert_eq: the whole text would be printed twice.
        assert!(committed == generated, "{name} differs; run `eic-doctor generate … --to packaging/reference`");
    }
}

#[test]
fn every_worlds_report_fits_the_schema_and_each_format_tells_of_every_check() {
    let folder = tempfile::tempdir().unwrap();
    let schema: serde_json::Value = serde_json::from_str(&report_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut worlds = 0;
    for entry in fs::read_dir(root().join("tests/worlds")).unwrap() {
        let world = entry.unwrap().path();
        if !world.is_dir() {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_eic-doctor"))
            .current_dir(folder.path())
            .args(["check", "--output", "json", "--output", "junit=junit.xml", "--output", "sarif-all=all.sarif"])
            .args(["--output", "sarif=findings.sarif", "--output", "csv=report.csv", "--output", "markdown=report.md"])
            .args(["--output", "html=report.html"])
            .args(["--via", "browser", "--world"])
            .arg(&world)
            .env_clear()
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}: {}", world.display(), String::from_utf8_lossy(&output.stderr)));
        let problems: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{}: {problems:?}", world.display());
        for (format, told, expected) in told(folder.path(), &report) {
            assert_eq!(told, expected, "{}: {format}", world.display());
        }
        worlds += 1;
    }
    assert!(worlds >= 4, "{worlds} worlds");
}

/// Of each format, how many results it tells of, and how many it should.
fn told(folder: &Path, report: &serde_json::Value) -> [(&'static str, usize, usize); 9] {
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let junit = quick_junit::Report::deserialize_from_str(&read("junit.xml")).unwrap();
    let sarif = |name: &str| {
        let document: serde_json::Value = serde_json::from_str(&read(name)).unwrap();
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
