//! The agent's whole command line: what people meet, and what the agent starts of itself.

use std::time::Duration;

use clap::{Parser, Subcommand};
use eic_doctor_agent::command_line::{self, Command};
use eic_doctor_agent::gather::{KEYS_USER_VIEW_COMMAND, KeysUserViewArgs};
use eic_doctor_agent::report::{PASS_COMMAND, attempt_from_word};
use eic_doctor_proto::{Attempt, OsUser};

#[derive(Debug, Parser)]
#[command(name = command_line::NAME, about = command_line::ABOUT, version, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    pub command: AnyCommand,
}

#[derive(Debug, Subcommand)]
pub enum AnyCommand {
    #[command(flatten)]
    Shown(Command),
    /// Looks once and prints what a report is made of.
    #[command(name = PASS_COMMAND, hide = true)]
    Pass(PassArgs),
    /// Becomes the keys user, looks at what the keys command would meet, and prints it as JSON.
    #[command(name = KEYS_USER_VIEW_COMMAND, hide = true)]
    KeysUserView(KeysUserArgs),
}

#[derive(Debug, clap::Args)]
pub struct PassArgs {
    #[arg(long, value_parser = attempt_from_word)]
    pub attempt: Attempt,
    #[arg(long)]
    pub budget_ms: u64,
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

impl Args {
    pub fn timeout(&self) -> Duration {
        match &self.command {
            AnyCommand::Shown(Command::Check(check)) => check.attempt.timeout,
            AnyCommand::Shown(Command::Ssm(ssm)) => ssm.attempt.timeout,
            // They have limits of their own.
            AnyCommand::Shown(Command::Enrol(_) | Command::Report(_) | Command::Run(_))
            | AnyCommand::Pass(_)
            | AnyCommand::KeysUserView(_) => Duration::from_secs(10),
        }
    }
}

impl KeysUserArgs {
    pub fn view(&self) -> KeysUserViewArgs {
        let Self { os_user, program, process, name, uid, gid } = self.clone();
        KeysUserViewArgs { os_user, program, process, name, uid, gid }
    }
}
