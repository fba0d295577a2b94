//! `/sign-in` and `/sign-out`: a token for a session.

use std::time::Duration;

use axum::extract::{Form, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, http};
use maud::{Markup, html};
use serde::Deserialize;

use super::answer::{Failure, ok};
use super::gate::Visitor;
use super::layout::{Frame, text};
use super::{Page, PeerAddress, Shared};
use crate::server::config::Role;

/// What comes after a sign-in.
#[derive(Deserialize)]
pub(super) struct NextView {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(super) struct Presented {
    token: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(super) struct SignOut {
    #[serde(default)]
    form_token: String,
}

pub(super) async fn form(
    State(page): State<Shared>,
    visitor: Visitor,
    Query(NextView { next }): Query<NextView>,
) -> Response {
    ok(&view(&page, &visitor, own(&next), None))
}

pub(super) async fn sign_in(
    State(page): State<Shared>,
    visitor: Visitor,
    Extension(PeerAddress(address)): Extension<PeerAddress>,
    Form(Presented { token, next }): Form<Presented>,
) -> Result<Response, Failure> {
    if let Err(after) = page.behind.may_sign_in(address) {
        let why = "Too many have tried to sign in from there within a minute".to_owned();
        return Err(Failure::Later { status: StatusCode::TOO_MANY_REQUESTS, why, after });
    }
    let Some((cookie, name)) = page.sessions.sign_in(&token, page.now()) else {
        page.behind.log(&format!("a sign-in to the page from {address} was refused"));
        let refused = view(&page, &visitor, own(&next), Some("No operator has this token"));
        return Ok((StatusCode::FORBIDDEN, ok(&refused)).into_response());
    };
    page.behind.log(&format!("{name} signed in to the page from {address}"));
    Ok(with_cookie(&page, &cookie, page.settings.session_life.0, own(&next)))
}

pub(super) async fn sign_out(
    State(page): State<Shared>,
    visitor: Visitor,
    Form(SignOut { form_token }): Form<SignOut>,
) -> Result<Response, Failure> {
    visitor.may_change(&page, Role::Read, &form_token)?;
    Ok(with_cookie(&page, "", Duration::ZERO, "/"))
}

fn with_cookie(page: &Page, value: &str, life: Duration, next: &str) -> Response {
    let secure = if page.is_over_tls() { "; Secure" } else { "" };
    let cookie = format!(
        "{}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
        page.cookie_name(),
        life.as_secs()
    );
    let mut answer = Redirect::to(next).into_response();
    // Made of base64, digits and our own words.
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

/// Only a view of ours: `//host` and `/\host` lead elsewhere.
fn own(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//") && next.parse::<http::Uri>().is_ok();
    if is_path && !next.contains('\\') { next } else { "/" }
}

fn view(page: &Page, visitor: &Visitor, next: &str, refused: Option<&str>) -> Markup {
    let content = html! {
        section.card.narrow aria-labelledby="title" {
            h1 #title { "Sign in" }
            @if let Some(why) = refused { p.alert role="alert" { (why) } }
            @if page.settings.operators.is_empty() {
                p { "No operator is set up: " code { "page.operators" } " in the coordinator's configuration says who may sign in." }
            } @else {
                form.lines action="/sign-in" method="post" {
                    input type="hidden" name="next" value=(text(next));
                    label for="token" { "Token" }
                    input #token type="password" name="token" required maxlength="256" autocomplete="current-password" aria-describedby="token-help";
                    p.muted #token-help { "Made by " code { "eic-doctor serve --new-token NAME" } "; its digest stands in the coordinator's configuration." }
                    button type="submit" { "Sign in" }
                }
            }
        }
    };
    Frame { title: "Sign in", at: "/sign-in", session: visitor.session.as_ref(), now: page.now() }.page(&content)
}

#[cfg(test)]
mod tests {
    use super::own;

    #[test]
    fn after_a_sign_in_nobody_is_led_elsewhere() {
        assert_eq!(own("/instances?q=i-0"), "/instances?q=i-0");
        for next in ["", "//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/a b"] {
            assert_eq!(own(next), "/", "{next}");
        }
    }
}
