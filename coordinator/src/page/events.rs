//! `/events`: changes and counts as they come, for the script. One look at the store serves all who listen.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::broadcast;

use super::answer::Failure;
use super::gate::Visitor;
use super::{Page, Shared, drift};
use crate::store::{Health, HealthCounts, StoreError};

/// Between two looks for changes, while somebody listens; the operators' stream waits as long.
const LOOK: Duration = Duration::from_secs(1);
/// The counts are a pass over an index: every so many looks.
const COUNTS: u32 = 5;
/// Changes that a listener is told at most in one look; who was away for longer loads the view.
const TOGETHER: u32 = 100;
/// Listeners at a time.
const LISTENERS: usize = 256;
/// A listener that lags further behind loses what is between.
const BEHIND: usize = 256;

/// What listeners are told.
#[derive(Clone, Debug)]
enum Told {
    Change { number: u64, row: Arc<str> },
    Counts(Arc<str>),
}

/// The way to all listeners.
pub(super) struct Events(broadcast::Sender<Told>);

impl Events {
    pub fn new() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

#[derive(Deserialize)]
pub(super) struct After {
    /// The newest change that the view shows.
    #[serde(default)]
    after: u64,
}

/// Looks while somebody listens, for as long as the page is served.
pub(super) async fn look(page: Shared) {
    // Where the last look ended; none while nobody listens.
    let mut after = None;
    let mut counts = HealthCounts::default();
    let mut looks = 0_u32;
    loop {
        tokio::time::sleep(LOOK).await;
        if page.events.0.receiver_count() == 0 {
            after = None;
            continue;
        }
        let looked = page.look_once(after, looks.is_multiple_of(COUNTS), &mut counts).await;
        looks = looks.wrapping_add(1);
        match looked {
            Ok(newest) => after = Some(newest),
            Err(error) => drop(page.ill(&error)),
        }
    }
}

impl Page {
    async fn look_once(
        &self,
        after: Option<u64>,
        with_counts: bool,
        before: &mut HealthCounts,
    ) -> Result<u64, StoreError> {
        let mut newest = match after {
            Some(after) => after,
            // Who came first was told on its own of what was there already.
            None => self.store().recent_changes(None, None, 1).await?.first().map_or(0, |change| change.number),
        };
        for change in self.store().changes(None, newest, TOGETHER).await? {
            newest = change.number;
            let row = drift::row(&change, self.now()).into_string().into();
            // That the last listener has gone is no matter.
            drop(self.events.0.send(Told::Change { number: change.number, row }));
        }
        if with_counts {
            let counts = self.store().health_counts().await?;
            if counts != *before {
                *before = counts;
                drop(self.events.0.send(Told::Counts(counts_text(&counts))));
            }
        }
        Ok(newest)
    }
}

fn counts_text(counts: &HealthCounts) -> Arc<str> {
    let of = Health::ALL.into_iter().map(|health| (health.word().to_owned(), counts.of(health).into()));
    serde_json::Value::Object(of.chain([("total".to_owned(), counts.total().into())]).collect()).to_string().into()
}

pub(super) async fn events(
    State(page): State<Shared>,
    visitor: Visitor,
    Query(After { after }): Query<After>,
) -> Result<Response, Failure> {
    if visitor.may_read(&page).is_err() {
        // A redirect would be followed, and is no stream.
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    }
    if page.events.0.receiver_count() >= LISTENERS {
        let why = format!("{LISTENERS} views are live already, as many as may be");
        return Err(Failure::Later { status: StatusCode::SERVICE_UNAVAILABLE, why, after: Duration::from_secs(60) });
    }
    // First the ear, then what was missed: what comes in between is told twice at most, and known by its number.
    let ear = page.events.0.subscribe();
    let missed = page.store().changes(None, after, TOGETHER).await.map_err(|error| page.ill(&error))?;
    let counts = page.store().health_counts().await.map_err(|error| page.ill(&error))?;
    let mut first: Vec<Told> = vec![Told::Counts(counts_text(&counts))];
    first.extend(missed.iter().rev().map(|change| Told::Change {
        number: change.number,
        row: drift::row(change, page.now()).into_string().into(),
    }));
    let told_of = missed.last().map_or(after, |change| change.number);
    let stream = stream::unfold(
        (first, ear, told_of, page.stop.clone()),
        |(mut first, mut ear, told_of, mut stop)| async move {
            loop {
                let told = match first.pop() {
                    Some(told) => told,
                    None => tokio::select! {
                        told = ear.recv() => match told {
                            Ok(Told::Change { number, .. }) if number <= told_of => continue,
                            Ok(told) => told,
                            Err(broadcast::error::RecvError::Lagged(_)) => continue,
                            Err(broadcast::error::RecvError::Closed) => return None,
                        },
                        _ = stop.wait_for(|stop| *stop) => return None,
                    },
                };
                return Some((Ok::<_, Infallible>(event(&told)), (first, ear, told_of, stop)));
            }
        },
    );
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()).into_response())
}

fn event(told: &Told) -> Event {
    match told {
        Told::Change { number, row } => Event::default().event("change").id(number.to_string()).data(row.as_ref()),
        Told::Counts(counts) => Event::default().event("counts").data(counts.as_ref()),
    }
}
