//! An agent of a fleet: its state, its certificate, and connections under it.

use std::path::PathBuf;
use std::time::Duration;

use eic_doctor_proto::Attempt;
use eic_doctor_proto::wire::v1::{EnrolRequest, EnrolResponse, Issued, RenewRequest, enrol_response};
use prost::Message as _;

use crate::identity::{
    self, Enrolled, Instance, Key, KeyError, Life, Name, OpenError, Opened, Sequence, State, StateError,
    certificate_request, life_of, proof, signed_caller_identity,
};
use crate::parse;

use super::connect::{ConnectError, Way};
use super::grpc::{CallError, Connection, Meaning};
use super::outside::Outside;
use super::pass::Pass;
use super::tls::{TlsError, tls};

const ENROL: &str = "/eic_doctor.v1.EnrolmentService/Enrol";
const RENEW: &str = "/eic_doctor.v1.AgentService/Renew";
/// What a failed call was for.
const ENROLMENT: &str = "enrol";
const ENROL_TIMEOUT: Duration = Duration::from_secs(60);
const CHALLENGE: usize = 32;
/// One of our own, and what signed it.
const CERTIFICATES: usize = 8;
const AUTHORITIES_LIMIT: u64 = 1024 * 1024;

/// What an administrator decides.
#[derive(Clone, Debug)]
pub struct Settings {
    pub way: Way,
    /// PEM: whom the coordinator's certificate may come from.
    pub authorities: PathBuf,
    pub state_directory: PathBuf,
    /// Between two reports, where the coordinator tells nothing else.
    pub interval: Duration,
    /// By how much of it, in hundredths, a wait may be longer or shorter.
    pub jitter_percent: u8,
    pub attempt: Attempt,
    /// The time for one look.
    pub budget: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("read the coordinator's authorities from `{}`", .path.display())]
    ReadAuthorities { path: PathBuf, source: std::io::Error },
    #[error("`{}` holds no certificate in PEM", .path.display())]
    NoAuthorities { path: PathBuf },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{what}")]
    Call { what: &'static str, source: CallError },
    #[error("it cannot be told which instance this is: {0}")]
    NoInstance(String),
    #[error("what the coordinator issued is not used: {0}")]
    Issued(&'static str),
    #[error("look at this instance: {0}")]
    Look(String),
    #[error("the coordinator did not acknowledge a report within {0:?}")]
    NotAcknowledged(Duration),
}

impl AgentError {
    pub fn meaning(&self) -> Meaning {
        match self {
            Self::Call { source, .. } | Self::Connect(ConnectError::Http2 { source, .. }) => source.meaning(),
            _ => Meaning::Later,
        }
    }

    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Call { source, .. } => source.retry_after(),
            _ => None,
        }
    }

    /// The coordinator does not give a certificate: enrolling anew does not help against that.
    pub(super) fn is_of_enrolment(&self) -> bool {
        matches!(self, Self::Call { what: ENROLMENT, .. })
    }

    /// It will be so again until someone mends this machine.
    pub fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::Open(_) | Self::State(_) | Self::Key(_) | Self::ReadAuthorities { .. } | Self::NoAuthorities { .. }
        )
    }
}

pub(super) fn call(what: &'static str) -> impl FnOnce(CallError) -> AgentError {
    move |source| AgentError::Call { what, source }
}

pub struct Agent<'a> {
    pub(super) settings: &'a Settings,
    pub(super) outside: &'a dyn Outside,
    pub(super) state: State,
    pub(super) sequence: Sequence,
    instance: Instance,
    key: Key,
    enrolled: Option<Enrolled>,
    configured: Vec<Vec<u8>>,
}

impl<'a> Agent<'a> {
    /// Opens the state folder, and discards what is there of another instance.
    pub async fn open(settings: &'a Settings, outside: &'a dyn Outside) -> Result<Self, AgentError> {
        let configured = authorities(settings)?;
        let state = State::open(&settings.state_directory)?;
        let instance = which_instance(&state, outside).await?;
        let Opened { key, enrolled, notes } = identity::open(&state, &instance)?;
        notes.iter().for_each(|note| outside.say(note));
        let sequence = Sequence::begin(&state, outside.unix_ms())?;
        Ok(Self { settings, outside, state, sequence, instance, key, enrolled, configured })
    }

    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// There is no certificate, or it has ended.
    pub fn has_to_enrol(&self) -> bool {
        self.enrolled.as_ref().is_none_or(|enrolled| enrolled.life.has_ended(self.now()))
    }

    /// How long until half of the certificate's life has gone.
    pub fn until_renewal(&self) -> Duration {
        self.enrolled.as_ref().map_or(Duration::ZERO, |enrolled| enrolled.life.until_half(self.now()))
    }

    /// How long the certificate still holds.
    pub fn until_end(&self) -> Duration {
        let left = self.enrolled.as_ref().map_or(0, |enrolled| enrolled.life.not_after - self.now());
        Duration::from_secs(u64::try_from(left).unwrap_or(0))
    }

    /// Proves the instance, and keeps the certificate that it is given. How long that one holds.
    pub async fn enrol(&mut self) -> Result<Duration, AgentError> {
        let tls = tls(self.trusted(), None)?;
        let mut connection = self.settings.way.connect(tls).await?;
        let exchange = self.prove(&mut connection);
        let issued = match tokio::time::timeout(ENROL_TIMEOUT, exchange).await {
            Ok(issued) => issued?,
            Err(_) => return Err(call(ENROLMENT)(CallError::Late(ENROL_TIMEOUT))),
        };
        self.keep(issued)
    }

    async fn prove(&self, connection: &mut Connection) -> Result<Issued, AgentError> {
        let failed = |source| call(ENROLMENT)(source);
        let (mut sender, mut receiver) = connection.stream(ENROL).await.map_err(failed)?;
        let nonce = match next(&mut receiver).await? {
            enrol_response::Message::Challenge(challenge) if challenge.nonce.len() == CHALLENGE => challenge.nonce,
            _ => return Err(failed(CallError::NotGrpc("its first word is no challenge of 32 bytes"))),
        };
        let claim = self.outside.claim().await.map_err(AgentError::NoInstance)?;
        if claim.instance != self.instance {
            return Err(AgentError::NoInstance("IMDS names another instance than at our start".to_owned()));
        }
        let caller_identity = claim.credentials.as_ref().map(|credentials| {
            let seconds = self.outside.unix_ms() / 1000;
            signed_caller_identity(credentials, &self.instance.region, &claim.domain, &nonce, seconds)
        });
        let request = EnrolRequest {
            certificate_request: certificate_request(&self.key, &self.instance.instance_id)?,
            proof: proof(&self.key, &nonce, &claim.document)?,
            identity_document: claim.document,
            identity_signature: claim.signature.map_err(AgentError::NoInstance)?,
            caller_identity,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        sender.send(&request.encode_to_vec()).await.map_err(failed)?;
        sender.end();
        match next(&mut receiver).await? {
            enrol_response::Message::Issued(issued) => Ok(issued),
            enrol_response::Message::Challenge(_) => Err(failed(CallError::NotGrpc("it challenges twice"))),
        }
    }

    /// A connection under the agent's certificate.
    pub async fn connect(&self) -> Result<Connection, AgentError> {
        let identity = self.enrolled.as_ref().map(|enrolled| (&self.key, enrolled));
        Ok(self.settings.way.connect(tls(self.trusted(), identity)?).await?)
    }

    /// A new certificate for the same key.
    pub async fn renew(&mut self, connection: &mut Connection) -> Result<Duration, AgentError> {
        let certificate_request = certificate_request(&self.key, &self.instance.instance_id)?;
        let request = RenewRequest { certificate_request }.encode_to_vec();
        let answer = connection.call(RENEW, &request).await.map_err(call("renew the certificate"))?;
        let issued = Issued::decode(answer).map_err(|_| AgentError::Issued("it is no `Issued`"))?;
        self.keep(issued)
    }

    fn keep(&mut self, issued: Issued) -> Result<Duration, AgentError> {
        let Issued { certificates, authorities, valid_for_ms } = issued;
        let first = certificates.first().ok_or(AgentError::Issued("there is no certificate"))?;
        if certificates.len() > CERTIFICATES || authorities.len() > CERTIFICATES {
            return Err(AgentError::Issued("there are too many certificates"));
        }
        if life_of(first).is_none() {
            return Err(AgentError::Issued("the first is no certificate"));
        }
        if !first.windows(self.key.public().len()).any(|window| window == self.key.public()) {
            return Err(AgentError::Issued("the certificate is for another key"));
        }
        let valid_for = Duration::from_millis(valid_for_ms);
        // Told, so that a clock which is wrong here does not matter while we run.
        let (now, length) = (self.now(), i64::try_from(valid_for.as_secs()).unwrap_or(i64::MAX));
        let life = Life { not_before: now, not_after: now.saturating_add(length) };
        let enrolled = Enrolled { certificates, authorities, life };
        identity::keep(&self.state, &enrolled)?;
        self.enrolled = Some(enrolled);
        Ok(valid_for)
    }

    fn trusted(&self) -> impl Iterator<Item = &[u8]> {
        let issued = self.enrolled.iter().flat_map(|enrolled| &enrolled.authorities);
        self.configured.iter().chain(issued).map(Vec::as_slice)
    }

    pub(super) async fn look(&self) -> Result<Pass, AgentError> {
        self.outside.look(&self.settings.attempt, self.settings.budget).await.map_err(AgentError::Look)
    }

    /// For later. A state folder that takes nothing is said once by who writes next.
    pub(super) fn spool(&self, pass: &Pass) -> Result<(), StateError> {
        self.state.write(Name::Spool, &pass.to_bytes())
    }

    /// The report that could not be sent, where there is one.
    pub(super) fn spooled(&self) -> Option<Pass> {
        Pass::from_bytes(&self.state.read(Name::Spool).ok()??)
    }

    fn now(&self) -> i64 {
        i64::try_from(self.outside.unix_ms() / 1000).unwrap_or(i64::MAX)
    }
}

async fn next(receiver: &mut super::grpc::Receiver) -> Result<enrol_response::Message, AgentError> {
    let failed = |source| call(ENROLMENT)(source);
    let message = receiver.next().await.map_err(failed)?;
    let message = message.ok_or_else(|| failed(CallError::NotGrpc("it ended the enrolment without a word")))?;
    let response =
        EnrolResponse::decode(message).map_err(|_| failed(CallError::NotGrpc("its message is no `EnrolResponse`")))?;
    response.message.ok_or_else(|| failed(CallError::NotGrpc("its message is empty")))
}

/// What IMDS says; where it is silent, what we were before, unless the hardware says otherwise: a broken metadata service is a finding that
/// has to reach the coordinator.
async fn which_instance(state: &State, outside: &dyn Outside) -> Result<Instance, AgentError> {
    let why = match outside.claim().await {
        Ok(claim) => return Ok(claim.instance),
        Err(why) => why,
    };
    let kept = state.read(Name::Identity)?.and_then(|bytes| serde_json::from_slice::<Instance>(&bytes).ok());
    match (kept, outside.hardware_id()) {
        (Some(kept), hardware) if hardware.as_ref().is_none_or(|id| *id == kept.instance_id) => {
            outside.say(&format!("{why}; the state of {} is used", kept.instance_id));
            Ok(kept)
        }
        _ => Err(AgentError::NoInstance(why)),
    }
}

fn authorities(settings: &Settings) -> Result<Vec<Vec<u8>>, AgentError> {
    use std::io::Read as _;
    let path = settings.authorities.clone();
    let mut pem = Vec::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(AUTHORITIES_LIMIT).read_to_end(&mut pem));
    if let Err(source) = read {
        return Err(AgentError::ReadAuthorities { path, source });
    }
    let found: Vec<_> = parse::parse_certificates(&pem).value.into_iter().map(|certificate| certificate.der).collect();
    if found.is_empty() { Err(AgentError::NoAuthorities { path }) } else { Ok(found) }
}

/// An error and its sources, joined by colons.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
