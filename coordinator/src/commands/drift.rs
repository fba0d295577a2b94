//! `eic-doctor drift`: what changed in the fleet, since when, and what mends it.

use std::io::{self, Write};

use anyhow::anyhow;
use eic_doctor_agent::report::rfc3339;
use eic_doctor_proto::wire::v1;
use eic_doctor_proto::{Exit, visible};
use serde_json::json;

use super::console::{Console, Failure, written};
use super::coordinator::{connected, format, refused, word};
use crate::args::{ChangesArgs, DriftArgs, DriftCommand, GlobalArgs, UndeliveredArgs};
use crate::operator::Client;
use crate::render::Format;

pub(super) async fn drift(global: &GlobalArgs, args: &DriftArgs, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let format = format(global)?;
    let mut client = connected(&args.coordinator).await?;
    let request =
        |args: &ChangesArgs, after| v1::DriftRequest { instance_id: args.instance_id.clone(), after, limit: 0 };
    match &args.what {
        DriftCommand::List(args) => {
            let mut after = args.after;
            loop {
                let changes = client.list_drift(request(args, after)).await.map_err(refused)?.into_inner().changes;
                let Some(last) = changes.last() else { return Ok(Exit::Healthy) };
                after = last.number;
                for change in &changes {
                    written(put(change, format, console.out), "the changes")?;
                }
            }
        }
        DriftCommand::Undelivered(args) => undelivered(&mut client, args, format, console).await,
        DriftCommand::Watch(args) => {
            let mut changes = client.watch_drift(request(args, args.after)).await.map_err(refused)?.into_inner();
            loop {
                let change = tokio::select! {
                    change = changes.message() => change.map_err(refused)?,
                    _ = tokio::signal::ctrl_c() => return Ok(Exit::Healthy),
                };
                let Some(change) = change else {
                    return Err(Failure::internal(anyhow!("the coordinator ended the stream of changes")));
                };
                match put(&change, format, console.out) {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Healthy),
                    put => written(put, "the changes")?,
                };
            }
        }
    }
}

/// Lists what was given up, or has it told again.
async fn undelivered(
    client: &mut Client,
    args: &UndeliveredArgs,
    format: Format,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let request = v1::UndeliveredRequest { number: args.number };
    if args.retry {
        let count = client.retry_undelivered(request).await.map_err(refused)?.into_inner().count;
        let line = match format {
            Format::Human => format!("{count} are told again"),
            _ => json!({ "told_again": count }).to_string(),
        };
        return written(writeln!(console.out, "{line}"), "the answer");
    }
    let found = client.list_undelivered(request).await.map_err(refused)?.into_inner().undelivered;
    for one in &found {
        written(put_undelivered(one, format, console.out), "the changes")?;
    }
    Ok(Exit::Healthy)
}

fn put_undelivered(one: &v1::Undelivered, format: Format, out: &mut dyn Write) -> io::Result<()> {
    let change = one.change.clone().unwrap_or_default();
    let (target, why) = (visible(&one.target), visible(&one.why));
    let (instance, check) = (visible(&change.instance_id), visible(&change.check_id));
    let is = word(change.is.as_ref().map_or(v1::Status::Unspecified, v1::CheckResult::status));
    if format != Format::Human {
        let document = json!({
            "number": change.number,
            "instance_id": change.instance_id,
            "check_id": change.check_id,
            "is": is,
            "target": one.target,
            "tried": one.tried,
            "why": one.why,
        });
        return writeln!(out, "{document}");
    }
    writeln!(
        out,
        "{} {instance} {check} is {is}: {target} was not told, tried {} times: {why}",
        change.number, one.tried
    )
}

fn put(change: &v1::DriftChange, format: Format, out: &mut dyn Write) -> io::Result<()> {
    let unreadable = || io::Error::new(io::ErrorKind::InvalidData, format!("change {} has no result", change.number));
    let is = change.is.as_ref().ok_or_else(unreadable)?;
    let (since, told) = (rfc3339(change.since_ms / 1_000), rfc3339(change.told_at_ms / 1_000));
    let (was, now) = (word(change.was()), word(is.status()));
    if format != Format::Human {
        let evidence: Vec<_> = is.evidence.iter().map(|one| json!({"seen": one.seen, "at": one.at})).collect();
        let remedy = is.remedy.as_ref();
        let remedy = remedy.map(|one| json!({"text": one.text, "command": one.command, "verify": one.verify}));
        let document = json!({
            "number": change.number,
            "instance_id": change.instance_id,
            "check_id": change.check_id,
            "was": was,
            "is": {"status": now, "title": is.title, "why": is.why, "evidence": evidence, "remedy": remedy},
            "since": since,
            "told_at": told,
        });
        writeln!(out, "{document}")?;
        return out.flush();
    }
    let (instance, check) = (visible(&change.instance_id), visible(&change.check_id));
    writeln!(out, "{} {instance} {check}: was {was}, is {now} since {since} (told {told})", change.number)?;
    for line in
        is.evidence.iter().map(|evidence| &evidence.seen).chain([&is.why].into_iter().filter(|why| !why.is_empty()))
    {
        writeln!(out, "    {}", visible(line))?;
    }
    if let Some(remedy) = &is.remedy {
        writeln!(out, "    to mend: {}", visible(&remedy.text))?;
        for line in remedy.command.iter().flat_map(|command| command.lines()) {
            writeln!(out, "      {}", visible(line))?;
        }
    }
    out.flush()
}
