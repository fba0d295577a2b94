//! One writer per format; none counts or decides.

pub(crate) mod asff;
mod csv;
pub mod fleet;
pub mod html;
mod json;
mod jsonl;
mod junit;
pub(crate) mod looked;
mod markdown;
mod ocsf;
mod sarif;
#[cfg(test)]
mod testing;
mod yaml;

use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;

use eic_doctor_agent::render::{Style, human};
use eic_doctor_proto::{CheckResult, FailOn, Report, visible};
use sarif::Extent;

/// A format of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Human,
    Json,
    Jsonl,
    Yaml,
    Junit,
    Sarif,
    /// SARIF with the results that are no findings too.
    SarifAll,
    Csv,
    Markdown,
    Html,
    /// AWS Security Finding Format, for Security Hub.
    Asff,
    /// Open Cybersecurity Schema Framework, for Security Lake and the like.
    Ocsf,
}

impl Format {
    pub const ALL: [(&'static str, Format); 12] = [
        ("human", Format::Human),
        ("json", Format::Json),
        ("jsonl", Format::Jsonl),
        ("yaml", Format::Yaml),
        ("junit", Format::Junit),
        ("sarif", Format::Sarif),
        ("sarif-all", Format::SarifAll),
        ("csv", Format::Csv),
        ("markdown", Format::Markdown),
        ("html", Format::Html),
        ("asff", Format::Asff),
        ("ocsf", Format::Ocsf),
    ];
}

/// `--output FORMAT[=FILE]`; without a file it goes to stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub format: Format,
    pub file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error("`{}` is not a format: one of {}, each also as FORMAT=FILE", visible(.0), Format::ALL.map(|(name, _)| name).join(", "))]
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

/// Writes the whole report. `style` matters to `human` alone, and `fail_on` to `junit`.
pub fn write(report: &Report, format: Format, style: Style, fail_on: FailOn, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Human => human(report, out, style),
        Format::Json => json::write(report, out),
        Format::Jsonl => jsonl::write(report, out),
        Format::Yaml => yaml::write(report, out),
        Format::Junit => junit::write(report, fail_on, out),
        Format::Sarif => sarif::write(report, Extent::Findings, out),
        Format::SarifAll => sarif::write(report, Extent::All, out),
        Format::Csv => csv::write(report, out),
        Format::Markdown => markdown::write(report, out),
        Format::Html => html::write(report, out),
        Format::Asff => asff::write(report, out),
        Format::Ocsf => ocsf::write(report, out),
    }
}

/// What the report is about, by the instance's id where it has one.
fn instance(report: &Report) -> String {
    report.subject.instance_id.clone().unwrap_or_else(|| "this instance".to_owned())
}

/// What was seen and where, a line each; not what the reason says already.
fn evidence(result: &CheckResult) -> Vec<String> {
    let news = result.evidence.iter().filter(|evidence| !result.why.contains(&evidence.seen));
    news.map(|evidence| format!("{} ({})", evidence.seen, evidence.at)).collect()
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
