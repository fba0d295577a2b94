//! The fleet page: what the coordinator knows, for people with a browser.
//!
//! Invariants: everything is made on the server and readable without a script; nothing comes from another host; no text reaches a page but
//! through [`layout::text`] and maud's escaping; every view is bounded; what changes something needs a session whose role is enough, a form
//! made for that session, and an origin that is the page's own.

mod agents;
mod answer;
mod assets;
mod chart;
pub mod config;
mod drift;
mod events;
mod fleet;
mod gate;
mod instance;
mod instances;
mod layout;
mod results;
pub mod session;
mod sign_in;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use eic_doctor_proto::Attempt;
use eic_doctor_proto::wire::v1;
use tokio::sync::watch;

use answer::Failure;
use config::PageConfig;
use events::Events;
use session::Sessions;

use crate::store::{Millis, SharedStore, StoreError};

/// Bytes of a form.
const FORM_LIMIT: usize = 8 * 1024;
/// From a request's head to its answer: longer than any check on demand takes. A stream of events begins to answer at once.
const PATIENCE: Duration = Duration::from_secs(90);

/// Nothing from anywhere else, nothing inline, nowhere in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The address that a request came from: the listener puts it in.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub IpAddr);

/// What the page needs of the coordinator that serves it.
#[async_trait]
pub trait Behind: Send + Sync {
    fn store(&self) -> &SharedStore;

    fn now(&self) -> Millis;

    fn log(&self, line: &str);

    /// The store could not be used.
    fn ill(&self, error: &StoreError);

    /// The report that a store keeps packed; none: it is damaged.
    fn unpacked(&self, report: &[u8]) -> Option<v1::AgentReport>;

    /// Whether somebody at this address may try to sign in now; if not, after how long.
    fn may_sign_in(&self, address: IpAddr) -> Result<(), Duration>;

    /// The report of a check that the instance's agent makes now.
    async fn look_now(
        &self,
        operator: &str,
        instance_id: &str,
        attempt: &Attempt,
    ) -> Result<v1::AgentReport, NotLooked>;
}

/// Why there is no report of a check now.
#[derive(Clone, Debug)]
pub struct NotLooked {
    pub status: StatusCode,
    pub why: String,
    /// When to try again, where that may help.
    pub after: Option<Duration>,
}

impl From<NotLooked> for Failure {
    fn from(NotLooked { status, why, after }: NotLooked) -> Self {
        match (status, after) {
            (StatusCode::NOT_FOUND, _) => Self::NotFound,
            (_, after) => Self::Later { status, why, after: after.unwrap_or(Duration::from_secs(10)) },
        }
    }
}

pub(crate) struct Page {
    behind: Arc<dyn Behind>,
    settings: PageConfig,
    /// `scheme://host[:port]` that people reach it by; none: this machine's own addresses.
    origin: Option<String>,
    sessions: Sessions,
    events: Events,
    stop: watch::Receiver<bool>,
}

type Shared = Arc<Page>;

impl Page {
    fn store(&self) -> &SharedStore {
        self.behind.store()
    }

    fn now(&self) -> Millis {
        self.behind.now()
    }

    fn ill(&self, error: &StoreError) -> Failure {
        if let StoreError::Text { what } = error {
            return Failure::BadRequest(format!("What was asked for is too long or holds a NUL character: {what}"));
        }
        self.behind.ill(error);
        Failure::Ill
    }
}

/// The page's routes, and the work that tells listeners of changes until `stop` says true.
///
/// `secret`: what the sessions of several coordinators are signed with.
pub fn page(
    behind: Arc<dyn Behind>,
    settings: PageConfig,
    secret: Option<&[u8]>,
    stop: watch::Receiver<bool>,
) -> (Router, impl Future<Output = ()> + Send + 'static) {
    let life = Millis::try_from(settings.session_life.0.as_millis()).unwrap_or(Millis::MAX);
    let sessions = Sessions::new(secret, settings.operators.clone(), life);
    let origin = settings.url.as_deref().and_then(config::origin);
    let mut ending = stop.clone();
    let page = Arc::new(Page { behind, settings, origin, sessions, events: Events::new(), stop });
    let looking = {
        let page = Arc::clone(&page);
        async move {
            tokio::select! {
                () = events::look(page) => {}
                _ = ending.wait_for(|stop| *stop) => {}
            }
        }
    };
    (routes(page), looking)
}

fn routes(page: Shared) -> Router {
    Router::new()
        .route("/", get(fleet::fleet))
        .route("/by/{dimension}", get(fleet::by))
        .route("/instances", get(instances::instances))
        .route("/instances/{id}", get(instance::instance))
        .route("/instances/{id}/check", post(instance::check))
        .route("/drift", get(drift::drift))
        .route("/agents", get(agents::agents))
        .route("/events", get(events::events))
        .route("/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/assets/{name}", get(assets::serve))
        .fallback(|| async { Failure::NotFound })
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .layer(from_fn_with_state(Arc::clone(&page), gate::admit))
        .layer(from_fn(within))
        .layer(map_response(guarded))
        .with_state(page)
}

/// A body that drips, or a store that hangs, holds nobody for ever.
async fn within(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

/// What every answer says to the browser.
async fn guarded(mut answer: Response) -> Response {
    // No site learns where somebody came from; `no-referrer` would hide from ourselves the origin that a form comes from.
    let always: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let headers = answer.headers_mut();
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is of one visitor is for no cache; the page's own files say so themselves.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}
