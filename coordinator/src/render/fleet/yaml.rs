//! The JSON document in YAML.

use std::io::{self, Write};

use super::Shape;
use crate::fleet::{InstanceReport, RunReport, SummaryReport};

#[derive(Default)]
pub(super) struct Yaml {
    has_instances: bool,
}

impl Shape for Yaml {
    fn begin(&mut self, run: &RunReport, out: &mut dyn Write) -> io::Result<()> {
        serde_yaml_ng::to_writer(&mut *out, run).map_err(io::Error::other)
    }

    fn instance(&mut self, instance: &InstanceReport, out: &mut dyn Write) -> io::Result<()> {
        if !self.has_instances {
            writeln!(out, "instances:")?;
        }
        self.has_instances = true;
        // A list of one at the margin continues the list above it.
        serde_yaml_ng::to_writer(&mut *out, &[instance]).map_err(io::Error::other)
    }

    fn end(&mut self, summary: &SummaryReport, out: &mut dyn Write) -> io::Result<()> {
        if !self.has_instances {
            writeln!(out, "instances: []")?;
        }
        let summary = std::collections::BTreeMap::from([("summary", summary)]);
        serde_yaml_ng::to_writer(&mut *out, &summary).map_err(io::Error::other)
    }
}
