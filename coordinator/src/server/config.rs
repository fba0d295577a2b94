//! The coordinator's configuration file: TOML, and every key of it. A key that is not known is an error.

mod sweep;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::ServerName;
use serde::Deserialize;

use crate::attest::Fingerprint;
use crate::gather::read_regular_file;
use crate::notify::webhook_url;
use crate::page::config::PageConfig;
use crate::store;

pub use sweep::Sweep;
pub use time::Time;

/// Bytes of a configuration file.
const SIZE_LIMIT: u64 = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("read the configuration {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: anyhow::Error,
    },
    #[error("the configuration {path} is not UTF-8")]
    NotUtf8 { path: PathBuf },
    #[error("the configuration {path}, {place}: {problem}")]
    Shape { path: PathBuf, place: String, problem: String },
    #[error("the configuration {path}: `{key}` {problem}")]
    Value { path: PathBuf, key: &'static str, problem: String },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: Listen,
    pub store: StoreConfig,
    pub authority: AuthorityConfig,
    pub enrolment: Enrolment,
    #[serde(default)]
    pub reports: Reports,
    /// Left out: the coordinator looks at no instance from outside.
    #[serde(default)]
    pub sweep: Option<Sweep>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub operators: Operators,
    #[serde(default)]
    pub page: PageConfig,
    #[serde(default)]
    pub notify: Vec<Target>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// gRPC for agents, over TLS.
    pub agents: SocketAddr,
    /// gRPC for operators on this machine: a Unix socket. Who may open it has every role.
    #[serde(default)]
    pub operators: Option<PathBuf>,
    /// gRPC for operators elsewhere, over mutual TLS.
    #[serde(default)]
    pub operators_tls: Option<SocketAddr>,
    /// `/healthz` and `/metrics`, plain HTTP.
    #[serde(default)]
    pub http: Option<SocketAddr>,
    /// The fleet page, plain HTTP: on this machine alone, or behind what ends TLS in front of it.
    #[serde(default)]
    pub page: Option<SocketAddr>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// `sqlite:PATH` or `postgres://…`; may hold a password, so it is never printed.
    pub url: Secret,
    /// How long changes, and the reports of instances that are silent, are kept.
    #[serde(default = "days_90")]
    pub keep: Time,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityConfig {
    /// Where the embedded authority keeps its key; made when it is not there.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// An authority of your own in its place: certificate and key, PEM.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// PEM: authorities that agents' certificates may come from besides, while one authority follows another.
    #[serde(default)]
    pub also_trusted: Vec<PathBuf>,
    /// The names and addresses that agents reach this coordinator by.
    pub names: Vec<String>,
    #[serde(default = "day")]
    pub certificate_life: Time,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// Accounts whose instances may enrol.
    #[serde(default)]
    pub accounts: BTreeSet<String>,
    /// Whether accounts of the caller's Organization may too.
    #[serde(default)]
    pub organization: bool,
    /// A folder of AWS's Region certificates for identity documents, PEM, one file each.
    pub identity_certificates: PathBuf,
    /// SHA-256 fingerprints of certificates that are good besides those of AWS that the coordinator knows, by Region.
    #[serde(default)]
    pub also_pinned: Vec<PinConfig>,
    /// Whether an instance without a role is refused.
    #[serde(default)]
    pub require_role: bool,
    /// Where STS answers in place of a host of its own: a VPC endpoint, say.
    #[serde(default)]
    pub sts_urls: BTreeMap<String, String>,
    /// Whether EC2 is asked for each instance that enrols.
    #[serde(default = "yes")]
    pub describe_instances: bool,
    /// Assumed in the instance's account, by this name, where it is another than the coordinator's own.
    #[serde(default)]
    pub role_name: Option<String>,
    #[serde(default)]
    pub external_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinConfig {
    pub region: String,
    pub sha256: Fingerprint,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reports {
    /// From one report of an agent to its next.
    pub interval: Time,
    /// How many equal runs make a change.
    pub hold: u32,
    /// Without a report for so long, an instance's checks are unknown.
    pub silent_after: Time,
}

impl Default for Reports {
    fn default() -> Self {
        Self { interval: Time(Duration::from_hours(1)), hold: 2, silent_after: Time(Duration::from_hours(3)) }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections of agents, all together.
    pub connections: usize,
    /// Open connections of agents from one address: many instances may stand behind one NAT gateway.
    pub connections_per_address: usize,
    /// Handshakes begun in a second; more wait their turn.
    pub handshakes_per_second: u32,
    /// Handshakes that wait; more are turned away at once.
    pub handshakes_waiting: usize,
    /// From the first byte of a handshake to its last.
    pub handshake: Time,
    /// From the handshake to the first request.
    pub first_request: Time,
    /// A peer that is silent for so long is asked whether it is there, and has as long to answer.
    pub alive: Time,
    /// Enrolments begun in a minute from one address.
    pub enrolments_per_minute: u32,
    /// Checks on demand under way.
    pub checks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 20_000,
            handshakes_per_second: 1_000,
            handshakes_waiting: 20_000,
            handshake: Time(Duration::from_secs(10)),
            first_request: Time(Duration::from_secs(10)),
            alive: Time(Duration::from_secs(60)),
            enrolments_per_minute: 6_000,
            checks: 256,
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    /// Permissions of the Unix socket, octal: "0660".
    #[serde(default)]
    pub socket_mode: Option<String>,
    /// PEM: the authorities that operators' certificates come from.
    #[serde(default)]
    pub authorities: Option<PathBuf>,
    /// Who may do what, by the common name of the certificate.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
}

/// Each may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Read,
    Check,
    Admin,
}

impl Role {
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Check => "check",
            Self::Admin => "admin",
        }
    }
}

/// Who is told of a change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub enum Target {
    Webhook {
        name: String,
        url: String,
        secret_file: PathBuf,
    },
    EventBridge {
        name: String,
        bus: String,
        #[serde(default)]
        region: Option<String>,
    },
    Sns {
        name: String,
        topic: String,
    },
}

impl Target {
    pub fn is_of_aws(&self) -> bool {
        matches!(self, Self::EventBridge { .. } | Self::Sns { .. })
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Webhook { name, .. } | Self::EventBridge { name, .. } | Self::Sns { name, .. } => name,
        }
    }

    /// Where its service is asked; none: it is no service of AWS, or nothing says it.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Webhook { .. } => None,
            Self::EventBridge { bus, region, .. } => region.as_deref().or_else(|| region_of(bus, "events")),
            Self::Sns { topic, .. } => region_of(topic, "sns"),
        }
    }

    fn problem(&self) -> Option<String> {
        let name = self.name();
        match self {
            // The URL is not repeated: many carry a secret.
            Self::Webhook { url, .. } => webhook_url(url).err().map(|error| format!("{name:?}: {error}")),
            _ if self.region().is_some() => None,
            Self::EventBridge { bus, .. } => {
                Some(format!("{name:?}: {bus:?} is not the ARN of an event bus, and no `region` is named"))
            }
            Self::Sns { topic, .. } => Some(format!("{name:?}: {topic:?} is not the ARN of a topic")),
        }
    }
}

/// The Region that an ARN of the service names.
fn region_of<'a>(arn: &'a str, service: &str) -> Option<&'a str> {
    match arn.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", _, of, region, _, ..] if *of == service && !region.is_empty() => Some(region),
        _ => None,
    }
}

/// Whether only one of the two could be listened on. Port 0 is any that is free.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (one.ip() == other.ip() || is_any)
}

/// The line of a byte of the file, and its key: not its value, which may be secret.
fn place(text: &str, offset: usize) -> String {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let key = text.lines().nth(line).and_then(|text| text.split_once('=')).map(|(key, _)| key.trim());
    key.map_or_else(|| format!("line {}", line + 1), |key| format!("line {}, `{key}`", line + 1))
}

/// A text that may hold a password.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

fn yes() -> bool {
    true
}

fn day() -> Time {
    Time(Duration::from_hours(24))
}

fn days_90() -> Time {
    Time(Duration::from_hours(24 * 90))
}

impl Config {
    /// Reads the file and checks what can be checked without opening anything that it names.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let bytes = read_regular_file(path, SIZE_LIMIT)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source: source.into() })?;
        let text = String::from_utf8(bytes).map_err(|_| ConfigError::NotUtf8 { path: path.to_owned() })?;
        Self::parse(&text, path)
    }

    /// `path` is for the messages only.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::Shape {
            path: path.to_owned(),
            place: place(text, error.span().map_or(0, |span| span.start)),
            problem: error.message().to_owned(),
        })?;
        match config.problem() {
            Some((key, problem)) => Err(ConfigError::Value { path: path.to_owned(), key, problem }),
            None => Ok(config),
        }
    }

    fn problem(&self) -> Option<(&'static str, String)> {
        let listen = &self.listen;
        let named = [
            ("agents", Some(listen.agents)),
            ("operators_tls", listen.operators_tls),
            ("http", listen.http),
            ("page", listen.page),
        ];
        for (place, (name, at)) in named.iter().enumerate() {
            let is_same = |other: &&(&str, Option<SocketAddr>)| matches!((at, other.1), (Some(at), Some(other)) if overlap(*at, other));
            if let Some((other, _)) = named.iter().skip(place + 1).find(is_same) {
                return Some(("listen", format!("has `{name}` and `{other}` on one port")));
            }
        }
        if let Err(error) = store::check_url(&self.store.url.0) {
            return Some(("store.url", format!("cannot be used: {error}")));
        }
        let authority = &self.authority;
        let own = (authority.certificate.is_some(), authority.key.is_some());
        match (authority.directory.is_some(), own) {
            (true, (false, false)) | (false, (true, true)) => {}
            _ => {
                let problem = "wants either `directory`, or `certificate` and `key` together".to_owned();
                return Some(("authority", problem));
            }
        }
        if authority.names.is_empty() {
            return Some((
                "authority.names",
                "is empty: no agent could trust this coordinator's certificate".to_owned(),
            ));
        }
        let is_name = |name: &str| ServerName::try_from(name.strip_prefix("*.").unwrap_or(name)).is_ok();
        if let Some(name) = authority.names.iter().find(|name| !is_name(name)) {
            let problem = format!("holds {name:?}, which is neither a DNS name nor an address");
            return Some(("authority.names", problem));
        }
        let life = authority.certificate_life.0;
        if !(Duration::from_secs(10)..=Duration::from_hours(24 * 90)).contains(&life) {
            return Some(("authority.certificate_life", "is not between 10s and 90d".to_owned()));
        }
        let enrolment = &self.enrolment;
        if enrolment.accounts.is_empty() && !enrolment.organization {
            return Some(("enrolment.accounts", "is empty: no instance could enrol".to_owned()));
        }
        let is_account = |id: &&String| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(id) = enrolment.accounts.iter().find(|id| !is_account(id)) {
            return Some(("enrolment.accounts", format!("holds {id:?}, which is no account id of 12 digits")));
        }
        if !(1..=100).contains(&self.reports.hold) {
            return Some(("reports.hold", "is not between 1 and 100".to_owned()));
        }
        if self.reports.interval.0 < Duration::from_secs(1) {
            return Some(("reports.interval", "is below 1s".to_owned()));
        }
        if self.reports.silent_after.0 <= self.reports.interval.0 {
            return Some(("reports.silent_after", "is not above `reports.interval`: all would be silent".to_owned()));
        }
        if let Some(problem) = self.sweep.as_ref().and_then(Sweep::problem) {
            return Some(problem);
        }
        let limits = &self.limits;
        let all = [limits.connections, limits.connections_per_address, limits.handshakes_waiting, limits.checks];
        if all.contains(&0) || limits.handshakes_per_second == 0 || limits.enrolments_per_minute == 0 {
            return Some(("limits", "holds a 0: nobody could come in".to_owned()));
        }
        if self.socket_mode().is_none() {
            return Some(("operators.socket_mode", "is not octal permissions such as \"0660\"".to_owned()));
        }
        if self.listen.operators_tls.is_some() != self.operators.authorities.is_some() {
            let problem = "and `listen.operators_tls` go together".to_owned();
            return Some(("operators.authorities", problem));
        }
        if let Some(problem) = self.page.problem(self.listen.page) {
            return Some(problem);
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = self.notify.iter().map(Target::name).find(|name| !names.insert(*name)) {
            return Some(("notify", format!("names {twice:?} twice")));
        }
        self.notify.iter().find_map(Target::problem).map(|problem| ("notify", problem))
    }

    /// Permissions of the operators' socket; none where the text is not octal.
    pub fn socket_mode(&self) -> Option<u32> {
        let text = self.operators.socket_mode.as_deref().unwrap_or("0600");
        u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777)
    }

    /// Where the embedded authority's certificate is for, as names and addresses.
    pub fn names(&self) -> impl Iterator<Item = (&str, Option<IpAddr>)> {
        self.authority.names.iter().map(|name| (name.as_str(), name.parse().ok()))
    }
}

#[cfg(test)]
mod tests;
