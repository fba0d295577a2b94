//! `eic-doctor explain [CHECK_ID]`: the manual of a check, from its doc comment.

use std::io::{self, Write};

use eic_doctor_proto::{About, visible};

use crate::checks;

#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error("there is no check `{}`; `eic-doctor explain` lists them", visible(.0))]
    NoSuchCheck(String),
    #[error("write the explanation")]
    Write(#[from] io::Error),
}

/// Prints one check's manual, or all ids with their titles. A retired id leads to the present one.
pub fn explain(id: Option<&str>, out: &mut dyn Write) -> Result<(), ExplainError> {
    let abouts = checks::abouts();
    let Some(id) = id else {
        let width = abouts.iter().map(|about| about.id.len()).max().unwrap_or(0);
        for about in abouts {
            writeln!(out, "{:width$}  {}", about.id, about.title)?;
        }
        return Ok(());
    };
    let current = current_id(id);
    let about =
        abouts.into_iter().find(|about| about.id == current).ok_or_else(|| ExplainError::NoSuchCheck(id.to_owned()))?;
    if current != id {
        writeln!(out, "{id} is now called {current}\n")?;
    }
    Ok(manual(about, out)?)
}

fn current_id(id: &str) -> &str {
    checks::RETIRED.iter().find(|(old, _)| *old == id).map_or(id, |(_, current)| current)
}

/// The manual as Markdown, also used by the check reference.
pub(super) fn manual(about: &About, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# {}\n\n{}\n", about.id, about.title)?;
    for line in about.doc.lines() {
        // A doc comment's line begins with the space that stands behind `///`.
        writeln!(out, "{}", line.strip_prefix(' ').unwrap_or(line))?;
    }
    writeln!(out)?;
    list(out, "Needs", about.needs)?;
    list(out, "IAM actions", about.actions)?;
    list(out, "Steps of AWSSupport-TroubleshootEC2InstanceConnect", about.runbook)?;
    if !about.required {
        writeln!(out, "A connection does not need this: `unknown` here leaves the answer as it is.\n")?;
    }
    Ok(())
}

fn list(out: &mut dyn Write, heading: &str, items: &[&str]) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    let items: Vec<String> = items.iter().map(|item| format!("`{item}`")).collect();
    writeln!(out, "{heading}: {}\n", items.join(", "))
}
