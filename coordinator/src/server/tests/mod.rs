//! A coordinator over real sockets and a store in a file, and agents of the tests' own making: honest ones and others.

mod adversaries;
mod impostors;
mod operators;
mod slow;
mod story;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use eic_doctor_agent::checks;
use eic_doctor_agent::facts::{ImdsAnswer, OsFacts};
use eic_doctor_proto::wire::v1::agent_service_client::AgentServiceClient;
use eic_doctor_proto::wire::v1::enrolment_service_client::EnrolmentServiceClient;
use eic_doctor_proto::wire::v1::operator_service_client::OperatorServiceClient;
use eic_doctor_proto::wire::{facts_to_wire, v1};
use eic_doctor_proto::{Attempt, Fact, Selection, Untrusted, judge};
use hyper_util::rt::TokioIo;
use rcgen::KeyPair;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};
use tower::service_fn;

use super::config::Config;
use super::{Coordinator, Log};
use crate::attest::testing::{DOCUMENT, Message, REGION_KEY, REGION_PEM, REGION_SHA256, p256, request, rsa};
use crate::authority::{PUBLISHED, read_certificates};
use crate::store::Millis;

pub(super) const INSTANCE: &str = "i-0123456789abcdef0";

pub(super) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Millis::try_from(since.as_millis()).unwrap()
}

/// A coordinator that serves, and its folder.
pub(super) struct Running {
    pub dir: Arc<TempDir>,
    pub agents: SocketAddr,
    pub operators_tls: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

impl Running {
    /// `more` is written to the end of the configuration.
    pub async fn begin(more: &str) -> Self {
        Self::begin_in(Arc::new(TempDir::new().unwrap()), more).await
    }

    /// In a folder where one has been before.
    pub async fn begin_in(dir: Arc<TempDir>, more: &str) -> Self {
        let config = configuration(dir.path(), more);
        let coordinator = Coordinator::begin(config, Log::new(Box::new(std::io::sink()), false, now), now).await;
        let coordinator = coordinator.map_err(|error| crate::gather::chain(&error)).unwrap();
        let bound = coordinator.bound.clone();
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(async move { coordinator.serve(stopped).await.unwrap() });
        Self { dir, agents: bound.agents, operators_tls: bound.operators_tls, stop, served }
    }

    pub async fn stop(self) -> Arc<TempDir> {
        self.stop.send(true).unwrap();
        self.served.await.unwrap();
        self.dir
    }

    pub fn authorities(&self) -> Vec<CertificateDer<'static>> {
        read_certificates(&self.dir.path().join("authority").join(PUBLISHED)).unwrap()
    }

    pub async fn operator(&self) -> OperatorServiceClient<Channel> {
        let socket = self.dir.path().join("operator.sock");
        crate::operator::connect(&crate::operator::Coordinator::Socket(socket)).await.unwrap()
    }
}

fn configuration(dir: &Path, more: &str) -> Config {
    let certificates = dir.join("certificates");
    std::fs::create_dir_all(&certificates).unwrap();
    std::fs::write(certificates.join("eu-west-1.pem"), REGION_PEM).unwrap();
    let tls = if more.contains("[operators]") { "operators_tls = \"127.0.0.1:0\"\n" } else { "" };
    let dir = dir.display();
    let text = format!(
        "[listen]\nagents = \"127.0.0.1:0\"\noperators = \"{dir}/operator.sock\"\n{tls}\
         [store]\nurl = \"sqlite:{dir}/store.db\"\n\
         [authority]\ndirectory = \"{dir}/authority\"\nnames = [\"127.0.0.1\", \"localhost\"]\n\
         [enrolment]\naccounts = [\"123456789012\"]\nidentity_certificates = \"{dir}/certificates\"\n\
         describe_instances = false\n\
         also_pinned = [{{ region = \"eu-west-1\", sha256 = \"{REGION_SHA256}\" }}]\n{more}"
    );
    Config::parse(&text, Path::new("test.toml")).map_err(|error| crate::gather::chain(&error)).unwrap()
}

/// A key, and the certificates that enrolment gave for it.
pub(super) struct Agent {
    pub key: KeyPair,
    pub certificates: Vec<CertificateDer<'static>>,
    pub sequence: u64,
}

/// A document of another instance or another start, signed as AWS's part would.
pub(super) fn document(instance_id: &str, pending_time: &str) -> (Vec<u8>, Vec<u8>) {
    let text = std::str::from_utf8(DOCUMENT).unwrap();
    let text = text.replace(INSTANCE, instance_id).replace("2027-01-01T00:00:00Z", pending_time);
    let signature = Message::good(&rsa(REGION_KEY), text.as_bytes()).base64();
    (text.into_bytes(), signature)
}

impl Agent {
    pub async fn enrolled(running: &Running, instance_id: &str) -> Self {
        let (document, signature) = document(instance_id, "2027-01-01T00:00:00Z");
        Self::enrol(running, p256(), &document, &signature).await.unwrap()
    }

    pub async fn enrol(running: &Running, key: KeyPair, document: &[u8], signature: &[u8]) -> Result<Self, Status> {
        let channel = channel(running, None).await.expect("a connection without a certificate");
        let issued = enrol_with(channel, |challenge| request(&key, challenge, document, signature)).await?;
        let certificates = issued.certificates.into_iter().map(CertificateDer::from).collect();
        Ok(Self { key, certificates, sequence: 0 })
    }

    pub async fn client(&self, running: &Running) -> AgentServiceClient<Channel> {
        AgentServiceClient::new(channel(running, Some(self)).await.expect("a connection with the certificate"))
    }

    pub fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// A report with these facts, as an honest agent makes it.
    pub fn report(&mut self, facts: &OsFacts) -> v1::SubmitReportRequest {
        v1::SubmitReportRequest {
            report: Some(report(facts)),
            sequence: self.next(),
            unchanged: Vec::new(),
            gathered_at_ms: now(),
        }
    }
}

pub(super) fn report(facts: &OsFacts) -> v1::AgentReport {
    let attempt = Attempt::usual();
    let results = judge(checks::entries(facts, &attempt), &Selection::default());
    v1::AgentReport {
        agent_version: "0.1.0".to_owned(),
        catalogue: 1,
        attempt: Some((&attempt).into()),
        facts: Some(facts_to_wire(facts).unwrap()),
        results: results.iter().map(Into::into).collect(),
    }
}

/// Facts of a healthy instance, recorded; its metadata service gives it this id.
pub(super) fn healthy(instance_id: &str) -> OsFacts {
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/worlds/recorded-healthy/os.json");
    let mut facts = crate::gather::courier::read_os_file(&world).unwrap();
    for view in [&mut facts.imds.as_root, &mut facts.imds.as_keys_user] {
        if let Fact::Known(answer) = &view.instance_id {
            view.instance_id = Fact::Known(ImdsAnswer { body: Untrusted::from(instance_id), ..answer.clone() });
        }
    }
    facts
}

pub(super) async fn enrol_with(
    channel: Channel,
    request: impl FnOnce(&[u8; 32]) -> v1::EnrolRequest,
) -> Result<v1::Issued, Status> {
    let mut client = EnrolmentServiceClient::new(channel);
    let (requests, outbound) = mpsc::channel(1);
    let mut answers = client.enrol(ReceiverStream::new(outbound)).await?.into_inner();
    let challenge = match answers.message().await?.and_then(|answer| answer.message) {
        Some(v1::enrol_response::Message::Challenge(challenge)) => challenge,
        other => panic!("no challenge: {other:?}"),
    };
    let nonce = <[u8; 32]>::try_from(challenge.nonce.as_slice()).unwrap();
    requests.send(request(&nonce)).await.unwrap();
    match answers.message().await?.and_then(|answer| answer.message) {
        Some(v1::enrol_response::Message::Issued(issued)) => Ok(issued),
        other => panic!("neither a certificate nor a refusal: {other:?}"),
    }
}

pub(super) fn tls(
    authorities: &[CertificateDer<'static>],
    own: Option<(Vec<CertificateDer<'static>>, &KeyPair)>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some((chain, key)) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

pub(super) async fn channel_to(address: SocketAddr, tls: ClientConfig) -> Result<Channel, tonic::transport::Error> {
    let connector = TlsConnector::from(Arc::new(tls));
    let connect = service_fn(move |_| {
        let connector = connector.clone();
        async move {
            let name = ServerName::try_from("localhost").unwrap();
            connector.connect(name, TcpStream::connect(address).await?).await.map(TokioIo::new)
        }
    });
    Endpoint::from_static("http://coordinator").connect_with_connector(connect).await
}

pub(super) async fn channel(running: &Running, agent: Option<&Agent>) -> Result<Channel, tonic::transport::Error> {
    let own = agent.map(|agent| (agent.certificates.clone(), &agent.key));
    channel_to(running.agents, tls(&running.authorities(), own)).await
}

/// A resident agent's stream: what it sends, and what it hears.
pub(super) struct Stream {
    pub to_coordinator: mpsc::Sender<v1::AgentMessage>,
    pub from_coordinator: Streaming<v1::CoordinatorMessage>,
}

impl Stream {
    pub async fn open(client: &mut AgentServiceClient<Channel>) -> Result<Self, Status> {
        let (to_coordinator, outbound) = mpsc::channel(8);
        let from_coordinator = client.connect(ReceiverStream::new(outbound)).await?.into_inner();
        Ok(Self { to_coordinator, from_coordinator })
    }

    pub async fn send(&self, message: v1::agent_message::Message) {
        self.to_coordinator.send(v1::AgentMessage { message: Some(message) }).await.unwrap();
    }

    pub async fn hear(&mut self) -> Result<Option<v1::coordinator_message::Message>, Status> {
        Ok(self.from_coordinator.message().await?.and_then(|message| message.message))
    }
}
