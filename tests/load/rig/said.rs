//! What an agent says on its stream, put together from a report that was encoded once: to build and encode it anew for each of thousands of
//! agents would take the processors from the coordinator that is measured.

use bytes::{Buf as _, BufMut as _, Bytes};
use eic_doctor_proto::wire::v1;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// The numbers of `proto/v1/agent.proto`.
const REPORT_OF_AGENT_MESSAGE: u32 = 1;
const ANSWER_OF_AGENT_MESSAGE: u32 = 2;
const REPORT_OF_SUBMIT: u32 = 1;
const REPORT_OF_ANSWER: u32 = 2;

/// An `AgentMessage` that submits `report`, or none.
pub fn submitted(request: &v1::SubmitReportRequest, report: Option<&[u8]>) -> Bytes {
    message(REPORT_OF_AGENT_MESSAGE, request.encode_to_vec(), REPORT_OF_SUBMIT, report)
}

/// An `AgentMessage` that answers a check with `report`.
pub fn answered(answer: &v1::CheckAnswer, report: &[u8]) -> Bytes {
    message(ANSWER_OF_AGENT_MESSAGE, answer.encode_to_vec(), REPORT_OF_ANSWER, Some(report))
}

fn message(outer: u32, mut inner: Vec<u8>, number: u32, report: Option<&[u8]>) -> Bytes {
    if let Some(report) = report {
        embed(number, report, &mut inner);
    }
    let mut message = Vec::with_capacity(inner.len() + 8);
    embed(outer, &inner, &mut message);
    message.into()
}

fn embed(number: u32, bytes: &[u8], into: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, into);
    encode_varint(bytes.len() as u64, into);
    into.extend_from_slice(bytes);
}

/// Bytes go out as they are; what comes in is decoded as ever.
#[derive(Clone, Copy, Default)]
pub struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = v1::CoordinatorMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = v1::CoordinatorMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<v1::CoordinatorMessage>, Status> {
        let message = v1::CoordinatorMessage::decode(from.copy_to_bytes(from.remaining()));
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
