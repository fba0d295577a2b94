//! Peers that drip, vanish, or open what they close at once: byte by byte over real sockets, below any client that knows better.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Agent, INSTANCE, Running, Stream, healthy, tls};

/// No test waits so long unless it has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// RFC 9113, 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_HEADERS: u8 = 4;

/// RFC 9113, 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a call, without compression but for the static table's names (RFC 7541, appendix A).
fn call(method: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let path = format!("/eic_doctor.v1.AgentService/{method}");
    // `:method: POST`, `:scheme: https`, then `:path`, `:authority` and `content-type` by their names' numbers, and `te` by its name.
    [
        &[0x83, 0x87, 0x04][..],
        &text(&path),
        &[0x01],
        &text("localhost"),
        &[0x0f, 0x10],
        &text("application/grpc"),
        &[0x00],
        &text("te"),
        &text("trailers"),
    ]
    .concat()
}

/// A connection after the handshake, on which nothing has been said.
async fn raw(running: &Running, agent: Option<&Agent>) -> TlsStream<TcpStream> {
    let own = agent.map(|agent| (agent.certificates.clone(), &agent.key));
    let connector = TlsConnector::from(Arc::new(tls(&running.authorities(), own)));
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, TcpStream::connect(running.agents).await.unwrap()).await.unwrap()
}

/// Until the other side hangs up, however it does.
async fn closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
    assert!(ended.is_ok(), "the connection is still open");
}

async fn is_served(running: &Running, agent: &mut Agent) {
    let mut client = agent.client(running).await;
    client.submit_report(agent.report(&healthy(INSTANCE))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_half_way_is_closed_wherever_that_is_and_others_are_served() {
    let running = Running::begin("[limits]\nhandshake = \"1s\"\nfirst_request = \"1s\"\n").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;

    let mut client_hello = Vec::new();
    let name = ServerName::try_from("localhost").unwrap();
    let mut handshake = ClientConnection::new(Arc::new(tls(&running.authorities(), None)), name).unwrap();
    handshake.write_tls(&mut client_hello).unwrap();
    let mut in_handshake = TcpStream::connect(running.agents).await.unwrap();
    in_handshake.write_all(&client_hello[..client_hello.len() / 2]).await.unwrap();

    let settings = frame(SETTINGS, 0, 0, &[]);
    let headers = frame(HEADERS, END_HEADERS, 1, &call("Connect"));
    let whole = [PREFACE, &settings, &headers].concat();
    let mut silent = raw(&running, None).await;
    let mut in_preface = raw(&running, Some(&agent)).await;
    in_preface.write_all(&whole[..PREFACE.len() / 2]).await.unwrap();
    let mut in_headers = raw(&running, Some(&agent)).await;
    in_headers.write_all(&whole[..whole.len() - 1]).await.unwrap();
    is_served(&running, &mut agent).await;

    closed(&mut in_handshake).await;
    for stream in [&mut silent, &mut in_preface, &mut in_headers] {
        closed(stream).await;
    }
    is_served(&running, &mut agent).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_vanishes_without_a_word_is_found_out_and_who_answers_stays() {
    let running = Running::begin("[limits]\nalive = \"1s\"\n").await;
    let agent = Agent::enrolled(&running, INSTANCE).await;
    let other = Agent::enrolled(&running, "i-0fedcba9876543210").await;
    let mut client = agent.client(&running).await;
    let mut stays = Stream::open(&mut client).await.unwrap();
    // It opens its stream, and answers no ping: its machine is gone, and nobody has told the network.
    let mut vanished = raw(&running, Some(&other)).await;
    let said = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(HEADERS, END_HEADERS, 1, &call("Connect"))].concat();
    vanished.write_all(&said).await.unwrap();
    closed(&mut vanished).await;
    // It was asked as often, and heard nothing else since.
    let ended = futures_util::poll!(Box::pin(stays.hear()));
    assert!(ended.is_pending(), "{ended:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_streams_only_to_reset_them_is_closed_and_others_are_served() {
    let running = Running::begin("").await;
    let mut agent = Agent::enrolled(&running, INSTANCE).await;
    let mut resetting = raw(&running, Some(&agent)).await;
    let cancel = 8_u32.to_be_bytes();
    let mut said = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    // CVE-2023-44487: each costs the server a request, and none counts as open.
    for stream in (1..4_000).step_by(2) {
        said.extend(frame(HEADERS, END_HEADERS, stream, &call("Connect")));
        said.extend(frame(RST_STREAM, 0, stream, &cancel));
    }
    // It may be closed before all is said.
    let _ = resetting.write_all(&said).await;
    closed(&mut resetting).await;
    is_served(&running, &mut agent).await;
    running.stop().await;
}
