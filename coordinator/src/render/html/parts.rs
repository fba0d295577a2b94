//! The pieces that pages about one instance and about many have in common.

use eic_doctor_agent::render::wrap;
use eic_doctor_proto::{CheckResult, Counts, Evidence, Status};
use maud::{Markup, html};

/// Columns of a command before it is cut into lines.
const WIDTH: usize = 96;

/// The status as a word; the colour comes on top.
pub fn badge(status: Status) -> Markup {
    let word = match status {
        Status::Fail => "FAIL",
        Status::Warn => "WARN",
        Status::NotApplicable => "n/a",
        other => other.word(),
    };
    html! { span class={ "badge " (status.word()) } { (word) } }
}

/// How many checks said what, as one bar. The words beside it say the same.
pub fn bar(counts: &Counts) -> Markup {
    let mut left = 0;
    let parts: Vec<(Status, usize, usize)> = counts
        .by_status()
        .into_iter()
        .map(|(status, count)| {
            left += count;
            (status, left - count, count)
        })
        .filter(|(_, _, count)| *count > 0)
        .collect();
    html! {
        svg.bar viewBox={ "0 0 " (counts.total.max(1)) " 1" } preserveAspectRatio="none" aria-hidden="true" {
            @for (status, x, width) in parts {
                rect class=(status.word()) x=(x) y="0" width=(width) height="1" {}
            }
        }
    }
}

/// A finding with what was seen, what mends it and how to see that it worked.
pub fn finding(result: &CheckResult) -> Markup {
    let news = result.evidence.iter().filter(|evidence| !result.why.contains(&evidence.seen));
    html! {
        article class={ "card finding " (result.status.word()) } {
            header { (badge(result.status)) h3 { (result.title) } code.faint { (result.id) } }
            p { (worded(&result.why)) }
            (seen(news))
            @if let Some(remedy) = &result.remedy {
                h4 { "To mend" }
                p { (worded(&remedy.text)) }
                @if let Some(command) = &remedy.command { (pasted(command)) }
                h4 { "To see that it worked" }
                (pasted(&remedy.verify))
            }
            p.faint { "More: " code { (result.doc) } }
        }
    }
}

/// A check in a table of all of them.
pub fn row(result: &CheckResult) -> Markup {
    html! {
        tr {
            td { (badge(result.status)) }
            td {
                (result.title) " " code.faint { (result.id) }
                @if !result.why.is_empty() && !result.status.is_finding() { p.faint { (worded(&result.why)) } }
                @if result.status == Status::Ok && !result.evidence.is_empty() {
                    details { summary.faint { "what was seen" } (seen(result.evidence.iter())) }
                }
            }
        }
    }
}

/// What was seen and where, a line each; nothing where nothing was.
pub fn seen<'a>(evidence: impl Iterator<Item = &'a Evidence>) -> Markup {
    let mut evidence = evidence.peekable();
    html! {
        @if evidence.peek().is_some() {
            ul { @for one in evidence { li { (worded(&one.seen)) " " span.faint { "(" (worded(&one.at)) ")" } } } }
        }
    }
}

/// Text in which backticks stand round what is typed.
pub fn worded(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    // An odd backtick opens nothing: the text stands as it is.
    let is_paired = parts.len() % 2 == 1;
    html! {
        @if is_paired {
            @for (index, part) in parts.iter().enumerate() {
                @if index % 2 == 1 { code { (part) } } @else { (part) }
            }
        } @else { (text) }
    }
}

fn pasted(command: &str) -> Markup {
    html! { pre { code { (wrap(command, WIDTH).join("\n")) } } }
}
