//! HTML: one file that needs nothing else, to be opened, mailed or printed. No script, and no request to anywhere.

mod parts;
mod shell;

use std::io::{self, Write};

use eic_doctor_agent::render::{Style, answer, attempt, counts, sections, subject};
use eic_doctor_proto::{CheckResult, HopDecision, PathReport, Report, Status};
use maud::{Markup, html};

pub use parts::{badge, finding, row};
use parts::{bar, worded};
pub use shell::{CLOSING, opening};

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let title = format!("EC2 Instance Connect: {}", subject(report));
    let body = body(report).into_string();
    write!(out, "{}{body}{CLOSING}", opening(&title))
}

fn body(report: &Report) -> Markup {
    let plain = Style { color: false, verbose: false };
    let mut findings: Vec<&CheckResult> = report.results.iter().filter(|result| result.status.is_finding()).collect();
    // What stands in the way comes before what may.
    findings.sort_by_key(|result| result.status != Status::Fail);
    html! {
        h1 { (subject(report)) }
        p.faint { (attempt(report)) }
        section class={ "card answer " (report.connectable.word()) } {
            p { (answer(report, plain)) }
            (bar(&report.counts))
            p.counts { (counts(report)) }
            @if !report.complete { p.counts { "The time for the run was up: what was not looked at is unknown" } }
        }
        (about(report))
        @if !findings.is_empty() {
            h2 { "Findings" }
            @for result in findings { (finding(result)) }
        }
        @if let Some(path) = &report.path { (way(path)) }
        h2 { "Every check" }
        @for (heading, results) in sections(report) {
            section.card {
                h3 { (heading) }
                table.checks { tbody { @for result in results { (row(result)) } } }
            }
        }
        footer { (report.tool.name) " " (report.tool.version) ", " (report.started) }
    }
}

/// What the report is about, by AWS's own names.
fn about(report: &Report) -> Markup {
    let of = &report.subject;
    let facts = [
        ("Instance", &of.instance_id),
        ("Name", &of.name),
        ("Account", &of.account_id),
        ("Region", &of.region),
        ("Availability Zone", &of.availability_zone),
        ("VPC", &of.vpc_id),
        ("Subnet", &of.subnet_id),
        ("AMI", &of.image_id),
        ("Platform", &of.platform),
        ("Operating system", &of.operating_system),
        ("Principal", &report.attempt.principal),
    ];
    let known = facts.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    html! {
        section.card {
            dl.facts { @for (name, value) in known { div { dt { (name) } dd { (value) } } } }
            @for note in &report.notes { p.faint { (worded(note)) } }
        }
    }
}

fn way(path: &PathReport) -> Markup {
    let decision = |decision| match decision {
        HopDecision::Allowed => ("ok", "allowed"),
        HopDecision::Partial => ("warn", "partial"),
        HopDecision::Blocked => ("fail", "BLOCKED"),
        HopDecision::Unknown => ("unknown", "unknown"),
        HopDecision::NotApplicable => ("not-applicable", "n/a"),
    };
    html! {
        @if !path.hops.is_empty() {
            h2 { "The network's way" }
            div.card.scroll {
                table {
                    thead { tr { th { "Answer" } th { "Element" } th { "Direction" } th { "By" } } }
                    tbody {
                        @for hop in &path.hops {
                            @let (class, word) = decision(hop.decision);
                            tr {
                                td { span class={ "badge " (class) } { (word) } }
                                td { (hop.element) " " code { (hop.id) } }
                                td { (hop.direction) }
                                td { (worded(&hop.rule)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing::{report, text_of};

    fn written(report: &Report) -> String {
        text_of(|out| write(report, out))
    }

    #[test]
    fn every_check_has_its_row_and_a_finding_tells_what_mends_it() {
        let report = report();
        let page = written(&report);
        for result in &report.results {
            assert!(page.contains(&format!("<code class=\"faint\">{}</code>", result.id)), "{page}");
        }
        assert_eq!(page.matches("<article").count(), 2);
        assert!(page.contains("<pre><code>aws ec2 mend</code></pre>"), "{page}");
    }

    #[test]
    fn what_a_host_says_is_no_markup() {
        let hostile = "</style><script>alert(1)</script><img src=x onerror=y>\" & `<b>`";
        let mut report = report();
        report.subject.name = Some(hostile.to_owned());
        report.notes = vec![hostile.to_owned()];
        for result in &mut report.results {
            result.why = hostile.to_owned();
            result.title = hostile.to_owned();
            for evidence in &mut result.evidence {
                (evidence.seen, evidence.at) = (hostile.to_owned(), hostile.to_owned());
            }
            if let Some(remedy) = &mut result.remedy {
                remedy.text = hostile.to_owned();
                remedy.command = Some(hostile.to_owned());
                remedy.verify = hostile.to_owned();
            }
        }
        let page = written(&report);
        for tag in ["<script", "<img", "<b>"] {
            assert!(!page.contains(tag), "{tag}: {page}");
        }
        assert_eq!(page.matches("</style>").count(), 1);
        assert!(page.contains("&lt;img src=x onerror=y&gt;&quot; &amp; <code>&lt;b&gt;</code>"), "{page}");
    }

    #[test]
    fn a_page_asks_nothing_of_anybody() {
        let page = written(&report());
        for request in ["http://", "https://", " src=", "url(", "@import", " href=", " style="] {
            assert!(!page.contains(request), "{request}");
        }
    }
}
