//! The report as `cli.md` shows it. `FAIL` and `WARN` stand in capitals, so that they are seen without colour.

use std::io::{self, Write};

use eic_doctor_proto::{CheckResult, Connectable, PathAnswer, Report, Scope, Status, visible};

use super::command::wrap;
use super::words::{attempt, counts, sections, subject};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    pub color: bool,
    /// Also what was seen where a check is ok.
    pub verbose: bool,
}

/// Columns of a line that holds a command.
const WIDTH: usize = 100;
/// Below a title: two columns, and nine of the status.
const INDENT: &str = "           ";

pub fn human(report: &Report, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "{}", subject(report))?;
    writeln!(out, "{}", attempt(report))?;
    for note in &report.notes {
        writeln!(out, "{}", visible(note))?;
    }
    // The last reason for an `unknown` that was written out: one cause often costs a whole half of the report.
    let mut told = "";
    for (heading, results) in sections(report) {
        writeln!(out, "\n{heading}")?;
        for result in results {
            one(result, out, style, &mut told)?;
        }
    }
    writeln!(out)?;
    if !report.complete {
        writeln!(out, "The time for the run was up: what was not looked at is unknown")?;
    }
    writeln!(out, "{}", counts(report))?;
    writeln!(out, "{}", answer(report, style))
}

fn one<'a>(result: &'a CheckResult, out: &mut dyn Write, style: Style, told: &mut &'a str) -> io::Result<()> {
    let title = visible(&result.title);
    if result.status == Status::Blocked {
        let needs = result.blocked_by.join(", ");
        return writeln!(out, "  {}{title} (needs {})", status(result.status, style), visible(&needs));
    }
    writeln!(out, "  {}{title}", status(result.status, style))?;
    let is_shown = result.status != Status::Ok || style.verbose;
    if result.status == Status::Unknown && result.why == *told {
        writeln!(out, "{INDENT}for the same reason as above")?;
    } else if !result.why.is_empty() && is_shown {
        writeln!(out, "{INDENT}{}", visible(&result.why))?;
    }
    if result.status == Status::Unknown {
        *told = &result.why;
    }
    for evidence in result.evidence.iter().filter(|evidence| is_shown && !result.why.contains(&evidence.seen)) {
        writeln!(out, "{INDENT}{} ({})", visible(&evidence.seen), visible(&evidence.at))?;
    }
    let Some(remedy) = &result.remedy else { return Ok(()) };
    writeln!(out, "{INDENT}to mend: {}", visible(&remedy.text))?;
    for line in remedy.command.iter().flat_map(|command| wrap(&visible(command), WIDTH - INDENT.len() - 2)) {
        writeln!(out, "{INDENT}  {line}")?;
    }
    writeln!(out, "{INDENT}to see that it worked:")?;
    for line in wrap(&visible(&remedy.verify), WIDTH - INDENT.len() - 2) {
        writeln!(out, "{INDENT}  {line}")?;
    }
    writeln!(out, "{INDENT}more: {}", visible(&result.doc))
}

/// The word in a column of nine. Colour comes on top and never instead.
fn status(status: Status, style: Style) -> String {
    let (word, color) = match status {
        Status::Ok => ("ok", "32"),
        Status::Warn => ("WARN", "33;1"),
        Status::Fail => ("FAIL", "31;1"),
        Status::Unknown => ("unknown", "35"),
        Status::Blocked => ("blocked", "2"),
        Status::NotApplicable => ("n/a", "2"),
    };
    let space = " ".repeat(9 - word.len());
    if style.color { format!("\x1b[{color}m{word}\x1b[0m{space}") } else { format!("{word}{space}") }
}

/// The last line: whether a connection can work, and if not, why.
pub fn answer(report: &Report, style: Style) -> String {
    let word = report.connectable.word();
    let word = match report.connectable {
        _ if !style.color => word.to_owned(),
        Connectable::Yes => format!("\x1b[32;1m{word}\x1b[0m"),
        Connectable::No => format!("\x1b[31;1m{word}\x1b[0m"),
        Connectable::Unknown => format!("\x1b[35;1m{word}\x1b[0m"),
    };
    let begin = match report.scope {
        Scope::Whole => format!("Connectable: {word}"),
        Scope::OperatingSystem => format!("As far as the operating system goes, connectable: {word}"),
    };
    let missing = |result: &&CheckResult| {
        result.required && matches!(result.status, Status::Unknown) || result.why.starts_with("left out by --")
    };
    match report.connectable {
        Connectable::Yes => begin,
        Connectable::No => {
            let (count, verb) = counted(report.root_causes.len());
            format!("{begin}. {count} {verb} in the way: {}", visible(&report.root_causes.join(", ")))
        }
        Connectable::Unknown => match report.results.iter().filter(missing).count() {
            0 if report.path.as_ref().is_some_and(|path| path.answer == PathAnswer::Partial) => {
                format!("{begin}. The network lets only a part through")
            }
            0 => format!("{begin}. Nothing was checked"),
            1 => format!("{begin}. One answer that a connection needs is missing"),
            count => format!("{begin}. {count} answers that a connection needs are missing"),
        },
    }
}

fn counted(count: usize) -> (String, &'static str) {
    const WORDS: [&str; 9] = ["Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"];
    match count {
        1 => ("One thing".to_owned(), "stands"),
        _ => match count.checked_sub(2).and_then(|index| WORDS.get(index)) {
            Some(word) => (format!("{word} things"), "stand"),
            None => (format!("{count} things"), "stand"),
        },
    }
}
