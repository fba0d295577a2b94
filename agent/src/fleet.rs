//! The subcommands that speak to a coordinator: from the configuration to an exit code.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eic_doctor_agent::command_line::FleetArgs;
use eic_doctor_agent::config::{self, Configuration, ConfigurationError};
use eic_doctor_agent::report::{
    Agent, AgentError, Meaning, Names, Outside as _, RealOutside, Settings, Way, report_once, run_resident,
};
use eic_doctor_proto::{Attempt, Exit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

const INTERVAL: Duration = Duration::from_secs(300);
const JITTER: u8 = 10;
/// As `eic-doctor-agent check` takes by default.
const BUDGET: Duration = Duration::from_secs(10);
const CONFIGURATION_LIMIT: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error("read `{}`", .path.display())]
    ReadConfiguration { path: PathBuf, source: io::Error },
    #[error("`{}`", .path.display())]
    Configuration { path: PathBuf, source: ConfigurationError },
    #[error("no {what} is configured: `{key}` in `{}`, or `--{flag}`", .path.display())]
    Missing { what: &'static str, key: &'static str, flag: &'static str, path: PathBuf },
    #[error("{0}")]
    Proxy(String),
    #[error("begin to work")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Agent(#[from] AgentError),
}

impl FleetError {
    pub fn exit(&self) -> Exit {
        match self {
            Self::ReadConfiguration { .. } | Self::Configuration { .. } | Self::Missing { .. } | Self::Proxy(_) => {
                Exit::Usage
            }
            Self::Runtime(_) => Exit::Internal,
            Self::Agent(error) if error.is_ours() => Exit::Internal,
            Self::Agent(error) if error.meaning() == Meaning::NotAllowed => Exit::Failed,
            Self::Agent(_) => Exit::Unknown,
        }
    }
}

pub fn enrol(args: &FleetArgs) -> Result<Exit, FleetError> {
    let settings = settings(args)?;
    let outside = RealOutside::begin();
    block_on(async {
        let mut agent = Agent::open(&settings, &outside).await?;
        let had = !agent.has_to_enrol();
        let valid_for = agent.enrol().await?;
        let what = if had { "enrolled again" } else { "enrolled" };
        let id = &agent.instance().instance_id;
        outside.say(&format!("{what} as {id}; the certificate holds for {} s", valid_for.as_secs()));
        Ok(Exit::Healthy)
    })
}

pub fn report(args: &FleetArgs) -> Result<Exit, FleetError> {
    let settings = settings(args)?;
    let outside = RealOutside::begin();
    block_on(async {
        let mut agent = Agent::open(&settings, &outside).await?;
        report_once(&mut agent).await?;
        Ok(Exit::Healthy)
    })
}

pub fn run(args: &FleetArgs) -> Result<Exit, FleetError> {
    let settings = settings(args)?;
    let outside = RealOutside::begin();
    block_on(async {
        let (stop, stopped) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate()).map_err(FleetError::Runtime)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(FleetError::Runtime)?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // Who listens no longer has ended already.
            let _ = stop.send(true);
        });
        run_resident(&settings, &outside, stopped).await?;
        Ok(Exit::Healthy)
    })
}

fn block_on(work: impl Future<Output = Result<Exit, FleetError>>) -> Result<Exit, FleetError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // One look at a time; its thread goes soon after it.
    let builder = builder.enable_io().enable_time().max_blocking_threads(1).thread_stack_size(256 * 1024);
    let runtime = builder.thread_keep_alive(Duration::from_millis(100)).build().map_err(FleetError::Runtime)?;
    let done = runtime.block_on(work);
    // A look that is still being made is for nobody; its child ends by its own budget.
    runtime.shutdown_background();
    done
}

fn settings(args: &FleetArgs) -> Result<Settings, FleetError> {
    let path = &args.config;
    let said = args.configuration().or(read(path)?);
    let missing = |what, key, flag| FleetError::Missing { what, key, flag, path: path.clone() };
    let coordinator = said.named_coordinator().ok_or_else(|| missing("coordinator", "coordinator", "coordinator"))?;
    let authorities = said
        .authorities
        .ok_or_else(|| missing("file of the coordinator's authorities", "authorities", "authorities"))?;
    let variable = |upper: &str, lower: &str| std::env::var(lower).or_else(|_| std::env::var(upper)).ok();
    let https_proxy = variable("HTTPS_PROXY", "https_proxy");
    let no_proxy = variable("NO_PROXY", "no_proxy");
    let proxy =
        config::proxy_for(&coordinator.host, https_proxy.as_deref(), no_proxy.as_deref()).map_err(FleetError::Proxy)?;
    let usual = Attempt::usual();
    Ok(Settings {
        way: Way { coordinator, proxy, names: Names::default() },
        authorities,
        state_directory: said.state_directory.unwrap_or_else(|| PathBuf::from(config::STATE_DIRECTORY)),
        interval: said.interval.unwrap_or(INTERVAL),
        jitter_percent: said.jitter.unwrap_or(JITTER),
        attempt: Attempt {
            os_user: said.os_user.unwrap_or(usual.os_user),
            port: said.port.unwrap_or(usual.port),
            ..Attempt::usual()
        },
        budget: BUDGET,
    })
}

/// The file that nobody named need not be there.
fn read(path: &Path) -> Result<Configuration, FleetError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    match std::fs::File::open(path).and_then(|file| file.take(CONFIGURATION_LIMIT).read_to_end(&mut bytes)) {
        Ok(_) => config::parse_configuration(&bytes)
            .map_err(|source| FleetError::Configuration { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && path == Path::new(config::CONFIGURATION) => {
            Ok(Configuration::default())
        }
        Err(source) => Err(FleetError::ReadConfiguration { path: path.to_owned(), source }),
    }
}
