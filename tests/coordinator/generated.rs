//! What is generated from the code equals what is committed, and every world's JSON fits the committed schema.

use std::fs;
use std::path::Path;
use std::process::Command;

use eic_doctor::commands::generate::{check_reference, report_schema};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate stands in a folder of the workspace")
}

#[test]
fn the_committed_reference_and_schema_are_what_the_code_says() {
    for (name, generated) in [("checks.md", check_reference()), ("report.schema.json", report_schema())] {
        let path = root().join("packaging/reference").join(name);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        // Not assert_eq: the whole text would be printed twice.
        assert!(committed == generated, "{name} differs; run `eic-doctor generate … --to packaging/reference`");
    }
}

#[test]
fn every_worlds_report_fits_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(&report_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut worlds = 0;
    for entry in fs::read_dir(root().join("tests/worlds")).unwrap() {
        let world = entry.unwrap().path();
        if !world.is_dir() {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_eic-doctor"))
            .args(["check", "--output", "json", "--via", "browser", "--world"])
            .arg(&world)
            .env_clear()
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}: {}", world.display(), String::from_utf8_lossy(&output.stderr)));
        let problems: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{}: {problems:?}", world.display());
        worlds += 1;
    }
    assert!(worlds >= 4, "{worlds} worlds");
}
