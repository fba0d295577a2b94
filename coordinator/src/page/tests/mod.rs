//! The page's routes over a store of its own: what is shown, to whom, and what is refused.

mod refused;
mod shown;
mod signed_in;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::wire::{decode_report, facts_to_wire, v1};
use eic_doctor_proto::{Attempt, CheckResult, Evidence, Remedy, Status, Via};
use prost::Message as _;
use ring::digest::{SHA256, digest};
use tempfile::TempDir;
use tokio::sync::watch;
use tower::Service as _;

use super::config::{PageConfig, PageOperator, Reading};
use super::{Behind, NotLooked, PeerAddress, page};
use crate::attest::Fingerprint;
use crate::drift::testing::result;
use crate::server::config::Role;
use crate::store::{AgentRecord, AgentState, Content, Half, Millis, SharedStore, StoreError, Submission, open};

const NOW: Millis = 1_800_000_000_000;
const HOST: &str = "localhost:7446";
const ORIGIN: &str = "http://localhost:7446";
const KEY: [u8; 32] = [7; 32];
/// What markup, an escape sequence and a reversed line would do.
const HOSTILE: &str = "<script>alert(1)</script>\u{202e}\"'&\u{1b}[31m";

/// A page over a store in a file, and what its coordinator was asked.
struct Served {
    routes: Router,
    store: SharedStore,
    asked: Arc<Mutex<Vec<String>>>,
    _stop: watch::Sender<bool>,
    _folder: TempDir,
}

struct OfTest {
    store: SharedStore,
    asked: Arc<Mutex<Vec<String>>>,
    sign_ins: Mutex<u32>,
}

#[async_trait]
impl Behind for OfTest {
    fn store(&self) -> &SharedStore {
        &self.store
    }

    fn now(&self) -> Millis {
        NOW
    }

    fn log(&self, _line: &str) {}

    fn ill(&self, error: &StoreError) {
        panic!("the store is well in these tests: {error:?}");
    }

    fn unpacked(&self, report: &[u8]) -> Option<v1::AgentReport> {
        decode_report(report).ok()
    }

    fn may_sign_in(&self, _address: IpAddr) -> Result<(), Duration> {
        let mut tried = self.sign_ins.lock().unwrap();
        *tried += 1;
        if *tried > 5 { Err(Duration::from_secs(30)) } else { Ok(()) }
    }

    async fn look_now(&self, operator: &str, id: &str, attempt: &Attempt) -> Result<v1::AgentReport, NotLooked> {
        self.asked.lock().unwrap().push(format!("{operator} {id} {}", attempt.via));
        match id {
            "i-away" => Err(NotLooked {
                status: StatusCode::SERVICE_UNAVAILABLE,
                why: "the agent of i-away is not connected".to_owned(),
                after: Some(Duration::from_secs(30)),
            }),
            _ => Ok(report(|facts| facts.package.ec2_instance_connect = eic_doctor_proto::Fact::Absent)),
        }
    }
}

/// Facts of a healthy instance, recorded, and then changed.
fn report(change: impl FnOnce(&mut OsFacts)) -> v1::AgentReport {
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/worlds/recorded-healthy/os.json");
    let mut facts: OsFacts = serde_json::from_slice(&std::fs::read(world).unwrap()).unwrap();
    change(&mut facts);
    v1::AgentReport {
        agent_version: "0.1.0".to_owned(),
        catalogue: 1,
        attempt: Some((&Attempt { via: Via::Private, ..Attempt::usual() }).into()),
        facts: Some(facts_to_wire(&facts).unwrap()),
        results: Vec::new(),
    }
}

fn operator(name: &str, role: Role) -> PageOperator {
    let sha256 = digest(&SHA256, format!("token of {name}").as_bytes());
    PageOperator { name: name.to_owned(), role, token_sha256: Fingerprint(sha256.as_ref().try_into().unwrap()) }
}

impl Served {
    async fn open() -> Self {
        Self::begin(PageConfig { reading: Reading::Open, ..PageConfig::default() }).await
    }

    async fn begin(settings: PageConfig) -> Self {
        let folder = TempDir::new().unwrap();
        let store = open(&format!("sqlite:{}", folder.path().join("store.db").display())).await.unwrap();
        let asked = Arc::default();
        let operators = vec![operator("reader", Role::Read), operator("checker", Role::Check)];
        let behind = OfTest { store: Arc::clone(&store), asked: Arc::clone(&asked), sign_ins: Mutex::new(0) };
        let (stop, stopped) = watch::channel(false);
        let (routes, _) = page(Arc::new(behind), PageConfig { operators, ..settings }, None, stopped);
        Self { routes, store, asked, _stop: stop, _folder: folder }
    }

    async fn enrol(&self, id: &str, account: &str, region: &str, image: &str) {
        let record = AgentRecord {
            instance_id: id.to_owned(),
            account_id: account.to_owned(),
            region: region.to_owned(),
            availability_zone: format!("{region}a"),
            image_id: image.to_owned(),
            agent_version: "0.1.0".to_owned(),
            pending_time: NOW - 9_000_000,
            key: KEY,
            serial: "0a0b".to_owned(),
            not_after: NOW + 3_600_000,
            enrolled_at: NOW - 9_000_000,
            state: AgentState::Enrolled,
            state_why: "first enrolment of the instance".to_owned(),
            state_since: NOW - 9_000_000,
            sequence: 0,
            last_seen: None,
            connected_to: None,
            ended_at: None,
        };
        self.store.put_agent(&record, None).await.unwrap();
    }

    /// One run of the instance's, held at once.
    async fn submit(&self, id: &str, sequence: u64, results: Vec<CheckResult>) {
        let report = report(|_| ());
        self.keep(id, Half::Os, Some((KEY, sequence)), NOW - 60_000 + sequence, report, results).await;
    }

    /// What the coordinator found of the instance by AWS's API.
    async fn sweep(&self, id: &str, results: Vec<CheckResult>) {
        let kept = results.iter().map(Into::into).collect();
        let report = v1::AgentReport { facts: None, results: kept, ..report(|_| ()) };
        self.keep(id, Half::Aws, None, NOW - 30_000, report, results).await;
    }

    async fn keep(
        &self,
        id: &str,
        half: Half,
        from: Option<([u8; 32], u64)>,
        received_at: Millis,
        report: v1::AgentReport,
        results: Vec<CheckResult>,
    ) {
        let content = Content::Full { report: report.encode_to_vec(), digest: [1; 32], results };
        let submission = Submission { instance_id: id.to_owned(), half, from, received_at, content };
        self.store.submit(vec![submission], 1, &[]).await.unwrap().remove(0).unwrap();
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).header(header::HOST, HOST), Body::empty()).await
    }

    async fn get_as(&self, cookie: &str, path: &str) -> Answer {
        self.send(Request::get(path).header(header::HOST, HOST).header(header::COOKIE, cookie), Body::empty()).await
    }

    async fn post(&self, cookie: &str, path: &str, form: &str) -> Answer {
        let request = Request::post(path).header(header::HOST, HOST).header(header::ORIGIN, ORIGIN);
        let request = request.header(header::COOKIE, cookie);
        let kind = "application/x-www-form-urlencoded";
        self.send(request.header(header::CONTENT_TYPE, kind), Body::from(form.to_owned())).await
    }

    async fn send(&self, request: axum::http::request::Builder, body: Body) -> Answer {
        let request = request.extension(PeerAddress(Ipv4Addr::LOCALHOST.into())).body(body).unwrap();
        let answer = self.routes.clone().call(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, 4 * 1024 * 1024).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Of the table rows, those that hold the text.
    fn rows_with(&self, text: &str) -> usize {
        self.text.split("<tr").skip(1).filter(|row| row.contains(text)).count()
    }

    /// What the form of this view carries.
    fn form_token(&self) -> &str {
        let (_, rest) = self.text.split_once("name=\"form_token\" value=\"").unwrap();
        rest.split_once('"').unwrap().0
    }
}

fn finding(id: &str, status: Status, why: &str) -> CheckResult {
    CheckResult {
        why: why.to_owned(),
        evidence: vec![Evidence::new(why, "/etc/ssh/sshd_config:3")],
        remedy: Some(Remedy::by_hand("Mend it", "look")),
        ..result(id, status)
    }
}
