//! Errors as gRPC codes, the only place: "you may not", "you are wrong" and "I am ill" are three things.

use std::time::Duration;

use tonic::{Code, Status};

use super::live::AskError;
use super::submit::SubmitError;
use crate::store::{NotStored, StoreError};

/// Milliseconds after which it is worth to try again; in the metadata of a refusal.
pub const RETRY_AFTER: &str = "eic-doctor-retry-after-ms";

/// With a told delay.
pub(super) fn later(code: Code, message: String, after: Duration) -> Status {
    let mut status = Status::new(code, message);
    let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    status.metadata_mut().insert(RETRY_AFTER, millis.into());
    status
}

pub(super) fn of_submit(error: &SubmitError, instance_id: &str) -> Status {
    let message = format!("{instance_id}: {error}");
    match error {
        SubmitError::NotStored(NotStored::Revoked | NotStored::OtherKey | NotStored::UnknownAgent) => {
            Status::permission_denied(message)
        }
        SubmitError::NotStored(NotStored::Replayed { .. }) => Status::already_exists(message),
        SubmitError::NotStored(NotStored::OtherDigest) => Status::failed_precondition(message),
        SubmitError::Full => later(Code::ResourceExhausted, message, Duration::from_secs(30)),
        SubmitError::Store => later(Code::Unavailable, message, Duration::from_secs(10)),
    }
}

pub(super) fn of_ask(error: &AskError) -> Status {
    let message = error.to_string();
    match error {
        AskError::NotHere(_) => Status::not_found(message),
        AskError::Stuck => Status::resource_exhausted(message),
        AskError::Late(_) => Status::deadline_exceeded(message),
        AskError::Gone | AskError::Elsewhere(_) => Status::aborted(message),
    }
}

/// What the store says is for the log; the caller learns that it is ill.
pub(super) fn of_store(error: &StoreError) -> Status {
    match error {
        StoreError::Conflict { instance_id } => {
            later(Code::Aborted, format!("another coordinator changed {instance_id} meanwhile"), Duration::from_secs(1))
        }
        _ => later(Code::Unavailable, "the store cannot be used now".to_owned(), Duration::from_secs(10)),
    }
}
