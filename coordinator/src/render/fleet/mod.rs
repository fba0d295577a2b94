//! A fleet's report, written as it comes: nothing of an instance is held after its line.

mod findings;
mod html;
mod human;
mod json;
mod jsonl;
mod yaml;

use std::fs::File;
use std::io::{self, BufWriter, Write};

use anyhow::Context as _;
use eic_doctor_agent::render::Style;
use serde::Serialize;

use super::{Format, Output};
use crate::fleet::{InstanceReport, RunReport, SummaryReport};

/// The formats that tell of a fleet; the others tell of one instance's checks.
const FORMATS: [(&str, Format); 7] = [
    ("human", Format::Human),
    ("json", Format::Json),
    ("jsonl", Format::Jsonl),
    ("yaml", Format::Yaml),
    ("html", Format::Html),
    ("asff", Format::Asff),
    ("ocsf", Format::Ocsf),
];

#[derive(Debug, thiserror::Error)]
#[error("`--output {0}` tells of one instance's checks, not of a fleet: one of {list}", list = FORMATS.map(|(name, _)| name).join(", "))]
pub struct NotOfAFleet(String);

/// One format to one place.
trait Shape {
    fn begin(&mut self, run: &RunReport, out: &mut dyn Write) -> io::Result<()>;
    fn instance(&mut self, instance: &InstanceReport, out: &mut dyn Write) -> io::Result<()>;
    fn end(&mut self, summary: &SummaryReport, out: &mut dyn Write) -> io::Result<()>;
}

struct Sink<'a> {
    name: String,
    shape: Box<dyn Shape>,
    out: Box<dyn Write + 'a>,
    /// What went wrong; nothing more is written then.
    failed: Option<io::Error>,
}

/// Every output that was asked for; for people on stdout, unless another format goes there.
pub struct Stream<'a> {
    sinks: Vec<Sink<'a>>,
}

impl<'a> Stream<'a> {
    /// # Errors
    ///
    /// A format that makes no sense for a fleet.
    pub fn takes(outputs: &[Output]) -> Result<(), NotOfAFleet> {
        let is_taken = |output: &&Output| FORMATS.iter().any(|(_, format)| *format == output.format);
        match outputs.iter().find(|output| !is_taken(output)) {
            None => Ok(()),
            Some(other) => {
                let name = Format::ALL.iter().find(|(_, format)| *format == other.format).map_or("", |(name, _)| name);
                Err(NotOfAFleet(name.to_owned()))
            }
        }
    }

    pub fn open(outputs: &[Output], style: Style, stdout: &'a mut dyn Write) -> anyhow::Result<Self> {
        let for_people = Output { format: Format::Human, file: None };
        let to_stdout = outputs.iter().find(|output| output.file.is_none()).unwrap_or(&for_people);
        let mut sinks = vec![Sink {
            name: "stdout".to_owned(),
            shape: shape(to_stdout.format, style),
            out: Box::new(stdout),
            failed: None,
        }];
        for output in outputs {
            let Some(path) = &output.file else { continue };
            let file = File::create(path).with_context(|| format!("write the report to {}", path.display()))?;
            let style = Style { color: false, ..style };
            sinks.push(Sink {
                name: path.display().to_string(),
                shape: shape(output.format, style),
                out: Box::new(BufWriter::new(file)),
                failed: None,
            });
        }
        Ok(Self { sinks })
    }

    pub fn begin(&mut self, run: &RunReport) {
        self.each(|shape, out| shape.begin(run, out));
    }

    pub fn instance(&mut self, instance: &InstanceReport) {
        self.each(|shape, out| shape.instance(instance, out));
    }

    /// # Errors
    ///
    /// The first output that could not be written. A reader who has seen enough (`| head`) is no failure.
    pub fn end(mut self, summary: &SummaryReport) -> anyhow::Result<()> {
        self.each(|shape, out| shape.end(summary, out).and_then(|()| out.flush()));
        for sink in self.sinks {
            match sink.failed {
                Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    return Err(error).with_context(|| format!("write the report to {}", sink.name));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn each(&mut self, write: impl Fn(&mut dyn Shape, &mut dyn Write) -> io::Result<()>) {
        for sink in self.sinks.iter_mut().filter(|sink| sink.failed.is_none()) {
            sink.failed = write(sink.shape.as_mut(), sink.out.as_mut()).err();
        }
    }
}

fn shape(format: Format, style: Style) -> Box<dyn Shape> {
    match format {
        Format::Json => Box::new(json::Json::default()),
        Format::Jsonl => Box::new(jsonl::JsonLines),
        Format::Yaml => Box::new(yaml::Yaml::default()),
        Format::Html => Box::new(html::Html),
        Format::Asff => Box::new(findings::Asff::default()),
        Format::Ocsf => Box::new(findings::Ocsf::default()),
        _ => Box::new(human::Human { style, heading: false }),
    }
}

/// The fields of an object, without its braces.
fn fields(value: &impl Serialize) -> io::Result<String> {
    let text = serde_json::to_string(value)?;
    Ok(text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Attempt, Connectable, Counts, PathAnswer, Subject, Tool};

    use super::*;
    use crate::fleet::{FleetReport, Range, ReachCount, Reached};

    fn office() -> Range {
        Range { source: "192.0.2.0/24".parse().unwrap(), name: Some("office".into()) }
    }

    fn report(instances: usize) -> FleetReport {
        let instance = InstanceReport {
            subject: Subject { instance_id: Some("i-1".into()), ..Subject::default() },
            connectable: Connectable::No,
            inside_confirmed: None,
            root_causes: vec!["aws.instance.running".into()],
            network: PathAnswer::Blocked,
            reach: vec![Reached { range: office(), answer: PathAnswer::Partial }],
            counts: Counts::default(),
            findings: Vec::new(),
            others: Vec::new(),
        };
        let run = RunReport {
            schema: crate::fleet::SCHEMA.into(),
            tool: Tool { name: "eic-doctor".into(), version: "0".into() },
            attempt: Attempt::usual(),
            started: "2026-11-28T00:00:00Z".into(),
            reach: vec![office()],
        };
        FleetReport {
            run,
            instances: vec![instance; instances],
            summary: SummaryReport {
                instances,
                reach: vec![ReachCount { range: office(), allowed: 0, partial: instances, blocked: 0, unknown: 0 }],
                ..SummaryReport::default()
            },
        }
    }

    fn written(format: Format, report: &FleetReport) -> String {
        let mut out = Vec::new();
        let outputs = [Output { format, file: None }];
        let mut stream = Stream::open(&outputs, Style { color: false, verbose: false }, &mut out).unwrap();
        stream.begin(&report.run);
        report.instances.iter().for_each(|instance| stream.instance(instance));
        stream.end(&report.summary).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_written_piece_by_piece_is_one_document() {
        for instances in [0, 1, 3] {
            let report = report(instances);
            assert_eq!(serde_json::from_str::<FleetReport>(&written(Format::Json, &report)).unwrap(), report);
            assert_eq!(serde_yaml_ng::from_str::<FleetReport>(&written(Format::Yaml, &report)).unwrap(), report);
            let lines = written(Format::Jsonl, &report);
            let kinds: Vec<String> = lines
                .lines()
                .map(|line| {
                    serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].as_str().unwrap().to_owned()
                })
                .collect();
            let middle = std::iter::repeat_n("instance", instances);
            assert_eq!(kinds, ["run"].into_iter().chain(middle).chain(["summary"]).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_format_of_one_instances_checks_is_refused() {
        let refused = |word: &str| Stream::takes(&[word.parse().unwrap()]);
        assert!(refused("junit").unwrap_err().to_string().contains("jsonl"));
        assert!(refused("yaml=x").is_ok());
    }

    #[test]
    fn records_of_checks_tell_also_of_those_that_found_nothing() {
        let located = crate::render::testing::located();
        let (findings, others) = located.results.into_iter().partition(|result| result.status.is_finding());
        let mut fleet = report(20);
        for instance in &mut fleet.instances {
            (instance.findings, instance.others) = (Vec::clone(&findings), Vec::clone(&others));
            instance.subject = located.subject.clone();
        }
        assert_eq!(written(Format::Ocsf, &fleet).lines().count(), 120);
        let batches: Vec<usize> = written(Format::Asff, &fleet)
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["Findings"].as_array().unwrap().len())
            .collect();
        assert_eq!(batches, [100, 20]);
    }

    #[test]
    fn a_page_lists_who_fails_and_ends_in_the_summary() {
        let mut report = report(2);
        report.instances[1].subject.name = Some("<script>".into());
        let page = written(Format::Html, &report);
        assert_eq!(page.matches("<details class=\"card instance\">").count(), 2);
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
        assert!(page.contains("<p>2 instances: ") && page.ends_with("</html>\n"), "{page}");
    }

    #[test]
    fn people_read_who_fails_and_why() {
        let text = written(Format::Human, &report(2));
        assert!(text.contains("FAIL"), "{text}");
        assert!(text.contains("aws.instance.running"), "{text}");
        assert!(text.contains("office (192.0.2.0/24): to 0 instances, to 2 from a part of it"), "{text}");
    }
}
