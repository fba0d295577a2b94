//! gRPC over one HTTP/2 connection, as far as the agent speaks it: calls with one message each way, and streams.
//!
//! The protocol is gRPC's `PROTOCOL-HTTP2.md`. Everything that comes is bounded: messages, texts, waiting. No message is compressed.

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use eic_doctor_proto::visible;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The coordinator's largest message is a certificate with its authorities, some 10 kB.
const MESSAGE_LIMIT: usize = 128 * 1024;
const TEXT_LIMIT: usize = 512;
/// For a call as a whole, and for a message to be taken by the other side.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Below the 350 s after which NAT gateways and Network Load Balancers forget an idle connection.
const PING_EVERY: Duration = Duration::from_secs(240);
const PONG_TIMEOUT: Duration = Duration::from_secs(20);
/// Milliseconds, in the metadata of a refusal.
const RETRY_AFTER: &str = "eic-doctor-retry-after-ms";
/// No told delay counts for longer.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 3600);

/// What gRPC's numbers mean to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// "You may not": another certificate may help, the same words again do not.
    NotAllowed,
    /// The sequence was used before.
    Replayed,
    /// "I am ill", or anything else: later again.
    Later,
}

#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("the coordinator refuses (gRPC code {code}): {}", visible(.message))]
    Refused { code: u32, message: String, retry_after: Option<Duration> },
    #[error("the connection to the coordinator broke")]
    Broken(#[source] h2::Error),
    #[error("the coordinator did not answer within {0:?}")]
    Late(Duration),
    #[error("what the coordinator answers is not gRPC as we know it: {0}")]
    NotGrpc(&'static str),
}

impl CallError {
    pub fn meaning(&self) -> Meaning {
        match self {
            // PERMISSION_DENIED and UNAUTHENTICATED.
            Self::Refused { code: 7 | 16, .. } => Meaning::NotAllowed,
            // With TLS 1.3 a server that does not take our certificate says so after the handshake, in the connection (RFC 8446, 4.4.2.4).
            Self::Broken(source) if is_of_certificate(source) => Meaning::NotAllowed,
            // ALREADY_EXISTS.
            Self::Refused { code: 6, .. } => Meaning::Replayed,
            _ => Meaning::Later,
        }
    }

    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// HTTP/2's errors keep of a TLS alert only rustls's words for it.
fn is_of_certificate(error: &h2::Error) -> bool {
    // The last one where another authority has the same name.
    const ALERTS: [&str; 7] = [
        "BadCertificate",
        "UnsupportedCertificate",
        "CertificateRevoked",
        "CertificateExpired",
        "CertificateUnknown",
        "UnknownCA",
        "DecryptError",
    ];
    let text = error.to_string();
    text.contains("fatal alert") && ALERTS.iter().any(|alert| text.contains(alert))
}

/// One connection; it ends when this is dropped.
pub struct Connection {
    send: SendRequest<Bytes>,
    authority: String,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// `authority` is what the server is called: `coordinator.example:7443`.
    pub async fn begin<T>(io: T, authority: &str) -> Result<Self, CallError>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = h2::client::Builder::new();
        builder
            .initial_window_size(128 * 1024)
            .initial_connection_window_size(256 * 1024)
            .max_header_list_size(16 * 1024)
            .max_concurrent_reset_streams(4)
            .max_send_buffer_size(64 * 1024)
            .header_table_size(1024)
            .enable_push(false);
        let (send, mut connection) = within(CALL_TIMEOUT, builder.handshake::<T, Bytes>(io)).await?;
        let ping = connection.ping_pong();
        let driver = tokio::spawn(async move {
            let pings = async {
                match ping {
                    Some(ping) => keep_alive(ping).await,
                    None => std::future::pending().await,
                }
            };
            // Whoever waits for an answer is told why it ended.
            tokio::select! {
                _ = &mut connection => {}
                () = pings => {}
            }
        });
        Ok(Self { send, authority: authority.to_owned(), driver })
    }

    /// One message there, one back.
    pub async fn call(&mut self, path: &str, message: &[u8]) -> Result<Bytes, CallError> {
        let call = async {
            let (mut sender, mut receiver) = self.stream(path).await?;
            sender.send(message).await?;
            sender.end();
            let answer = receiver.next().await?.ok_or(CallError::NotGrpc("no message came before the end"))?;
            match receiver.next().await? {
                None => Ok(answer),
                Some(_) => Err(CallError::NotGrpc("more than one message came")),
            }
        };
        timeout(CALL_TIMEOUT, call).await.unwrap_or(Err(CallError::Late(CALL_TIMEOUT)))
    }

    /// Messages both ways.
    pub async fn stream(&mut self, path: &str) -> Result<(Sender, Receiver), CallError> {
        let mut ready = within(CALL_TIMEOUT, self.send.clone().ready()).await?;
        let request = Request::post(format!("https://{}{path}", self.authority))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", concat!("eic-doctor-agent/", env!("CARGO_PKG_VERSION")))
            .body(())
            .map_err(|_| CallError::NotGrpc("its own name is no authority of a URI"))?;
        let (response, stream) = ready.send_request(request, false).map_err(CallError::Broken)?;
        Ok((Sender(stream), Receiver { from: From::Head(response), bytes: BytesMut::new(), wanted: None }))
    }
}

/// Until an answer fails to come.
async fn keep_alive(mut ping: h2::PingPong) {
    loop {
        tokio::time::sleep(PING_EVERY).await;
        match timeout(PONG_TIMEOUT, ping.ping(h2::Ping::opaque())).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

async fn within<T>(time: Duration, what: impl Future<Output = Result<T, h2::Error>>) -> Result<T, CallError> {
    match timeout(time, what).await {
        Ok(done) => done.map_err(CallError::Broken),
        Err(_) => Err(CallError::Late(time)),
    }
}

/// Our side of a stream.
pub struct Sender(SendStream<Bytes>);

impl Sender {
    /// Returns when the message is on its way; the other side has to take it piece by piece.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), CallError> {
        let length = u32::try_from(message.len()).map_err(|_| CallError::NotGrpc("our own message is too large"))?;
        let mut left = BytesMut::with_capacity(message.len() + 5);
        left.extend_from_slice(&[0]);
        left.extend_from_slice(&length.to_be_bytes());
        left.extend_from_slice(message);
        let mut left = left.freeze();
        let whole = async {
            while !left.is_empty() {
                self.0.reserve_capacity(left.len());
                let room = match poll_fn(|context| self.0.poll_capacity(context)).await {
                    Some(room) => room.map_err(CallError::Broken)?,
                    None => return Err(CallError::NotGrpc("it ended the call before our message was taken")),
                };
                let piece = left.split_to(room.min(left.len()));
                self.0.send_data(piece, false).map_err(CallError::Broken)?;
            }
            Ok(())
        };
        timeout(CALL_TIMEOUT, whole).await.unwrap_or(Err(CallError::Late(CALL_TIMEOUT)))
    }

    /// No more messages of ours.
    pub fn end(&mut self) {
        // A stream that is closed already has ended.
        let _ = self.0.send_data(Bytes::new(), true);
    }
}

/// The coordinator's side of a stream.
pub struct Receiver {
    from: From,
    bytes: BytesMut,
    /// The length of the message that is coming.
    wanted: Option<usize>,
}

enum From {
    Head(ResponseFuture),
    Body(RecvStream),
}

impl Receiver {
    /// Until the other side has taken the call up.
    pub async fn begun(&mut self) -> Result<(), CallError> {
        if let From::Head(response) = &mut self.from {
            let response = within(CALL_TIMEOUT, response).await?;
            self.from = From::Body(body_of(response)?);
        }
        Ok(())
    }

    /// The next message; `None` at a good end. Waits as long as it takes, and may be given up and called again without a loss.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        loop {
            if let Some(message) = self.whole()? {
                return Ok(Some(message));
            }
            match &mut self.from {
                From::Head(response) => {
                    let response = response.await.map_err(CallError::Broken)?;
                    self.from = From::Body(body_of(response)?);
                }
                From::Body(body) => match body.data().await {
                    Some(data) => {
                        let data = data.map_err(CallError::Broken)?;
                        self.bytes.extend_from_slice(&data);
                        body.flow_control().release_capacity(data.len()).map_err(CallError::Broken)?;
                    }
                    None if !self.bytes.is_empty() || self.wanted.is_some() => {
                        return Err(CallError::NotGrpc("its last message is cut"));
                    }
                    None => match body.trailers().await.map_err(CallError::Broken)? {
                        Some(trailers) => return ended(&trailers).map(|()| None),
                        None => return Err(CallError::NotGrpc("it ended without a status")),
                    },
                },
            }
        }
    }

    fn whole(&mut self) -> Result<Option<Bytes>, CallError> {
        let length = match self.wanted {
            Some(length) => length,
            None if self.bytes.len() < 5 => return Ok(None),
            None => {
                if self.bytes.get_u8() != 0 {
                    return Err(CallError::NotGrpc("its message is compressed"));
                }
                let length = usize::try_from(self.bytes.get_u32()).unwrap_or(usize::MAX);
                if length > MESSAGE_LIMIT {
                    return Err(CallError::NotGrpc("its message is too large"));
                }
                self.wanted = Some(length);
                length
            }
        };
        if self.bytes.len() < length {
            return Ok(None);
        }
        self.wanted = None;
        let message = self.bytes.split_to(length).freeze();
        if self.bytes.is_empty() {
            // An idle stream holds no buffer.
            self.bytes = BytesMut::new();
        }
        Ok(Some(message))
    }
}

fn body_of(response: http::Response<RecvStream>) -> Result<RecvStream, CallError> {
    if response.status() != 200 {
        return Err(CallError::NotGrpc("its HTTP status is not 200"));
    }
    // An answer without a body has its end in the head.
    if response.headers().contains_key("grpc-status") {
        ended(response.headers())?;
        return Err(CallError::NotGrpc("it ended the call before it began"));
    }
    Ok(response.into_body())
}

/// What the trailers say.
fn ended(trailers: &HeaderMap) -> Result<(), CallError> {
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    let code = text("grpc-status").and_then(|code| code.parse::<u32>().ok());
    match code.ok_or(CallError::NotGrpc("its status is no number"))? {
        0 => Ok(()),
        code => {
            let told = text(RETRY_AFTER).and_then(|millis| millis.parse().ok()).map(Duration::from_millis);
            let message = unescaped(text("grpc-message").unwrap_or_default());
            Err(CallError::Refused { code, message, retry_after: told.map(|told| told.min(LONGEST_DELAY)) })
        }
    }
}

/// `grpc-message` is percent-encoded; what is not, stays.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let byte = match after {
            [high, low, ..] if first == b'%' => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low)
            }
            _ => None,
        };
        rest = match byte {
            Some(_) => after.get(2..).unwrap_or_default(),
            None => after,
        };
        bytes.push(byte.unwrap_or(first));
        if bytes.len() >= TEXT_LIMIT {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_refusal_is_decoded_and_bounded() {
        assert_eq!(unescaped("a%20b%C3%BC%"), "a bü%");
        assert_eq!(unescaped("%zz%4"), "%zz%4");
        assert_eq!(unescaped(&"%41".repeat(10_000)).len(), TEXT_LIMIT);
    }

    #[test]
    fn refusals_are_told_from_illness_and_delays_are_bounded() {
        let of = |code: &str, delay: &str| {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", code.parse().unwrap());
            trailers.insert(RETRY_AFTER, delay.parse().unwrap());
            ended(&trailers)
        };
        assert!(of("0", "1").is_ok());
        let refused = of("7", "1500").unwrap_err();
        assert_eq!(refused.meaning(), Meaning::NotAllowed);
        assert_eq!(refused.retry_after(), Some(Duration::from_millis(1_500)));
        assert_eq!(of("16", "x").unwrap_err().meaning(), Meaning::NotAllowed);
        assert_eq!(of("6", "x").unwrap_err().meaning(), Meaning::Replayed);
        let ill = of("14", "99999999999999").unwrap_err();
        assert_eq!(ill.meaning(), Meaning::Later);
        assert_eq!(ill.retry_after(), Some(LONGEST_DELAY));
        assert!(matches!(of("x", "1").unwrap_err(), CallError::NotGrpc(_)));
    }
}
