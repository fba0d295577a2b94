//! The agents' listener: admits, shakes hands, and serves HTTP/2 with the peer's identity on each request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tonic::service::Routes;
use tower::Service as _;

use super::admission::TurnedAway;
use super::config::Limits;
use super::core::Core;
use super::inbound;
use super::metrics::OutcomeWord;
use super::peer::Peer;
use super::stopped;
use crate::authority::PeerIdentity;

/// What requests under way are given when their connection ends.
const END: Duration = Duration::from_secs(10);
/// How long a connection that holds no stream stays open.
const WITHOUT_STREAM: Duration = Duration::from_secs(120);
/// Requests of one agent at a time: its stream, a report, a renewal, and one to spare.
const REQUESTS: u32 = 4;
/// Bytes of a request's headers.
const HEADERS: u32 = 16 * 1024;
/// Bytes that one stream, and all of a connection, may send before they are read: what a peer can make us hold. A frame is no longer than
/// that, and with its head of 9 bytes it fits into the 8 KiB that each connection has to read into: what has once grown keeps its room.
const STREAM_WINDOW: u32 = 8 * 1024 - 9;
const CONNECTION_WINDOW: u32 = 64 * 1024;

/// Serves until `stop` says true; then no more come in, and those that are in end their requests.
pub(super) async fn accept(core: Arc<Core>, listener: TcpListener, routes: Routes, stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut ending = stop.clone();
    loop {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    core.log.line(&format!("a connection could not be accepted: {error}"));
                    // Out of open files, say: the next try in a moment.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
            () = stopped(&mut ending) => break,
        };
        let admitted = core.admission.enter(address.ip(), Instant::now());
        let (place, wait) = match admitted {
            Ok(admitted) => admitted,
            Err(why) => {
                core.metrics.connection(OutcomeWord::TurnedAway);
                core.turned_away(
                    address.ip(),
                    match why {
                        TurnedAway::Connections => "as many connections are open as may be",
                        TurnedAway::ConnectionsFromThere => "as many connections from its address are open as may be",
                        TurnedAway::Handshakes => "too many handshakes wait",
                    },
                );
                continue;
            }
        };
        let (core, routes, stop) = (Arc::clone(&core), routes.clone(), stop.clone());
        connections.spawn(async move {
            let _place = place;
            core.metrics.open(1);
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
                core.admission.begun();
            }
            let outcome = serve(&core, stream, address, routes, stop).await;
            core.metrics.connection(outcome);
            core.metrics.open(-1);
        });
    }
    while connections.join_next().await.is_some() {}
}

async fn serve(
    core: &Core,
    stream: TcpStream,
    address: SocketAddr,
    routes: Routes,
    stop: watch::Receiver<bool>,
) -> OutcomeWord {
    // Small messages, each of which somebody waits for.
    let _ = stream.set_nodelay(true);
    let acceptor = TlsAcceptor::from(Arc::clone(&core.tls));
    let Ok(Ok(tls)) = timeout(core.config.limits.handshake.0, acceptor.accept(stream)).await else {
        return OutcomeWord::Failed;
    };
    let certificate = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
    // The verifier has checked the chain already: what is unreadable here was signed by us all the same, and is nobody.
    let identity = certificate.and_then(|certificate| PeerIdentity::read(certificate).ok()).map(Arc::new);
    let peer = Peer { address, identity, streams: Arc::new(AtomicUsize::new(0)) };
    serve_http(tls, peer, routes, stop, &core.config.limits).await
}

async fn serve_http<S>(
    stream: S,
    peer: Peer,
    routes: Routes,
    mut stop: watch::Receiver<bool>,
    limits: &Limits,
) -> OutcomeWord
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let streams = Arc::clone(&peer.streams);
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let asked = Arc::clone(&asked);
        service_fn(move |request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            let mut request = inbound::set_aside(request);
            request.extensions_mut().insert(peer.clone());
            let mut routes = routes.clone();
            async move { routes.call(request).await.map_err(infallible) }
        })
    };
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(REQUESTS)
        .max_header_list_size(HEADERS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(limits.alive.0)
        .keep_alive_timeout(limits.alive.0);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return outcome(ended.is_ok()),
        () = tokio::time::sleep(limits.first_request.0), if !asked.load(Ordering::Relaxed) => {
            if !asked.load(Ordering::Relaxed) {
                return OutcomeWord::TurnedAway;
            }
        }
        () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
    }
    loop {
        tokio::select! {
            ended = connection.as_mut() => return outcome(ended.is_ok()),
            () = tokio::time::sleep(WITHOUT_STREAM) => {
                if streams.load(Ordering::Relaxed) == 0 {
                    connection.as_mut().graceful_shutdown();
                    let ended = timeout(END, connection.as_mut()).await;
                    return outcome(matches!(ended, Ok(Ok(()))));
                }
            }
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                let ended = timeout(END, connection.as_mut()).await;
                return outcome(matches!(ended, Ok(Ok(()))));
            }
        }
    }
}

fn outcome(is_well: bool) -> OutcomeWord {
    if is_well { OutcomeWord::Ok } else { OutcomeWord::Failed }
}

fn infallible(never: Infallible) -> Infallible {
    never
}
