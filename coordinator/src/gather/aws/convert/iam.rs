//! `GetRole`, `GetUser`, `SimulatePrincipalPolicy`.

use aws_sdk_iam::types as sdk;

use super::{each, word};
use crate::facts::{
    AttachedPermissionsBoundary, BoundaryDetail, EvaluationResult, InstanceProfile, MatchedStatement,
    OrganizationsDetail, Position, ResourceSpecificResult, Role, User,
};

pub fn role(from: sdk::Role) -> Role {
    Role {
        arn: Some(from.arn),
        role_name: Some(from.role_name),
        path: Some(from.path),
        permissions_boundary: from.permissions_boundary.map(attached_boundary),
    }
}

pub fn instance_profile(from: sdk::InstanceProfile) -> InstanceProfile {
    InstanceProfile {
        arn: Some(from.arn),
        instance_profile_name: Some(from.instance_profile_name),
        roles: from.roles.into_iter().map(role).collect(),
    }
}

pub fn user(from: sdk::User) -> User {
    User {
        arn: Some(from.arn),
        user_name: Some(from.user_name),
        path: Some(from.path),
        permissions_boundary: from.permissions_boundary.map(attached_boundary),
    }
}

fn attached_boundary(from: sdk::AttachedPermissionsBoundary) -> AttachedPermissionsBoundary {
    AttachedPermissionsBoundary { permissions_boundary_arn: from.permissions_boundary_arn }
}

pub fn evaluation_result(from: sdk::EvaluationResult) -> EvaluationResult {
    EvaluationResult {
        eval_action_name: Some(from.eval_action_name),
        eval_resource_name: from.eval_resource_name,
        eval_decision: word(Some(from.eval_decision)),
        matched_statements: each(from.matched_statements, matched_statement),
        missing_context_values: from.missing_context_values.unwrap_or_default(),
        organizations_decision_detail: from
            .organizations_decision_detail
            .map(|detail| OrganizationsDetail { allowed_by_organizations: Some(detail.allowed_by_organizations) }),
        permissions_boundary_decision_detail: from.permissions_boundary_decision_detail.map(boundary),
        resource_specific_results: each(from.resource_specific_results, resource_specific_result),
    }
}

fn resource_specific_result(from: sdk::ResourceSpecificResult) -> ResourceSpecificResult {
    ResourceSpecificResult {
        eval_resource_name: Some(from.eval_resource_name),
        eval_resource_decision: word(Some(from.eval_resource_decision)),
        matched_statements: each(from.matched_statements, matched_statement),
        missing_context_values: from.missing_context_values.unwrap_or_default(),
        permissions_boundary_decision_detail: from.permissions_boundary_decision_detail.map(boundary),
    }
}

fn matched_statement(from: sdk::Statement) -> MatchedStatement {
    let position = |position: sdk::Position| Position { line: Some(position.line), column: Some(position.column) };
    MatchedStatement {
        source_policy_id: from.source_policy_id,
        source_policy_type: word(from.source_policy_type),
        start_position: from.start_position.map(position),
        end_position: from.end_position.map(position),
    }
}

fn boundary(from: sdk::PermissionsBoundaryDecisionDetail) -> BoundaryDetail {
    BoundaryDetail { allowed_by_permissions_boundary: Some(from.allowed_by_permissions_boundary) }
}
