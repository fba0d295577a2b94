//! The command line of the agent, as far as people meet it: what `--help` tells, and what man pages and completions are made from.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use eic_doctor_proto::{Attempt, FailOn, OsUser, Selection, Via};
use ipnet::IpNet;

use crate::config::{self, Configuration};

/// What the program is called.
pub const NAME: &str = "eic-doctor-agent";
/// The first line of `--help`.
pub const ABOUT: &str =
    "Says why a login through EC2 Instance Connect fails, as far as this instance's operating system goes";

/// All of it, for generators.
pub fn definition() -> clap::Command {
    let root = clap::Command::new(NAME).version(env!("CARGO_PKG_VERSION")).about(ABOUT);
    Command::augment_subcommands(root.subcommand_required(true))
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Looks at this instance here and now, and says what it found.
    ///
    /// Exit codes: 0 nothing failed; 1 something failed; 2 called wrongly; 3 nothing failed, but something needed stayed unknown;
    /// 4 nothing was checked; 5 the report could not be written.
    Check(CheckArgs),
    /// Prints one compact block for SSM Run Command, facts and results together.
    Ssm(SsmArgs),
    /// Proves to the coordinator which instance this is, and keeps the certificate that it gives; then says what happened.
    Enrol(FleetArgs),
    /// Looks once and sends the report to the coordinator, for a timer; enrols and renews where it has to.
    ///
    /// Exit codes: 0 the coordinator has the report; 1 it refuses this instance; 2 called or configured wrongly; 3 it could not be reached,
    /// the report is kept for the next time; 5 the state folder or the like is in no order.
    Report(FleetArgs),
    /// Stays: reports on an interval, and checks when the coordinator asks. SIGTERM ends it.
    Run(FleetArgs),
}

#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub attempt: AttemptArgs,
    /// `human`, `json`, or what `ssm-cli get-diagnostics` prints: `ssm-cli`, `ssm-cli-table`.
    #[arg(long, value_enum, default_value_t = Output::Human, value_name = "FORMAT")]
    pub output: Output,
    /// Report only these checks: an id, or a prefix of one that ends at a dot. May be repeated.
    #[arg(long, value_name = "ID")]
    pub only: Vec<String>,
    /// Leave these checks out. May be repeated.
    #[arg(long, value_name = "ID")]
    pub skip: Vec<String>,
    /// From which status on the exit code is 1.
    #[arg(long, value_enum, default_value_t = FailOnWord::Fail, value_name = "STATUS")]
    pub fail_on: FailOnWord,
    /// Exit 0 rather than 3 when something needed stayed unknown.
    #[arg(long)]
    pub allow_unknown: bool,
    /// Also say what was seen where a check is ok.
    #[arg(long, short)]
    pub verbose: bool,
}

#[derive(Debug, clap::Args)]
pub struct SsmArgs {
    #[command(flatten)]
    pub attempt: AttemptArgs,
}

/// Each but `--config` says what its key in the file says, and comes before it.
#[derive(Debug, clap::Args)]
pub struct FleetArgs {
    /// The configuration file.
    #[arg(long, default_value = config::CONFIGURATION, value_parser = path, value_name = "FILE")]
    pub config: PathBuf,
    /// Where the coordinator is; the port is 7443 where none is named.
    #[arg(long, value_parser = config::address, value_name = "HOST[:PORT]")]
    pub coordinator: Option<config::Address>,
    /// The certificate authorities of the coordinator, in PEM.
    #[arg(long, value_parser = path, value_name = "FILE")]
    pub authorities: Option<PathBuf>,
    /// The name in the coordinator's certificate, where it is not the host.
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,
    /// The only folder that the agent writes to.
    #[arg(long, value_parser = path, value_name = "FOLDER")]
    pub state_directory: Option<PathBuf>,
    /// Between two reports, where the coordinator tells nothing else: from `10s` to `24h`.
    #[arg(long, value_parser = config::interval, value_name = "DURATION")]
    pub interval: Option<Duration>,
    /// By how much of it a wait may be longer or shorter.
    #[arg(long, value_parser = config::jitter, value_name = "PERCENT")]
    pub jitter: Option<u8>,
    /// The OS user whose login is judged.
    #[arg(long, value_name = "NAME")]
    pub os_user: Option<OsUser>,
    /// The port of sshd that is judged.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), value_name = "PORT")]
    pub port: Option<u16>,
}

/// Who connects, from where, by which way.
#[derive(Debug, clap::Args)]
pub struct AttemptArgs {
    /// The OS user to log in as.
    #[arg(long, default_value = "ec2-user", value_name = "NAME")]
    pub os_user: OsUser,
    /// The port that is dialled.
    #[arg(long, default_value_t = 22, value_parser = clap::value_parser!(u16).range(1..), value_name = "PORT")]
    pub port: u16,
    /// The addresses that the connection comes from, IPv4 or IPv6.
    #[arg(long, value_parser = source, value_name = "CIDR")]
    pub source: Option<IpNet>,
    /// `auto`, `browser`, `public`, `private` or `endpoint`.
    #[arg(long, default_value = "auto", value_name = "WAY")]
    pub via: Via,
    /// Which of the instance's addresses is dialled.
    #[arg(long, value_name = "IP")]
    pub address: Option<IpAddr>,
    /// The time for the run: `10s`, `500ms`. What is not looked at by then is unknown.
    #[arg(long, default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Human,
    Json,
    SsmCli,
    SsmCliTable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOnWord {
    Warn,
    Fail,
}

impl CheckArgs {
    pub fn selection(&self) -> Selection {
        Selection { only: self.only.clone(), skip: self.skip.clone() }
    }

    pub fn fail_on(&self) -> FailOn {
        match self.fail_on {
            FailOnWord::Warn => FailOn::Warn,
            FailOnWord::Fail => FailOn::Fail,
        }
    }
}

impl FleetArgs {
    pub fn configuration(&self) -> Configuration {
        Configuration {
            coordinator: self.coordinator.clone(),
            authorities: self.authorities.clone(),
            server_name: self.server_name.clone(),
            state_directory: self.state_directory.clone(),
            interval: self.interval,
            jitter: self.jitter,
            os_user: self.os_user.clone(),
            port: self.port,
        }
    }
}

impl AttemptArgs {
    pub fn attempt(&self) -> Attempt {
        Attempt {
            os_user: self.os_user.clone(),
            principal: None,
            via: self.via,
            source: self.source,
            address: self.address,
            port: self.port,
            endpoint: None,
            known_sources: Vec::new(),
        }
    }
}

/// From where the caller stands: the agent itself goes to the root before it looks.
fn path(text: &str) -> std::io::Result<PathBuf> {
    std::path::absolute(text)
}

/// A CIDR, or one address.
fn source(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "not a CIDR such as 203.0.113.7/32 or 2001:db8::/64".to_owned())
}

/// A whole number of `ms`, `s` or `m`.
fn duration(text: &str) -> Result<Duration, String> {
    let border = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(border).unwrap_or((text, ""));
    let milliseconds = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    let total = number.zip(milliseconds).and_then(|(number, unit)| number.checked_mul(unit));
    match total.filter(|total| (1..=3_600_000).contains(total)) {
        Some(total) => Ok(Duration::from_millis(total)),
        None => Err("not a duration such as 10s or 500ms, of at most 60m".to_owned()),
    }
}
