//! What goes over the wire, counted by a relay between agent and coordinator; and the HTTP proxy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eic_doctor_agent::config::Proxy;
use eic_doctor_agent::report::{Agent, Settings, chain};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::coordinator::NAME;
use super::outside::Virtual;
use super::{beside, fleet};

/// Passes bytes on, and counts both ways.
async fn relay(to: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(to).await.unwrap();
            let (near_in, near_out) = near.into_split();
            let (far_in, far_out) = far.into_split();
            for (mut from, mut to) in [(near_in, far_out), (far_in, near_out)] {
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let mut bytes = vec![0; 16 * 1024];
                    while let Ok(read @ 1..) = from.read(&mut bytes).await {
                        counted.fetch_add(read, Ordering::SeqCst);
                        if to.write_all(&bytes[..read]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        }
    });
    (address, count)
}

#[tokio::test]
async fn an_unchanged_report_costs_less_than_two_kilobytes_on_the_wire() {
    let (coordinator, mut settings, _folder) = fleet().await;
    let (address, count) = relay(coordinator.address).await;
    settings.way.coordinator.port = address.port();
    let outside = Virtual::new();
    let story = async {
        assert!(coordinator.report().await.report.is_some());
        for interval in 1..4 {
            let before = count.load(Ordering::SeqCst);
            outside.arrives(269..=331).await;
            let report = coordinator.report().await;
            assert_eq!((report.report, report.unchanged.len()), (None, 32), "interval {interval}");
            let cost = count.load(Ordering::SeqCst) - before;
            assert!(cost <= 2_048, "{cost} bytes");
            eprintln!("an unchanged report: {cost} bytes, and the acknowledgement of the one before it");
        }
    };
    beside(&settings, &outside, story).await.unwrap();
}

/// A proxy that takes CONNECT to one place, for one user; counts who came.
async fn proxy(only: String, user: &'static str, head: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let only = only.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(near.read_u8().await.unwrap());
                }
                let request = String::from_utf8(request).unwrap();
                assert!(request.contains(user), "{request}");
                let to = request.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
                assert_eq!(to, only);
                let _ = near.write_all(head.as_bytes()).await;
                if head.starts_with("HTTP/1.1 200") {
                    let mut far = TcpStream::connect(to).await.unwrap();
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    (address, count)
}

fn through(settings: &Settings, proxy: SocketAddr, user: Option<&str>) -> Settings {
    let mut settings = settings.clone();
    settings.way.proxy =
        Some(Proxy { host: proxy.ip().to_string(), port: proxy.port(), user: user.map(str::to_owned) });
    settings
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_coordinator_and_passes_the_stream_on() {
    let (coordinator, settings, _folder) = fleet().await;
    let head = "HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n";
    // `user:word` in base64.
    let (address, count) =
        proxy(coordinator.address.to_string(), "proxy-authorization: Basic dXNlcjp3b3Jk", head).await;
    let settings = through(&settings, address, Some("user:word"));
    let outside = Virtual::new();
    beside(&settings, &outside, async { assert!(coordinator.report().await.report.is_some()) }).await.unwrap();
    // The enrolment, and the stream.
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_proxy_that_does_not_let_through_is_named_with_its_words() {
    let (coordinator, settings, _folder) = fleet().await;
    for (head, told) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407 Proxy Authentication Required"),
        ("HTTP/1.1 403 \u{1b}[31mno\r\n\r\n", "403 \\u{1b}[31mno"),
        ("220 mail.example\r\n\r\n", "220 mail.example"),
        ("HTTP/1.1 2000 x\r\n\r\n", "2000 x"),
    ] {
        let (address, _) = proxy(coordinator.address.to_string(), "", head).await;
        let settings = through(&settings, address, None);
        let outside = Virtual::new();
        let mut agent = Agent::open(&settings, &outside).await.unwrap();
        let error = chain(&agent.enrol().await.unwrap_err());
        assert!(error.contains("does not let us through") && error.contains(told), "{error}");
        assert_eq!(settings.way.coordinator.server_name, NAME);
    }
}
