//! What every command that asks a coordinator does first, and what a refusal is worth.

use anyhow::anyhow;
use eic_doctor_proto::visible;
use eic_doctor_proto::wire::v1;
use tonic::{Code, Status};

use super::console::Failure;
use crate::args::{CoordinatorArgs, GlobalArgs};
use crate::operator::{Client, connect};
use crate::render::Format;

pub(super) async fn connected(args: &CoordinatorArgs) -> Result<Client, Failure> {
    let coordinator = args.coordinator().map_err(Failure::usage)?;
    connect(&coordinator).await.map_err(Failure::nothing_checked)
}

/// Lines for people, or one JSON document a line.
pub(super) fn format(global: &GlobalArgs) -> Result<Format, Failure> {
    match global.output.as_slice() {
        [] => Ok(Format::Human),
        [output] if output.file.is_none() && matches!(output.format, Format::Human | Format::Json | Format::Jsonl) => {
            Ok(output.format)
        }
        _ => Err(Failure::usage(anyhow!("this is written to stdout, as `human`, `json` or `jsonl`"))),
    }
}

/// A coordinator that is ill is none of the caller's doing; everything else tells what was asked wrongly.
pub(super) fn refused(status: Status) -> Failure {
    let error = anyhow!("the coordinator: {}", visible(status.message()));
    match status.code() {
        Code::InvalidArgument => Failure::usage(error),
        Code::Internal | Code::DataLoss | Code::Unknown => Failure::internal(error),
        _ => Failure::nothing_checked(error),
    }
}

/// For people and for scripts.
pub(super) fn word(status: v1::Status) -> &'static str {
    match status {
        v1::Status::Ok => "ok",
        v1::Status::Warn => "warn",
        v1::Status::Fail => "fail",
        v1::Status::Unknown | v1::Status::Unspecified => "unknown",
        v1::Status::Blocked => "blocked",
        v1::Status::NotApplicable => "not applicable",
    }
}
