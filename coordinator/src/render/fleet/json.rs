//! One JSON document, an instance a line.

use std::io::{self, Write};

use super::{Shape, fields};
use crate::fleet::{InstanceReport, RunReport, SummaryReport};

#[derive(Default)]
pub(super) struct Json {
    has_instances: bool,
}

impl Shape for Json {
    fn begin(&mut self, run: &RunReport, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{{{},\"instances\":[", fields(run)?)
    }

    fn instance(&mut self, instance: &InstanceReport, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(if self.has_instances { b",\n" } else { b"\n" })?;
        self.has_instances = true;
        Ok(serde_json::to_writer(out, instance)?)
    }

    fn end(&mut self, summary: &SummaryReport, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "\n],\"summary\":")?;
        serde_json::to_writer(&mut *out, summary)?;
        writeln!(out, "}}")
    }
}
