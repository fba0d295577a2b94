//! What each subcommand does, with its parts given.

use std::io::Write;
use std::time::Duration;

use eic_doctor_agent::command_line::{CheckArgs, Command, Output, SsmArgs};
use eic_doctor_agent::gather::{self, RealHost};
use eic_doctor_agent::render::{Style, human, ssm_cli};
use eic_doctor_agent::{checks, report};
use eic_doctor_proto::{Exit, Selection, SelectionError, judge};

use crate::args::{AnyCommand, Args};
use crate::fleet;

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error("pack the report")]
    Encode(#[source] report::EncodeError),
    #[error("write the report as JSON")]
    Json(#[source] serde_json::Error),
    #[error(transparent)]
    Fleet(#[from] fleet::FleetError),
    #[error("look as the keys user")]
    KeysUser(#[source] std::io::Error),
    #[error("write to standard output")]
    Write(#[source] std::io::Error),
}

impl RunError {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Selection(SelectionError::OnlyMatchesNothing(_)) => Exit::NothingChecked,
            Self::Selection(SelectionError::SkipMatchesNothing(_)) => Exit::Usage,
            Self::Fleet(error) => error.exit(),
            Self::Encode(_) | Self::Json(_) | Self::KeysUser(_) | Self::Write(_) => Exit::Internal,
        }
    }
}

/// `started` in seconds since 1970.
pub fn run(args: &Args, host: &RealHost, started: u64, style: Style, out: &mut dyn Write) -> Result<Exit, RunError> {
    match &args.command {
        AnyCommand::Shown(Command::Check(args)) => check(args, host, started, style, out),
        AnyCommand::Shown(Command::Ssm(args)) => ssm(args, host, out),
        AnyCommand::Shown(Command::Enrol(args)) => Ok(fleet::enrol(args)?),
        AnyCommand::Shown(Command::Report(args)) => Ok(fleet::report(args)?),
        AnyCommand::Shown(Command::Run(args)) => Ok(fleet::run(args)?),
        AnyCommand::Pass(args) => {
            let budget = Duration::from_millis(args.budget_ms);
            let pass = report::look(&args.attempt, budget, started.saturating_mul(1000)).map_err(RunError::Encode)?;
            out.write_all(&pass.to_bytes()).map_err(RunError::Write)?;
            Ok(Exit::Healthy)
        }
        AnyCommand::KeysUserView(args) => {
            gather::print_keys_user_view(&args.view(), out).map_err(RunError::KeysUser)?;
            Ok(Exit::Healthy)
        }
    }
}

fn check(args: &CheckArgs, host: &RealHost, started: u64, style: Style, out: &mut dyn Write) -> Result<Exit, RunError> {
    let ids = checks::abouts();
    let selection = args.selection().resolve(ids.iter().map(|about| about.id), checks::RETIRED)?;
    let attempt = args.attempt.attempt();
    let facts = gather::gather(host, &attempt);
    let results = judge(checks::entries(&facts, &attempt), &selection);
    let report = report::local_report(&facts, &attempt, results, report::rfc3339(started), !host.was_late());
    match args.output {
        Output::Human => {
            let style = Style { verbose: args.verbose, ..style };
            human(&report, out, style).map_err(RunError::Write)?;
        }
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &report).map_err(RunError::Json)?;
            writeln!(out).map_err(RunError::Write)?;
        }
        Output::SsmCli => ssm_cli::json(&report, out).map_err(RunError::Write)?,
        Output::SsmCliTable => ssm_cli::table(&report, out).map_err(RunError::Write)?,
    }
    Ok(Exit::of(&report, args.fail_on(), args.allow_unknown))
}

/// Exit 0 for any block: what it says is the coordinator's to judge, and Run Command calls anything else a failure.
fn ssm(args: &SsmArgs, host: &RealHost, out: &mut dyn Write) -> Result<Exit, RunError> {
    let attempt = args.attempt.attempt();
    let facts = gather::gather(host, &attempt);
    let results = judge(checks::entries(&facts, &attempt), &Selection::default());
    let block = report::encode_report(&facts, &attempt, &results).map_err(RunError::Encode)?;
    out.write_all(block.as_bytes()).map_err(RunError::Write)?;
    Ok(Exit::Healthy)
}
