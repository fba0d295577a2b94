//! `/drift`: what changed, newest first, and how much of it when.

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::Shared;
use super::answer::{Failure, ok};
use super::chart;
use super::gate::Visitor;
use super::layout::{Frame, ago, encoded, link, status, text, title_of};
use crate::store::{Millis, StoredChange};

/// Changes on a page.
const PAGE: u32 = 50;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    instance: String,
    /// A key of [`chart::SPANS`].
    span: String,
    before: Option<u64>,
}

pub(super) async fn drift(
    State(page): State<Shared>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    visitor.may_read(&page)?;
    let instance = Some(asked.instance.trim()).filter(|id| !id.is_empty());
    let span = chart::span(&asked.span);
    let now = page.now();
    let store = page.store();
    let (found, counts) = futures_util::try_join!(
        store.recent_changes(instance, asked.before, PAGE + 1),
        store.change_counts(instance, span.from(now), span.bucket)
    )
    .map_err(|error| page.ill(&error))?;
    let shown = found.get(..PAGE as usize).unwrap_or(&found);
    let older = shown.last().filter(|_| found.len() > shown.len()).map(|last| last.number.to_string());
    let is_first = asked.before.is_none();
    let content = html! {
        div.head { h1 { "Drift" } @if is_first && instance.is_none() { (live(shown.first())) } }
        form.filters action="/drift" method="get" aria-label="Filters" {
            div { label for="f-instance" { "Instance id" } input #f-instance name="instance" value=(text(&asked.instance)) maxlength="128" autocomplete="off" spellcheck="false"; }
            div {
                label for="f-span" { "Chart" }
                select #f-span name="span" { @for one in &chart::SPANS { option value=(one.key) selected[one.key == span.key] { (one.words) } } }
            }
            div.buttons { button type="submit" { "Filter" } a.button.quiet href="/drift" { "Clear" } }
        }
        section.card aria-labelledby="when" {
            h2 #when { "Changes in " (span.words) }
            (chart::chart(&counts, span, now))
        }
        section.card aria-labelledby="what" {
            h2 #what { "What changed" }
            (changes_table(shown, now, is_first && instance.is_none()))
        }
        nav.pages aria-label="Pages" {
            @if !is_first { a href=(link("/drift", &[("instance", &asked.instance), ("span", span.key)])) { "Newest" } }
            @if let Some(older) = older { a rel="next" href=(link("/drift", &[("instance", &asked.instance), ("span", span.key), ("before", &older)])) { "Older" } }
        }
    };
    let frame = Frame { title: "Drift", at: "/drift", session: visitor.session.as_ref(), now };
    Ok(ok(&frame.page(&content)))
}

/// Where the script begins to listen: after the newest change that the view shows. It stays empty without a script.
pub(super) fn live(newest: Option<&StoredChange>) -> Markup {
    let after = newest.map_or(0, |change| change.number);
    html! { span.live #live data-after=(after) hidden { span.dot aria-hidden="true" {} span role="status" data-live { "connecting" } } }
}

/// `takes_more`: the script puts in what comes, by the row that the template has.
pub(super) fn changes_table(changes: &[StoredChange], now: Millis, takes_more: bool) -> Markup {
    html! {
        @if changes.is_empty() { p.empty data-empty { "Nothing has changed." } }
        table.changes hidden[changes.is_empty()] {
            caption.hidden { "Changes, the newest first" }
            thead { tr { th scope="col" { "When" } th scope="col" { "Instance and check" } th scope="col" { "Was" } th scope="col" { "Is" } } }
            tbody data-changes[takes_more] { @for change in changes { (row(change, now)) } }
        }
    }
}

pub(super) fn row(stored: &StoredChange, now: Millis) -> Markup {
    let change = &stored.change;
    html! {
        tr data-number=(stored.number) {
            td { (ago(change.told_at, now)) }
            th scope="row" {
                a.mono href={ "/instances/" (encoded(&stored.instance_id)) } { (text(&stored.instance_id)) } " "
                span title=(text(&change.check_id)) { (title_of(&change.check_id)) }
                @if change.is.status.is_finding() && !change.is.why.is_empty() { p.why { (text(&change.is.why)) } }
            }
            td { (status(change.was)) }
            td { (status(change.is.status)) }
        }
    }
}
