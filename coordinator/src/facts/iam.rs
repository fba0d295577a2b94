//! `GetCallerIdentity`, `GetRole`, `GetUser`, `SimulatePrincipalPolicy`.

use eic_doctor_proto::Fact;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CallerIdentity {
    pub account: Option<String>,
    pub arn: Option<String>,
    pub user_id: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Role {
    pub arn: Option<String>,
    pub role_name: Option<String>,
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<AttachedPermissionsBoundary>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct User {
    pub arn: Option<String>,
    pub user_name: Option<String>,
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<AttachedPermissionsBoundary>,
}

/// `GetInstanceProfile`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct InstanceProfile {
    pub arn: Option<String>,
    pub instance_profile_name: Option<String>,
    /// One at most.
    pub roles: Vec<Role>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AttachedPermissionsBoundary {
    pub permissions_boundary_arn: Option<String>,
}

/// The answer of `SimulatePrincipalPolicy`, all pages, in either shape: since 2026-07-30 one result per action, with the verdict per
/// resource only in `ResourceSpecificResults`; before, one result per action and resource.
///
/// The answer does not say what was asked, so `capture` writes it beside: `Asked` is ours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Simulation {
    pub evaluation_results: Vec<EvaluationResult>,
    /// What we supplied, so that a reader knows what the answer rests on; absent in a file that the AWS CLI wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<SimulationQuestion>,
    /// Ours, as `Asked` is: the policies that the answer rests on, where something is denied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<QuotedPolicy>,
}

/// A policy that denies, or a permissions boundary that does not allow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct QuotedPolicy {
    /// As `MatchedStatements` names it; empty for the permissions boundary.
    pub source_policy_id: String,
    /// The ARN of a managed policy; whose inline policy it is.
    pub policy: String,
    /// The IAM action of the call that brought the document.
    pub read_by: String,
    /// The text as IAM keeps it, so that `StartPosition` and `EndPosition` hold. Absent: no policy has this name.
    pub document: Fact<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SimulationQuestion {
    pub policy_source_arn: String,
    pub action_names: Vec<String>,
    pub resource_arns: Vec<String>,
    pub context_entries: Vec<ContextEntry>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContextEntry {
    pub context_key_name: String,
    pub context_key_values: Vec<String>,
    /// `string`, `ip`, `numeric`, `boolean`, `date`, …
    pub context_key_type: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EvaluationResult {
    pub eval_action_name: Option<String>,
    pub eval_resource_name: Option<String>,
    /// `allowed`, `explicitDeny`, `implicitDeny`.
    pub eval_decision: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matched_statements: Vec<MatchedStatement>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_context_values: Vec<String>,
    pub organizations_decision_detail: Option<OrganizationsDetail>,
    pub permissions_boundary_decision_detail: Option<BoundaryDetail>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_specific_results: Vec<ResourceSpecificResult>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ResourceSpecificResult {
    pub eval_resource_name: Option<String>,
    pub eval_resource_decision: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matched_statements: Vec<MatchedStatement>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_context_values: Vec<String>,
    pub permissions_boundary_decision_detail: Option<BoundaryDetail>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MatchedStatement {
    pub source_policy_id: Option<String>,
    pub source_policy_type: Option<String>,
    pub start_position: Option<Position>,
    pub end_position: Option<Position>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Position {
    pub line: Option<i32>,
    pub column: Option<i32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct OrganizationsDetail {
    pub allowed_by_organizations: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BoundaryDetail {
    pub allowed_by_permissions_boundary: Option<bool>,
}
