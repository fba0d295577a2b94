//! Sign-in, and what it lets somebody do.

use axum::http::header;

use super::{Served, finding};
use crate::page::config::PageConfig;
use crate::store::Half;
use eic_doctor_proto::Status;

/// Signs in, and gives the cookie as a browser sends it.
async fn cookie(served: &Served, name: &str) -> String {
    let answer = served.post("", "/sign-in", &format!("token=token+of+{name}&next=/agents")).await;
    assert_eq!((answer.status.as_u16(), answer.header(header::LOCATION)), (303, "/agents"));
    answer.header(header::SET_COOKIE).split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn by_default_only_who_has_signed_in_sees_anything() {
    let served = Served::begin(PageConfig::default()).await;
    served.enrol("i-0a", "111122223333", "eu-west-1", "ami-1").await;
    for path in ["/", "/instances?q=i-0a", "/instances/i-0a", "/drift", "/agents", "/by/region"] {
        let answer = served.get(path).await;
        let next = super::super::layout::encoded(path);
        assert_eq!(
            (answer.status.as_u16(), answer.header(header::LOCATION)),
            (303, format!("/sign-in?next={next}").as_str())
        );
        assert!(!answer.text.contains("i-0a"));
    }
    assert_eq!(served.get("/events").await.status, 401);
    let cookie = cookie(&served, "reader").await;
    for path in ["/", "/instances?q=i-0a", "/instances/i-0a", "/drift", "/agents", "/by/region"] {
        let answer = served.get_as(&cookie, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text.contains("Sign out"));
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_not_for_long() {
    let served = Served::open().await;
    for _ in 0..5 {
        let answer = served.post("", "/sign-in", "token=guess").await;
        assert_eq!((answer.status.as_u16(), answer.header(header::SET_COOKIE)), (403, ""));
        assert!(answer.text.contains("No operator has this token"));
    }
    let answer = served.post("", "/sign-in", "token=token+of+checker").await;
    assert_eq!((answer.status.as_u16(), answer.header(header::RETRY_AFTER)), (429, "30"));
}

#[tokio::test]
async fn the_cookie_is_for_no_script_and_no_other_site_and_ends() {
    let served = Served::open().await;
    let answer = served.post("", "/sign-in", "token=token+of+reader").await;
    let cookie = answer.header(header::SET_COOKIE);
    assert!(cookie.ends_with("; Path=/; Max-Age=28800; HttpOnly; SameSite=Strict"), "{cookie}");
    let url = Some("https://localhost:7446".to_owned());
    let served = Served::begin(PageConfig { url, ..PageConfig::default() }).await;
    let request = axum::http::Request::post("/sign-in")
        .header(header::HOST, super::HOST)
        .header(header::ORIGIN, "https://localhost:7446")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = served.send(request, "token=token+of+reader".into()).await;
    let cookie = answer.header(header::SET_COOKIE);
    assert!(cookie.starts_with("__Host-eic-doctor=") && cookie.ends_with("; SameSite=Strict; Secure"), "{cookie}");
}

#[tokio::test]
async fn a_check_now_needs_the_role_and_a_form_of_the_session() {
    let served = Served::open().await;
    served.enrol("i-0a", "111122223333", "eu-west-1", "ami-1").await;
    served.submit("i-0a", 1, vec![finding("os.sshd.port", Status::Warn, "two ports")]).await;
    served.enrol("i-away", "111122223333", "eu-west-1", "ami-1").await;
    let (reader, checker) = (cookie(&served, "reader").await, cookie(&served, "checker").await);
    let path = "/instances/i-0a/check";

    assert_eq!(served.post("", path, "form_token=").await.status, 403);
    let of_reader = served.get_as(&reader, "/instances/i-0a").await;
    assert!(of_reader.text.contains("Your role does not let you"));
    let refused = served.post(&reader, path, &format!("form_token={}", of_reader.form_token())).await;
    assert!(refused.status == 403 && refused.text.contains("this needs check"), "{}", refused.text);
    let refused = served.post(&checker, path, &format!("form_token={}", of_reader.form_token())).await;
    assert!(refused.status == 403 && refused.text.contains("of another session"), "{}", refused.text);
    assert!(served.asked.lock().unwrap().is_empty());

    let view = served.get_as(&checker, "/instances/i-0a").await;
    let form = format!("form_token={}", view.form_token());
    let checked = served.post(&checker, path, &form).await;
    assert_eq!(checked.status, 200);
    assert!(checked.text.contains("Looked just now, for checker"), "{}", checked.text);
    assert!(checked.text.contains("id=\"os.package.installed\""), "what the check found is shown: {}", checked.text);
    // For the attempt that the agent judges by itself.
    assert_eq!(*served.asked.lock().unwrap(), ["checker i-0a private"]);
    // The agent's own reports are stored, and nothing else.
    assert_eq!(served.store.last_report("i-0a", Half::Os).await.unwrap().unwrap().digest, [1; 32]);

    let away = served.post(&checker, "/instances/i-away/check", &form).await;
    assert_eq!((away.status.as_u16(), away.header(header::RETRY_AFTER)), (503, "30"));
    assert!(away.text.contains("is not connected"));
    assert_eq!(served.post(&checker, "/instances/i-none/check", &form).await.status, 404);
}

#[tokio::test]
async fn signing_out_takes_the_cookie_away() {
    let served = Served::open().await;
    let cookie = cookie(&served, "reader").await;
    let view = served.get_as(&cookie, "/").await;
    let answer = served.post(&cookie, "/sign-out", &format!("form_token={}", view.form_token())).await;
    assert_eq!((answer.status.as_u16(), answer.header(header::LOCATION)), (303, "/"));
    assert!(answer.header(header::SET_COOKIE).starts_with("eic-doctor=; Path=/; Max-Age=0;"));
    assert_eq!(served.post(&cookie, "/sign-out", "form_token=x").await.status, 403);
}
