//! JSON Lines: one `run` line, one `instance` line each, one `summary` line, so that a cut is seen.

use std::io::{self, Write};

use super::{Shape, fields};
use crate::fleet::{InstanceReport, RunReport, SummaryReport};

pub(super) struct JsonLines;

impl Shape for JsonLines {
    fn begin(&mut self, run: &RunReport, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{{\"type\":\"run\",{}}}", fields(run)?)
    }

    fn instance(&mut self, instance: &InstanceReport, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{{\"type\":\"instance\",{}}}", fields(instance)?)
    }

    fn end(&mut self, summary: &SummaryReport, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{{\"type\":\"summary\",{}}}", fields(summary)?)
    }
}
