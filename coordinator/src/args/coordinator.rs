//! Which coordinator is asked, and what operators ask it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::value;
use crate::operator::Coordinator;

/// Where a package's coordinator has its operators' socket.
pub const SOCKET: &str = "unix:/run/eic-doctor/operator.sock";

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The coordinator")]
pub struct CoordinatorArgs {
    /// The coordinator: unix:SOCKET on this machine, or https://HOST:PORT. Left out, `agents`, `drift` and `--os-facts agent` ask
    /// unix:/run/eic-doctor/operator.sock, everything else asks none
    #[arg(long, value_name = "WHERE", value_parser = value::coordinator, env = "EIC_DOCTOR_COORDINATOR")]
    pub coordinator: Option<Where>,
    /// The authorities that its certificate comes from, PEM
    #[arg(long, value_name = "FILE", env = "EIC_DOCTOR_COORDINATOR_CA")]
    pub coordinator_ca: Option<PathBuf>,
    /// The operator's certificate, PEM
    #[arg(long, value_name = "FILE", env = "EIC_DOCTOR_OPERATOR_CERT")]
    pub operator_cert: Option<PathBuf>,
    /// The key of the operator's certificate, PEM
    #[arg(long, value_name = "FILE", env = "EIC_DOCTOR_OPERATOR_KEY")]
    pub operator_key: Option<PathBuf>,
}

/// `--coordinator`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    Socket(PathBuf),
    Https { host: String, port: u16 },
}

#[derive(Debug, thiserror::Error)]
#[error("a coordinator at https:// is asked with `{0}`")]
pub struct LacksError(&'static str);

impl CoordinatorArgs {
    /// The coordinator that is named; none where none is.
    pub fn named(&self) -> Result<Option<Coordinator>, LacksError> {
        let needed = |file: &Option<PathBuf>, flag| file.clone().ok_or(LacksError(flag));
        Ok(match &self.coordinator {
            None => None,
            Some(Where::Socket(path)) => Some(Coordinator::Socket(path.clone())),
            Some(Where::Https { host, port }) => Some(Coordinator::Tls {
                host: host.clone(),
                port: *port,
                authorities: needed(&self.coordinator_ca, "--coordinator-ca")?,
                certificate: needed(&self.operator_cert, "--operator-cert")?,
                key: needed(&self.operator_key, "--operator-key")?,
            }),
        })
    }

    /// The coordinator that is named, or the one of this machine.
    pub fn coordinator(&self) -> Result<Coordinator, LacksError> {
        let own = || Coordinator::Socket(PathBuf::from(SOCKET.trim_start_matches("unix:")));
        Ok(self.named()?.unwrap_or_else(own))
    }
}

#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/eic-doctor/coordinator.toml")]
    pub config: PathBuf,
    /// Only read the configuration and the files that it names, and say whether they can be served
    #[arg(long)]
    pub check_config: bool,
    /// With --check-config: leave the files that it names alone, which are elsewhere
    #[arg(long, requires = "check_config")]
    pub syntax_only: bool,
    /// Only make a token with which NAME signs in to the page, and print what the configuration takes for it
    #[arg(long, value_name = "NAME", conflicts_with = "check_config")]
    pub new_token: Option<String>,
    /// The log's lines as JSON
    #[arg(long)]
    pub log_json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct AgentsArgs {
    #[command(flatten)]
    pub coordinator: CoordinatorArgs,
    #[command(subcommand)]
    pub what: AgentsCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum AgentsCommand {
    /// All agents that have enrolled
    List,
    /// One agent: its enrolment, its certificate, when it was last heard of
    Show(ShowArgs),
    /// Shut an agent out, at once: its certificate counts no longer
    Revoke(AgentArgs),
    /// Let an agent enrol once more, with another key than the one that is known
    AllowAgain(AgentArgs),
}

#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The agent's instance
    #[arg(value_name = "INSTANCE_ID", value_parser = value::instance_id)]
    pub instance_id: String,
}

#[derive(Clone, Debug, Args)]
pub struct AgentArgs {
    /// The agent's instance
    #[arg(value_name = "INSTANCE_ID", value_parser = value::instance_id)]
    pub instance_id: String,
    /// Why, for the log and for who asks later
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub why: String,
}

#[derive(Clone, Debug, Args)]
pub struct DriftArgs {
    #[command(flatten)]
    pub coordinator: CoordinatorArgs,
    #[command(subcommand)]
    pub what: DriftCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum DriftCommand {
    /// The changes that were held, oldest first
    List(ChangesArgs),
    /// The changes as they come, until interrupted
    Watch(ChangesArgs),
    /// The changes that a target could not be told of, after twelve tries, and why
    Undelivered(UndeliveredArgs),
}

#[derive(Clone, Debug, Args)]
pub struct UndeliveredArgs {
    /// Only this change
    #[arg(value_name = "NUMBER")]
    pub number: Option<u64>,
    /// Tell them again, with all tries
    #[arg(long)]
    pub retry: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ChangesArgs {
    /// Only this instance's
    #[arg(value_name = "INSTANCE_ID", value_parser = value::instance_id)]
    pub instance_id: Option<String>,
    /// Only those after this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub after: u64,
}
