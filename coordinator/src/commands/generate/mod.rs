//! `eic-doctor generate`: what is generated from the code, so that it cannot rot. A test holds the committed files to it.

mod reference;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
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
        What::Man => {
            let mut root = Cli::command();
            root.build();
            for command in std::iter::once(&root).chain(root.get_subcommands()) {
                let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
                let mut page = Vec::new();
                clap_mangen::Man::new(command.clone().name(name.clone())).render(&mut page).map_err(failed(folder))?;
                put(format!("{name}.1"), page)?;
            }
        }
        What::Completions => {
            for (shell, name) in [
                (clap_complete::Shell::Bash, "eic-doctor.bash"),
                (clap_complete::Shell::Zsh, "_eic-doctor"),
                (clap_complete::Shell::Fish, "eic-doctor.fish"),
            ] {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "eic-doctor", &mut script);
                put(name.to_owned(), script)?;
            }
        }
        What::Schema => {
            put("report.schema.json".to_owned(), report_schema().into_bytes())?;
            put("fleet.schema.json".to_owned(), document_schema().into_bytes())?;
        }
        What::Reference => put("checks.md".to_owned(), check_reference().into_bytes())?,
    }
    Ok(written)
}

/// The JSON Schema of the report, with a new line at its end.
pub fn report_schema() -> String {
    let schema = schemars::schema_for!(Report);
    format!("{:#}\n", schema.as_value())
}
