//! Results as people read them: the answer, each finding with evidence and remedy, what is not known, and then every check.

use eic_doctor_proto::{Attempt, CheckResult, Connectable, Counts, Remedy, Report, Status};
use maud::{Markup, html};

use super::layout::{status, text};

/// What the agent found, and when; all of it is unknown now where nothing was heard since.
pub(super) fn inside(report: &Report, is_silent: bool, when: &Markup) -> Markup {
    html! {
        section.card aria-labelledby="inside" {
            h2 #inside { "Inside the instance" }
            p.answer { (answer(report.connectable, is_silent, "inside")) }
            p.muted { (when) ". For " code { (text(report.attempt.os_user.as_str())) } " on port " (report.attempt.port)
                @if let Some(system) = &report.subject.operating_system { "; " (text(system)) } "." }
            (list(&report.results))
        }
    }
}

/// What the coordinator found by AWS's API, for the attempt that its configuration names, and when.
pub(super) fn outside(attempt: &Attempt, results: &[CheckResult], is_silent: bool, when: &Markup) -> Markup {
    html! {
        section.card aria-labelledby="outside" {
            h2 #outside { "Outside, by AWS's API" }
            p.answer { (answer(Connectable::of(results), is_silent, "outside")) }
            p.muted { (when) ". By the way " code { (text(attempt.via.word())) } " on port " (attempt.port) "." }
            (list(results))
        }
    }
}

/// Of one half alone `yes` is not said: the other half has an answer of its own.
fn answer(connectable: Connectable, is_silent: bool, half: &str) -> Markup {
    html! {
        @match connectable {
            _ if is_silent => { strong { "Not known." } " Nothing was heard since what is below was seen." }
            Connectable::No => { strong { "Not connectable." } " What stands in the way is below." }
            Connectable::Unknown => { strong { "Not known." } " Something that a connection needs could not be looked at." }
            Connectable::Yes => { strong { "Nothing stands in the way " (half) " the instance." } }
        }
    }
}

fn list(results: &[CheckResult]) -> Markup {
    let of = |is: fn(Status) -> bool| results.iter().filter(move |result| is(result.status));
    html! {
        @for result in of(Status::is_finding) { (finding(result)) }
        @if of(|status| status == Status::Unknown).next().is_some() { (unknown(of(|status| status == Status::Unknown))) }
        details { summary { "All " (results.len()) " checks: " (counted(results)) } (every(results)) }
    }
}

fn counted(results: &[CheckResult]) -> String {
    let counts = Counts::of(results).by_status().into_iter().filter(|(_, count)| *count > 0);
    counts.map(|(status, count)| format!("{count} {}", status.word())).collect::<Vec<_>>().join(", ")
}

fn finding(result: &CheckResult) -> Markup {
    html! {
        article class={ "finding " (result.status.word()) } id=(text(&result.id)) {
            h3 { (status(result.status)) " not so: " (text(&result.title)) }
            p.muted { code.id { (text(&result.id)) } }
            @if !result.why.is_empty() { p { (text(&result.why)) } }
            @if !result.evidence.is_empty() {
                h4 { "Seen" }
                ul.evidence { @for evidence in &result.evidence { li { span { (text(&evidence.seen)) } " " code.id { (text(&evidence.at)) } } } }
            }
            @if let Some(remedy) = &result.remedy { (mend(&result.id, remedy)) }
        }
    }
}

fn mend(id: &str, remedy: &Remedy) -> Markup {
    let command = format!("command-{id}");
    html! {
        h4 { "To mend" }
        p { (text(&remedy.text)) }
        @if let Some(lines) = &remedy.command {
            div.command {
                pre tabindex="0" role="region" aria-label="Command that mends it" { code id=(text(&command)) { @for (at, line) in lines.lines().enumerate() { @if at > 0 { "\n" } (text(line)) } } }
                // Shown by the script, without which it could do nothing.
                button.quiet type="button" data-copy=(text(&command)) hidden { "Copy" }
            }
        }
        h4 { "To see that it worked" }
        p.verify { (text(&remedy.verify)) }
    }
}

fn unknown<'a>(results: impl Iterator<Item = &'a CheckResult>) -> Markup {
    html! {
        h3 { "Not known" }
        table {
            caption.hidden { "Checks that could not be made, and why" }
            thead { tr { th scope="col" { "Check" } th scope="col" { "Why" } } }
            tbody { @for result in results { tr {
                th scope="row" { (text(&result.title)) " " code.id { (text(&result.id)) } }
                td { (text(&result.why)) @if let Some(action) = &result.missing_action { " (" code { (text(action)) } ")" } }
            } } }
        }
    }
}

fn every(results: &[CheckResult]) -> Markup {
    html! {
        table {
            caption.hidden { "Every check" }
            thead { tr { th scope="col" { "Status" } th scope="col" { "Check" } th scope="col" { "Why" } } }
            tbody { @for result in results { tr {
                td { (status(result.status)) }
                th scope="row" { (text(&result.title)) " " code.id { (text(&result.id)) } }
                td { (text(&result.why)) }
            } } }
        }
    }
}
