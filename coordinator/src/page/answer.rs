//! Answers: a view, or why there is none, as a page of its own.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::layout::{link, text};

pub(super) fn ok(page: &Markup) -> Response {
    Html(page.0.as_str().to_owned()).into_response()
}

/// Why a request gets no view. What the store says is in the log alone.
#[derive(Debug)]
pub(super) enum Failure {
    /// Only who has signed in may see it; where the visitor wanted to go.
    SignIn {
        next: String,
    },
    /// "You may not."
    Forbidden(String),
    NotFound,
    /// "You are wrong."
    BadRequest(String),
    /// Another host's name: a browser was led here.
    Misdirected,
    Later {
        status: StatusCode,
        why: String,
        after: Duration,
    },
    /// "I am ill."
    Ill,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title, why) = match self {
            Self::SignIn { next } => return Redirect::to(&link("/sign-in", &[("next", &next)])).into_response(),
            Self::Forbidden(why) => (StatusCode::FORBIDDEN, "Not allowed", why),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not found", "There is nothing here by this name".to_owned()),
            Self::BadRequest(why) => (StatusCode::BAD_REQUEST, "Not understood", why),
            Self::Misdirected => {
                let why = "This page is not served under that name: see page.url in the coordinator's configuration";
                (StatusCode::MISDIRECTED_REQUEST, "Not served here", why.to_owned())
            }
            Self::Later { status, why, after } => {
                let mut answer = (status, plain("Not now", &why)).into_response();
                answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
                return answer;
            }
            Self::Ill => {
                let why = "The store cannot be used now; the coordinator's log says why";
                (StatusCode::SERVICE_UNAVAILABLE, "Not now", why.to_owned())
            }
        };
        (status, plain(title, &why)).into_response()
    }
}

/// A page without navigation: it tells nothing of the fleet.
fn plain(title: &str, why: &str) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · EIC Doctor" }
                link rel="stylesheet" href=(assets::style().path());
            }
            body { main.narrow { section.card aria-labelledby="title" {
                h1 #title { (title) }
                p role="alert" { (text(why)) }
                p { a href="/" { "To the fleet" } }
            } } }
        }
    };
    Html(page.0)
}
