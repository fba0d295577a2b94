//! `/instances/ID`: one instance's report with evidence and remedies, its agent, its drift; and "check now".

use axum::extract::{Form, Path, State};
use axum::response::Response;
use eic_doctor_agent::checks;
use eic_doctor_agent::facts::OsFacts;
use eic_doctor_agent::report::{local_report, rfc3339};
use eic_doctor_proto::wire::{facts_from_wire, v1};
use eic_doctor_proto::{Attempt, Report, Selection, judge};
use maud::{Markup, html};
use serde::Deserialize;

use super::answer::{Failure, ok};
use super::drift::changes_table;
use super::gate::Visitor;
use super::layout::{Frame, encoded, form_token, health, link, text, time};
use super::{Page, Shared, agents, results};
use crate::server::config::Role;
use crate::store::{AgentRecord, FleetInstance, Half, StoredChange};

/// Changes on an instance's view.
const CHANGES: u32 = 20;

/// What is told of an instance besides its report.
struct Known {
    instance: Option<FleetInstance>,
    agent: Option<AgentRecord>,
    changes: Vec<StoredChange>,
}

/// What the report is, or why there is none.
enum Shown {
    Report { report: Box<Report>, when: Markup },
    None(String),
}

#[derive(Deserialize)]
pub(super) struct CheckForm {
    #[serde(default)]
    form_token: String,
}

pub(super) async fn instance(
    State(page): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    visitor.may_read(&page)?;
    let known = page.known(&id).await?;
    let shown = page.last_report(&id).await?;
    Ok(ok(&view(&page, &visitor, &id, &known, &shown)))
}

/// Asks the instance's agent to look now, and shows what it found. It is not stored: the agent's own reports are.
pub(super) async fn check(
    State(page): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(CheckForm { form_token }): Form<CheckForm>,
) -> Result<Response, Failure> {
    let operator = visitor.may_change(&page, Role::Check, &form_token)?;
    let known = page.known(&id).await?;
    let attempt = page.attempt_of(&id).await?;
    let report = page.behind.look_now(&operator.name, &id, &attempt).await?;
    let now = page.now();
    let when = html! { "Looked just now, for " (text(&operator.name)) ": " (time(now, now)) };
    let shown = judged(report, now / 1_000, when);
    Ok(ok(&view(&page, &visitor, &id, &known, &shown)))
}

impl Page {
    async fn known(&self, id: &str) -> Result<Known, Failure> {
        let store = self.store();
        let known =
            futures_util::try_join!(store.instance(id), store.agent(id), store.recent_changes(Some(id), None, CHANGES));
        let (instance, agent, changes) = known.map_err(|error| self.ill(&error))?;
        if instance.is_none() && agent.is_none() {
            return Err(Failure::NotFound);
        }
        Ok(Known { instance, agent, changes })
    }

    async fn last_report(&self, id: &str) -> Result<Shown, Failure> {
        let stored = self.store().last_report(id, Half::Os).await.map_err(|error| self.ill(&error))?;
        let Some(stored) = stored else { return Ok(Shown::None("Its agent has not reported yet".to_owned())) };
        let now = self.now();
        let when =
            html! { "Received " (time(stored.received_at, now)) ", last confirmed " (time(stored.confirmed_at, now)) };
        Ok(match self.behind.unpacked(&stored.report) {
            Some(report) => judged(report, stored.received_at / 1_000, when),
            None => Shown::None("Its stored report is damaged".to_owned()),
        })
    }

    /// The attempt that the agent judges by itself, so that a check now answers the same question.
    async fn attempt_of(&self, id: &str) -> Result<Attempt, Failure> {
        let stored = self.store().last_report(id, Half::Os).await.map_err(|error| self.ill(&error))?;
        let report = stored.and_then(|stored| self.behind.unpacked(&stored.report));
        let attempt = report.and_then(|report| report.attempt).and_then(|attempt| Attempt::try_from(attempt).ok());
        Ok(attempt.unwrap_or_else(Attempt::usual))
    }
}

/// The facts of a report by our own rules, as whatever is stored was judged.
fn judged(report: v1::AgentReport, seconds: u64, when: Markup) -> Shown {
    let attempt = report.attempt.and_then(|attempt| Attempt::try_from(attempt).ok());
    let facts = report.facts.and_then(|facts| facts_from_wire::<OsFacts>(facts).ok());
    let (Some(attempt), Some(facts)) = (attempt, facts) else {
        return Shown::None("Its report does not have the shape of this version's catalogue".to_owned());
    };
    let results = judge(checks::entries(&facts, &attempt), &Selection::default());
    let report = Box::new(local_report(&facts, &attempt, results, rfc3339(seconds), true));
    Shown::Report { report, when }
}

fn view(page: &Page, visitor: &Visitor, id: &str, known: &Known, shown: &Shown) -> Markup {
    let now = page.now();
    let content = html! {
        div.head {
            h1.mono { (text(id)) }
            @if let Some(instance) = &known.instance { (health(instance.health)) }
            (check_form(visitor, id))
        }
        @if let Some(instance) = &known.instance { (place(instance)) }
        @match shown {
            Shown::Report { report, when } => (results::report(report, when)),
            Shown::None(why) => { section.card { p.empty { (text(why)) } } }
        }
        section.card aria-labelledby="drift" {
            div.head { h2 #drift { "Drift" } a href=(link("/drift", &[("instance", id)])) { "All of it" } }
            (changes_table(&known.changes, now, false))
        }
        section.card aria-labelledby="agent" {
            h2 #agent { "Agent" }
            @match &known.agent { Some(agent) => (agents::details(agent, now)), None => { p.empty { "No agent has enrolled." } } }
        }
    };
    Frame { title: id, at: "/instances", session: visitor.session.as_ref(), now }.page(&content)
}

fn place(instance: &FleetInstance) -> Markup {
    let places = [
        ("Account", "account", &instance.account_id),
        ("Region", "region", &instance.region),
        ("AMI", "image", &instance.image_id),
    ];
    html! {
        dl.facts.line {
            @for (label, filter, value) in places.into_iter().filter(|(_, _, value)| !value.is_empty()) {
                div { dt { (label) } dd { a.mono href=(link("/instances", &[(filter, value)])) { (text(value)) } } }
            }
        }
    }
}

fn check_form(visitor: &Visitor, id: &str) -> Markup {
    html! {
        @match &visitor.session {
            Some(session) if session.role >= Role::Check => {
                form.action action={ "/instances/" (encoded(id)) "/check" } method="post" { (form_token(session)) button.primary type="submit" { "Check now" } }
            }
            Some(_) => { p.action.muted { "Your role does not let you ask it to check now" } }
            None => { p.action { a href=(link("/sign-in", &[("next", &format!("/instances/{}", encoded(id)))])) { "Sign in to check now" } } }
        }
    }
}
