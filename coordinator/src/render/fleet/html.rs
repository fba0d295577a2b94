//! HTML: a page of many instances, written as it comes. Who fails can be opened; the summary stands at the end, since it is known then.

use std::io::{self, Write};

use eic_doctor_proto::{CheckResult, Connectable, PathAnswer, Status};
use maud::{Markup, html};

use super::Shape;
use super::human::{answer, words};
use crate::fleet::{Cause, InstanceReport, Missing, PlaceReport, ReachCount, RunReport, SummaryReport};
use crate::render::html::{CLOSING, badge, finding, opening, row};

pub(super) struct Html;

impl Shape for Html {
    fn begin(&mut self, run: &RunReport, out: &mut dyn Write) -> io::Result<()> {
        let attempt = &run.attempt;
        let source = attempt.source.map_or_else(String::new, |source| format!(" from {source}"));
        let begin = html! {
            h1 { "EC2 Instance Connect: the fleet" }
            p.faint { (attempt.os_user.as_str()) (source) " by --via " (attempt.via) ", port " (attempt.port) "; " (run.started) }
            p { a href="#summary" { "To the summary" } }
            h2 { "Instances" }
        };
        write!(out, "{}{}", opening("EC2 Instance Connect: the fleet"), begin.into_string())
    }

    fn instance(&mut self, instance: &InstanceReport, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", one(instance).into_string())
    }

    fn end(&mut self, summary: &SummaryReport, out: &mut dyn Write) -> io::Result<()> {
        let calls: u64 = summary.calls.iter().map(|calls| calls.calls).sum();
        let throttled: u64 = summary.calls.iter().map(|calls| calls.throttled).sum();
        let class = if summary.connectable_no > 0 { "no" } else { "unknown" };
        let end = html! {
            h2 id="summary" { "Summary" }
            section class={ "card answer " (class) } {
                p {
                    (summary.instances) " instances: "
                    @if summary.connectable_yes > 0 { (summary.connectable_yes) " connectable, " }
                    (summary.connectable_no) " not connectable, "
                    (summary.connectable_unknown) " with nothing found from outside"
                }
                p.counts { (calls) " calls to AWS, " (throttled) " throttled" }
            }
            (causes("Root causes", Status::Fail, &summary.root_causes))
            (causes("Warnings", Status::Warn, &summary.warnings))
            (causes("Unknown", Status::Unknown, &summary.unknown))
            (reach(&summary.reach))
            (places(&summary.places))
            (not_looked_at(&summary.not_looked_at))
        };
        write!(out, "{}{CLOSING}", end.into_string())
    }
}

fn one(instance: &InstanceReport) -> Markup {
    let subject = &instance.subject;
    let place: Vec<&str> = [&subject.account_id, &subject.region].into_iter().flatten().map(String::as_str).collect();
    let is_failed = instance.connectable == Connectable::No;
    let (findings, others): (Vec<&CheckResult>, Vec<&CheckResult>) =
        instance.findings.iter().partition(|result| result.status.is_finding());
    html! {
        details.card.instance {
            summary {
                (badge(match instance.connectable {
                    Connectable::No => Status::Fail,
                    Connectable::Yes => Status::Ok,
                    Connectable::Unknown => Status::Unknown,
                }))
                strong { (subject.instance_id.as_deref().unwrap_or_default()) }
                @if let Some(name) = &subject.name { span { (name) } }
                span.faint { (place.join(" ")) }
                @if let Some(time) = &instance.inside_confirmed { span.faint { "inside as of " (time) } }
                @if is_failed { code { (instance.root_causes.join(", ")) } }
            }
            @if !instance.reach.is_empty() {
                ul { @for reached in &instance.reach { li { "from " (words(&reached.range)) ": " (answer(reached.answer)) } } }
            }
            @for result in findings { (finding(result)) }
            @if !others.is_empty() { table.checks { tbody { @for result in others { (row(result)) } } } }
        }
    }
}

fn causes(heading: &str, status: Status, causes: &[Cause]) -> Markup {
    html! {
        @if !causes.is_empty() {
            h2 { (heading) }
            div.card.scroll {
                table {
                    thead { tr { th.number { "Instances" } th { "Check" } th { "The first of them" } } }
                    tbody {
                        @for cause in causes {
                            tr {
                                td.number { (cause.instances) }
                                td { (badge(status)) " " (cause.title) " " code.faint { (cause.id) } p.faint { (cause.why) } }
                                td { (cause.examples.join(", ")) @if cause.instances > cause.examples.len() { ", …" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn reach(ranges: &[ReachCount]) -> Markup {
    let answers = [PathAnswer::Allowed, PathAnswer::Partial, PathAnswer::Blocked, PathAnswer::Unknown];
    html! {
        @if !ranges.is_empty() {
            h2 { "What the network lets through" }
            div.card.scroll {
                table {
                    thead { tr { th { "From" } @for of in answers { th.number { (answer(of)) } } } }
                    tbody {
                        @for count in ranges {
                            tr {
                                td { (words(&count.range)) }
                                @for instances in [count.allowed, count.partial, count.blocked, count.unknown] { td.number { (instances) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn places(places: &[PlaceReport]) -> Markup {
    html! {
        h2 { "Accounts and Regions" }
        div.card.scroll {
            table {
                thead { tr { th { "Account" } th { "Region" } th.number { "Instances" } th.number { "Not connectable" } th { "Seen" } } }
                tbody {
                    @for place in places {
                        tr {
                            td { (place.account_id.as_deref().unwrap_or("this account")) }
                            td { (place.region) }
                            td.number { (place.instances) }
                            td.number { (place.connectable_no) }
                            td { @if place.complete { "all" } @else { "not all of them" } }
                        }
                    }
                }
            }
        }
    }
}

fn not_looked_at(missing: &[Missing]) -> Markup {
    html! {
        @if !missing.is_empty() {
            h2 { "Not looked at" }
            section.card {
                ul {
                    @for one in missing {
                        @let place = [&one.account_id, &one.region, &one.instance_id];
                        li { (place.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")) ": " (one.why) }
                    }
                }
            }
        }
    }
}
