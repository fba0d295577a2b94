//! `/instances`: what is looked for stands in the URL; a page at a time, in the order of the ids.

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::Shared;
use super::answer::{Failure, ok};
use super::gate::Visitor;
use super::layout::{Frame, ago, encoded, health, health_word, link, number, status, text, title_of};
use crate::checks;
use crate::store::{FleetInstance, Health, Millis, Wanted};

/// Instances on a page.
pub(super) const PAGE: u32 = 50;
/// What is found is counted no further.
const COUNTED: u32 = 10_000;
/// Findings of an instance that its row names; the others are counted.
const NAMED: usize = 3;

/// Every key that the URL may have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// One text for any of the others: [`Asked::search`].
    q: String,
    account: String,
    region: String,
    image: String,
    health: String,
    check: String,
    after: String,
}

impl Asked {
    /// Puts what the search box said where it belongs, by the form it has.
    fn search(mut self) -> Self {
        let q = self.q.trim().to_owned();
        let is_hexadecimal = q.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_region = q.contains('-') && q.ends_with(|last: char| last.is_ascii_digit());
        if q.len() == 12 && q.bytes().all(|byte| byte.is_ascii_digit()) {
            self.account = q;
        } else if q.starts_with("ami-") {
            self.image = q;
        } else if q.contains('.') {
            self.check = q;
        } else if let Some(health) = Health::ALL.into_iter().find(|one| one.word() == q || health_word(*one) == q) {
            health.word().clone_into(&mut self.health);
        } else if q.starts_with("i-") || is_hexadecimal {
            self.q = q;
            return self;
        } else if is_region {
            self.region = q;
        } else if let [(id, _)] = titled(&q).as_slice() {
            (*id).clone_into(&mut self.check);
        } else {
            // No id begins so: what it may have meant is offered.
            self.q = q;
            return self;
        }
        self.q.clear();
        self
    }

    fn wanted(&self) -> Wanted {
        let some = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Wanted {
            // Hexadecimal digits alone are of an id too.
            prefix: some(&self.q).map(|q| if q.starts_with("i-") { q } else { format!("i-{q}") }),
            account: some(&self.account),
            region: some(&self.region),
            image: some(&self.image),
            health: Health::of_word(&self.health),
            check: some(&self.check),
        }
    }

    /// This search, from an instance on.
    fn link(&self, after: &str) -> String {
        let of = [
            ("q", self.q.as_str()),
            ("account", &self.account),
            ("region", &self.region),
            ("image", &self.image),
            ("health", &self.health),
            ("check", &self.check),
            ("after", after),
        ];
        link("/instances", &of)
    }
}

/// Checks with this text in their title, by id.
fn titled(text: &str) -> Vec<(&'static str, &'static str)> {
    let text = text.to_lowercase();
    let abouts = checks::abouts().into_iter().map(|about| (about.id, about.title));
    abouts.filter(|(_, title)| !text.is_empty() && title.to_lowercase().contains(&text)).collect()
}

pub(super) async fn instances(
    State(page): State<Shared>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    visitor.may_read(&page)?;
    let asked = asked.search();
    let wanted = asked.wanted();
    let store = page.store();
    let (found, count) = futures_util::try_join!(
        store.instances(&wanted, &asked.after, PAGE + 1),
        store.count_instances(&wanted, COUNTED + 1)
    )
    .map_err(|error| page.ill(&error))?;
    let shown = found.get(..PAGE as usize).unwrap_or(&found);
    let next = shown.last().filter(|_| found.len() > shown.len()).map(|last| asked.link(&last.instance_id));
    let content = html! {
        div.head { h1 { "Instances" } p.muted role="status" { (counted(count)) } }
        (filters(&asked))
        section.card aria-label="Instances" {
            @if shown.is_empty() {
                p.empty { "No instance is like that." }
                @let checks = titled(&asked.q);
                @if !checks.is_empty() {
                    p { "Instances with a finding of one of these checks?" }
                    ul { @for (id, title) in checks { li { a href=(link("/instances", &[("check", id)])) { (title) } } } }
                }
            } @else { (table(shown, page.now())) }
        }
        nav.pages aria-label="Pages" {
            @if !asked.after.is_empty() { a href=(asked.link("")) { "First page" } }
            @if let Some(next) = next { a rel="next" href=(next) { "Next page" } }
        }
    };
    let frame = Frame { title: "Instances", at: "/instances", session: visitor.session.as_ref(), now: page.now() };
    Ok(ok(&frame.page(&content)))
}

fn counted(count: u64) -> String {
    match count {
        1 => "1 instance".to_owned(),
        _ if count > u64::from(COUNTED) => format!("more than {} instances", number(COUNTED.into())),
        _ => format!("{} instances", number(count)),
    }
}

fn filters(asked: &Asked) -> Markup {
    let texts = [
        ("q", "Instance id begins with", &asked.q),
        ("account", "Account", &asked.account),
        ("region", "Region", &asked.region),
        ("image", "AMI", &asked.image),
        ("check", "Finding (check id)", &asked.check),
    ];
    html! {
        form.filters action="/instances" method="get" aria-label="Filters" {
            @for (name, label, value) in texts {
                div { label for={ "f-" (name) } { (label) } input id={ "f-" (name) } name=(name) value=(text(value)) maxlength="128" autocomplete="off" spellcheck="false"; }
            }
            div {
                label for="f-health" { "Health" }
                select #f-health name="health" {
                    option value="" { "any" }
                    @for one in Health::ALL { option value=(one.word()) selected[asked.health == one.word()] { (health_word(one)) } }
                }
            }
            div.buttons { button type="submit" { "Filter" } a.button.quiet href="/instances" { "Clear" } }
        }
    }
}

fn table(instances: &[FleetInstance], now: Millis) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Instances, a table that may scroll" {
            table.stack {
                caption.hidden { "Instances, their health, and what was found" }
                thead { tr {
                    th scope="col" { "Instance" } th scope="col" { "Health" } th scope="col" { "Findings" }
                    th scope="col" { "Account" } th scope="col" { "Region" } th scope="col" { "AMI" } th scope="col" { "Reported" }
                } }
                tbody { @for instance in instances { (row(instance, now)) } }
            }
        }
    }
}

fn row(instance: &FleetInstance, now: Millis) -> Markup {
    let places = [
        ("Account", "account", &instance.account_id),
        ("Region", "region", &instance.region),
        ("AMI", "image", &instance.image_id),
    ];
    html! {
        tr {
            th scope="row" { a.mono href={ "/instances/" (encoded(&instance.instance_id)) } { (text(&instance.instance_id)) } }
            td data-label="Health" { (health(instance.health)) }
            td data-label="Findings" {
                ul.plain {
                    @for finding in instance.findings.iter().take(NAMED) {
                        li { (status(finding.status)) " " span title=(text(&finding.check_id)) { (title_of(&finding.check_id)) } }
                    }
                    @if instance.findings.len() > NAMED { li.muted { "and " (instance.findings.len() - NAMED) " more" } }
                    @if instance.findings.is_empty() { li.muted { "none" } }
                }
            }
            @for (label, filter, value) in places {
                td data-label=(label) { @if value.is_empty() { span.muted { "not told" } } @else { a.mono href=(link("/instances", &[(filter, value)])) { (text(value)) } } }
            }
            td data-label="Reported" { @match instance.reported_at { Some(at) => (ago(at, now)), None => span.muted { "never" } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn searched(q: &str) -> Wanted {
        Asked { q: q.to_owned(), ..Asked::default() }.search().wanted()
    }

    #[test]
    fn what_is_searched_for_is_known_by_its_form() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(searched(" i-0a1b "), Wanted { prefix: some("i-0a1b"), ..Wanted::default() });
        assert_eq!(searched("0a1b"), Wanted { prefix: some("i-0a1b"), ..Wanted::default() });
        assert_eq!(searched("111122223333"), Wanted { account: some("111122223333"), ..Wanted::default() });
        assert_eq!(searched("eu-west-1"), Wanted { region: some("eu-west-1"), ..Wanted::default() });
        assert_eq!(searched("ami-0a"), Wanted { image: some("ami-0a"), ..Wanted::default() });
        assert_eq!(searched("os.sshd.running"), Wanted { check: some("os.sshd.running"), ..Wanted::default() });
        assert_eq!(searched("failing"), Wanted { health: Some(Health::Fail), ..Wanted::default() });
        assert_eq!(searched("no finding"), Wanted { health: Some(Health::Ok), ..Wanted::default() });
        let (id, title) = (checks::abouts()[0].id, checks::abouts()[0].title);
        assert_eq!(searched(&title.to_uppercase()), Wanted { check: some(id), ..Wanted::default() });
        assert!(titled("security group").len() > 1 && searched("security group").check.is_none());
        assert_eq!(searched("silent"), Wanted { health: Some(Health::Silent), ..Wanted::default() });
        assert_eq!(searched("  "), Wanted::default());
    }

    #[test]
    fn the_next_page_asks_for_the_same() {
        let asked = Asked { q: "i-0".to_owned(), region: "eu west".to_owned(), ..Asked::default() };
        assert_eq!(asked.link("i-7"), "/instances?q=i-0&region=eu%20west&after=i-7");
    }
}
