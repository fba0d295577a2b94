//! The command line of the agent.

use std::net::IpAddr;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use eic_doctor_agent::gather::KeysUserViewArgs;
use eic_doctor_proto::{Attempt, FailOn, OsUser, Selection, Via};
use ipnet::IpNet;

/// Says why a login through EC2 Instance Connect fails, as far as this instance's operating system goes.
#[derive(Debug, Parser)]
#[command(name = "eic-doctor-agent", version, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
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
    /// Becomes the keys user, looks at what the keys command would meet, and prints it as JSON.
    #[command(name = eic_doctor_agent::gather::KEYS_USER_VIEW_COMMAND, hide = true)]
    KeysUserView(KeysUserArgs),
}

#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub attempt: AttemptArgs,
    /// `human` or `json`.
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

#[derive(Clone, Debug, clap::Args)]
pub struct KeysUserArgs {
    #[arg(long)]
    pub os_user: OsUser,
    #[arg(long)]
    pub program: Option<String>,
    #[arg(long)]
    pub process: Option<u32>,
    #[arg(long)]
    pub name: String,
    #[arg(long)]
    pub uid: u32,
    #[arg(long)]
    pub gid: u32,
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOnWord {
    Warn,
    Fail,
}

impl Args {
    pub fn timeout(&self) -> Duration {
        match &self.command {
            Command::Check(check) => check.attempt.timeout,
            Command::Ssm(ssm) => ssm.attempt.timeout,
            // It has a limit of its own.
            Command::KeysUserView(_) => Duration::from_secs(10),
        }
    }
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

impl KeysUserArgs {
    pub fn view(&self) -> KeysUserViewArgs {
        let Self { os_user, program, process, name, uid, gid } = self.clone();
        KeysUserViewArgs { os_user, program, process, name, uid, gid }
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
