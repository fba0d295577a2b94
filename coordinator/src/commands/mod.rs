//! One file per subcommand.

mod agents;
mod capture;
mod check;
mod console;
mod coordinator;
mod drift;
pub mod explain;
mod fleet;
pub mod generate;
mod look;
mod output;
pub mod policy;
mod report;
mod security_hub;
mod serve;
#[cfg(test)]
mod tests;
mod trace;

use eic_doctor_proto::Exit;

pub use console::{Console, Failure};

use crate::args::{Cli, Command};
use crate::render::Format;

/// Runs what the command line asks for. The exit code says what was found; a failure says why nothing was.
pub async fn run(cli: Cli, console: &mut Console<'_>) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Check(args) => check::check(&cli.global, args, console).await,
        Command::Fleet(args) => fleet::fleet(&cli.global, args, console).await,
        Command::Capture(args) => capture::capture(&cli.global, args, console).await,
        Command::Explain { check_id } => {
            if cli.global.output.iter().any(|output| output.format != Format::Human || output.file.is_some()) {
                return Err(Failure::usage(anyhow::anyhow!("`explain` is written as text to stdout only")));
            }
            let explained = explain::explain(check_id.as_deref(), console.out);
            explained.map(|()| Exit::Healthy).or_else(|error| match error {
                explain::ExplainError::NoSuchCheck(_) => Err(Failure::usage(error)),
                explain::ExplainError::Write(error) => console::written(Err(error), "the explanation"),
            })
        }
        Command::Serve(args) => serve::serve(args, console).await,
        Command::Agents(args) => agents::agents(&cli.global, args, console).await,
        Command::Drift(args) => drift::drift(&cli.global, args, console).await,
        Command::Policy { whom } => {
            if cli.global.output.iter().any(|output| output.format != Format::Json || output.file.is_some()) {
                return Err(Failure::usage(anyhow::anyhow!("`policy` is written as JSON to stdout only")));
            }
            let partition = partition_of(cli.global.region.as_deref().unwrap_or_default());
            console::written(policy::write(partition, *whom, console.out), "the policy")
        }
        Command::Generate { what, to } => {
            let written = generate::generate(*what, to).map_err(Failure::internal)?;
            for path in written {
                console.notice(&path.display().to_string());
            }
            Ok(Exit::Healthy)
        }
    }
}

/// The partition that a Region's name tells; ARNs of a policy carry it.
pub(crate) fn partition_of(region: &str) -> &'static str {
    let known = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-iso-", "aws-iso"),
        ("eusc-", "aws-eusc"),
    ];
    known.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}
