//! The shape of the report.

use eic_doctor_proto::{Attempt, CheckResult, Connectable, Counts, PathAnswer, Subject, Tool};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Identifies the shape of the JSON document. Within v1 fields are added, never renamed.
pub const SCHEMA: &str = "https://eic-doctor.dev/schema/fleet/v1";

/// The whole document. It is written as it comes, and never held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FleetReport {
    #[serde(flatten)]
    pub run: RunReport,
    pub instances: Vec<InstanceReport>,
    pub summary: SummaryReport,
}

/// What is known before the first instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    pub schema: String,
    pub tool: Tool,
    pub attempt: Attempt,
    /// RFC 3339, UTC.
    pub started: String,
    /// The ranges of `--reach`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reach: Vec<Range>,
}

/// Addresses that connections may come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    #[schemars(with = "String")]
    pub source: IpNet,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One instance, as it looks from outside; and inside, where a coordinator was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceReport {
    pub subject: Subject,
    /// `no`, or `unknown`: nothing was found from outside, and inside nobody looked. `yes` only with a coordinator.
    pub connectable: Connectable,
    /// When the instance's agent confirmed last what is inside; RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside_confirmed: Option<String>,
    /// Ids of the checks that fail and are not blocked by others.
    pub root_causes: Vec<String>,
    /// The network's answer.
    pub network: PathAnswer,
    /// What the network answers to each range of `--reach`, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reach: Vec<Reached>,
    /// Of AWS's side; with a coordinator, of all checks.
    pub counts: Counts,
    /// What failed, warned or is unknown.
    pub findings: Vec<CheckResult>,
    /// The rest, for formats that have a record for each check; the document leaves it out.
    #[serde(skip)]
    pub others: Vec<CheckResult>,
}

impl InstanceReport {
    /// Every check of AWS's side.
    pub fn results(&self) -> impl Iterator<Item = &CheckResult> {
        self.findings.iter().chain(&self.others)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reached {
    #[serde(flatten)]
    pub range: Range,
    pub answer: PathAnswer,
}

/// All instances together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SummaryReport {
    /// Every account and Region was looked at, and every instance that was named was there.
    pub complete: bool,
    pub instances: usize,
    pub connectable_no: usize,
    pub connectable_unknown: usize,
    #[serde(default)]
    pub connectable_yes: usize,
    /// The most frequent first.
    pub root_causes: Vec<Cause>,
    pub warnings: Vec<Cause>,
    pub unknown: Vec<Cause>,
    /// For each range of `--reach`, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reach: Vec<ReachCount>,
    /// By account and Region.
    pub places: Vec<PlaceReport>,
    pub not_looked_at: Vec<Missing>,
    pub calls: Vec<Calls>,
}

/// To how many instances a range comes through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReachCount {
    #[serde(flatten)]
    pub range: Range,
    pub allowed: usize,
    pub partial: usize,
    pub blocked: usize,
    pub unknown: usize,
}

/// One check, and how many instances it speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    pub id: String,
    pub title: String,
    pub instances: usize,
    /// The first of them.
    pub examples: Vec<String>,
    /// What was said of the first.
    pub why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_action: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceReport {
    pub account_id: Option<String>,
    pub region: String,
    pub instances: usize,
    pub connectable_no: usize,
    pub connectable_unknown: usize,
    #[serde(default)]
    pub connectable_yes: usize,
    /// All of its instances were seen.
    pub complete: bool,
}

/// What was asked for and not looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    pub account_id: Option<String>,
    pub region: Option<String>,
    /// An instance that was named and is nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    pub why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_action: Option<String>,
}

/// How often AWS was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Calls {
    pub action: String,
    pub calls: u64,
    /// How many of them AWS refused as too many; they were made again.
    pub throttled: u64,
}

/// The JSON Schema of the document, with a new line at its end.
pub fn document_schema() -> String {
    let schema = schemars::schema_for!(FleetReport);
    format!("{:#}\n", schema.as_value())
}
