//! `[page]` of the coordinator's configuration: who may see the page, and who may do more.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;
use serde::Deserialize;

use crate::attest::Fingerprint;
use crate::server::config::{Role, Time};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageConfig {
    /// Where people reach it, through what ends TLS in front of it; none: at its own address, on this machine alone.
    pub url: Option<String>,
    pub reading: Reading,
    /// From a sign-in to the next.
    pub session_life: Time,
    /// Of several coordinators behind one URL: what each of them signs sessions with. None: a key that ends with the process.
    pub session_secret_file: Option<PathBuf>,
    pub operators: Vec<PageOperator>,
}

impl Default for PageConfig {
    fn default() -> Self {
        Self {
            url: None,
            reading: Reading::default(),
            session_life: Time(Duration::from_hours(8)),
            session_secret_file: None,
            operators: Vec::new(),
        }
    }
}

/// Who may see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// Whoever has signed in.
    #[default]
    SignedIn,
    /// Whoever reaches it.
    Open,
}

/// One who may sign in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageOperator {
    pub name: String,
    pub role: Role,
    /// Of the token, which only its owner has.
    pub token_sha256: Fingerprint,
}

impl PageConfig {
    /// What cannot work, with its key. `listen`: where it is to be served, if it is.
    pub fn problem(&self, listen: Option<SocketAddr>) -> Option<(&'static str, String)> {
        let url = self.url.as_deref().map(origin);
        if let Some(None) = url {
            let problem = "is not https://NAME, without a path (http:// only for this machine's own addresses)";
            return Some(("page.url", problem.to_owned()));
        }
        if let Some(at) = listen.filter(|at| !at.ip().is_loopback() && url.is_none()) {
            let problem = format!("is {at}, which others reach, and `page.url` does not say by what name, over TLS");
            return Some(("listen.page", problem));
        }
        if listen.is_some() && self.reading == Reading::SignedIn && self.operators.is_empty() {
            let problem = "is empty, and only who signs in may read: add one (`eic-doctor serve --new-token NAME`)";
            return Some(("page.operators", problem.to_owned()));
        }
        if !(Duration::from_secs(60)..=Duration::from_hours(24 * 7)).contains(&self.session_life.0) {
            return Some(("page.session_life", "is not between 60s and 7d".to_owned()));
        }
        let is_name = |name: &str| !name.is_empty() && name.len() <= 128 && !name.chars().any(char::is_control);
        if let Some(operator) = self.operators.iter().find(|operator| !is_name(&operator.name)) {
            return Some(("page.operators", format!("holds the name {:?}, which is empty or too long", operator.name)));
        }
        let names: std::collections::BTreeSet<&str> = self.operators.iter().map(|one| one.name.as_str()).collect();
        (names.len() < self.operators.len()).then(|| ("page.operators", "has two of one name".to_owned()))
    }
}

/// `scheme://host[:port]` of a URL that the page may have, in lower case.
pub(super) fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !authority.as_str().contains('@');
    let is_safe = scheme == "https" || (scheme == "http" && is_of_this_machine(authority.host()));
    (is_bare && is_safe).then(|| format!("{scheme}://{authority}").to_ascii_lowercase())
}

/// A name or an address that never leaves the machine, so that no name server can lead a browser here under another.
pub(super) fn is_of_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}
