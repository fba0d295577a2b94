//! CSV (RFC 4180): one line a check, for spreadsheets.

use std::io::{self, Write};

use eic_doctor_proto::Report;

use super::evidence;

const COLUMNS: [&str; 12] = [
    "instance_id",
    "account_id",
    "region",
    "connectable",
    "root_cause",
    "id",
    "title",
    "status",
    "why",
    "evidence",
    "remedy",
    "command",
];

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(COLUMNS)?;
    let subject = &report.subject;
    for result in &report.results {
        let is_root_cause = report.root_causes.contains(&result.id);
        let remedy = result.remedy.as_ref();
        let cells = [
            subject.instance_id.clone().unwrap_or_default(),
            subject.account_id.clone().unwrap_or_default(),
            subject.region.clone().unwrap_or_default(),
            report.connectable.word().to_owned(),
            is_root_cause.to_string(),
            result.id.clone(),
            result.title.clone(),
            result.status.word().to_owned(),
            result.why.clone(),
            evidence(result).join("; "),
            remedy.map(|remedy| remedy.text.clone()).unwrap_or_default(),
            remedy.and_then(|remedy| remedy.command.clone()).unwrap_or_default(),
        ];
        writer.write_record(cells.map(no_formula))?;
    }
    writer.flush()
}

/// Spreadsheets run a cell that begins like a formula, and evidence may come from a hostile host (OWASP, "CSV Injection").
fn no_formula(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing::report;

    #[test]
    fn a_line_a_check_and_no_cell_is_a_formula() {
        let mut report = report();
        report.results[2].why = "=HYPERLINK(\"http://example.com\")".to_owned();
        let mut out = Vec::new();
        write(&report, &mut out).unwrap();
        let mut reader = csv::Reader::from_reader(out.as_slice());
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), COLUMNS);
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(lines.len(), report.results.len());
        assert_eq!(&lines[2][8], "'=HYPERLINK(\"http://example.com\")");
        assert_eq!((&lines[2][7], &lines[2][4]), ("fail", "true"));
    }
}
