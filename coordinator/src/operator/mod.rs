//! The operator's end of the line to a coordinator: over its Unix socket, or over mutual TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eic_doctor_proto::wire::{MESSAGE_LIMIT, v1::operator_service_client::OperatorServiceClient};
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// To the coordinator and back, for anything but a check on demand.
const CONNECT: Duration = Duration::from_secs(10);

/// Where a coordinator is, and who asks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coordinator {
    /// Its operators' socket on this machine.
    Socket(PathBuf),
    /// `host:port`, with the authorities that its certificate comes from and the operator's own certificate and key, PEM.
    Tls { host: String, port: u16, authorities: PathBuf, certificate: PathBuf, key: PathBuf },
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("there is no certificate in {path}")]
    NoCertificate { path: PathBuf },
    #[error("{0:?} is no name that a certificate could have")]
    Name(String),
    #[error("use the operator's certificate")]
    Certificate(#[source] rustls::Error),
    #[error("reach the coordinator at {at}")]
    Reach {
        at: String,
        #[source]
        source: tonic::transport::Error,
    },
}

pub type Client = OperatorServiceClient<Channel>;

/// Connects, or says what is in the way.
pub async fn connect(coordinator: &Coordinator) -> Result<Client, ConnectError> {
    // The name in it is not looked up: the connectors know where to go.
    let endpoint = Endpoint::from_static("http://coordinator").connect_timeout(CONNECT);
    let (channel, at) = match coordinator {
        Coordinator::Socket(path) => {
            let socket = path.clone();
            let connector = service_fn(move |_: Uri| {
                let socket = socket.clone();
                async move { UnixStream::connect(socket).await.map(TokioIo::new) }
            });
            (endpoint.connect_with_connector(connector).await, path.display().to_string())
        }
        Coordinator::Tls { host, port, authorities, certificate, key } => {
            let name = ServerName::try_from(host.clone()).map_err(|_| ConnectError::Name(host.clone()))?;
            let tls = TlsConnector::from(Arc::new(tls(authorities, certificate, key)?));
            let to = (host.clone(), *port);
            let connector = service_fn(move |_: Uri| {
                let (tls, to, name) = (tls.clone(), to.clone(), name.clone());
                async move { tls.connect(name, TcpStream::connect(to).await?).await.map(TokioIo::new) }
            });
            (endpoint.connect_with_connector(connector).await, format!("{host}:{port}"))
        }
    };
    let channel = channel.map_err(|source| ConnectError::Reach { at, source })?;
    Ok(OperatorServiceClient::new(channel).max_decoding_message_size(8 * MESSAGE_LIMIT))
}

fn tls(authorities: &Path, certificate: &Path, key: &Path) -> Result<ClientConfig, ConnectError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(authorities)? {
        roots.add(authority).map_err(ConnectError::Certificate)?;
    }
    let own = certificates(certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(key).map_err(|source| ConnectError::Read { path: key.to_owned(), source })?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(ConnectError::Certificate)?
        .with_root_certificates(roots)
        .with_client_auth_cert(own, key)
        .map_err(ConnectError::Certificate)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let read = |source| ConnectError::Read { path: path.to_owned(), source };
    let found: Vec<_> = CertificateDer::pem_file_iter(path).map_err(read)?.collect::<Result<_, _>>().map_err(read)?;
    if found.is_empty() {
        return Err(ConnectError::NoCertificate { path: path.to_owned() });
    }
    Ok(found)
}
