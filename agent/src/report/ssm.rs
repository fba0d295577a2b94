//! One block on stdout for SSM Run Command, and the way back to facts.

use eic_doctor_proto::block::{self, BlockError, Kind, SSM_STDOUT_LIMIT};
use eic_doctor_proto::wire::{self, WireError, v1};
use eic_doctor_proto::{Attempt, CheckResult, visible};
use prost::Message as _;
use serde_json::Value as Json;

use crate::checks::CATALOGUE;
use crate::facts::OsFacts;
use crate::gather::{Recorded, gather};
use crate::parse::SectionsError;

use super::bound;

#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("write the facts as a tree")]
    Facts(#[source] WireError),
    #[error("pack the block")]
    Block(#[source] BlockError),
    #[error("the report has {size} characters even when shortened; {limit} are taken")]
    TooLarge { size: usize, limit: usize },
}

#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Sections(#[from] SectionsError),
    #[error("the answer is about {} on port {port}, not about this attempt", visible(.os_user))]
    OtherAttempt { os_user: String, port: u32 },
}

/// The report as one block of at most 24,000 characters. What does not fit is shortened step by step, results before facts,
/// and a fact that is too long to travel becomes unreadable for that reason.
pub fn encode_report(facts: &OsFacts, attempt: &Attempt, results: &[CheckResult]) -> Result<String, EncodeError> {
    let facts = wire::facts_tree(facts).map_err(EncodeError::Facts)?;
    let mut size = 0;
    for step in 0..=bound::LAST_STEP {
        let report = encoded(&facts, attempt, results, step, "SSM Run Command")?;
        let block = block::encode(Kind::Report, &report).map_err(EncodeError::Block)?;
        size = block.chars().count();
        if size <= SSM_STDOUT_LIMIT {
            return Ok(block);
        }
    }
    Err(EncodeError::TooLarge { size, limit: SSM_STDOUT_LIMIT })
}

/// The report in at most `limit` bytes of protobuf, shortened in the same steps.
#[cfg(feature = "host")]
pub(super) fn encode_within(
    facts: &OsFacts,
    attempt: &Attempt,
    results: &[CheckResult],
    limit: usize,
) -> Result<Vec<u8>, EncodeError> {
    let facts = wire::facts_tree(facts).map_err(EncodeError::Facts)?;
    let mut size = 0;
    for step in 0..=bound::LAST_STEP {
        let report = encoded(&facts, attempt, results, step, "one report")?;
        if report.len() <= limit {
            return Ok(report);
        }
        size = report.len();
    }
    Err(EncodeError::TooLarge { size, limit })
}

fn encoded(
    facts: &Json,
    attempt: &Attempt,
    results: &[CheckResult],
    step: usize,
    courier: &str,
) -> Result<Vec<u8>, EncodeError> {
    let (facts, results) = bound::shortened(facts, results, step, courier);
    let report = v1::AgentReport {
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        catalogue: CATALOGUE,
        attempt: Some(attempt.into()),
        facts: Some(wire::tree_to_wire(facts).map_err(EncodeError::Facts)?),
        results: results.iter().map(Into::into).collect(),
    };
    Ok(report.encode_to_vec())
}

/// The facts in what Run Command brought back, whether the agent or the probe script wrote it.
///
/// Every cut, another version, an answer about another attempt and hostile bytes are one error that says which.
pub fn facts_from_stdout(stdout: &str, attempt: &Attempt) -> Result<OsFacts, FactsError> {
    let (kind, bytes) = block::decode(stdout)?;
    match kind {
        Kind::Report => {
            let report = wire::decode_report(&bytes)?;
            let told = report.attempt.ok_or(WireError::Missing("attempt"))?;
            if told.os_user != attempt.os_user.as_str() || told.port != u32::from(attempt.port) {
                return Err(FactsError::OtherAttempt { os_user: told.os_user, port: told.port });
            }
            Ok(wire::facts_from_wire(report.facts.ok_or(WireError::Missing("facts"))?)?)
        }
        Kind::Raw => Ok(gather(&Recorded::from_bytes(&bytes)?, attempt)),
    }
}
