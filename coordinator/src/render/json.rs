//! One JSON document a run. Its shape is `packaging/reference/report.schema.json`.

use std::io::{self, Write};

use eic_doctor_proto::Report;

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}
