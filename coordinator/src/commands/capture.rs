//! `eic-doctor capture`: everything that a check would look at, as a world.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use eic_doctor_proto::{Command, Exit, Fact};

use super::console::{Console, Failure};
use super::look::{given_ranges, look, needed_id, resolved_attempt};
use crate::args::{CaptureArgs, GlobalArgs};
use crate::gather::recorded::write_world;

pub(super) async fn capture(
    global: &GlobalArgs,
    args: &CaptureArgs,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let id = needed_id(&args.instance)?;
    refuse_what_is_not_empty(&args.to)?;
    let attempt = resolved_attempt(&args.attempt, console).await?;
    let ip_ranges = given_ranges(args.attempt.ip_ranges.as_ref(), global.timeout()).await?;
    let (gathered, _) = look(global, &args.attempt, id.clone(), attempt, ip_ranges, true, console).await?;
    if gathered.facts.aws.instance == Fact::Absent {
        return Err(Failure::nothing_checked(anyhow!("there is no instance {id} to capture")));
    }
    write_world(&args.to, &gathered.facts).map_err(Failure::internal)?;
    for note in gathered.notes {
        console.notice(&note);
    }
    let folder = args.to.display();
    let command = Command::new("eic-doctor").args(["check", &id, "--world"]).arg(folder.to_string());
    console.notice(&format!("wrote the world {folder}; for the same attempt, `{command}` judges it"));
    Ok(Exit::Healthy)
}

/// A world is judged file by file, so what an older one left behind would be taken for this one's.
fn refuse_what_is_not_empty(folder: &Path) -> Result<(), Failure> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(Failure::usage(anyhow!("{} is not empty: give a new folder", folder.display()))),
            None => Ok(()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("look into {}", folder.display())).map_err(Failure::usage),
    }
}
