//! For people: a line for each instance that fails, then the causes, the most frequent first.

use std::io::{self, Write};

use eic_doctor_agent::render::Style;
use eic_doctor_proto::{Connectable, PathAnswer, visible};

use super::Shape;
use crate::fleet::{Cause, InstanceReport, Range, ReachCount, RunReport, SummaryReport};

pub(super) struct Human {
    pub style: Style,
    /// Whether an instance was told of.
    pub heading: bool,
}

impl Shape for Human {
    fn begin(&mut self, run: &RunReport, out: &mut dyn Write) -> io::Result<()> {
        let attempt = &run.attempt;
        let source = attempt.source.map_or_else(String::new, |source| format!(" from {source}"));
        writeln!(out, "{}{source} by --via {}, port {}", attempt.os_user.as_str(), attempt.via, attempt.port)
    }

    fn instance(&mut self, instance: &InstanceReport, out: &mut dyn Write) -> io::Result<()> {
        let is_failed = instance.connectable == Connectable::No;
        if !is_failed && !self.style.verbose {
            return Ok(());
        }
        if !self.heading {
            writeln!(out, "\nInstances")?;
            self.heading = true;
        }
        let subject = &instance.subject;
        let name = subject.name.as_deref().map_or_else(String::new, |name| format!(" ({name})"));
        let place: Vec<&str> =
            [&subject.account_id, &subject.region].into_iter().flatten().map(String::as_str).collect();
        let id = subject.instance_id.as_deref().unwrap_or_default();
        let inside = instance.inside_confirmed.as_deref();
        let (word, what) = match (instance.connectable, inside) {
            (Connectable::No, _) => ("FAIL", instance.root_causes.join(", ")),
            (Connectable::Yes, _) => ("ok", "connectable".to_owned()),
            (Connectable::Unknown, None) => ("unknown", "nothing found from outside".to_owned()),
            (Connectable::Unknown, Some(_)) => ("unknown", "nothing found, and not all was seen".to_owned()),
        };
        let inside = inside.map_or_else(String::new, |time| format!(" (inside as of {time})"));
        let line = format!("{id}{name}, {}: {what}{inside}", place.join(" "));
        let padding = " ".repeat(8 - word.len());
        let status = if is_failed { self.red(word) } else { word.to_owned() };
        writeln!(out, "  {status}{padding} {}", visible(&line))?;
        if self.style.verbose {
            for reached in &instance.reach {
                writeln!(out, "           from {}: {}", visible(&words(&reached.range)), answer(reached.answer))?;
            }
        }
        Ok(())
    }

    fn end(&mut self, summary: &SummaryReport, out: &mut dyn Write) -> io::Result<()> {
        causes("Root causes", &summary.root_causes, out)?;
        causes("Warnings", &summary.warnings, out)?;
        causes("Unknown", &summary.unknown, out)?;
        reach(&summary.reach, out)?;
        writeln!(out, "\nAccounts and Regions")?;
        for place in &summary.places {
            let account = place.account_id.as_deref().unwrap_or("this account");
            let cut = if place.complete { "" } else { ", not all of them seen" };
            let text = format!(
                "{account} {}: {} instances, {} not connectable{cut}",
                place.region, place.instances, place.connectable_no
            );
            writeln!(out, "  {}", visible(&text))?;
        }
        for (index, missing) in summary.not_looked_at.iter().enumerate() {
            if index == 0 {
                writeln!(out, "\nNot looked at")?;
            }
            let place = [&missing.account_id, &missing.region, &missing.instance_id];
            let place: Vec<&str> = place.into_iter().flatten().map(String::as_str).collect();
            writeln!(out, "  {}", visible(&format!("{}: {}", place.join(" "), missing.why)))?;
        }
        let calls: u64 = summary.calls.iter().map(|calls| calls.calls).sum();
        let throttled: u64 = summary.calls.iter().map(|calls| calls.throttled).sum();
        let connectable = match summary.connectable_yes {
            0 => String::new(),
            count => format!("{count} connectable, "),
        };
        writeln!(
            out,
            "\n{} instances: {connectable}{} not connectable, {} with nothing found from outside; {calls} calls to AWS, {throttled} throttled",
            summary.instances, summary.connectable_no, summary.connectable_unknown
        )
    }
}

impl Human {
    fn red(&self, text: &str) -> String {
        if self.style.color { format!("\u{1b}[31m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Who comes through to how many instances.
fn reach(ranges: &[ReachCount], out: &mut dyn Write) -> io::Result<()> {
    for (index, count) in ranges.iter().enumerate() {
        if index == 0 {
            writeln!(out, "\nThe network lets through")?;
        }
        let mut text = format!("{}: to {} instances", words(&count.range), count.allowed);
        for (instances, how) in [(count.partial, "from a part of it"), (count.unknown, "unknown")] {
            if instances > 0 {
                text += &format!(", to {instances} {how}");
            }
        }
        writeln!(out, "  {}", visible(&text))?;
    }
    Ok(())
}

pub(super) fn answer(answer: PathAnswer) -> &'static str {
    match answer {
        PathAnswer::Allowed => "comes through",
        PathAnswer::Partial => "a part comes through",
        PathAnswer::Blocked => "blocked",
        PathAnswer::Unknown => "unknown",
    }
}

pub(super) fn words(range: &Range) -> String {
    range.name.as_ref().map_or_else(|| range.source.to_string(), |name| format!("{name} ({})", range.source))
}

fn causes(heading: &str, causes: &[Cause], out: &mut dyn Write) -> io::Result<()> {
    if causes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{heading}")?;
    for cause in causes {
        writeln!(out, "  {:>7}  {} ({})", cause.instances, visible(&cause.title), cause.id)?;
        let more = if cause.instances > cause.examples.len() { ", …" } else { "" };
        writeln!(out, "           {}{more}", visible(&cause.examples.join(", ")))?;
        writeln!(out, "           the first: {}", visible(&cause.why))?;
    }
    Ok(())
}
