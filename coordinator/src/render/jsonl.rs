//! JSON Lines: one `run` line, one `result` line for each check, one `summary` line, so that a cut is seen.

use std::io::{self, Write};

use eic_doctor_proto::Report;
use serde_json::{Value, json};

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    line(
        out,
        json!({
            "type": "run", "schema": report.schema, "tool": report.tool, "scope": report.scope, "subject": report.subject,
            "attempt": report.attempt, "started": report.started,
        }),
    )?;
    for result in &report.results {
        let mut value = serde_json::to_value(result)?;
        if let Value::Object(fields) = &mut value {
            fields.insert("type".into(), "result".into());
        }
        line(out, value)?;
    }
    line(
        out,
        json!({
            "type": "summary", "complete": report.complete, "connectable": report.connectable,
            "root_causes": report.root_causes, "counts": report.counts, "path": report.path, "notes": report.notes,
        }),
    )
}

fn line(out: &mut dyn Write, value: Value) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &value)?;
    writeln!(out)
}
