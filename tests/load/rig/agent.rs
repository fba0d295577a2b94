//! One simulated agent: its connection, its stream, what it sends when it is told to and what it answers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eic_doctor::gather::courier::read_os_file;
use eic_doctor_agent::checks;
use eic_doctor_proto::wire::v1::coordinator_message::Message as Told;
use eic_doctor_proto::wire::{facts_to_wire, v1};
use eic_doctor_proto::{Attempt, Selection, judge};
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status, Streaming};
use tower::service_fn;

use super::identity::Identity;
use super::said::{Encoded, answered, submitted};
use super::wire::{Counted, Wire};

/// As the agent has it: for the TCP connection and the handshake, and for a call.
const STEP: Duration = Duration::from_secs(10);
const CALL: Duration = Duration::from_secs(30);
const CONNECT: &str = "/eic_doctor.v1.AgentService/Connect";

/// The report of a healthy instance, recorded and encoded; each agent sends it as its own.
pub struct Report {
    bytes: Vec<u8>,
    /// Where the id of the instance stands in them. Ids are of one length, so every length around them stays right.
    ids: Vec<Range<usize>>,
}

impl Report {
    pub fn recorded() -> Self {
        let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/worlds/recorded-healthy/os.json");
        let facts = read_os_file(&world).unwrap();
        let id = facts.imds.as_root.instance_id.known().unwrap().body.raw().to_owned();
        let attempt = Attempt::usual();
        let results = judge(checks::entries(&facts, &attempt), &Selection::default());
        let report = v1::AgentReport {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            catalogue: 1,
            attempt: Some((&attempt).into()),
            facts: Some(facts_to_wire(&facts).unwrap()),
            results: results.iter().map(Into::into).collect(),
        };
        let bytes = report.encode_to_vec();
        let starts = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(id.as_bytes()));
        let ids = starts.map(|at| at..at + id.len()).collect();
        Self { bytes, ids }
    }

    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn of(&self, instance_id: &str) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for id in &self.ids {
            bytes[id.clone()].copy_from_slice(instance_id.as_bytes());
        }
        bytes
    }
}

/// To report now; answered when the report is acknowledged.
pub struct Order {
    /// From when on the waiting counts.
    pub due: Instant,
    pub full: bool,
    pub acknowledged: oneshot::Sender<Duration>,
}

/// What stays of an agent from one connection to the next.
pub struct Agent {
    pub identity: Identity,
    sequence: AtomicU64,
    /// The last sequence that was acknowledged.
    pub acknowledged: AtomicU64,
}

/// How a stream came to its end.
pub enum Ended {
    /// By the agent.
    Left,
    /// By the other side, or whatever is in between.
    Cut,
    Refused(Status),
}

/// Why an agent did not come in.
pub enum Outside {
    /// "You may not": nothing that it could do would help.
    Refused(Status),
    /// Later, perhaps after a told delay.
    Later(Option<Duration>),
}

impl Agent {
    pub fn new(identity: Identity) -> Self {
        Self { identity, sequence: AtomicU64::new(0), acknowledged: AtomicU64::new(0) }
    }

    async fn tls(&self, at: SocketAddr, wire: Arc<Wire>) -> std::io::Result<tokio_rustls::client::TlsStream<Counted>> {
        let stream = TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").expect("it is a name");
        TlsConnector::from(Arc::clone(&self.identity.tls)).connect(name, Counted::new(stream, wire)).await
    }

    /// A handshake and nothing else: true when the other side has accepted the certificate, which TLS 1.3 tells by the first byte.
    pub async fn handshake(&self, at: SocketAddr, wire: Arc<Wire>) -> bool {
        let accepted = async { self.tls(at, wire).await?.read_u8().await };
        matches!(timeout(STEP, accepted).await, Ok(Ok(_)))
    }

    /// Connects and opens the stream.
    pub async fn come_in(&self, at: SocketAddr, wire: Arc<Wire>) -> Result<Stream, Outside> {
        let tls = timeout(STEP, self.tls(at, wire)).await;
        let Ok(Ok(tls)) = tls else { return Err(Outside::Later(None)) };
        let mut once = Some(TokioIo::new(tls));
        let connector = service_fn(move |_| {
            let stream = once.take().ok_or(std::io::ErrorKind::NotConnected);
            async move { Ok::<_, std::io::Error>(stream?) }
        });
        let endpoint = Endpoint::from_static("http://coordinator").buffer_size(8);
        let channel = endpoint.connect_with_connector(connector).await.map_err(|_| Outside::Later(None))?;
        let (to_coordinator, outbound) = mpsc::channel(4);
        let mut client = Grpc::new(channel);
        let opening = async {
            client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let outbound = Request::new(ReceiverStream::new(outbound));
            client.streaming(outbound, PathAndQuery::from_static(CONNECT), Encoded).await
        };
        match timeout(CALL, opening).await {
            Ok(Ok(opened)) => Ok(Stream { to_coordinator, from_coordinator: opened.into_inner() }),
            Ok(Err(status)) => Err(outside(status)),
            Err(_) => Err(Outside::Later(None)),
        }
    }

    /// Serves `stream` until it ends, or nobody gives orders any more. Reports that wait for their acknowledgement then are dropped, which
    /// whoever gave the order sees.
    pub async fn converse(&self, mut stream: Stream, report: &Report, mut orders: mpsc::Receiver<Order>) -> Ended {
        let mut digest = Vec::new();
        let mut waiting: VecDeque<(u64, Order)> = VecDeque::new();
        loop {
            tokio::select! {
                order = orders.recv() => {
                    let Some(order) = order else { return Ended::Left };
                    let Some(sequence) = self.send(&stream, report, &digest, order.full).await else {
                        return Ended::Cut;
                    };
                    waiting.push_back((sequence, order));
                }
                told = stream.from_coordinator.message() => match told.map(|told| told.and_then(|told| told.message)) {
                    Ok(Some(Told::Acknowledged(told))) => {
                        let (sequence, order) = waiting.pop_front().expect("an acknowledgement follows a report");
                        assert_eq!(told.sequence, sequence, "acknowledged in the order in which they were sent");
                        if told.digest.is_empty() {
                            // The coordinator has another report stored: the same again, in full.
                            let Some(sequence) = self.send(&stream, report, &[], true).await else {
                                return Ended::Cut;
                            };
                            waiting.push_back((sequence, order));
                            continue;
                        }
                        digest = told.digest;
                        self.acknowledged.fetch_max(sequence, Ordering::Relaxed);
                        // Who gave the order may have gone.
                        let _ = order.acknowledged.send(order.due.elapsed());
                    }
                    Ok(Some(Told::Check(asked))) => {
                        let answer = v1::CheckAnswer { request_id: asked.request_id, report: None };
                        let report = report.of(&self.identity.instance_id);
                        if stream.say(answered(&answer, &report)).await.is_none() {
                            return Ended::Cut;
                        }
                    }
                    Ok(Some(Told::ComeBackAfterMs(_)) | None) => return Ended::Cut,
                    Err(status) => return match outside(status) {
                        Outside::Refused(status) => Ended::Refused(status),
                        Outside::Later(_) => Ended::Cut,
                    },
                }
            }
        }
    }

    /// The sequence of what was sent; none where the stream has ended.
    async fn send(&self, stream: &Stream, report: &Report, digest: &[u8], full: bool) -> Option<u64> {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        let full = full || digest.is_empty();
        let report = full.then(|| report.of(&self.identity.instance_id));
        let request = v1::SubmitReportRequest {
            report: None,
            sequence,
            unchanged: if full { Vec::new() } else { digest.to_vec() },
            gathered_at_ms: 0,
        };
        stream.say(submitted(&request, report.as_deref())).await.map(|()| sequence)
    }
}

pub struct Stream {
    to_coordinator: mpsc::Sender<Bytes>,
    from_coordinator: Streaming<v1::CoordinatorMessage>,
}

impl Stream {
    async fn say(&self, message: Bytes) -> Option<()> {
        self.to_coordinator.send(message).await.ok()
    }
}

fn outside(status: Status) -> Outside {
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => Outside::Refused(status),
        _ => {
            let told = status.metadata().get(eic_doctor::server::RETRY_AFTER);
            let told = told.and_then(|millis| millis.to_str().ok()?.parse().ok());
            Outside::Later(told.map(Duration::from_millis))
        }
    }
}
