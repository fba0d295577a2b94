//! The JSON document in YAML.

use std::io::{self, Write};

use super::Shape;
use crate::fleet::{InstanceReport, RunReport, SummaryReport};
use crate::render::yaml::write_document;

#[derive(Default)]
pub(super) struct Yaml {
    has_instances: bool,
}

impl Shape for Yaml {
    fn begin(&mut self, run: &RunReport, out: &mut dyn Write) -> io::Result<()> {
        write_document(run, out)
    }

    fn instance(&mut self, instance: &InstanceReport, out: &mut dyn Write) -> io::Result<()> {
        if !self.has_instances {
            writeln!(out, "instances:")?;
        }
        self.has_instances = true;
        // A list of one at the margin continues the list above it.
        write_document(&[instance], out)
    }

    fn end(&mut self, summary: &SummaryReport, out: &mut dyn Write) -> io::Result<()> {
        if !self.has_instances {
            writeln!(out, "instances: []")?;
        }
        let summary = std::collections::BTreeMap::from([("summary", summary)]);
        write_document(&summary, out)
    }
}
