//! Servers that are not the coordinator, or not well: within bounds, and told apart.

use std::net::SocketAddr;
use std::sync::Arc;

use eic_doctor_agent::report::{Agent, Settings, chain};
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls};

use super::coordinator::{Authority, Coordinator, NAME, authority, settings};
use super::outside::Virtual;

async fn enrol(settings: &Settings) -> String {
    let outside = Virtual::new();
    let mut agent = Agent::open(settings, &outside).await.unwrap();
    chain(&agent.enrol().await.unwrap_err())
}

#[tokio::test]
async fn a_foreign_certificate_and_a_wrong_name_are_refused_in_tls() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = Coordinator::start().await;
    let settings = foreign.settings(folder.path());
    std::fs::write(&settings.authorities, authority().pem()).unwrap();
    let error = enrol(&settings).await;
    assert!(error.contains("TLS with 127.0.0.1") && error.contains("invalid peer certificate"), "{error}");

    let other = Coordinator::start_with(authority(), "127.0.0.1:0", "other.test").await;
    let error = enrol(&other.settings(folder.path())).await;
    assert!(error.contains("`coordinator.test`") && error.contains("other.test"), "{error}");
}

/// A server that has a good certificate, and then does as it likes.
async fn server<F>(alpn: &[u8], act: impl Fn(TlsStream<TcpStream>) -> F + Send + 'static) -> (SocketAddr, Authority)
where
    F: Future<Output = ()> + Send + 'static,
{
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(act(stream));
            }
        }
    });
    (address, authority)
}

fn settings_for(address: SocketAddr, authority: &Authority, folder: &std::path::Path) -> Settings {
    let path = folder.join("authorities.pem");
    std::fs::write(&path, authority.pem()).unwrap();
    settings(address, path, folder)
}

#[tokio::test]
async fn garbage_after_the_handshake_ends_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = |mut stream: TlsStream<TcpStream>| async move {
        let _ = stream.write_all(&[0xff; 4096]).await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    };
    let (address, authority) = server(b"h2", garbage).await;
    let error = enrol(&settings_for(address, &authority, folder.path())).await;
    assert!(error.contains("broke") || error.contains("frame"), "{error}");
}

#[tokio::test]
async fn a_web_server_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let idle = |mut stream: TlsStream<TcpStream>| async move {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    };
    let (address, authority) = server(b"http/1.1", idle).await;
    let error = enrol(&settings_for(address, &authority, folder.path())).await;
    assert!(error.contains("TLS with") || error.contains("HTTP/2"), "{error}");
}

/// An HTTP/2 server that answers every request with these bytes and this trailer.
async fn grpc(body: Vec<u8>, status: &'static str) -> (SocketAddr, Authority) {
    server(b"h2", move |stream| {
        let body = body.clone();
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let response = http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
                let mut send = respond.send_response(response, false).unwrap();
                let _ = send.send_data(body.clone().into(), false);
                let mut trailers = http::HeaderMap::new();
                trailers.insert("grpc-status", status.parse().unwrap());
                let _ = send.send_trailers(trailers);
            }
        }
    })
    .await
}

#[tokio::test]
async fn oversized_compressed_cut_and_senseless_messages_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    for (body, status, told) in [
        (vec![0, 0xff, 0xff, 0xff, 0xff], "0", "its message is too large"),
        (vec![1, 0, 0, 0, 1, 7], "0", "its message is compressed"),
        (vec![0, 0, 0, 0, 9, 1], "0", "its last message is cut"),
        (vec![0, 0, 0, 0, 3, 0xff, 0xff, 0xff], "0", "its message is no `EnrolResponse`"),
        (vec![0, 0, 0, 0, 0], "0", "its message is empty"),
        // A challenge of four bytes.
        (vec![0, 0, 0, 0, 8, 0x0a, 6, 0x0a, 4, 1, 2, 3, 4], "0", "no challenge of 32 bytes"),
        (vec![], "0", "it ended the enrolment without a word"),
        (vec![], "x", "its status is no number"),
        (vec![], "14", "gRPC code 14"),
    ] {
        let (address, authority) = grpc(body, status).await;
        let error = enrol(&settings_for(address, &authority, folder.path())).await;
        assert!(error.contains(told), "{told}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    // Accepts, and says nothing, not even in TLS. The kernel completes the connection.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = settings_for(listener.local_addr().unwrap(), &authority(), folder.path());
    let error = enrol(&settings).await;
    assert!(error.contains("no answer within 10s"), "{error}");
}
