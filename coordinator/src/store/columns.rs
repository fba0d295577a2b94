//! Between our types and the columns of a row, the same for every database.

use std::sync::Arc;

use eic_doctor_proto::{CheckResult, Status};

use super::outlook::findings_of_column;
use super::{
    AgentRecord, AgentState, DeadLetter, Delivery, FleetInstance, Half, Health, MESSAGE_LIMIT, Millis, StoreError,
    StoredChange,
};
use crate::drift::Change;

/// Ids and names are indexed: no longer than every database takes.
const NAME_LIMIT: usize = 512;
/// Other texts of a record.
const TEXT_LIMIT: usize = 64 * 1024;

pub(super) fn failed(operation: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Database { operation, source: Arc::new(source) }
}

pub(super) fn damaged(what: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: what.into() }
}

/// PostgreSQL takes no NUL in a text, so no store does.
pub(super) fn is_storable(text: &str, limit: usize) -> bool {
    text.len() <= limit && !text.contains('\0')
}

pub(super) fn name(what: &'static str, text: &str) -> Result<(), StoreError> {
    if is_name(text) { Ok(()) } else { Err(StoreError::Text { what }) }
}

pub(super) fn is_name(text: &str) -> bool {
    is_storable(text, NAME_LIMIT)
}

pub(super) fn text(what: &'static str, text: &str) -> Result<(), StoreError> {
    if is_storable(text, TEXT_LIMIT) { Ok(()) } else { Err(StoreError::Text { what }) }
}

pub(super) fn message(text: &str) -> Result<(), StoreError> {
    if is_storable(text, MESSAGE_LIMIT) { Ok(()) } else { Err(StoreError::Text { what: "a message" }) }
}

/// Times beyond the year 292 million are that year.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn millis(column: i64) -> Millis {
    Millis::try_from(column).unwrap_or_default()
}

pub(super) fn state_word(state: AgentState) -> &'static str {
    match state {
        AgentState::Enrolled => "enrolled",
        AgentState::Revoked => "revoked",
        AgentState::AllowedAgain => "allowed-again",
    }
}

pub(super) fn state(word: &str) -> Result<AgentState, StoreError> {
    [AgentState::Enrolled, AgentState::Revoked, AgentState::AllowedAgain]
        .into_iter()
        .find(|state| state_word(*state) == word)
        .ok_or_else(|| damaged("the state of an agent"))
}

pub(super) fn half(word: &str) -> Result<Half, StoreError> {
    Half::ALL.into_iter().find(|half| half.word() == word).ok_or_else(|| damaged("the half of a report"))
}

pub(super) fn status(word: &str) -> Result<Status, StoreError> {
    Status::ALL.into_iter().find(|status| status.word() == word).ok_or_else(|| damaged("the status of a check"))
}

/// A digest or a key's id.
pub(super) fn bytes_32(what: &str, bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| damaged(what))
}

/// The result of a change in JSON.
pub(super) fn result_text(is: &CheckResult) -> String {
    serde_json::to_string(is).expect("a result holds only texts and lists of texts")
}

/// What an answer from outside said, for people: one line that is safe to print.
pub(super) fn shown(why: &str) -> String {
    eic_doctor_proto::visible(why).chars().take(500).collect()
}

pub(super) fn check_record(record: &AgentRecord) -> Result<(), StoreError> {
    name("an instance's id", &record.instance_id)?;
    name("a coordinator's name", record.connected_to.as_deref().unwrap_or_default())?;
    let texts = [
        ("an account's id", &record.account_id),
        ("a Region", &record.region),
        ("an Availability Zone", &record.availability_zone),
        ("an image's id", &record.image_id),
        ("an agent's version", &record.agent_version),
        ("a certificate's serial", &record.serial),
        ("why an agent is in its state", &record.state_why),
    ];
    texts.into_iter().try_for_each(|(what, value)| text(what, value))
}

/// number, instance_id, half, was, is_now, since, told_at
pub(super) type ChangeRow = (i64, String, String, String, String, i64, i64);
/// target, tried, and the change
pub(super) type DeliveryRow = (String, i64, i64, String, String, String, String, i64, i64);
/// target, tried, the change, and why
pub(super) type DeadRow = (String, i64, i64, String, String, String, String, i64, i64, String);

pub(super) fn change_of_row(row: ChangeRow) -> Result<StoredChange, StoreError> {
    let (number, instance_id, half_word, was, is_now, since, told_at) = row;
    let what = || damaged(format!("the change {number}"));
    let was = Status::ALL.into_iter().find(|status| status.word() == was).ok_or_else(what)?;
    let is: CheckResult = serde_json::from_str(&is_now).map_err(|_| what())?;
    let change = Change { check_id: is.id.clone(), was, is, since: millis(since), told_at: millis(told_at) };
    Ok(StoredChange { number: number.cast_unsigned(), instance_id, half: half(&half_word)?, change })
}

pub(super) fn delivery_of_row(row: DeliveryRow) -> Result<Delivery, StoreError> {
    let (target, tried, number, instance_id, half, was, is_now, since, told_at) = row;
    let change = change_of_row((number, instance_id, half, was, is_now, since, told_at))?;
    Ok(Delivery { change, target, tried: u32::try_from(tried).unwrap_or(u32::MAX) })
}

pub(super) fn dead_letter_of_row(row: DeadRow) -> Result<DeadLetter, StoreError> {
    let (target, tried, number, instance_id, half, was, is_now, since, told_at, why) = row;
    let delivery = delivery_of_row((target, tried, number, instance_id, half, was, is_now, since, told_at))?;
    Ok(DeadLetter { delivery, why })
}

/// Reads [`FleetRow`]s, up to its conditions.
pub(super) const FLEET_COLUMNS: &str = "SELECT f.instance_id, f.account_id, f.region, f.image_id, f.health, f.os_findings, \
                                        f.aws_findings, (SELECT r.confirmed_at FROM runs r \
                                        WHERE r.instance_id = f.instance_id AND r.half = 'os') FROM fleet f";

/// instance_id, account_id, region, image_id, health, the findings of both halves, and when the agent last reported
pub(super) type FleetRow = (String, String, String, String, String, String, String, Option<i64>);

pub(super) fn instance_of_row(row: FleetRow) -> Result<FleetInstance, StoreError> {
    let (instance_id, account_id, region, image_id, health, os_findings, aws_findings, reported_at) = row;
    let health = Health::of_word(&health).ok_or_else(|| damaged("how an instance stands"))?;
    let mut findings = findings_of_column(&os_findings)?;
    findings.extend(findings_of_column(&aws_findings)?);
    let reported_at = reported_at.map(millis);
    Ok(FleetInstance { instance_id, account_id, region, image_id, health, findings, reported_at })
}
