//! Over real HTTP and a real store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use eic_doctor_proto::{CheckResult, Evidence, Remedy, Status};
use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

use super::*;
use crate::drift::Change;
use crate::gather::CallLog;
use crate::gather::aws::{Teller, testing_http_client};
use crate::store::{Content, Half, SharedStore, Submission, open};

struct Request {
    uri: Uri,
    headers: HeaderMap,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Listens, hands on what comes, and answers with what it was told to, the last answer again and again.
struct Receiver {
    url: String,
    requests: Mutex<mpsc::UnboundedReceiver<Request>>,
}

impl Receiver {
    async fn start(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let answers: Vec<(u16, String)> = answers.iter().map(|(code, text)| (*code, text.to_string())).collect();
        let (sender, requests) = mpsc::unbounded_channel();
        let answered = Arc::new(AtomicU64::new(0));
        let answer = move |uri: Uri, headers: HeaderMap, body: String| {
            let number = usize::try_from(answered.fetch_add(1, Ordering::Relaxed)).unwrap();
            let (code, text) = answers[number.min(answers.len() - 1)].clone();
            sender.send(Request { uri, headers, body }).unwrap();
            // A redirect leads to itself, so whoever follows it is seen.
            async move { (StatusCode::from_u16(code).unwrap(), [("location", "/elsewhere")], text) }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { url, requests: Mutex::new(requests) }
    }

    async fn next(&self) -> Request {
        self.requests.lock().await.recv().await.unwrap()
    }

    async fn has_more(&self) -> bool {
        !self.requests.lock().await.is_empty()
    }
}

struct Place {
    store: SharedStore,
    clock: AtomicU64,
    _folder: TempDir,
}

impl Place {
    /// Two runs, so that each instance has a change that each target is to be told of.
    async fn with_changes(instances: usize, targets: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{}", folder.path().join("store.db").display());
        let store = open(&url).await.unwrap();
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        for status in [Status::Ok, Status::Fail] {
            let batch = (0..instances).map(|n| looked(&format!("i-{n:04}"), status)).collect();
            store.submit(batch, 1, &targets).await.unwrap();
        }
        Self { store, clock: AtomicU64::new(10_000), _folder: folder }
    }

    async fn round(&self, targets: &Targets<Teller>) -> Told {
        tell_due(&self.store, targets, || self.clock.load(Ordering::Relaxed)).await.unwrap()
    }

    fn wait(&self, seconds: u64) {
        self.clock.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }
}

fn result(status: Status) -> CheckResult {
    let remedy = Remedy::by_hand("Start the instance", "aws ec2 describe-instances");
    CheckResult {
        id: "aws.instance.running".to_owned(),
        title: "the instance runs".to_owned(),
        status,
        evidence: vec![Evidence::new("state stopped", "ec2:DescribeInstances")],
        remedy: status.is_finding().then_some(remedy),
        blocked_by: Vec::new(),
        why: "the instance is stopped".to_owned(),
        missing_action: None,
        doc: "eic-doctor explain aws.instance.running".to_owned(),
        required: true,
    }
}

fn looked(id: &str, status: Status) -> Submission {
    let content = Content::Full { report: Vec::new(), digest: [0; 32], results: vec![result(status)] };
    Submission { instance_id: id.to_owned(), half: Half::Aws, from: None, received_at: 1_700_000_000_000, content }
}

fn hook(receiver: &Receiver) -> Channel<Teller> {
    Channel::Webhook(Webhook::new(&receiver.url, b"top secret\n").unwrap())
}

fn targets<const N: usize>(channels: [(&str, Channel<Teller>); N]) -> Targets<Teller> {
    channels.into_iter().map(|(name, channel)| (name.to_owned(), channel)).collect()
}

/// AWS at the receiver.
fn aws(receiver: &Receiver) -> Teller {
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(testing_http_client())
        .retry_config(RetryConfig::disabled())
        .endpoint_url(&receiver.url)
        .build();
    Teller::new(&config, CallLog::begin())
}

#[tokio::test]
async fn a_webhook_brings_the_change_and_a_signature_that_its_receiver_can_verify() {
    let place = Place::with_changes(1, &["hook"]).await;
    // What was told has been told in 2023; the clock of the request is now.
    place.clock.store(1_700_000_100_000, Ordering::Relaxed);
    let receiver = Receiver::start(&[(204, "")]).await;
    let told = place.round(&targets([("hook", hook(&receiver))])).await;
    assert_eq!(told, Told { delivered: 1, ..Told::default() });
    let request = receiver.next().await;
    let expected = json!({
        "schema": "https://eic-doctor.dev/schema/drift/v1",
        "number": 1,
        "instance_id": "i-0000",
        "check": "aws.instance.running",
        "title": "the instance runs",
        "was": "ok",
        "is": "fail",
        "since": "2023-11-14T22:13:20Z",
        "told": "2023-11-14T22:13:20Z",
        "why": "the instance is stopped",
        "evidence": [{ "seen": "state stopped", "at": "ec2:DescribeInstances" }],
        "evidence_left_out": 0,
        "remedy": { "text": "Start the instance", "command": null, "verify": "aws ec2 describe-instances" },
        "doc": "eic-doctor explain aws.instance.running",
    });
    assert_eq!(request.json(), expected);
    assert_eq!(request.uri.path(), "/hook");
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("x-eic-doctor-change"), "1");
    assert_eq!(request.header(TIMESTAMP), "1700000100000");
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"top secret");
    let tag: Vec<u8> = request
        .header(SIGNATURE)
        .strip_prefix("sha256=")
        .unwrap()
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    hmac::verify(&key, format!("1700000100000.{}", request.body).as_bytes(), &tag).unwrap();
    hmac::verify(&key, format!("1700000100001.{}", request.body).as_bytes(), &tag).unwrap_err();
    assert_eq!(place.round(&targets([("hook", hook(&receiver))])).await, Told::default(), "it was told");
}

/// `printf 1.a | openssl dgst -sha256 -hmac key`
#[test]
fn the_signature_is_what_others_compute() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
    assert_eq!(sign(&key, 1, "a"), "sha256=32a5f52f8b585db06b5960c1b30992c0575588cf6343eeb646efa5bfd9ca5a17");
}

#[tokio::test]
async fn what_failed_is_told_again_after_its_wait() {
    let place = Place::with_changes(1, &["hook"]).await;
    place.clock.store(1_800_000_000_000, Ordering::Relaxed);
    let receiver = Receiver::start(&[(503, ""), (302, ""), (200, "")]).await;
    let targets = targets([("hook", hook(&receiver))]);
    let failed = Told { failed: 1, ..Told::default() };
    assert_eq!(place.round(&targets).await, failed);
    place.wait(4);
    assert_eq!(place.round(&targets).await, Told::default());
    place.wait(1);
    assert_eq!(place.round(&targets).await, failed, "a redirect is not followed");
    place.wait(10);
    assert_eq!(place.round(&targets).await, Told { delivered: 1, ..Told::default() });
    for _ in 0..3 {
        assert_eq!(receiver.next().await.uri.path(), "/hook");
    }
    assert!(!receiver.has_more().await);
}

#[tokio::test]
async fn after_twelve_tries_it_is_a_dead_letter_that_says_why() {
    let place = Place::with_changes(1, &["hook"]).await;
    place.clock.store(1_800_000_000_000, Ordering::Relaxed);
    let receiver = Receiver::start(&[(500, "\u{1b}[31mhostile")]).await;
    let targets = targets([("hook", hook(&receiver))]);
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(place.round(&targets).await);
        place.wait(900);
    }
    let failed = all.iter().filter(|told| told.failed == 1).count();
    assert_eq!((failed, all[11].dead, all[12]), (11, 1, Told::default()));
    let dead = place.store.dead_letters(None, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].delivery.tried, dead[0].why.as_str()), (12, "the webhook answered 500 Internal Server Error"));
}

#[tokio::test]
async fn a_target_that_is_configured_no_more_is_a_dead_letter() {
    let place = Place::with_changes(1, &["old"]).await;
    place.clock.store(1_800_000_000_000, Ordering::Relaxed);
    assert_eq!(place.round(&targets([])).await, Told { dead: 1, ..Told::default() });
    assert!(place.store.dead_letters(None, 10).await.unwrap()[0].why.contains("no such target"));
}

#[tokio::test]
async fn a_target_that_is_down_keeps_no_other_waiting_and_is_asked_seldom() {
    let place = Place::with_changes(600, &["down", "up"]).await;
    place.clock.store(1_800_000_000_000, Ordering::Relaxed);
    let (down, up) = (Receiver::start(&[(503, "")]).await, Receiver::start(&[(200, "")]).await);
    let targets = targets([("down", hook(&down)), ("up", hook(&up))]);
    let told = place.round(&targets).await;
    assert_eq!((told.delivered, told.dead), (600, 0));
    assert!((1..=16).contains(&told.failed), "{told:?}");
    let mut numbers = Vec::new();
    while up.has_more().await {
        numbers.push(up.next().await.json()["number"].as_u64().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=600).collect::<Vec<_>>());
}

#[tokio::test]
async fn two_coordinators_at_once_tell_each_change_once() {
    let place = Place::with_changes(300, &["hook"]).await;
    place.clock.store(1_800_000_000_000, Ordering::Relaxed);
    let receiver = Receiver::start(&[(200, "")]).await;
    let targets = targets([("hook", hook(&receiver))]);
    let (first, second) = tokio::join!(place.round(&targets), place.round(&targets));
    assert_eq!(first.delivered + second.delivered, 300);
    for _ in 0..300 {
        receiver.next().await;
    }
    assert!(!receiver.has_more().await);
}

#[tokio::test]
async fn eventbridge_is_put_one_event_and_a_refusal_in_its_answer_is_one() {
    let place = Place::with_changes(1, &["bus"]).await;
    place.clock.store(1_800_000_000_000, Ordering::Relaxed);
    let refused = r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException","ErrorMessage":"slower"}]}"#;
    let taken = r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#;
    let denied = r#"{"__type":"AccessDeniedException","message":"not authorized to perform: events:PutEvents"}"#;
    let receiver = Receiver::start(&[(200, refused), (400, denied), (200, taken)]).await;
    let channel = Channel::EventBridge { aws: aws(&receiver), bus: "fleet".to_owned() };
    let targets = targets([("bus", channel)]);
    assert_eq!(place.round(&targets).await.failed, 1);
    place.wait(5);
    assert_eq!(place.round(&targets).await.failed, 1);
    place.wait(10);
    assert_eq!(place.round(&targets).await.delivered, 1);
    receiver.next().await;
    receiver.next().await;
    let request = receiver.next().await;
    assert_eq!(request.header("x-amz-target"), "AWSEvents.PutEvents");
    let entry = &request.json()["Entries"][0];
    let said = ["EventBusName", "Source", "DetailType"].map(|name| entry[name].as_str().unwrap().to_owned());
    assert_eq!(said, ["fleet", "eic-doctor", "EIC Doctor drift"]);
    let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
    assert_eq!((&detail["instance_id"], &detail["is"]), (&json!("i-0000"), &json!("fail")));
}

#[tokio::test]
async fn sns_is_published_the_change_with_attributes_to_filter_by() {
    const TAKEN: &str = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
                         <MessageId>1</MessageId></PublishResult></PublishResponse>";
    const GONE: &str = "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type>\
                        <Code>NotFound</Code><Message>Topic does not exist</Message></Error></ErrorResponse>";
    let place = Place::with_changes(1, &["topic"]).await;
    place.clock.store(1_800_000_000_000, Ordering::Relaxed);
    let receiver = Receiver::start(&[(404, GONE), (200, TAKEN)]).await;
    let topic_arn = "arn:aws:sns:eu-west-1:111122223333:drift.fifo".to_owned();
    let targets = targets([("topic", Channel::Sns { aws: aws(&receiver), topic_arn: topic_arn.clone() })]);
    assert_eq!(place.round(&targets).await.failed, 1);
    place.wait(5);
    assert_eq!(place.round(&targets).await.delivered, 1);
    receiver.next().await;
    let request = receiver.next().await;
    let url = reqwest::Url::parse(&format!("http://x/?{}", request.body)).unwrap();
    let form: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let said =
        ["Action", "TopicArn", "Subject", "MessageGroupId", "MessageDeduplicationId"].map(|name| form[name].clone());
    let subject = "i-0000 aws.instance.running: ok is now fail";
    assert_eq!(said, ["Publish", &topic_arn, subject, "i-0000", "1"]);
    let attributes: Vec<&str> =
        form.iter().filter(|(name, _)| name.ends_with(".Name")).map(|(_, v)| v.as_str()).collect();
    let mut sorted = attributes.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["check", "instance_id", "is"]);
    assert_eq!(serde_json::from_str::<Value>(&form["Message"]).unwrap()["was"], "ok");
}

#[test]
fn a_message_with_much_evidence_is_cut_to_what_every_target_takes() {
    let mut is = result(Status::Fail);
    is.evidence = (0..5_000).map(|n| Evidence::new(format!("rule {n} {}", "é".repeat(100)), "acl-1")).collect();
    let change = |is: CheckResult| {
        let change = Change { check_id: is.id.clone(), was: Status::Ok, is, since: 1, told_at: 2 };
        StoredChange { number: 1, instance_id: "i-1".to_owned(), half: Half::Aws, change }
    };
    let text = body(&change(is.clone()));
    let json: Value = serde_json::from_str(&text).unwrap();
    let kept = json["evidence"].as_array().unwrap().len();
    assert!(text.len() <= LIMIT && kept > 0);
    assert_eq!(json["evidence_left_out"], 5_000 - kept);
    is.why = "\u{7f}".repeat(LIMIT);
    is.title = "x".repeat(LIMIT);
    assert!(body(&change(is)).len() <= LIMIT);
}

#[tokio::test]
async fn neither_url_nor_secret_is_in_any_message() {
    for (url, secret) in [("ftp://hunter2", "s"), ("hunter2", "s"), ("http://h/hunter2", " \n"), ("http://", "hunter2")]
    {
        let error = Webhook::new(url, secret.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    // Nobody listens on a port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let webhook = Webhook::new(&format!("http://u:hunter2@{free}/hunter2"), b"s").unwrap();
    let error = webhook.post(1, "{}".to_owned(), 1).await.unwrap_err();
    assert!(matches!(error, WebhookError::Post(_)));
    assert!(!crate::gather::chain(&error).contains("hunter2"), "{}", crate::gather::chain(&error));
}
