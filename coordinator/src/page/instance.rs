//! `/instances/ID`: both halves of what is known of one instance, with evidence and remedies, its agent, its drift; and "check now".

use axum::extract::{Form, Path, State};
use axum::response::Response;
use eic_doctor_agent::checks;
use eic_doctor_agent::facts::OsFacts;
use eic_doctor_agent::report::{local_report, rfc3339};
use eic_doctor_proto::wire::{facts_from_wire, v1};
use eic_doctor_proto::{Attempt, CheckResult, Evidence, Remedy, Report, Selection, Status, judge};
use maud::{Markup, html};
use serde::Deserialize;

use super::answer::{Failure, ok};
use super::drift::changes_table;
use super::gate::Visitor;
use super::layout::{Frame, encoded, form_token, health, link, text, time};
use super::{Page, Shared, agents, results};
use crate::server::config::Role;
use crate::store::{AgentRecord, FleetInstance, Half, StoredChange, StoredReport};

/// Changes on an instance's view.
const CHANGES: u32 = 20;

/// What is told of an instance besides its agent's report.
struct Known {
    instance: Option<FleetInstance>,
    agent: Option<AgentRecord>,
    changes: Vec<StoredChange>,
    outside: Option<Outside>,
}

/// The agent's report, or why there is none.
enum Inside {
    Report { report: Box<Report>, is_silent: bool, when: Markup },
    None(String),
}

/// What the coordinator's last look at AWS's side came to.
enum Outside {
    Results { attempt: Attempt, results: Vec<CheckResult>, is_silent: bool, when: Markup },
    Damaged,
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
    let inside = page.last_report(&id).await?;
    Ok(ok(&view(&page, &visitor, &id, &known, &inside)))
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
    let inside = judged(report, now / 1_000, false, when);
    Ok(ok(&view(&page, &visitor, &id, &known, &inside)))
}

impl Page {
    async fn known(&self, id: &str) -> Result<Known, Failure> {
        let store = self.store();
        let known = futures_util::try_join!(
            store.instance(id),
            store.agent(id),
            store.recent_changes(Some(id), None, CHANGES),
            store.last_report(id, Half::Aws)
        );
        let (instance, agent, changes, outside) = known.map_err(|error| self.ill(&error))?;
        if instance.is_none() && agent.is_none() {
            return Err(Failure::NotFound);
        }
        Ok(Known { instance, agent, changes, outside: outside.map(|stored| self.outside(&stored)) })
    }

    async fn last_report(&self, id: &str) -> Result<Inside, Failure> {
        let stored = self.store().last_report(id, Half::Os).await.map_err(|error| self.ill(&error))?;
        let Some(stored) = stored else { return Ok(Inside::None("Its agent has not reported yet".to_owned())) };
        let when = self.when(&stored);
        Ok(match self.behind.unpacked(&stored.report) {
            Some(report) => judged(report, stored.received_at / 1_000, stored.is_silent, when),
            None => Inside::None("Its stored report is damaged".to_owned()),
        })
    }

    fn outside(&self, stored: &StoredReport) -> Outside {
        let Some(report) = self.behind.unpacked(&stored.report) else { return Outside::Damaged };
        let Some(attempt) = report.attempt.and_then(|attempt| Attempt::try_from(attempt).ok()) else {
            return Outside::Damaged;
        };
        let results = report.results.into_iter().map(of_wire).collect();
        Outside::Results { attempt, results, is_silent: stored.is_silent, when: self.when(stored) }
    }

    fn when(&self, stored: &StoredReport) -> Markup {
        let now = self.now();
        html! {
            "Received " (time(stored.received_at, now)) ", last confirmed " (time(stored.confirmed_at, now))
        }
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
fn judged(report: v1::AgentReport, seconds: u64, is_silent: bool, when: Markup) -> Inside {
    let attempt = report.attempt.and_then(|attempt| Attempt::try_from(attempt).ok());
    let facts = report.facts.and_then(|facts| facts_from_wire::<OsFacts>(facts).ok());
    let (Some(attempt), Some(facts)) = (attempt, facts) else {
        return Inside::None("Its report does not have the shape of this version's catalogue".to_owned());
    };
    let results = judge(checks::entries(&facts, &attempt), &Selection::default());
    let report = Box::new(local_report(&facts, &attempt, results, rfc3339(seconds), true));
    Inside::Report { report, is_silent, when }
}

/// A result as it is stored, with what the catalogue says of its check; one that this version does not know may be needed.
fn of_wire(result: v1::CheckResult) -> CheckResult {
    let about = crate::checks::abouts().into_iter().find(|about| about.id == result.id);
    CheckResult {
        status: match result.status() {
            v1::Status::Ok => Status::Ok,
            v1::Status::Warn => Status::Warn,
            v1::Status::Fail => Status::Fail,
            v1::Status::Unknown | v1::Status::Unspecified => Status::Unknown,
            v1::Status::Blocked => Status::Blocked,
            v1::Status::NotApplicable => Status::NotApplicable,
        },
        doc: about.map_or_else(String::new, |about| format!("eic-doctor explain {}", about.id)),
        required: about.is_none_or(|about| about.required),
        id: result.id,
        title: result.title,
        evidence: result
            .evidence
            .into_iter()
            .map(|evidence| Evidence { seen: evidence.seen, at: evidence.at })
            .collect(),
        remedy: result.remedy.map(|remedy| Remedy {
            text: remedy.text,
            command: remedy.command,
            verify: remedy.verify,
        }),
        blocked_by: result.blocked_by,
        why: result.why,
        missing_action: result.missing_action,
    }
}

fn view(page: &Page, visitor: &Visitor, id: &str, known: &Known, inside: &Inside) -> Markup {
    let now = page.now();
    let content = html! {
        div.head {
            h1.mono { (text(id)) }
            @if let Some(instance) = &known.instance { (health(instance.health)) }
            (check_form(visitor, id))
        }
        @if let Some(instance) = &known.instance { (place(instance)) }
        @match inside {
            Inside::Report { report, is_silent, when } => (results::inside(report, *is_silent, when)),
            Inside::None(why) => { section.card { p.empty { (text(why)) } } }
        }
        @match &known.outside {
            Some(Outside::Results { attempt, results, is_silent, when }) => (results::outside(attempt, results, *is_silent, when)),
            Some(Outside::Damaged) => { section.card { p.empty { "What was found by AWS's API is damaged in the store" } } }
            None => { section.card { p.empty { "AWS's side has not been looked at: the coordinator does where its configuration has a table " code { "[sweep]" } } } }
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
