//! `/agents`: who has enrolled, with which certificate, and when it was last heard of.

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::Shared;
use super::answer::{Failure, ok};
use super::gate::Visitor;
use super::layout::{Frame, ago, encoded, link, text, time};
use crate::store::{AgentRecord, AgentState, Millis};

/// Agents on a page.
const PAGE: u32 = 50;

#[derive(Deserialize)]
pub(super) struct After {
    #[serde(default)]
    after: String,
}

pub(super) async fn agents(
    State(page): State<Shared>,
    visitor: Visitor,
    Query(After { after }): Query<After>,
) -> Result<Response, Failure> {
    visitor.may_read(&page)?;
    let found = page.store().agents(Some(&after), PAGE + 1).await.map_err(|error| page.ill(&error))?;
    let shown = found.get(..PAGE as usize).unwrap_or(&found);
    let next = shown.last().filter(|_| found.len() > shown.len()).map(|last| last.instance_id.as_str());
    let now = page.now();
    let content = html! {
        div.head { h1 { "Agents" } p.muted { "In the order of their instances' ids" } }
        form.filters action="/agents" method="get" aria-label="Where to begin" {
            div { label for="f-after" { "Instance ids after" } input #f-after name="after" value=(text(&after)) maxlength="128" autocomplete="off" spellcheck="false"; }
            div.buttons { button type="submit" { "Show" } a.button.quiet href="/agents" { "From the first" } }
        }
        section.card aria-label="Agents" {
            @if shown.is_empty() { p.empty { "No agent has enrolled." } } @else { (table(shown, now)) }
        }
        nav.pages aria-label="Pages" { @if let Some(next) = next { a rel="next" href=(link("/agents", &[("after", next)])) { "Next page" } } }
    };
    let frame = Frame { title: "Agents", at: "/agents", session: visitor.session.as_ref(), now };
    Ok(ok(&frame.page(&content)))
}

fn table(agents: &[AgentRecord], now: Millis) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Agents, a table that may scroll" {
            table.stack {
                caption.hidden { "Agents, their state and their certificates" }
                thead { tr {
                    th scope="col" { "Instance" } th scope="col" { "State" } th scope="col" { "Stream" } th scope="col" { "Heard of" }
                    th scope="col" { "Certificate" } th scope="col" { "Good until" } th scope="col" { "Version" }
                } }
                tbody { @for agent in agents { tr {
                    th scope="row" { a.mono href={ "/instances/" (encoded(&agent.instance_id)) } { (text(&agent.instance_id)) } }
                    td data-label="State" { (state(agent.state)) }
                    td data-label="Stream" { (stream(agent)) }
                    td data-label="Heard of" { (seen(agent, now)) }
                    td data-label="Certificate" { code.id { (text(&agent.serial)) } }
                    td data-label="Good until" { (certificate_end(agent, now)) }
                    td data-label="Version" { (text(&agent.agent_version)) }
                } } }
            }
        }
    }
}

fn state(state: AgentState) -> Markup {
    let (class, shape, word) = match state {
        AgentState::Enrolled => ("ok", "✓", "enrolled"),
        AgentState::Revoked => ("fail", "✕", "revoked"),
        AgentState::AllowedAgain => ("warn", "!", "may enrol again"),
    };
    html! { span class={ "badge " (class) } { span.shape aria-hidden="true" { (shape) } (word) } }
}

fn stream(agent: &AgentRecord) -> Markup {
    html! { @if agent.connected_to.is_some() { "connected" } @else { span.muted { "none" } } }
}

fn seen(agent: &AgentRecord, now: Millis) -> Markup {
    html! { @match agent.last_seen { Some(at) => (ago(at, now)), None => span.muted { "never" } } }
}

fn certificate_end(agent: &AgentRecord, now: Millis) -> Markup {
    html! { (ago(agent.not_after, now)) @if agent.not_after <= now { " " strong { "expired" } } }
}

/// Everything of one agent, for the view of its instance.
pub(super) fn details(agent: &AgentRecord, now: Millis) -> Markup {
    html! {
        dl.facts {
            div { dt { "State" } dd { (state(agent.state)) " since " (time(agent.state_since, now)) @if !agent.state_why.is_empty() { ": " (text(&agent.state_why)) } } }
            div { dt { "Enrolled" } dd { (time(agent.enrolled_at, now)) } }
            div { dt { "Certificate" } dd { code.id { (text(&agent.serial)) } ", good until " (time(agent.not_after, now)) } }
            div { dt { "Stream" } dd { (stream(agent)) @if let Some(to) = &agent.connected_to { " to " (text(to)) } } }
            div { dt { "Heard of" } dd { (seen(agent, now)) } }
            div { dt { "Version" } dd { (text(&agent.agent_version)) } }
        }
    }
}
