//! The operators' listeners: a Unix socket whose permissions say who may, and mutual TLS whose certificates' names have roles.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use eic_doctor_proto::wire::MESSAGE_LIMIT;
use eic_doctor_proto::wire::v1::operator_service_server::OperatorServiceServer;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service as _;

use super::config::Role;
use super::core::Core;
use super::operator::Operators;
use super::peer::Operator;
use super::stopped;
use crate::authority::{self, ServerCertificate};

/// From the first byte of a handshake to its last.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What a request under way is given at a stop.
const END: Duration = Duration::from_secs(10);
/// Connections of operators, all together.
const CONNECTIONS: usize = 256;

/// A Unix socket that goes away with its owner.
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// What is left of a coordinator that was killed is taken away; what still listens, or is no socket, is not.
    pub fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        if let Ok(found) = std::fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is no socket"));
            }
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another coordinator listens there"));
            }
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        Ok(Self { listener, path: path.to_owned() })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Already gone is gone.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The authorities of operators' certificates, PEM.
pub(super) fn authorities(path: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in authority::read_certificates(path)? {
        roots.add(certificate).context("use an authority's certificate")?;
    }
    Ok(roots)
}

/// Demands a certificate of one of the authorities in `path`.
pub(super) fn tls(path: &Path, own: Arc<ServerCertificate>) -> anyhow::Result<Arc<ServerConfig>> {
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), Arc::clone(&provider))
        .build()
        .context("verify operators' certificates")?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(own);
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.to_owned())
}

pub(super) async fn serve_socket(core: Arc<Core>, socket: Socket, mut stop: watch::Receiver<bool>) {
    let routes = routes(&core);
    let mut connections = JoinSet::new();
    loop {
        let stream: UnixStream = tokio::select! {
            accepted = socket.listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    // Out of open files, say, which makes no event when it is over: the next try in a moment.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
            () = stopped(&mut stop) => break,
        };
        if connections.len() >= CONNECTIONS {
            continue;
        }
        let user =
            stream.peer_cred().map_or_else(|_| "an unknown user".to_owned(), |peer| format!("user {}", peer.uid()));
        // The socket's permissions have let this user in.
        let operator = Operator { name: user, role: Some(Role::Admin) };
        connections.spawn(serve(stream, operator, routes.clone(), stop.clone()));
    }
    while connections.join_next().await.is_some() {}
}

pub(super) async fn serve_tls(
    core: Arc<Core>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    mut stop: watch::Receiver<bool>,
) {
    let routes = routes(&core);
    let acceptor = TlsAcceptor::from(tls);
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    // Out of open files, say, which makes no event when it is over: the next try in a moment.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
            () = stopped(&mut stop) => break,
        };
        if connections.len() >= CONNECTIONS {
            continue;
        }
        let (core, acceptor, routes, stop) = (Arc::clone(&core), acceptor.clone(), routes.clone(), stop.clone());
        connections.spawn(async move {
            let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let name = certificate.and_then(|certificate| common_name(certificate));
            let operator = match name {
                Some(name) => {
                    let role = core.config.operators.roles.get(&name).copied();
                    Operator { name: eic_doctor_proto::visible(&name).into_owned(), role }
                }
                None => Operator { name: "a certificate without a name".to_owned(), role: None },
            };
            serve(stream, operator, routes, stop).await;
        });
    }
    while connections.join_next().await.is_some() {}
}

fn routes(core: &Arc<Core>) -> Routes {
    let operators = OperatorServiceServer::new(Operators(Arc::clone(core)))
        .max_decoding_message_size(64 * 1024)
        .max_encoding_message_size(8 * MESSAGE_LIMIT);
    Routes::new(operators).prepare()
}

async fn serve<S>(stream: S, operator: Operator, routes: Routes, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(operator.clone());
        let mut routes = routes.clone();
        async move { routes.call(request.map(Body::new)).await.map_err(|never: Infallible| never) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new()).http2_only();
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(16).keep_alive_interval(Duration::from_secs(60));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = timeout(END, connection.as_mut()).await;
}
