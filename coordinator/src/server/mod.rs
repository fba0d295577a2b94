//! `eic-doctor serve`: agents enrol, report and are asked; operators see and ask.
//!
//! Invariants: the authenticated certificate is the subject of everything that an agent sends; what an agent says of its checks is
//! evidence, judged anew here; an acknowledgement means that the store has it; nothing here runs a command anywhere.

mod accept;
mod admission;
mod agent;
mod aws;
pub mod config;
mod core;
mod enrol;
mod halves;
mod http;
mod inbound;
mod live;
mod log;
mod metrics;
mod on_demand;
mod open_files;
mod operator;
mod operators;
mod packed;
mod page;
mod peer;
mod routing;
mod status;
mod submit;
mod sweep;
mod tasks;
mod tell;
#[cfg(test)]
mod tests;
mod wire;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eic_doctor_proto::wire::MESSAGE_LIMIT;
use eic_doctor_proto::wire::v1::agent_service_server::AgentServiceServer;
use eic_doctor_proto::wire::v1::enrolment_service_server::EnrolmentServiceServer;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::service::Routes;

pub use log::Log;
pub use open_files::allow as allow_open_files;
pub use status::RETRY_AFTER;

use self::core::Core;
use admission::Admission;
use aws::AwsSide;
use config::{AuthorityConfig, Config, ConfigError, Target};
use live::Live;
use metrics::Metrics;
use submit::Submissions;

use crate::attest::region_certificates::RegionCertificatesError;
use crate::attest::{Pin, RegionCertificates};
use crate::authority::{Authority, AuthorityError, ServerCertificate, TlsError, read_certificates, server_config};
use crate::gather::aws::Teller;
use crate::notify::Targets;
use crate::store::{self, Millis, SharedStore, StoreError};

/// A certificate request, an identity document of 16 kB at most, and its signature.
const ENROLMENT_LIMIT: usize = 64 * 1024;
/// The coordinator's own certificate: issued at its start, replaced at half life.
const OWN_LIFE: Duration = Duration::from_hours(24 * 60);
/// How long a graceful stop waits for requests that are under way.
const GRACE: Duration = Duration::from_secs(20);
/// At a stop, agents are told to come back spread over this time.
const SPREAD: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("open the store")]
    Store(#[source] StoreError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("the agents' TLS")]
    Tls(#[from] TlsError),
    #[error(transparent)]
    RegionCertificates(#[from] RegionCertificatesError),
    #[error("listen on {at}")]
    Listen {
        at: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the operators' authorities in {path}")]
    Operators {
        path: PathBuf,
        #[source]
        source: anyhow::Error,
    },
    #[error("read the secret of the page's sessions in {path}")]
    PageSecret {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Target(#[from] tell::TargetError),
    #[error("AWS's side")]
    Aws(#[source] anyhow::Error),
}

/// Where a coordinator that has begun can be reached; ports that were 0 in the configuration are real here.
#[derive(Clone, Debug)]
pub struct Bound {
    pub agents: std::net::SocketAddr,
    pub http: Option<std::net::SocketAddr>,
    pub operators_tls: Option<std::net::SocketAddr>,
    pub page: Option<std::net::SocketAddr>,
}

/// Everything open and listening; nothing served yet.
pub struct Coordinator {
    core: Arc<Core>,
    listeners: Listeners,
    told: Targets<Teller>,
    pub bound: Bound,
}

struct Listeners {
    agents: TcpListener,
    http: Option<TcpListener>,
    operators: Option<operators::Socket>,
    operators_tls: Option<(TcpListener, Arc<rustls::ServerConfig>)>,
    page: Option<page::Listener>,
}

/// Reads all files that the configuration names, as [`Coordinator::begin`] will; makes nothing, opens no store, asks nobody.
pub fn check_files(config: &Config) -> Result<(), ServeError> {
    let authority = &config.authority;
    if let (Some(certificate), Some(key)) = (&authority.certificate, &authority.key) {
        Authority::from_files(certificate, key)?;
    }
    if let Some(directory) = &authority.directory {
        Authority::existing(directory)?;
    }
    for path in &authority.also_trusted {
        read_certificates(path)?;
    }
    region_certificates(config)?;
    if let Some(path) = &config.operators.authorities {
        operators::authorities(path).map_err(|source| ServeError::Operators { path: path.clone(), source })?;
    }
    page::secret(&config.page)?;
    Ok(tell::check(config)?)
}

impl Coordinator {
    /// Opens all that the configuration names, so that what is wrong with it is said before the first agent comes.
    pub async fn begin(config: Config, log: Log, now: fn() -> Millis) -> Result<Self, ServeError> {
        let authority = authority(&config.authority, now())?;
        if let Some(directory) = &config.authority.directory {
            log.line(&format!("agents are to trust {}", authority.publish(directory)?.display()));
        }
        let certificate = own_certificate(&authority, &config, now(), None)?;
        let tls = Arc::new(server_config(&authority, Arc::clone(&certificate))?);
        let region_certificates = region_certificates(&config)?;
        let regions: Vec<&str> = region_certificates.regions().collect();
        log.line(&format!("instances may enrol from {} Regions: {}", regions.len(), regions.join(", ")));
        let operators_tls = match (&config.operators.authorities, config.listen.operators_tls) {
            (Some(path), Some(at)) => {
                let tls = operators::tls(path, Arc::clone(&certificate))
                    .map_err(|source| ServeError::Operators { path: path.clone(), source })?;
                Some((listen(at).await?, tls))
            }
            _ => None,
        };
        let store: SharedStore = store::open(&config.store.url.0).await.map_err(ServeError::Store)?;
        let aws = AwsSide::begin(&config).await.map_err(ServeError::Aws)?;
        let told = tell::targets(&config, &aws)?;
        let metrics = Arc::new(Metrics::default());
        let targets: Vec<String> = config.notify.iter().map(Target::name).map(str::to_owned).collect();
        let submissions =
            Submissions::new(Arc::clone(&store), config.reports.hold, targets, Arc::clone(&metrics), log.clone());
        let agents = listen(config.listen.agents).await?;
        let http = match config.listen.http {
            Some(at) => Some(listen(at).await?),
            None => None,
        };
        let page = match config.listen.page {
            Some(at) => Some(page::Listener::new(listen(at).await?, &config.page)?),
            None => None,
        };
        let operators = match &config.listen.operators {
            Some(path) => {
                let mode = config.socket_mode().unwrap_or(0o600);
                let bound = operators::Socket::bind(path, mode);
                Some(bound.map_err(|source| ServeError::Listen { at: path.display().to_string(), source })?)
            }
            None => None,
        };
        let address = |listener: &TcpListener| {
            listener.local_addr().map_err(|source| ServeError::Listen { at: "an address".to_owned(), source })
        };
        let bound = Bound {
            agents: address(&agents)?,
            http: http.as_ref().map(address).transpose()?,
            operators_tls: operators_tls.as_ref().map(|(listener, _)| address(listener)).transpose()?,
            page: page.as_ref().map(|page| address(&page.listener)).transpose()?,
        };
        let id = format!("{}@{}", host_name(), bound.agents);
        // What a coordinator that was killed here has left behind.
        store.disconnect_all(&id).await.map_err(ServeError::Store)?;
        let admission = Admission::new(config.limits, Instant::now());
        let checks = Semaphore::new(config.limits.checks);
        let core = Arc::new(Core {
            config,
            id,
            store,
            submissions,
            authority,
            region_certificates,
            live: Live::default(),
            open: routing::Open::default(),
            admission,
            metrics,
            log,
            now,
            checks,
            aws,
            tls,
            certificate,
            turned_away: Mutex::default(),
        });
        let listeners = Listeners { agents, http, operators, operators_tls, page };
        Ok(Self { core, listeners, told, bound })
    }

    /// Serves until `stop` says true, and then until what is under way has ended or [`GRACE`] is over.
    pub async fn serve(self, stop: watch::Receiver<bool>) -> Result<(), ServeError> {
        let Self { core, listeners, told, bound } = self;
        let heard = core.store.subscribe().await.map_err(ServeError::Store)?;
        if let Some(at) = bound.page {
            core.log.line(&format!("serving the page on http://{at}"));
        }
        core.log.line(&format!("serving agents on {}", bound.agents));
        let mut serving = JoinSet::new();
        serving.spawn(accept::accept(Arc::clone(&core), listeners.agents, routes(&core), stop.clone()));
        if let Some(listener) = listeners.http {
            serving.spawn(http::serve(Arc::clone(&core), listener, stop.clone()));
        }
        if let Some(page) = listeners.page {
            serving.spawn(page::serve(Arc::clone(&core), page, stop.clone()));
        }
        if let Some(socket) = listeners.operators {
            serving.spawn(operators::serve_socket(Arc::clone(&core), socket, stop.clone()));
        }
        if let Some((listener, tls)) = listeners.operators_tls {
            serving.spawn(operators::serve_tls(Arc::clone(&core), listener, tls, stop.clone()));
        }
        serving.spawn(routing::listen(Arc::clone(&core), heard, stop.clone()));
        if !told.is_empty() {
            // A thread of its own: many targets at once borrow from one round, which the compiler does not see to be safe to move.
            let (core, stop, here) = (Arc::clone(&core), stop.clone(), tokio::runtime::Handle::current());
            serving.spawn_blocking(move || here.block_on(tell::tell(core, told, stop)));
        }
        if let Some(config) = core.config.sweep.clone() {
            // For the same reason.
            let (core, stop, here) = (Arc::clone(&core), stop.clone(), tokio::runtime::Handle::current());
            serving.spawn_blocking(move || here.block_on(sweep::sweep_on(core, config, stop)));
        }
        tasks::spawn_all(&core, &mut serving, &stop);
        let mut stop = stop;
        stopped(&mut stop).await;
        core.log.line("stopping: no more come in, and who is in may end");
        let count = u32::try_from(core.live.len().max(1)).unwrap_or(u32::MAX);
        core.live.send_away(|place| {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            Duration::from_secs(1) + SPREAD.mul_f64(f64::from(place) / f64::from(count))
        });
        let ended = tokio::time::timeout(GRACE, async { while serving.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            core.log.line(&format!("not everything ended within {} s", GRACE.as_secs()));
            serving.shutdown().await;
        }
        Ok(())
    }
}

fn routes(core: &Arc<Core>) -> Routes {
    let agents = AgentServiceServer::new(agent::Agents(Arc::clone(core)))
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT);
    let enrolments = EnrolmentServiceServer::new(enrol::Enrolments(Arc::clone(core)))
        .max_decoding_message_size(ENROLMENT_LIMIT)
        .max_encoding_message_size(ENROLMENT_LIMIT);
    Routes::new(agents).add_service(enrolments).prepare()
}

/// Those that documents of instances are held against.
fn region_certificates(config: &Config) -> Result<RegionCertificates, RegionCertificatesError> {
    let pins = config.enrolment.also_pinned.iter();
    let pins: Vec<Pin> = pins.map(|pin| Pin { region: pin.region.clone(), sha256: pin.sha256 }).collect();
    RegionCertificates::load(&config.enrolment.identity_certificates, &pins)
}

async fn listen(at: std::net::SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(at).await.map_err(|source| ServeError::Listen { at: at.to_string(), source })
}

/// The authority that the configuration names, with those that it trusts besides.
fn authority(config: &AuthorityConfig, now: Millis) -> Result<Authority, AuthorityError> {
    let mut authority = match (&config.directory, &config.certificate, &config.key) {
        (_, Some(certificate), Some(key)) => Authority::from_files(certificate, key)?,
        (directory, _, _) => Authority::embedded(&directory.clone().unwrap_or_default(), now)?,
    };
    for path in &config.also_trusted {
        authority.trust(read_certificates(path)?);
    }
    Ok(authority)
}

/// A certificate of the coordinator's own, new, or in the place of the one that is shown now.
fn own_certificate(
    authority: &Authority,
    config: &Config,
    now: Millis,
    shown: Option<&Arc<ServerCertificate>>,
) -> Result<Arc<ServerCertificate>, ServeError> {
    let identity = authority.issue_server(&config.authority.names, now, OWN_LIFE)?;
    match shown {
        Some(shown) => {
            shown.replace(identity)?;
            Ok(Arc::clone(shown))
        }
        None => Ok(Arc::new(ServerCertificate::new(identity)?)),
    }
}

/// Returns when `stop` says true. That nobody can say it any more is a stop too.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// As the kernel has it. Coordinators that share a store have machines, or containers, of their own.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    eic_doctor_proto::visible(name.trim()).into_owned()
}

/// 128 random bits, in hexadecimal.
fn random_name() -> String {
    let mut bytes = [0_u8; 16];
    // The system's source does not fail on any Linux that runs this; and a name of zeros still names.
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
