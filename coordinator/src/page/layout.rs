//! The frame of every view, and the pieces that several share. Text goes out through [`text`], and maud escapes it.

use std::borrow::Cow;

use eic_doctor_agent::report::rfc3339;
use eic_doctor_proto::{Status, visible};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::session::Session;
use crate::checks;
use crate::store::{Health, HealthCounts, Millis};

/// What a view is shown to whom.
pub(super) struct Frame<'a> {
    pub title: &'a str,
    /// The path of the view in the navigation that it belongs to.
    pub at: &'a str,
    pub session: Option<&'a Session>,
    pub now: Millis,
}

const VIEWS: [(&str, &str); 4] =
    [("/", "Fleet"), ("/instances", "Instances"), ("/drift", "Drift"), ("/agents", "Agents")];

impl Frame<'_> {
    pub fn page(&self, content: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (text(self.title)) " · EIC Doctor" }
                    link rel="stylesheet" href=(assets::style().path());
                    link rel="icon" type="image/svg+xml" href=(assets::icon().path());
                    script src=(assets::script().path()) defer {}
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        a.brand href="/" { span.mark aria-hidden="true" {} "EIC Doctor" }
                        nav aria-label="Views" {
                            @for (path, name) in VIEWS {
                                a href=(path) aria-current=[(path == self.at).then_some("page")] { (name) }
                            }
                        }
                        search {
                            form action="/instances" method="get" role="search" {
                                input type="search" name="q" maxlength="128" aria-label="Search instances"
                                    placeholder="Instance, account, Region, AMI or check" autocomplete="off";
                                button type="submit" { "Search" }
                            }
                        }
                        (self.visitor())
                    }
                    main #main tabindex="-1" { (content) }
                    footer { p { "EIC Doctor " (env!("CARGO_PKG_VERSION")) " · " (time(self.now, self.now)) } }
                }
            }
        }
    }

    fn visitor(&self) -> Markup {
        html! {
            @match self.session {
                Some(session) => {
                    form.visitor action="/sign-out" method="post" {
                        (form_token(session))
                        span { (text(&session.name)) " " span.muted { "(" (session.role.word()) ")" } }
                        button.quiet type="submit" { "Sign out" }
                    }
                }
                None => { a.visitor href="/sign-in" { "Sign in" } }
            }
        }
    }
}

/// What every form that changes something carries.
pub(super) fn form_token(session: &Session) -> Markup {
    html! { input type="hidden" name="form_token" value=(session.form_token); }
}

/// Text from an instance or an API: what would not be seen of it is made visible.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    visible(text)
}

/// A moment, and how long ago that is.
pub(super) fn time(at: Millis, now: Millis) -> Markup {
    let stamp = rfc3339(at / 1_000);
    html! { time datetime=(stamp) { (stamp.replace('T', " ").replace('Z', " UTC")) } @if at != now { " " span.muted { "(" (distance(at, now)) ")" } } }
}

/// How long ago, with the moment itself to point at.
pub(super) fn ago(at: Millis, now: Millis) -> Markup {
    let stamp = rfc3339(at / 1_000);
    html! { time datetime=(stamp) title=(stamp) { (distance(at, now)) } }
}

fn distance(at: Millis, now: Millis) -> String {
    let seconds = at.abs_diff(now) / 1_000;
    let span = match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    };
    if at > now { format!("in {span}") } else { format!("{span} ago") }
}

/// A status as a shape and a word, so that colour is the third to tell it.
pub(super) fn status(status: Status) -> Markup {
    let (shape, word) = match status {
        Status::Ok => ("✓", "ok"),
        Status::Warn => ("!", "warn"),
        Status::Fail => ("✕", "fail"),
        Status::Unknown => ("?", "unknown"),
        Status::Blocked => ("⊘", "blocked"),
        Status::NotApplicable => ("–", "not applicable"),
    };
    badge(status.word(), shape, word)
}

pub(super) fn health(health: Health) -> Markup {
    let shape = match health {
        Health::Fail => "✕",
        Health::Silent => "…",
        Health::Unknown => "?",
        Health::Warn => "!",
        Health::Ok => "✓",
    };
    badge(health.word(), shape, health_word(health))
}

pub(super) fn health_word(health: Health) -> &'static str {
    match health {
        Health::Fail => "failing",
        Health::Silent => "silent",
        Health::Unknown => "unknown",
        Health::Warn => "warning",
        Health::Ok => "no finding",
    }
}

fn badge(class: &str, shape: &str, word: &str) -> Markup {
    html! { span class={ "badge " (class) } { span.shape aria-hidden="true" { (shape) } (word) } }
}

/// How instances stand, as one bar; the numbers stand beside it, so it is for the eye alone.
pub(super) fn bar(counts: &HealthCounts) -> Markup {
    let total = counts.total().max(1);
    // In thousandths, for the picture's width is no matter of the numbers.
    let parts = Health::ALL.into_iter().zip(counts.0).scan(0, |end, (health, count)| {
        let (from, width) = (*end, count * 1_000 / total);
        *end += width;
        Some((health, from, width, count))
    });
    html! {
        svg.bar viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            @for (health, from, width, _) in parts.filter(|(.., count)| *count > 0) {
                rect class=(health.word()) x=(from) y="0" width=(width.max(4)) height="10" {}
            }
        }
    }
}

/// A number that a person reads: `100 000`, with narrow spaces that do not break.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// What is true when a check is well; its id where this version does not know it.
pub(super) fn title_of(check_id: &str) -> String {
    let known = checks::abouts().into_iter().find(|about| about.id == check_id).map(|about| about.title);
    match (known, check_id) {
        (Some(title), _) => title.to_owned(),
        (None, "os") => "the agent reports".to_owned(),
        (None, "aws") => "AWS's side is looked at".to_owned(),
        (None, id) => text(id).into_owned(),
    }
}

/// A link's target with what it asks for: empty values are left out.
pub(super) fn link(path: &str, query: &[(&str, &str)]) -> String {
    let mut link = path.to_owned();
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        link.push(if link.contains('?') { '&' } else { '?' });
        link.push_str(name);
        link.push('=');
        link.push_str(&encoded(value));
    }
    link
}

/// As RFC 3986 has it.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_links_values_are_encoded_and_empty_ones_left_out() {
        assert_eq!(
            link("/instances", &[("q", "a b&c=\"é"), ("region", ""), ("health", "fail")]),
            "/instances?q=a%20b%26c%3D%22%C3%A9&health=fail"
        );
    }

    #[test]
    fn a_number_is_grouped_by_thousands() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(100_000), "100\u{202f}000");
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn a_distance_is_told_in_a_fitting_unit() {
        let at = |seconds: u64| distance(1_000_000_000 - seconds * 1_000, 1_000_000_000);
        assert_eq!(
            [at(0), at(119), at(120), at(7_200), at(172_800)],
            ["0 s ago", "119 s ago", "2 min ago", "2 h ago", "2 d ago"]
        );
        assert_eq!(distance(90_000, 0), "in 90 s");
    }
}
