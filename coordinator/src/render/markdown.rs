//! Markdown for a ticket: the answer first, then each finding with its evidence and command, then the rest as a table.

use std::io::{self, Write};

use eic_doctor_proto::{CheckResult, Report, Status};

use super::{evidence, instance};

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## EC2 Instance Connect: {}\n", escaped(&instance(report)))?;
    writeln!(out, "**Connectable: {}**\n", report.connectable.word())?;
    if !report.complete {
        writeln!(out, "The time for the run was up: what was not looked at is unknown.\n")?;
    }
    if !report.root_causes.is_empty() {
        let causes: Vec<String> = report.root_causes.iter().map(|cause| format!("`{cause}`")).collect();
        writeln!(out, "In the way: {}\n", causes.join(", "))?;
    }
    let attempt = &report.attempt;
    let source = attempt.source.map(|source| format!(" from `{source}`")).unwrap_or_default();
    let where_it_is = [("account", &report.subject.account_id), ("Region", &report.subject.region)];
    let place: String =
        where_it_is.iter().filter_map(|(what, name)| Some(format!("; {what} `{}`", name.as_ref()?))).collect();
    writeln!(
        out,
        "`{}`{source} by `{}`, port {}; {}{place}\n",
        attempt.os_user, attempt.via, attempt.port, report.started
    )?;
    for note in &report.notes {
        writeln!(out, "{}\n", escaped(note))?;
    }
    for result in report.results.iter().filter(|result| result.status.is_finding()) {
        finding(result, out)?;
    }
    let unknown: Vec<&CheckResult> = report.results.iter().filter(|result| result.status == Status::Unknown).collect();
    if !unknown.is_empty() {
        writeln!(out, "### Not known\n\n| check | why |\n|---|---|")?;
        for result in unknown {
            writeln!(out, "| `{}` | {} |", result.id, cell(&result.why))?;
        }
        writeln!(out)?;
    }
    let counts: Vec<String> = report
        .counts
        .by_status()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| format!("{count} {}", status.word()))
        .collect();
    writeln!(out, "<details><summary>{} checks: {}</summary>\n", report.counts.total, counts.join(", "))?;
    writeln!(out, "| status | check | |\n|---|---|---|")?;
    for result in &report.results {
        writeln!(out, "| {} | `{}` | {} |", result.status, result.id, cell(&result.title))?;
    }
    writeln!(out, "\n</details>")
}

fn finding(result: &CheckResult, out: &mut dyn Write) -> io::Result<()> {
    let word = if result.status == Status::Fail { "FAIL" } else { "WARN" };
    writeln!(out, "### {word} `{}`: {}\n\n{}\n", result.id, escaped(&result.title), escaped(&result.why))?;
    for seen in evidence(result) {
        writeln!(out, "* {}", escaped(&seen))?;
    }
    if !result.evidence.is_empty() {
        writeln!(out)?;
    }
    let Some(remedy) = &result.remedy else { return Ok(()) };
    writeln!(out, "To mend: {}\n", escaped(&remedy.text))?;
    if let Some(command) = &remedy.command {
        fenced(command, out)?;
    }
    writeln!(out, "To see that it worked: {}\n", escaped(&remedy.verify))
}

/// A fence longer than any run of backticks inside, so that the command cannot end it.
fn fenced(command: &str, out: &mut dyn Write) -> io::Result<()> {
    let longest = command.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    writeln!(out, "{fence}sh\n{command}\n{fence}\n")
}

/// Text that shows as itself: no markup, no HTML, no mention of a person or another ticket. What stands between backticks is code, as in
/// our own texts.
fn escaped(text: &str) -> String {
    marked_up(text, str::to_owned)
}

/// The same in a table, where a bar ends a cell even within code.
fn cell(text: &str) -> String {
    marked_up(text, |code| code.replace('|', "\\|"))
}

fn marked_up(text: &str, code: impl Fn(&str) -> String) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // Backticks that have no partner, or that touch and so are one longer fence, mark nothing.
    let is_paired = parts.len() % 2 == 1 && parts[1..].iter().rev().skip(1).all(|part| !part.is_empty());
    if !is_paired {
        return parts.into_iter().map(literal).collect::<Vec<_>>().join("\\`");
    }
    let mark_up = |(n, part): (usize, &str)| if n % 2 == 0 { literal(part) } else { format!("`{}`", code(part)) };
    parts.into_iter().enumerate().map(mark_up).collect()
}

/// Outside code.
fn literal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            // Readers of tickets look for people and tickets in what is shown, when entities and backslashes are gone already: a space
            // of no width stands between.
            '@' => shown.push_str("@&#8203;"),
            '#' => shown.push_str("\\#&#8203;"),
            '\\' | '*' | '_' | '[' | ']' | '|' | '!' | '~' => {
                shown.push('\\');
                shown.push(character);
            }
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing::{report, text_of};

    fn written(report: &Report) -> String {
        text_of(|out| write(report, out))
    }

    #[test]
    fn the_answer_stands_first_and_every_check_is_listed() {
        let report = report();
        let text = written(&report);
        assert!(text.starts_with("## EC2 Instance Connect: i-0123456789abcdef0\n\n**Connectable: no**\n"), "{text}");
        for result in &report.results {
            assert!(text.contains(&format!("| {} | `{}` |", result.status, result.id)), "{text}");
        }
        assert!(text.contains("```sh\naws ec2 mend\n```"), "{text}");
    }

    #[test]
    fn what_a_host_says_is_no_markup() {
        let mut report = report();
        report.results[2].why = "<img src=x> [a](b) | @team #12 `x`".to_owned();
        let text = written(&report);
        assert!(text.contains("&lt;img src=x&gt; \\[a\\](b) \\| @&#8203;team \\#&#8203;12 `x`"), "{text}");
    }

    #[test]
    fn code_shows_as_it_is_and_a_backtick_without_a_partner_marks_nothing() {
        assert_eq!(escaped("`a_b|<c>` and *d*"), "`a_b|<c>` and \\*d\\*");
        assert_eq!(cell("`a_b|<c>`, d|e"), "`a_b\\|<c>`, d\\|e");
        assert_eq!(escaped("a `b_c"), "a \\`b\\_c");
        assert_eq!(escaped("``a_b``"), "\\`\\`a\\_b\\`\\`");
    }

    #[test]
    fn a_ticket_tells_where_the_instance_is_and_that_the_run_was_cut_short() {
        let mut report = report();
        report.subject.account_id = Some("111122223333".to_owned());
        report.subject.region = Some("eu-west-1".to_owned());
        report.complete = false;
        report.notes = vec!["look *again*".to_owned()];
        let text = written(&report);
        assert!(text.contains("; account `111122223333`; Region `eu-west-1`\n\nlook \\*again\\*\n"), "{text}");
        assert!(text.contains("\n\nThe time for the run was up"), "{text}");
    }

    #[test]
    fn a_command_with_backticks_does_not_end_its_block() {
        let mut out = Vec::new();
        fenced("echo '```'", &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "````sh\necho '```'\n````\n\n");
    }
}
