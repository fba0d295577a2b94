//! The command line: words and flags. Parsing decides nothing about AWS; each value is strict and says once what it wants.

mod attempt;
mod coordinator;
mod fleet;
mod offered;
mod ranges;
mod value;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use eic_doctor_proto::{FailOn, Selection};

pub use attempt::{AttemptArgs, AttemptArgsError, InstanceArgs, IpRangesFrom, OsFactsFrom, Source};

pub use coordinator::{
    AgentArgs, AgentsArgs, AgentsCommand, ChangesArgs, CoordinatorArgs, DriftArgs, DriftCommand, ServeArgs, ShowArgs,
    UndeliveredArgs, Where,
};
pub use fleet::{Account, FleetArgs};
pub(crate) use value::principal;

use crate::commands::generate::What;
use crate::commands::policy::For;
use crate::render::Output;

/// Names why a login through Amazon EC2 Instance Connect fails, and the command that mends it.
///
/// Credentials and Region are found as the AWS CLI finds them; `AWS_ENDPOINT_URL` and its per-service forms are honoured.
#[derive(Clone, Debug, Parser)]
#[command(name = "eic-doctor", version, about, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  checks ran; none failed; nothing needed stayed unknown
  1  something failed (or warned, with --fail-on warn)
  2  called wrongly
  3  nothing failed, but something needed stayed unknown (0 with --allow-unknown)
  4  nothing was checked: no credentials, no such instance, an --only that matches nothing
  5  EIC Doctor failed itself: a report that cannot be written, say";

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Check one instance for one attempt to connect
    Check(Box<CheckArgs>),
    /// Check many instances from outside: AWS's side, in pages, over accounts and Regions
    Fleet(Box<FleetArgs>),
    /// The manual of a check, or a list of all checks
    Explain {
        /// A check's id, such as aws.network.security-group-ingress
        check_id: Option<String>,
    },
    /// Record everything that a check would look at, as a world that `check --world` judges
    Capture(Box<CaptureArgs>),
    /// Serve a fleet of agents: they enrol, report, and are asked to check themselves
    Serve(ServeArgs),
    /// The agents that have enrolled with a coordinator
    Agents(AgentsArgs),
    /// What changed in a coordinator's fleet, since when, and what mends it
    Drift(DriftArgs),
    /// The least-privilege IAM policy that `check` and `fleet` need, or a coordinator
    Policy {
        /// Who is to have it
        #[arg(long = "for", value_enum, value_name = "WHOM", default_value_t)]
        whom: For,
    },
    /// Man pages, completions, the report's JSON Schema and the check reference
    Generate {
        what: What,
        /// The folder to write to; made when it is not there
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// The profile of the AWS configuration to use
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// The instance's Region
    #[arg(long, global = true, value_name = "REGION", value_parser = value::region)]
    pub region: Option<String>,
    /// How to report, and where; may be repeated, and without a FILE goes to stdout
    #[arg(long, global = true, value_name = "FORMAT[=FILE]", value_parser = offered::output())]
    pub output: Vec<Output>,
    /// The time that a whole run may take; what is missing then is unknown [default: 60s; of a fleet 1h]
    #[arg(long, global = true, value_name = "TIME", value_parser = value::duration)]
    timeout: Option<Duration>,
    /// Colours on stdout
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Also print what was seen where a check is ok
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// Print a table of the AWS calls, their times and outcomes on stderr
    #[arg(long, global = true)]
    pub timings: bool,
}

impl GlobalArgs {
    /// For one instance.
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_mins(1))
    }

    /// For a fleet: a page of Systems Manager's holds 50 of its instances.
    pub fn fleet_timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_hours(1))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// When stdout is a terminal and NO_COLOR is not set
    #[default]
    Auto,
    #[value(alias = "on")]
    Always,
    #[value(alias = "off")]
    Never,
}

#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub instance: InstanceArgs,
    #[command(flatten)]
    pub attempt: AttemptArgs,
    /// Judge recorded facts, with no credentials and no network
    #[arg(long, value_name = "DIR", conflicts_with = "context")]
    pub world: Option<PathBuf>,
    /// Judge only these: ids or prefixes of ids; may be repeated
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Leave these out: ids or prefixes of ids; may be repeated
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// From which status on the exit code is 1
    #[arg(long, value_name = "STATUS", default_value = "fail")]
    pub fail_on: FailOnArg,
    /// Exit with 0 also when something needed stayed unknown
    #[arg(long)]
    pub allow_unknown: bool,
    /// Send every check's result to Security Hub of the instance's account and Region, under an id that stays the same
    #[arg(long, conflicts_with = "world")]
    pub send_to_security_hub: bool,
    /// Send a trace of the look to this OpenTelemetry collector, by OTLP over HTTP, such as http://127.0.0.1:4318
    ///
    /// One span for the look, with the answer and its root causes, and one for each call to AWS. `OTEL_EXPORTER_OTLP_HEADERS`
    /// has the headers that the collector wants, such as a token. A trace that is not taken is told on stderr; the
    /// exit code stays that of the report.
    #[arg(long, value_name = "URL", value_parser = value::otlp_endpoint, conflicts_with = "world")]
    pub otlp_endpoint: Option<String>,
    /// Look again until nothing fails or this time is up
    #[arg(long, value_name = "TIME", value_parser = value::duration, conflicts_with = "world")]
    pub wait: Option<Duration>,
    /// Look again and again, with this time from the beginning of one look to that of the next
    ///
    /// On a terminal each report takes the place of the one before; `--output jsonl` writes one after the other. It ends with the
    /// reader of its standard output, or by a signal; the exit code is that of the last look.
    #[arg(long, value_name = "TIME", value_parser = value::duration, conflicts_with = "wait")]
    pub watch: Option<Duration>,
}

impl CheckArgs {
    pub fn selection(&self) -> Selection {
        Selection { only: self.only.clone(), skip: self.skip.clone() }
    }
}

#[derive(Clone, Debug, Args)]
pub struct CaptureArgs {
    #[command(flatten)]
    pub instance: InstanceArgs,
    #[command(flatten)]
    pub attempt: AttemptArgs,
    /// The folder to write to; it must be empty or not be there
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOnArg {
    Fail,
    Warn,
}

impl From<FailOnArg> for FailOn {
    fn from(arg: FailOnArg) -> Self {
        match arg {
            FailOnArg::Fail => Self::Fail,
            FailOnArg::Warn => Self::Warn,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use eic_doctor_proto::Via;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["eic-doctor"].into_iter().chain(line.split_whitespace()))
    }

    fn check(line: &str) -> CheckArgs {
        match parse(line).unwrap().command {
            Command::Check(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_runbooks_parameter_names_are_taken() {
        let args = check(
            "check --InstanceId i-0123456789abcdef0 --Username ubuntu --SSHPort 2222 --SourceNetworkType Public \
             --SourceIpCIDR 203.0.113.7/32 --EC2InstanceConnectRoleOrUser arn:aws:iam::123456789012:user/ann \
             --AutomationAssumeRole arn:aws:iam::123456789012:role/ops",
        );
        assert_eq!(args.instance.instance_id(), Some("i-0123456789abcdef0"));
        let attempt = args.attempt.attempt(None).unwrap();
        assert_eq!(
            (attempt.os_user.as_str(), attempt.port, attempt.via.word(), attempt.source.unwrap().to_string().as_str()),
            ("ubuntu", 2222, "public", "203.0.113.7/32")
        );
        assert_eq!(attempt.principal.as_deref(), Some("arn:aws:iam::123456789012:user/ann"));
        assert_eq!(args.attempt.assume_role.as_deref(), Some("arn:aws:iam::123456789012:role/ops"));
    }

    #[test]
    fn an_option_of_the_endpoint_chooses_its_way_and_contradicts_others() {
        let attempt = |line: &str| check(line).attempt.attempt(None);
        let named = attempt("check --endpoint eice-0123456789abcdef0 i-0123456789abcdef0").unwrap();
        assert_eq!((named.via, named.endpoint.as_deref()), (Via::Endpoint, Some("eice-0123456789abcdef0")));
        let client = attempt("check --client-ip 203.0.113.7 --via endpoint i-0123456789abcdef0").unwrap();
        assert_eq!((client.via, client.source), (Via::Endpoint, Some("203.0.113.7/32".parse().unwrap())));
        assert!(attempt("check --client-ip 203.0.113.7 --via public i-0123456789abcdef0").is_err());
        assert!(parse("check --client-ip 203.0.113.7 --source 203.0.113.7 i-0123456789abcdef0").is_err());
        assert!(parse("check --endpoint vpce-0123456789abcdef0 i-0123456789abcdef0").is_err());
    }

    #[test]
    fn a_malformed_value_is_refused_with_exit_code_2_and_one_message() {
        for line in [
            "check i-0123",
            "check i-0123456789ABCDEF0",
            "check --os-user a;b i-0123456789abcdef0",
            "check --principal ann i-0123456789abcdef0",
            "check --source 10.0.0.0/33 i-0123456789abcdef0",
            "check --source 10.0.0.1/24 i-0123456789abcdef0",
            "check --port 0 i-0123456789abcdef0",
            "check --port 65536 i-0123456789abcdef0",
            "check --region nowhere i-0123456789abcdef0",
            "check --via teleport i-0123456789abcdef0",
            "check --timeout 5x i-0123456789abcdef0",
            "check --output nonsense i-0123456789abcdef0",
            "check --coordinator http://c:1 i-0123456789abcdef0",
            "check --ip-ranges ftp://example.com/ip-ranges.json i-0123456789abcdef0",
            "check --assume-role arn:aws:iam::123456789012:user/ann i-0123456789abcdef0",
            "check --external-id x i-0123456789abcdef0",
        ] {
            let error = parse(line).err().unwrap_or_else(|| panic!("{line} was taken"));
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().starts_with("error: "), "{error}");
        }
    }
}
