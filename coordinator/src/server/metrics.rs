//! What the coordinator counts, for Prometheus.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::notify::Told;
use crate::store::NotStored;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: OutcomeWord,
}

/// A closed set: nothing that a peer sends becomes a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum OutcomeWord {
    Ok,
    UnknownAgent,
    Revoked,
    OtherKey,
    Replayed,
    OtherDigest,
    Refused,
    NotNow,
    Invalid,
    Failed,
    TurnedAway,
    GivenUp,
}

impl OutcomeWord {
    const ALL: [Self; 12] = [
        Self::Ok,
        Self::UnknownAgent,
        Self::Revoked,
        Self::OtherKey,
        Self::Replayed,
        Self::OtherDigest,
        Self::Refused,
        Self::NotNow,
        Self::Invalid,
        Self::Failed,
        Self::TurnedAway,
        Self::GivenUp,
    ];
}

pub struct Metrics {
    registry: Registry,
    reports: Family<Outcome, Counter>,
    enrolments: Family<Outcome, Counter>,
    renewals: Family<Outcome, Counter>,
    connections: Family<Outcome, Counter>,
    checks: Family<Outcome, Counter>,
    deliveries: Family<Outcome, Counter>,
    sweeps: Family<Outcome, Counter>,
    changes: Counter,
    displaced: Counter,
    store_errors: Counter,
    streams: Gauge<i64, AtomicI64>,
    open: Gauge<i64, AtomicI64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("eic_doctor");
        let mut metrics = Self {
            registry: Registry::default(),
            reports: Family::default(),
            enrolments: Family::default(),
            renewals: Family::default(),
            connections: Family::default(),
            checks: Family::default(),
            deliveries: Family::default(),
            sweeps: Family::default(),
            changes: Counter::default(),
            displaced: Counter::default(),
            store_errors: Counter::default(),
            streams: Gauge::default(),
            open: Gauge::default(),
        };
        let families = [
            ("reports", "Reports of agents, by what became of them", &metrics.reports),
            ("enrolments", "Enrolments asked for, by what became of them", &metrics.enrolments),
            ("renewals", "Renewals of certificates asked for, by what became of them", &metrics.renewals),
            ("connections", "Connections of agents, by what became of them", &metrics.connections),
            ("checks", "Checks on demand, by what became of them", &metrics.checks),
            ("deliveries", "Changes told to targets, by what became of it", &metrics.deliveries),
            ("swept_instances", "Looks at AWS's side of an instance, by what became of them", &metrics.sweeps),
        ];
        for (name, help, family) in families {
            registry.register(name, help, family.clone());
            // From the beginning: Prometheus sees no increase where a counter appears with its first event, and no alert would come of it.
            for outcome in OutcomeWord::ALL {
                let _ = family.get_or_create(&Outcome { outcome });
            }
        }
        registry.register("changes", "Changes held", metrics.changes.clone());
        registry.register(
            "displaced_streams",
            "Streams whose place another of the same instance took",
            metrics.displaced.clone(),
        );
        registry.register("store_errors", "Operations that the store failed at", metrics.store_errors.clone());
        registry.register("connected_agents", "Agents that hold a stream", metrics.streams.clone());
        registry.register("open_connections", "Connections of agents that are open", metrics.open.clone());
        metrics.registry = registry;
        metrics
    }
}

impl Metrics {
    pub(super) fn report(&self, refused: Option<&NotStored>) {
        let outcome = match refused {
            None => OutcomeWord::Ok,
            Some(NotStored::UnknownAgent) => OutcomeWord::UnknownAgent,
            Some(NotStored::Revoked) => OutcomeWord::Revoked,
            Some(NotStored::OtherKey) => OutcomeWord::OtherKey,
            Some(NotStored::Replayed { .. }) => OutcomeWord::Replayed,
            Some(NotStored::OtherDigest) => OutcomeWord::OtherDigest,
        };
        self.reports.get_or_create(&Outcome { outcome }).inc();
    }

    pub(super) fn invalid_report(&self) {
        self.reports.get_or_create(&Outcome { outcome: OutcomeWord::Invalid }).inc();
    }

    pub(super) fn enrolment(&self, outcome: OutcomeWord) {
        self.enrolments.get_or_create(&Outcome { outcome }).inc();
    }

    pub(super) fn renewal(&self, outcome: OutcomeWord) {
        self.renewals.get_or_create(&Outcome { outcome }).inc();
    }

    pub(super) fn connection(&self, outcome: OutcomeWord) {
        self.connections.get_or_create(&Outcome { outcome }).inc();
    }

    pub(super) fn check(&self, outcome: OutcomeWord) {
        self.checks.get_or_create(&Outcome { outcome }).inc();
    }

    pub(super) fn told(&self, told: Told) {
        let counts =
            [(OutcomeWord::Ok, told.delivered), (OutcomeWord::Failed, told.failed), (OutcomeWord::GivenUp, told.dead)];
        for (outcome, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            self.deliveries.get_or_create(&Outcome { outcome }).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn swept(&self, instances: usize, not_seen: usize) {
        for (outcome, count) in [(OutcomeWord::Ok, instances - not_seen), (OutcomeWord::Failed, not_seen)] {
            self.sweeps.get_or_create(&Outcome { outcome }).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn changes(&self, count: usize) {
        self.changes.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub(super) fn displaced(&self) {
        self.displaced.inc();
    }

    pub(super) fn store_error(&self) {
        self.store_errors.inc();
    }

    pub(super) fn streams(&self, count: usize) {
        self.streams.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn open(&self, change: i64) {
        self.open.inc_by(change);
    }

    /// Prometheus's text format.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Of a coordinator to which nothing has happened yet.
    fn text() -> String {
        Metrics::default().text()
    }

    fn monitoring(name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/monitoring").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Every run of letters, digits and `_` that begins with `begin`.
    fn words(text: &str, begin: &str) -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| word.starts_with(begin)).map(str::to_owned).collect()
    }

    /// The words of `outcome="…"` and `outcome=~"…|…"`.
    fn outcomes(text: &str) -> BTreeSet<String> {
        let values =
            text.split("outcome=").skip(1).filter_map(|rest| rest.trim_start_matches(['~', '\\']).split('"').nth(1));
        values.flat_map(|value| value.split('|')).map(str::to_owned).collect()
    }

    #[test]
    fn dashboard_and_alerts_read_metrics_that_there_are_and_the_dashboard_shows_all_of_them() {
        let text = text();
        let told: BTreeSet<String> =
            text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| words(line, "eic_doctor_")).collect();
        let (dashboard, alerts) = (monitoring("dashboard.json"), monitoring("alerts.yaml"));
        assert_eq!(words(&dashboard, "eic_doctor_"), told);
        let alarming = words(&alerts, "eic_doctor_");
        assert!(!alarming.is_empty() && alarming.is_subset(&told), "{alarming:?}");
        let (known, read) = (outcomes(&text), outcomes(&alerts));
        assert!(!read.is_empty() && read.is_subset(&known), "{read:?} of {known:?}");
    }

    #[test]
    fn dashboard_and_alerts_are_documents_of_their_kind() {
        let dashboard: serde_json::Value = serde_json::from_str(&monitoring("dashboard.json")).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        assert!(panels.iter().all(|panel| panel["targets"][0]["expr"].is_string()) && panels.len() > 5);
        let alerts: serde_json::Value = serde_yaml_ng::from_str(&monitoring("alerts.yaml")).unwrap();
        for rule in alerts["groups"][0]["rules"].as_array().unwrap() {
            for field in ["/alert", "/expr", "/labels/severity", "/annotations/summary", "/annotations/description"] {
                assert!(rule.pointer(field).is_some_and(serde_json::Value::is_string), "{field} of {rule}");
            }
        }
    }
}
