//! `/`: how the fleet stands, by root cause and by place, and what changed last. `/by/…`: every account, Region or image.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use eic_doctor_proto::Status;
use maud::{Markup, html};
use serde::Deserialize;

use super::answer::{Failure, ok};
use super::drift::{changes_table, live};
use super::gate::Visitor;
use super::layout::{Frame, bar, encoded, health, link, number, status, text, title_of};
use super::{Page, Shared};
use crate::store::{Cause, Dimension, Health, HealthCounts, Place, StoredChange};

/// Accounts, Regions and images on the fleet's view.
const PLACES: u32 = 8;
/// And on a view of their own.
const ALL_PLACES: u32 = 100;
const RECENT: u32 = 8;
/// No view goes further into a list that is sorted by counts.
const FURTHEST: u32 = 10_000;

pub(super) async fn fleet(State(page): State<Shared>, visitor: Visitor) -> Result<Response, Failure> {
    visitor.may_read(&page)?;
    let store = page.store();
    // At once: each is a pass over an index of its own.
    let (counts, causes, recent, accounts, regions, images) = futures_util::try_join!(
        store.health_counts(),
        store.causes(),
        store.recent_changes(None, None, RECENT),
        store.places(Dimension::Account, 0, PLACES + 1),
        store.places(Dimension::Region, 0, PLACES + 1),
        store.places(Dimension::Image, 0, PLACES + 1),
    )
    .map_err(|error| page.ill(&error))?;
    let places = [(Dimension::Account, accounts), (Dimension::Region, regions), (Dimension::Image, images)];
    let frame = Frame { title: "Fleet", at: "/", session: visitor.session.as_ref(), now: page.now() };
    Ok(ok(&frame.page(&content(&page, &counts, &causes, &recent, &places))))
}

fn content(
    page: &Page,
    counts: &HealthCounts,
    causes: &[Cause],
    recent: &[StoredChange],
    places: &[(Dimension, Vec<Place>)],
) -> Markup {
    let of_status = |status: Status| causes.iter().filter(move |cause| cause.status == status);
    html! {
        div.head { h1 { "Fleet" } p.muted { strong data-total { (number(counts.total())) } " instances" } (live(recent.first())) }
        (stand(counts))
        div.columns {
            section.card.wide aria-labelledby="causes" {
                h2 #causes { "Root causes" }
                @if of_status(Status::Fail).next().is_none() { p.empty { "Nothing fails on any instance that reports." } }
                @else { (causes_table("What fails, and on how many instances", of_status(Status::Fail), counts.total())) }
                @if of_status(Status::Warn).next().is_some() {
                    h3 { "Warnings" }
                    (causes_table("What warns, and on how many instances", of_status(Status::Warn), counts.total()))
                }
            }
            section.card aria-labelledby="recent" {
                div.head { h2 #recent { "Recent drift" } a href="/drift" { "All drift" } }
                (changes_table(recent, page.now(), true))
            }
        }
        div.columns.three {
            @for (dimension, places) in places { (places_card(*dimension, places)) }
        }
    }
}

/// How many stand how: numbers that lead to the instances, and one bar.
fn stand(counts: &HealthCounts) -> Markup {
    html! {
        section aria-label="Health" {
            ul.tiles {
                @for one in Health::ALL {
                    li { a class={ "tile " (one.word()) } href=(link("/instances", &[("health", one.word())])) {
                        span.count data-count=(one.word()) { (number(counts.of(one))) } (health(one))
                    } }
                }
            }
            (bar(counts))
        }
    }
}

fn causes_table<'a>(caption: &str, causes: impl Iterator<Item = &'a Cause>, total: u64) -> Markup {
    html! {
        table {
            caption.hidden { (caption) }
            thead { tr { th scope="col" { "Check" } th.number scope="col" { "Instances" } th.share scope="col" { "Share" } } }
            tbody {
                @for cause in causes {
                    tr {
                        th scope="row" {
                            (status(cause.status)) " "
                            a href=(link("/instances", &[("check", &cause.check_id)])) { "not so: " (title_of(&cause.check_id)) }
                            " " code.id { (text(&cause.check_id)) }
                        }
                        td.number { (number(cause.instances)) }
                        td.share { (share(cause.instances, total)) }
                    }
                }
            }
        }
    }
}

/// A part of the fleet in words; what is not nothing is not shown as nothing.
fn share(part: u64, whole: u64) -> String {
    match part * 1_000 / whole.max(1) {
        0 => "< 0.1 %".to_owned(),
        thousandths => format!("{}.{} %", thousandths / 10, thousandths % 10),
    }
}

/// What a dimension is called: one, many, in a URL, and as a filter of instances.
struct Words {
    one: &'static str,
    many: &'static str,
    path: &'static str,
    filter: &'static str,
}

fn words(dimension: Dimension) -> Words {
    match dimension {
        Dimension::Account => Words { one: "Account", many: "Accounts", path: "account", filter: "account" },
        Dimension::Region => Words { one: "Region", many: "Regions", path: "region", filter: "region" },
        Dimension::Image => Words { one: "AMI", many: "AMIs", path: "image", filter: "image" },
    }
}

fn places_card(dimension: Dimension, places: &[Place]) -> Markup {
    let words = words(dimension);
    let shown = places.len().min(PLACES as usize);
    let id = format!("by-{}", words.path);
    html! {
        section.card aria-labelledby=(id) {
            div.head {
                h2 id=(id) { (words.many) }
                @if places.len() > shown { a href={ "/by/" (words.path) } { "All " (words.many) } }
            }
            (places_table(dimension, places.iter().take(shown)))
        }
    }
}

fn places_table<'a>(dimension: Dimension, places: impl Iterator<Item = &'a Place>) -> Markup {
    let words = words(dimension);
    html! {
        table.places {
            caption.hidden { "Instances by " (words.one) ", those with most failing ones first" }
            thead { tr { th scope="col" { (words.one) } th.number scope="col" { "Failing" } th.number scope="col" { "All" } } }
            tbody {
                @for place in places {
                    tr {
                        th scope="row" {
                            @if place.name.is_empty() { span.muted { "not told" } }
                            @else { a href=(link("/instances", &[(words.filter, &place.name)])) { (text(&place.name)) } }
                            (bar(&place.counts))
                        }
                        td.number { (number(place.counts.of(Health::Fail))) }
                        td.number { (number(place.counts.total())) }
                    }
                }
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Skip {
    #[serde(default)]
    skip: u32,
}

/// `/by/account`, `/by/region`, `/by/image`.
pub(super) async fn by(
    State(page): State<Shared>,
    visitor: Visitor,
    Path(path): Path<String>,
    Query(Skip { skip }): Query<Skip>,
) -> Result<Response, Failure> {
    visitor.may_read(&page)?;
    let dimension = Dimension::ALL.into_iter().find(|one| words(*one).path == path).ok_or(Failure::NotFound)?;
    let skip = skip.min(FURTHEST);
    let places = page.store().places(dimension, skip, ALL_PLACES + 1).await.map_err(|error| page.ill(&error))?;
    let words = words(dimension);
    let next = (places.len() > ALL_PLACES as usize && skip < FURTHEST).then(|| (skip + ALL_PLACES).to_string());
    let content = html! {
        div.head { h1 { (words.many) } p { a href="/" { "Fleet" } } }
        section.card aria-label=(words.many) { (places_table(dimension, places.iter().take(ALL_PLACES as usize))) }
        @if let Some(next) = &next {
            nav.pages aria-label="Pages" { a href=(link(&format!("/by/{}", encoded(&path)), &[("skip", next)])) { "Next " (ALL_PLACES) } }
        }
    };
    let frame = Frame { title: words.many, at: "/", session: visitor.session.as_ref(), now: page.now() };
    Ok(ok(&frame.page(&content)))
}
