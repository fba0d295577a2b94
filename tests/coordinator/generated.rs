//! What is generated from the code equals what is committed.

use std::fs;

use eic_doctor::commands::generate::{check_reference, report_schema};
use eic_doctor::fleet::document_schema;

use crate::support::root;

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
