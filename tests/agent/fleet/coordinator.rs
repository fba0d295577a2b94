//! A coordinator that does what a test tells it, and tells the test what came.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eic_doctor_agent::config::Coordinator as Place;
use eic_doctor_agent::report::{Names, Settings, Way};
use eic_doctor_proto::Attempt;
use eic_doctor_proto::wire::v1;
use eic_doctor_proto::wire::v1::agent_service_server::{AgentService, AgentServiceServer};
use eic_doctor_proto::wire::v1::enrolment_service_server::{EnrolmentService, EnrolmentServiceServer};
use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use super::outside::Virtual;

pub const NAME: &str = "coordinator.test";

/// What came.
#[derive(Debug)]
pub enum Event {
    Enrolled(Box<v1::EnrolRequest>, Vec<u8>),
    Renewed,
    Stream,
    Report(Box<v1::SubmitReportRequest>),
    Answer(Box<v1::CheckAnswer>),
    StreamEnded,
}

pub type ToAgent = mpsc::UnboundedSender<Result<v1::CoordinatorMessage, Status>>;

/// What a test may turn.
pub struct Turned {
    pub life: Duration,
    /// Whether reports are named by a digest.
    pub digests: bool,
    pub next_report: Duration,
    pub refuse_enrolment: Option<Status>,
    pub refuse_stream: Option<Status>,
    pub refuse_report: Option<Status>,
    pub refuse_renewal: Option<Status>,
    /// The newest stream.
    pub stream: Option<ToAgent>,
    /// Certificates that were shown with calls.
    pub shown: Vec<Vec<u8>>,
}

pub struct Coordinator {
    pub address: SocketAddr,
    pub ca: String,
    pub turned: Arc<Mutex<Turned>>,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub type Authority = Arc<CertifiedIssuer<'static, KeyPair>>;

pub fn authority() -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Arc::new(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
}

impl Coordinator {
    pub async fn start() -> Self {
        Self::start_with(authority(), "127.0.0.1:0", NAME).await
    }

    pub async fn start_with(authority: Authority, bind: &str, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let (told, events) = mpsc::unbounded_channel();
        let turned = Arc::new(Mutex::new(Turned {
            life: Duration::from_secs(24 * 3600),
            digests: true,
            next_report: Duration::from_secs(300),
            refuse_enrolment: None,
            refuse_stream: None,
            refuse_report: None,
            refuse_renewal: None,
            stream: None,
            shown: Vec::new(),
        }));
        let ca = authority.pem();
        let desk = Desk { turned: Arc::clone(&turned), told, authority };
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(certificate.pem(), key.serialize_pem()))
            .client_ca_root(Certificate::from_pem(&ca))
            .client_auth_optional(true);
        let listener = TcpListener::bind(bind).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(EnrolmentServiceServer::new(desk.clone()))
            .add_service(AgentServiceServer::new(desk));
        // As the real one does: held back for 40 ms, an answer comes when hours of a test's time have gone by.
        let at_once = |stream: std::io::Result<TcpStream>| stream.inspect(|stream| stream.set_nodelay(true).unwrap());
        let incoming = TcpListenerStream::new(listener).map(at_once);
        let server = tokio::spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
        Self { address, ca, turned, events: tokio::sync::Mutex::new(events), server }
    }

    pub fn settings(&self, folder: &Path) -> Settings {
        let authorities = folder.join("authorities.pem");
        std::fs::write(&authorities, &self.ca).unwrap();
        settings(self.address, authorities, folder)
    }

    pub async fn event(&self) -> Event {
        self.events.lock().await.recv().await.unwrap()
    }

    /// The next event, with time going on until it comes.
    pub async fn event_as_time_goes(&self, outside: &Virtual, step: Duration) -> Event {
        let mut event = Box::pin(self.event());
        loop {
            tokio::select! {
                biased;
                event = &mut event => return event,
                () = outside.goes_on(step) => {}
            }
        }
    }

    /// The next report; other things may come before it.
    pub async fn report(&self) -> v1::SubmitReportRequest {
        loop {
            if let Event::Report(report) = self.event().await {
                return *report;
            }
        }
    }

    pub fn turn(&self, turn: impl FnOnce(&mut Turned)) {
        turn(&mut self.turned.lock().unwrap());
    }

    pub fn tell(&self, message: v1::coordinator_message::Message) {
        let stream = self.turned.lock().unwrap().stream.clone().unwrap();
        stream.send(Ok(v1::CoordinatorMessage { message: Some(message) })).unwrap();
    }
}

pub fn settings(address: SocketAddr, authorities: std::path::PathBuf, folder: &Path) -> Settings {
    Settings {
        way: Way {
            coordinator: Place { host: address.ip().to_string(), port: address.port(), server_name: NAME.to_owned() },
            proxy: None,
            names: Names::default(),
        },
        authorities,
        state_directory: folder.join("state"),
        interval: Duration::from_secs(300),
        jitter_percent: 10,
        attempt: Attempt::usual(),
        budget: Duration::from_secs(10),
    }
}

#[derive(Clone)]
struct Desk {
    turned: Arc<Mutex<Turned>>,
    told: mpsc::UnboundedSender<Event>,
    authority: Authority,
}

impl Desk {
    fn tell(&self, event: Event) {
        // A test that has ended listens no longer.
        let _ = self.told.send(event);
    }

    fn issue(&self, request: &[u8]) -> Result<v1::Issued, Status> {
        let request = CertificateSigningRequestParams::from_der(&request.into())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let certificate = request.signed_by(&self.authority).unwrap();
        Ok(v1::Issued {
            certificates: vec![certificate.der().to_vec()],
            authorities: vec![self.authority.der().to_vec()],
            valid_for_ms: u64::try_from(self.turned.lock().unwrap().life.as_millis()).unwrap(),
        })
    }

    /// Only with a certificate of ours.
    fn peer<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let shown = request.peer_certs().and_then(|shown| shown.first().map(|first| first.to_vec()));
        let shown = shown.ok_or_else(|| Status::unauthenticated("no certificate"))?;
        self.turned.lock().unwrap().shown.push(shown);
        Ok(())
    }

    fn take(&self, report: v1::SubmitReportRequest) -> Result<v1::SubmitReportResponse, Status> {
        let sequence = report.sequence;
        let (refused, digests, next) = {
            let turned = self.turned.lock().unwrap();
            (turned.refuse_report.clone(), turned.digests, turned.next_report)
        };
        self.tell(Event::Report(Box::new(report)));
        match refused {
            Some(status) => Err(status),
            None => Ok(v1::SubmitReportResponse {
                next_report_after_ms: u64::try_from(next.as_millis()).unwrap(),
                digest: if digests { vec![9; 32] } else { Vec::new() },
                sequence,
            }),
        }
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl EnrolmentService for Desk {
    type EnrolStream = Answers<v1::EnrolResponse>;

    async fn enrol(
        &self,
        request: Request<Streaming<v1::EnrolRequest>>,
    ) -> Result<Response<Self::EnrolStream>, Status> {
        let (answers, to_agent) = mpsc::unbounded_channel();
        let desk = self.clone();
        let answer = move |message| Ok(v1::EnrolResponse { message: Some(message) });
        tokio::spawn(async move {
            let nonce = vec![3; 32];
            let challenge = v1::Challenge { nonce: nonce.clone() };
            answers.send(answer(v1::enrol_response::Message::Challenge(challenge))).unwrap();
            let Some(Ok(asked)) = request.into_inner().next().await else { return };
            let refused = desk.turned.lock().unwrap().refuse_enrolment.clone();
            let issued = refused.map_or_else(|| desk.issue(&asked.certificate_request), Err);
            desk.tell(Event::Enrolled(Box::new(asked), nonce));
            let _ = answers.send(issued.and_then(|issued| answer(v1::enrol_response::Message::Issued(issued))));
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(to_agent))))
    }
}

#[tonic::async_trait]
impl AgentService for Desk {
    type ConnectStream = Answers<v1::CoordinatorMessage>;

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Result<Response<v1::Issued>, Status> {
        self.peer(&request)?;
        let refused = self.turned.lock().unwrap().refuse_renewal.clone();
        let issued = refused.map_or_else(|| self.issue(&request.into_inner().certificate_request), Err);
        self.tell(Event::Renewed);
        issued.map(Response::new)
    }

    async fn submit_report(
        &self,
        request: Request<v1::SubmitReportRequest>,
    ) -> Result<Response<v1::SubmitReportResponse>, Status> {
        self.peer(&request)?;
        self.take(request.into_inner()).map(Response::new)
    }

    async fn connect(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        self.peer(&request)?;
        if let Some(status) = self.turned.lock().unwrap().refuse_stream.clone() {
            return Err(status);
        }
        let (answers, to_agent) = mpsc::unbounded_channel();
        self.turned.lock().unwrap().stream = Some(answers.clone());
        self.tell(Event::Stream);
        let desk = self.clone();
        tokio::spawn(async move {
            let mut from_agent = request.into_inner();
            while let Some(Ok(message)) = from_agent.next().await {
                match message.message {
                    Some(v1::agent_message::Message::Report(report)) => {
                        let taken = desk.take(report).map(|taken| v1::CoordinatorMessage {
                            message: Some(v1::coordinator_message::Message::Acknowledged(taken)),
                        });
                        let _ = answers.send(taken);
                    }
                    Some(v1::agent_message::Message::Answer(answer)) => desk.tell(Event::Answer(Box::new(answer))),
                    None => {}
                }
            }
            desk.tell(Event::StreamEnded);
            // Another stream may be the newest by now.
            let mut turned = desk.turned.lock().unwrap();
            if turned.stream.as_ref().is_some_and(|stream| stream.same_channel(&answers)) {
                turned.stream = None;
            }
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(to_agent))))
    }
}
