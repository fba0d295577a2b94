//! The page's listener: plain HTTP/1.1 on this machine, or behind what ends TLS in front of it.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use eic_doctor_proto::Attempt;
use eic_doctor_proto::wire::v1;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use tower::Service as _;

use super::admission::{Admission, Connection};
use super::config::Limits;
use super::core::Core;
use super::packed::unpacked;
use super::status::RETRY_AFTER;
use super::{ServeError, on_demand, stopped};
use crate::gather::read_regular_file;
use crate::page::config::PageConfig;
use crate::page::{Behind, NotLooked, PeerAddress, page};
use crate::store::{Millis, SharedStore, StoreError};

/// Connections of browsers: all together, and from one address where nothing stands in front that they all come through.
const CONNECTIONS: usize = 1_024;
const CONNECTIONS_PER_ADDRESS: usize = 64;
/// Sign-ins tried in a minute: from one address, or, where all come through one, by everybody.
const SIGN_INS: u32 = 10;
const SIGN_INS_TOGETHER: u32 = 300;
/// For a request's head, from its first byte or from the answer before.
const HEAD: Duration = Duration::from_secs(20);
/// Bytes of a request's head.
const HEADERS: usize = 16 * 1024;
/// What a request under way is given at a stop.
const END: Duration = Duration::from_secs(10);
/// Bytes of the secret that sessions are signed with: fewer could be guessed.
const SECRET: std::ops::RangeInclusive<usize> = 32..=4_096;

pub(super) struct Listener {
    pub listener: TcpListener,
    secret: Option<Vec<u8>>,
}

impl Listener {
    pub fn new(listener: TcpListener, config: &PageConfig) -> Result<Self, ServeError> {
        Ok(Self { listener, secret: secret(config)? })
    }
}

/// What sessions are signed with, where a file has it.
pub(super) fn secret(config: &PageConfig) -> Result<Option<Vec<u8>>, ServeError> {
    let Some(path) = &config.session_secret_file else { return Ok(None) };
    let failed = |source| ServeError::PageSecret { path: path.clone(), source };
    let secret = read_regular_file(path, *SECRET.end() as u64).map_err(failed)?;
    let too_short = || std::io::Error::new(std::io::ErrorKind::InvalidData, "it has fewer than 32 bytes");
    if SECRET.contains(&secret.len()) { Ok(Some(secret)) } else { Err(failed(too_short())) }
}

/// The coordinator as its page sees it.
struct OfPage {
    core: Arc<Core>,
    admission: Arc<Admission>,
}

#[async_trait]
impl Behind for OfPage {
    fn store(&self) -> &SharedStore {
        &self.core.store
    }

    fn now(&self) -> Millis {
        self.core.now()
    }

    fn log(&self, line: &str) {
        self.core.log.line(line);
    }

    fn ill(&self, error: &StoreError) {
        self.core.ill(error);
    }

    fn unpacked(&self, report: &[u8]) -> Option<v1::AgentReport> {
        unpacked(report)
    }

    fn may_sign_in(&self, address: IpAddr) -> Result<(), Duration> {
        self.admission.may_enrol(address, Instant::now())
    }

    async fn look_now(&self, operator: &str, id: &str, attempt: &Attempt) -> Result<v1::AgentReport, NotLooked> {
        let looked = on_demand::check(&self.core, &format!("{operator} (page)"), id, attempt, on_demand::BUDGET).await;
        looked.map_err(|status| not_looked(&status))
    }
}

fn not_looked(status: &Status) -> NotLooked {
    let code = match status.code() {
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Aborted => StatusCode::BAD_GATEWAY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let after = status.metadata().get(RETRY_AFTER).and_then(|millis| millis.to_str().ok()?.parse().ok());
    NotLooked { status: code, why: status.message().to_owned(), after: after.map(Duration::from_millis) }
}

/// Serves until `stop` says true; then no more come in, and those that are in end their requests.
pub(super) async fn serve(core: Arc<Core>, Listener { listener, secret }: Listener, stop: watch::Receiver<bool>) {
    let is_behind = core.config.page.url.is_some();
    let (connections_per_address, sign_ins) =
        if is_behind { (CONNECTIONS, SIGN_INS_TOGETHER) } else { (CONNECTIONS_PER_ADDRESS, SIGN_INS) };
    let limits = Limits {
        connections: CONNECTIONS,
        connections_per_address,
        // No handshake is made here; whoever ends TLS in front has limits for its own.
        handshakes_per_second: u32::MAX,
        enrolments_per_minute: sign_ins,
        ..Limits::default()
    };
    let admission = Admission::new(limits, Instant::now());
    let behind = Arc::new(OfPage { core: Arc::clone(&core), admission: Arc::clone(&admission) });
    let (routes, looking) = page(behind, core.config.page.clone(), secret.as_deref(), stop.clone());
    let mut connections = JoinSet::new();
    connections.spawn(looking);
    let mut ending = stop.clone();
    loop {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    // Out of open files, say, which makes no event when it is over: the next try in a moment.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
            () = stopped(&mut ending) => break,
        };
        match admission.enter(address.ip(), Instant::now()) {
            Ok((place, _)) => drop(connections.spawn(converse(stream, address, place, routes.clone(), stop.clone()))),
            Err(_) => core.turned_away(address.ip(), "as many connections to the page are open as may be"),
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn converse(
    stream: TcpStream,
    address: SocketAddr,
    _place: Connection,
    routes: Router,
    mut stop: watch::Receiver<bool>,
) {
    // Events are small, and somebody looks at them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(address.ip()));
        let mut routes = routes.clone();
        async move { routes.call(request.map(Body::new)).await.map_err(|never: Infallible| never) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEADERS);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = timeout(END, connection.as_mut()).await;
}
