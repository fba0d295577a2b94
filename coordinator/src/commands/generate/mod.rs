//! `eic-doctor generate`: what is generated from the code, so that it cannot rot. A test holds the committed files to it.

mod reference;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use clap_complete::{Generator as _, Shell};
use eic_doctor_agent::command_line;
use eic_doctor_proto::Report;

pub use reference::{RUNBOOK, check_reference};

use crate::args::Cli;
use crate::fleet::document_schema;

/// What can be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// Man pages, one for each subcommand
    Man,
    /// Completions for bash, zsh and fish
    Completions,
    /// The agent's man pages
    AgentMan,
    /// The agent's completions
    AgentCompletions,
    /// The JSON Schemas of the report and of a fleet's
    Schema,
    /// The check reference, with the mapping to the runbook's steps
    Reference,
}

#[derive(Debug, thiserror::Error)]
#[error("write {}", path.display())]
pub struct GenerateError {
    path: PathBuf,
    source: io::Error,
}

/// Writes the files into `folder`, which is made when it is not there, and returns their paths.
pub fn generate(what: What, folder: &Path) -> Result<Vec<PathBuf>, GenerateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| GenerateError { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let mut written = Vec::new();
    let mut put = |name: String, bytes: Vec<u8>| {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(failed(&path))?;
        written.push(path);
        Ok(())
    };
    match what {
        What::Man => man_pages(Cli::command(), &mut put)?,
        What::AgentMan => man_pages(command_line::definition(), &mut put)?,
        What::Completions => completions(Cli::command(), &mut put)?,
        What::AgentCompletions => completions(command_line::definition(), &mut put)?,
        What::Schema => {
            put("report.schema.json".to_owned(), report_schema().into_bytes())?;
            put("fleet.schema.json".to_owned(), document_schema().into_bytes())?;
        }
        What::Reference => put("checks.md".to_owned(), check_reference().into_bytes())?,
    }
    Ok(written)
}

/// A page for the program, and one for each of its subcommands and theirs. `help` has none: it shows what they say.
fn man_pages(
    program: Command,
    put: &mut impl FnMut(String, Vec<u8>) -> Result<(), GenerateError>,
) -> Result<(), GenerateError> {
    let mut program = without_help(program);
    program.build();
    let mut left = vec![program];
    while let Some(command) = left.pop() {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        left.extend(command.get_subcommands().cloned());
        let mut page = Vec::new();
        let man = clap_mangen::Man::new(command.name(name.clone()));
        man.render(&mut page).map_err(|source| GenerateError { path: name.clone().into(), source })?;
        put(format!("{name}.1"), page)?;
    }
    Ok(())
}

fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

fn completions(
    mut program: Command,
    put: &mut impl FnMut(String, Vec<u8>) -> Result<(), GenerateError>,
) -> Result<(), GenerateError> {
    let name = program.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut program, &name, &mut script);
        if shell == Shell::Bash {
            script = by_one_name(&String::from_utf8_lossy(&script)).into_bytes();
        }
        put(shell.file_name(&name), script)?;
    }
    Ok(())
}

/// clap_complete 4.6 finds out which command is meant under one name and looks up what to offer under another where a hyphen is in a name,
/// and then offers nothing: `eic-doctor check` is `eic__doctor__subcmd__check` and `eic__subcmd__doctor__subcmd__check`.
fn by_one_name(script: &str) -> String {
    let found = script.split("cmd=\"").skip(1).filter_map(|rest| rest.split_once('"'));
    found.map(|(name, _)| name).filter(|name| !name.is_empty()).fold(script.to_owned(), |script, name| {
        let looked_up = name.replace("__subcmd__", "__").replace("__", "__subcmd__");
        script.replace(&format!("\n        {looked_up})\n"), &format!("\n        {name})\n"))
    })
}

/// The JSON Schema of the report, with a new line at its end.
pub fn report_schema() -> String {
    let schema = schemars::schema_for!(Report);
    format!("{:#}\n", schema.as_value())
}
