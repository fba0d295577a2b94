//! Formats that have a record for each check of each instance: ASFF and OCSF. They know no summary.

use std::io::{self, Write};

use super::Shape;
use crate::fleet::{InstanceReport, RunReport, SummaryReport};
use crate::render::looked::Looked;
use crate::render::{asff, ocsf};

/// The run, as it is told before the first instance.
#[derive(Default)]
pub(super) struct Asff {
    run: Option<RunReport>,
    batches: asff::Batches,
}

#[derive(Default)]
pub(super) struct Ocsf {
    run: Option<RunReport>,
}

impl Shape for Asff {
    fn begin(&mut self, run: &RunReport, _out: &mut dyn Write) -> io::Result<()> {
        self.run = Some(run.clone());
        Ok(())
    }

    fn instance(&mut self, instance: &InstanceReport, out: &mut dyn Write) -> io::Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        self.batches.add(&Looked::of_fleet(run, instance), instance.results(), out)
    }

    fn end(&mut self, _summary: &SummaryReport, out: &mut dyn Write) -> io::Result<()> {
        self.batches.end(out)
    }
}

impl Shape for Ocsf {
    fn begin(&mut self, run: &RunReport, _out: &mut dyn Write) -> io::Result<()> {
        self.run = Some(run.clone());
        Ok(())
    }

    fn instance(&mut self, instance: &InstanceReport, out: &mut dyn Write) -> io::Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        ocsf::events(&Looked::of_fleet(run, instance), instance.results(), out)
    }

    fn end(&mut self, _summary: &SummaryReport, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
