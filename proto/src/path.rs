//! The network's answer, hop by hop, as it stands in a report. How it is worked out is the coordinator's `path/`.

use serde::{Deserialize, Serialize};

/// Can a packet from the source reach the port, and can the reply get back?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PathAnswer {
    Allowed,
    /// Some of the source's addresses are admitted, others are not.
    Partial,
    Blocked,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum HopDecision {
    Allowed,
    Partial,
    Blocked,
    Unknown,
    /// This hop has no say here: a network ACL within one subnet, say.
    NotApplicable,
}

/// One element on the way. It stops at nothing: every element is listed, also behind one that blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hop {
    /// `security-group`, `network-acl`, `route-table`, `internet-gateway`, `address`, …
    pub element: String,
    /// AWS's id of the element, or several joined by a comma.
    pub id: String,
    /// `inbound` or `outbound`, seen from the instance.
    pub direction: String,
    pub decision: HopDecision,
    /// The rule that decided, or why nothing could be decided.
    pub rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PathReport {
    pub answer: PathAnswer,
    /// CIDRs of the source, or empty when none was given.
    pub source: Vec<String>,
    /// The instance's address that is dialled.
    pub address: Option<String>,
    pub network_interface: Option<String>,
    pub port: u16,
    pub hops: Vec<Hop>,
}

impl PathReport {
    /// No single element shuts the way, and yet not all of the source comes through: a part does, or the parts that the elements let
    /// through have nothing in common.
    pub fn is_open_by_parts(&self) -> bool {
        let is_any = |decision| self.hops.iter().any(|hop| hop.decision == decision);
        match self.answer {
            PathAnswer::Allowed => false,
            PathAnswer::Partial => true,
            PathAnswer::Blocked => !is_any(HopDecision::Blocked),
            PathAnswer::Unknown => !is_any(HopDecision::Unknown),
        }
    }
}
