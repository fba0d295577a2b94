//! What nobody gets, and what every answer tells the browser.

use axum::body::Body;
use axum::http::{Request, header};

use super::{HOST, ORIGIN, Served};
use crate::page::config::{PageConfig, Reading};

#[tokio::test]
async fn every_answer_forbids_what_is_not_the_pages_own() {
    let served = Served::open().await;
    for path in ["/", "/instances", "/drift", "/agents", "/sign-in", "/nowhere"] {
        let answer = served.get(path).await;
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(answer.header(header::REFERRER_POLICY), "same-origin");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
        for link in answer.text.split(['"', '\'']).filter(|text| text.contains("://")) {
            assert_eq!(link, "http://www.w3.org/2000/svg", "{path} asks another host");
        }
    }
}

#[tokio::test]
async fn the_pages_files_are_named_by_their_content_and_kept() {
    let served = Served::open().await;
    let view = served.get("/").await.text;
    let mut files = 0;
    for path in view.split('"').filter(|text| text.starts_with("/assets/")) {
        let answer = served.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header(header::CACHE_CONTROL)),
            (200, "public, max-age=31536000, immutable")
        );
        files += 1;
    }
    assert_eq!(files, 3);
    assert_eq!(served.get("/assets/page-0000000000000000.css").await.status, 404);
}

#[tokio::test]
async fn another_hosts_name_is_not_served() {
    let served = Served::open().await;
    for host in ["evil.example", "evil.example:7446", "localhost.evil.example", ""] {
        let answer = served.send(Request::get("/").header(header::HOST, host), Body::empty()).await;
        assert_eq!(answer.status, 421, "{host}");
    }
    for host in ["localhost", "127.0.0.1:7446", "[::1]:7446"] {
        let answer = served.send(Request::get("/").header(header::HOST, host), Body::empty()).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    let url = Some("https://eic.example".to_owned());
    let served = Served::begin(PageConfig { url, reading: Reading::Open, ..PageConfig::default() }).await;
    let answer = served.send(Request::get("/").header(header::HOST, "EIC.example"), Body::empty()).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_form_that_another_site_sends_is_refused() {
    let served = Served::open().await;
    for origin in [Some("https://evil.example"), Some("null"), Some("http://localhost:1"), None] {
        let mut request = Request::post("/sign-in").header(header::HOST, HOST);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = served.send(request, Body::from("token=token+of+checker")).await;
        assert_eq!((answer.status.as_u16(), answer.header(header::SET_COOKIE)), (403, ""), "{origin:?}");
    }
}

#[tokio::test]
async fn a_form_of_any_size_is_not_taken() {
    let served = Served::open().await;
    let answer = served.post("", "/sign-in", &format!("token={}", "x".repeat(9_000))).await;
    assert_eq!(answer.status, 413);
    let request = Request::post("/instances/i-0a/check").header(header::HOST, HOST).header(header::ORIGIN, ORIGIN);
    assert_eq!(served.send(request, Body::empty()).await.status, 415, "a form says that it is one");
}

#[tokio::test]
async fn what_no_store_takes_is_the_askers_fault() {
    let served = Served::open().await;
    let long = "x".repeat(600);
    for path in [
        "/instances?q=%00",
        &format!("/instances?account={long}"),
        &format!("/agents?after={long}"),
        "/drift?instance=%00",
    ] {
        assert_eq!(served.get(path).await.status, 400, "{path}");
    }
    assert_eq!(served.get("/drift?before=x").await.status, 400);
    assert_eq!(served.get("/by/owner").await.status, 404);
}
