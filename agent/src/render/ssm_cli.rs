//! What `ssm-cli get-diagnostics` prints, for those who read that already: `Check`, `Status` and `Note`, as JSON or as a table.
//!
//! It knows three statuses. What warns works, so it is `Success`, and the note says why it may not tomorrow; what nobody could look at,
//! what is blocked and what does not arise is `Skipped`, and the note begins with our own word.
//! Source: amazon-ssm-agent, `agent/cli/clicommand/getdiagnostics.go` and `agent/cli/diagnosticsutil/diagnosticsutil.go`.

use std::io::{self, Write};

use eic_doctor_proto::{CheckResult, Report, Status, visible};
use serde::Serialize;

/// Columns of the table, where the longest word of a note lets it.
const WIDTH: usize = 80;
const COLUMNS: [&str; 3] = ["Check", "Status", "Note"];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Diagnostics {
    diagnostics_output: Vec<Diagnostic>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Diagnostic {
    check: String,
    status: &'static str,
    note: String,
}

pub fn json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let document = Diagnostics { diagnostics_output: report.results.iter().map(diagnostic).collect() };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

pub fn table(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<[String; 3]> = report
        .results
        .iter()
        .map(diagnostic)
        .map(|Diagnostic { check, status, note }| [check, status.to_owned(), note])
        .collect();
    let header = COLUMNS.map(str::to_owned);
    let widest = |column: usize| {
        let cells = rows.iter().chain([&header]).filter_map(|row| row.get(column));
        cells.map(|cell| columns(cell)).max().unwrap_or(0)
    };
    let words = rows.iter().flat_map(|[_, _, note]| note.split(' ')).map(columns);
    let (check, status) = (widest(0), widest(1));
    // Four bars, and a space at both sides of each cell.
    let room = WIDTH.saturating_sub(check + status + 10);
    let note = widest(2).min(room.max(words.max().unwrap_or(0)).max(columns(&header[2])));
    let widths = [check, status, note];
    ruler(out, widths, ["┌", "┬", "┐"])?;
    cells(out, widths, &header)?;
    for [check, status, note_text] in rows {
        ruler(out, widths, ["├", "┼", "┤"])?;
        let mut first = [check, status];
        for line in folded(&note_text, note) {
            let [check, status] = std::mem::take(&mut first);
            cells(out, widths, &[check, status, line])?;
        }
    }
    ruler(out, widths, ["└", "┴", "┘"])
}

fn diagnostic(result: &CheckResult) -> Diagnostic {
    let seen = || result.evidence.iter().map(|evidence| evidence.seen.as_str()).collect::<Vec<_>>().join("; ");
    let (status, note) = match result.status {
        Status::Ok => ("Success", seen()),
        Status::Warn => ("Success", format!("warning: {}", result.why)),
        Status::Fail => ("Failed", result.why.clone()),
        other => ("Skipped", format!("{}: {}", other.word(), result.why)),
    };
    Diagnostic { check: visible(&result.title).into_owned(), status, note: visible(&note).into_owned() }
}

fn ruler(out: &mut dyn Write, widths: [usize; 3], [left, middle, right]: [&str; 3]) -> io::Result<()> {
    writeln!(out, "{left}{}{right}", widths.map(|width| "─".repeat(width + 2)).join(middle))
}

fn cells(out: &mut dyn Write, widths: [usize; 3], cells: &[String; 3]) -> io::Result<()> {
    let mut line = String::from("│");
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(&format!(" {cell}{} │", " ".repeat(width.saturating_sub(columns(cell)))));
    }
    writeln!(out, "{line}")
}

/// `text` in lines of at most `width` columns, cut between words; one line at least.
fn folded(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if columns(line) + 1 + columns(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Attempt, Evidence, Scope, Subject, Tool};

    use super::*;

    fn report() -> Report {
        let result = |status, why: &str| CheckResult {
            id: "os.sshd.running".to_owned(),
            title: "sshd is running".to_owned(),
            status,
            evidence: vec![Evidence::new("process 812", "/proc")],
            remedy: None,
            blocked_by: Vec::new(),
            why: why.to_owned(),
            missing_action: None,
            doc: String::new(),
            required: true,
        };
        let results = vec![
            result(Status::Ok, ""),
            result(
                Status::Warn,
                "sshd has not read its file since it changed, and nobody can say what it would do with it",
            ),
            result(Status::Fail, "no sshd is there"),
            result(Status::Unknown, "permission denied"),
        ];
        let tool = Tool { name: "t".to_owned(), version: "0".to_owned() };
        Report::of(tool, Scope::OperatingSystem, Subject::default(), Attempt::usual(), String::new(), results)
    }

    #[test]
    fn the_json_has_the_shape_of_ssm_cli_and_its_three_statuses() {
        let mut out = Vec::new();
        json(&report(), &mut out).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let told = document["DiagnosticsOutput"].as_array().unwrap();
        let one = serde_json::json!({"Check": "sshd is running", "Status": "Success", "Note": "process 812"});
        assert_eq!(told[0], one);
        let statuses: Vec<&str> = told.iter().map(|one| one["Status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["Success", "Success", "Failed", "Skipped"]);
        assert_eq!(told[3]["Note"], "unknown: permission denied");
    }

    #[test]
    fn the_table_is_as_wide_as_ssm_clis_and_folds_its_notes() {
        let mut out = Vec::new();
        table(&report(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() == WIDTH), "{text}");
        assert!(text.contains("│ sshd is running │ Failed  │ no sshd is there"), "{text}");
        assert!(text.contains("│                 │         │ "), "{text}");
    }
}
