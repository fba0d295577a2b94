//! The JSON document in YAML.

use std::io::{self, Write};

use eic_doctor_proto::Report;

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_yaml_ng::to_writer(out, report).map_err(io::Error::other)
}
