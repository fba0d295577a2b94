//! A connection to the coordinator: name, TCP or the HTTP proxy, TLS, HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eic_doctor_proto::visible;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::{Coordinator, Proxy};

use super::grpc::{CallError, Connection};
use super::names::{NameError, Names};

/// For one address, for the proxy's answer, and for the handshake.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
const ADDRESSES: usize = 6;
const PROXY_ANSWER: usize = 8 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("connect to {to}")]
    Tcp { to: String, source: io::Error },
    #[error("the proxy {proxy} does not let us through to {to}: {why}")]
    Proxy { proxy: String, to: String, why: String },
    #[error("TLS with {to} as `{name}`")]
    Tls { to: String, name: String, source: io::Error },
    #[error("{0} does not speak HTTP/2")]
    NoHttp2(String),
    #[error("`{0}` is no name that a certificate could have")]
    ServerName(String),
    #[error("HTTP/2 with {to}")]
    Http2 { to: String, source: CallError },
}

fn address(of: &Coordinator) -> String {
    let Coordinator { host, port, .. } = of;
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Everything that a connection takes but the certificate.
#[derive(Clone, Debug)]
pub struct Way {
    pub coordinator: Coordinator,
    pub proxy: Option<Proxy>,
    pub names: Names,
}

impl Way {
    pub async fn connect(&self, tls: Arc<ClientConfig>) -> Result<Connection, ConnectError> {
        let to = address(&self.coordinator);
        let stream = match &self.proxy {
            None => self.tcp(&self.coordinator.host, self.coordinator.port).await?,
            Some(proxy) => {
                let stream = self.tcp(&proxy.host, proxy.port).await?;
                through(proxy, stream, &to).await?
            }
        };
        // A few hundred bytes now and then: none of them should wait for others.
        let _ = stream.set_nodelay(true);
        let name = &self.coordinator.server_name;
        let server_name = ServerName::try_from(name.clone()).map_err(|_| ConnectError::ServerName(name.clone()))?;
        let handshake = TlsConnector::from(tls).connect(server_name, stream);
        let stream = within(handshake).await;
        let stream = stream.map_err(|source| ConnectError::Tls { to: to.clone(), name: name.clone(), source })?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(ConnectError::NoHttp2(to));
        }
        let authority = format!("{name}:{}", self.coordinator.port);
        let authority = if name.contains(':') { to.clone() } else { authority };
        Connection::begin(stream, &authority).await.map_err(|source| ConnectError::Http2 { to, source })
    }

    /// The first address that answers.
    async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        let mut last = None;
        for address in self.names.lookup(host).await?.into_iter().take(ADDRESSES) {
            let address = SocketAddr::new(address, port);
            match within(TcpStream::connect(address)).await {
                Ok(stream) => return Ok(stream),
                Err(source) => last = Some(ConnectError::Tcp { to: address.to_string(), source }),
            }
        }
        Err(last.unwrap_or(ConnectError::Name(NameError::NoName(host.to_owned()))))
    }
}

async fn within<T>(what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {STEP_TIMEOUT:?}"));
    timeout(STEP_TIMEOUT, what).await.unwrap_or_else(|_| Err(late()))
}

/// Asks the proxy for the way to the coordinator; from then on the stream is the coordinator's.
async fn through(proxy: &Proxy, mut stream: TcpStream, to: &str) -> Result<TcpStream, ConnectError> {
    let refused =
        |why: String| ConnectError::Proxy { proxy: format!("{}:{}", proxy.host, proxy.port), to: to.to_owned(), why };
    let authorization = match &proxy.user {
        Some(user) => format!("proxy-authorization: Basic {}\r\n", STANDARD.encode(user)),
        None => String::new(),
    };
    let request = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n{authorization}\r\n");
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        // Byte by byte: what comes after the head is not ours to take.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= PROXY_ANSWER {
                return Err(io::Error::other("its answer has no end"));
            }
            answer.push(stream.read_u8().await?);
        }
        Ok(answer)
    };
    let answer = within(exchange).await.map_err(|error| refused(error.to_string()))?;
    let head = String::from_utf8_lossy(&answer);
    let line = head.lines().next().unwrap_or_default();
    match line.split(' ').nth(1) {
        Some(code) if line.starts_with("HTTP/1.") && code.len() == 3 && code.starts_with('2') => Ok(stream),
        _ => Err(refused(format!("`{}`", visible(&line.chars().take(100).collect::<String>())))),
    }
}
