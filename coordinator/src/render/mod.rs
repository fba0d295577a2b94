//! One writer per format; none counts or decides.

mod json;
mod jsonl;
mod yaml;

use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;

use eic_doctor_agent::render::{Style, human};
use eic_doctor_proto::{Report, visible};

/// A format of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Human,
    Json,
    Jsonl,
    Yaml,
}

impl Format {
    pub const ALL: [(&'static str, Format); 4] =
        [("human", Format::Human), ("json", Format::Json), ("jsonl", Format::Jsonl), ("yaml", Format::Yaml)];
}

/// `--output FORMAT[=FILE]`; without a file it goes to stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub format: Format,
    pub file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error("`{}` is not a format: one of human, json, jsonl, yaml, each also as FORMAT=FILE", visible(.0))]
    UnknownFormat(String),
    #[error("`{}=` names no file", visible(.0))]
    NoFile(String),
}

impl FromStr for Output {
    type Err = OutputError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (word, file) = match text.split_once('=') {
            Some((word, "")) => return Err(OutputError::NoFile(word.to_owned())),
            Some((word, file)) => (word, Some(PathBuf::from(file))),
            None => (text, None),
        };
        // `text` is what the AWS CLI calls its own human format.
        let known = Format::ALL.iter().find(|(name, _)| *name == word || (word == "text" && *name == "human"));
        let (_, format) = known.ok_or_else(|| OutputError::UnknownFormat(text.to_owned()))?;
        Ok(Self { format: *format, file })
    }
}

/// Writes the whole report. `style` matters to `human` alone.
pub fn write(report: &Report, format: Format, style: Style, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Human => human(report, out, style),
        Format::Json => json::write(report, out),
        Format::Jsonl => jsonl::write(report, out),
        Format::Yaml => yaml::write(report, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_may_name_a_file() {
        assert_eq!(
            "json=a=b.json".parse::<Output>().unwrap(),
            Output { format: Format::Json, file: Some("a=b.json".into()) }
        );
        assert_eq!("text".parse::<Output>().unwrap(), Output { format: Format::Human, file: None });
        assert!("json=".parse::<Output>().is_err());
        assert!("xml".parse::<Output>().is_err());
    }
}
