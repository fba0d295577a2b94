//! What an agent says on its stream, message by message (gRPC's `PROTOCOL-HTTP2.md`, Length-Prefixed-Message).
//!
//! Read here and not by tonic, whose reader keeps the room of the largest message for as long as the stream lives: of every agent that is
//! connected that would be its last full report. It also takes room for what a message only claims to have.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, BytesMut};
use eic_doctor_proto::wire::{MESSAGE_LIMIT, v1};
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Incoming};
use prost::Message as _;
use tonic::Status;

const CONNECT: &str = "/eic_doctor.v1.AgentService/Connect";
/// Whether it is compressed, and its length.
const HEAD: usize = 5;

/// The body of a request on its way past tonic: in the extensions, whose values have to be `Clone`.
#[derive(Clone)]
struct Aside(Arc<Mutex<Option<Incoming>>>);

/// For tonic's routes, without the body where that is an agent's stream.
pub(super) fn set_aside(request: Request<Incoming>) -> Request<tonic::body::Body> {
    if request.uri().path() != CONNECT {
        return request.map(tonic::body::Body::new);
    }
    let (head, body) = request.into_parts();
    let mut request = Request::from_parts(head, tonic::body::Body::empty());
    request.extensions_mut().insert(Aside(Arc::new(Mutex::new(Some(body)))));
    request
}

/// The messages of the stream whose request this is.
pub(super) fn of<T>(request: &tonic::Request<T>) -> Result<Inbound<Incoming>, Status> {
    let aside = request.extensions().get::<Aside>();
    let body = aside.and_then(|Aside(body)| body.lock().unwrap_or_else(PoisonError::into_inner).take());
    body.map(Inbound::new).ok_or_else(|| Status::internal("the listener set no stream aside"))
}

pub(super) struct Inbound<B> {
    body: B,
    bytes: BytesMut,
}

impl<B: Body<Data = Bytes> + Unpin> Inbound<B> {
    fn new(body: B) -> Self {
        Self { body, bytes: BytesMut::new() }
    }

    /// The next message; none when the agent has ended its side, or can no longer be heard. May be given up and called again without a
    /// loss.
    pub async fn next(&mut self) -> Option<Result<v1::AgentMessage, Status>> {
        loop {
            if let Some(message) = self.whole().transpose() {
                return Some(message);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    // Trailers are the other kind of frame, and no client's in gRPC.
                    if let Ok(data) = frame.into_data() {
                        self.bytes.extend_from_slice(&data);
                    }
                }
                None if !self.bytes.is_empty() => {
                    return Some(Err(Status::invalid_argument("the last message is cut")));
                }
                // Of a reset or a lost connection nobody is left to be told.
                None | Some(Err(_)) => return None,
            }
        }
    }

    fn whole(&mut self) -> Result<Option<v1::AgentMessage>, Status> {
        let Some((head, rest)) = self.bytes.split_at_checked(HEAD) else { return Ok(None) };
        if head.first() != Some(&0) {
            return Err(Status::unimplemented("a message is compressed, which is not understood here"));
        }
        let length = head.iter().skip(1).fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        if length > MESSAGE_LIMIT {
            let message = format!("a message has {length} bytes; at most {MESSAGE_LIMIT} are taken");
            return Err(Status::out_of_range(message));
        }
        let Some(message) = rest.get(..length) else { return Ok(None) };
        let message = v1::AgentMessage::decode(message)
            .map_err(|error| Status::invalid_argument(format!("decode a message: {error}")))?;
        self.bytes.advance(HEAD + length);
        if self.bytes.is_empty() {
            // An idle stream holds no room.
            self.bytes = BytesMut::new();
        }
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use tonic::Code;

    use super::*;

    fn message(of: &str) -> v1::AgentMessage {
        let answer = v1::CheckAnswer { request_id: of.to_owned(), report: None };
        v1::AgentMessage { message: Some(v1::agent_message::Message::Answer(answer)) }
    }

    fn framed(message: &v1::AgentMessage) -> Vec<u8> {
        let bytes = message.encode_to_vec();
        let length = u32::try_from(bytes.len()).unwrap();
        [&[0], length.to_be_bytes().as_slice(), &bytes].concat()
    }

    /// What is heard of these pieces, and what ended it.
    async fn heard(pieces: Vec<Vec<u8>>) -> (Vec<v1::AgentMessage>, Option<Code>) {
        let pieces = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
        let mut inbound = Inbound::new(StreamBody::new(tokio_stream::iter(pieces)));
        let mut messages = Vec::new();
        loop {
            match inbound.next().await {
                Some(Ok(message)) => messages.push(message),
                Some(Err(status)) => return (messages, Some(status.code())),
                None => {
                    assert_eq!(inbound.bytes.capacity(), 0, "an idle stream holds room");
                    return (messages, None);
                }
            }
        }
    }

    #[tokio::test]
    async fn messages_are_the_same_however_they_are_cut() {
        let messages = [message("one"), message(&"long ".repeat(10_000)), message("")];
        let bytes: Vec<u8> = messages.iter().flat_map(framed).collect();
        for size in [1, 4, 5, 6, 1_000, bytes.len()] {
            let pieces = bytes.chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(heard(pieces).await, (messages.to_vec(), None), "{size} bytes a piece");
        }
    }

    #[tokio::test]
    async fn what_is_no_message_ends_the_stream_after_what_was_one() {
        let good = message("one");
        let too_long = u32::try_from(MESSAGE_LIMIT + 1).unwrap().to_be_bytes();
        for (bad, code) in [
            (vec![1, 0, 0, 0, 0], Code::Unimplemented),
            ([&[0], too_long.as_slice()].concat(), Code::OutOfRange),
            (vec![0, 0, 0, 0, 2, 0xff, 0xff], Code::InvalidArgument),
            (vec![0, 0, 0, 0, 9, 1], Code::InvalidArgument),
            (vec![0, 0, 0], Code::InvalidArgument),
        ] {
            let pieces = vec![[framed(&good), bad.clone()].concat()];
            assert_eq!(heard(pieces).await, (vec![good.clone()], Some(code)), "{bad:?}");
        }
    }
}
