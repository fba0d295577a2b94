//! Who asks, and whether they may: the host's name, the session in the cookie, and for what changes something the origin and the form.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::Failure;
use super::config::{Reading, is_of_this_machine};
use super::session::Session;
use super::{Page, Shared};
use crate::server::config::Role;

/// Who asks: a session where there is one, and what for.
pub(super) struct Visitor {
    pub session: Option<Session>,
    /// Path and query of the request.
    pub wanted: String,
}

impl FromRequestParts<Shared> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, page: &Shared) -> Result<Self, Infallible> {
        let cookie = cookie(&parts.headers, page.cookie_name());
        let session = cookie.and_then(|cookie| page.sessions.of_cookie(cookie, page.now()));
        let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { session, wanted })
    }
}

impl Visitor {
    pub fn may_read(&self, page: &Page) -> Result<(), Failure> {
        match (page.settings.reading, &self.session) {
            (Reading::Open, _) | (_, Some(_)) => Ok(()),
            (Reading::SignedIn, None) => Err(Failure::SignIn { next: self.wanted.clone() }),
        }
    }

    /// The session, where its role is enough and the form was made for it.
    pub fn may_change(&self, page: &Page, needed: Role, form_token: &str) -> Result<&Session, Failure> {
        let session = self.session.as_ref().ok_or_else(|| Failure::Forbidden("Sign in first".to_owned()))?;
        if !page.sessions.is_form_of(session, form_token) {
            return Err(Failure::Forbidden("The form is of another session: load the page again".to_owned()));
        }
        if session.role < needed {
            let (name, has, needed) = (&session.name, session.role.word(), needed.word());
            let why = format!(
                "{name} has the role {has}, and this needs {needed}: see page.operators in the coordinator's configuration"
            );
            return Err(Failure::Forbidden(why));
        }
        Ok(session)
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// Lets in what was asked under the page's own name, and of what changes something only what a page of ours sent.
pub(super) async fn admit(State(page): State<Shared>, request: Request, next: Next) -> Response {
    match page.may_come(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

impl Page {
    fn may_come(&self, method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_ascii_lowercase);
        let origin = self.own_origin(&text(header::HOST).unwrap_or_default()).ok_or(Failure::Misdirected)?;
        if !matches!(*method, Method::GET | Method::HEAD) && text(header::ORIGIN) != Some(origin) {
            return Err(Failure::Forbidden("The request was not sent by this page itself".to_owned()));
        }
        Ok(())
    }

    /// The origin that a page under this host's name has; none where it is not served under that name.
    fn own_origin(&self, host: &str) -> Option<String> {
        if let Some(origin) =
            self.origin.as_ref().filter(|origin| origin.split_once("://").is_some_and(|(_, own)| own == host))
        {
            return Some(origin.clone());
        }
        // On this machine by its own address: a name that some name server gave to it is not taken.
        let name = host
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
            .map_or(host, |(name, _)| name);
        is_of_this_machine(name).then(|| format!("http://{host}"))
    }

    /// Where TLS is in front, the name binds the cookie to that host and to TLS.
    pub(super) fn cookie_name(&self) -> &'static str {
        if self.is_over_tls() { "__Host-eic-doctor" } else { "eic-doctor" }
    }

    pub(super) fn is_over_tls(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.starts_with("https://"))
    }
}
