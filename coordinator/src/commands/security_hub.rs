//! `--send-to-security-hub`: the findings of a run, and what became of them, told on stderr.

use anyhow::anyhow;
use eic_doctor_proto::Report;

use super::console::{Console, Failure};
use super::look::{connected, login};
use crate::args::{AttemptArgs, GlobalArgs};
use crate::gather::pace::{Paced, Pacer, Place};
use crate::gather::security_hub::{Imported, import};
use crate::render::{asff, looked::Looked};

/// Sends every check of a report to the account and Region that it is about.
pub(super) async fn send(
    report: &Report,
    global: &GlobalArgs,
    args: &AttemptArgs,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let looked = Looked::of_check(report);
    let findings: Result<Vec<_>, _> = report.results.iter().map(|result| asff::Finding::of(&looked, result)).collect();
    let findings = findings.map_err(Failure::internal)?;
    let connection = connected(&login(global, args), global).await?;
    let place = Place { account: report.subject.account_id.clone(), region: connection.region };
    let pacer = Pacer::default();
    let aws = Paced { aws: &connection.clients, pacer: &pacer, place: &place };
    let imported = import(&aws, &findings).await;
    for line in lines(&imported) {
        console.notice(&line);
    }
    complete(imported.taken, findings.len())
}

/// What was not taken and why, a line each.
pub(super) fn lines(imported: &Imported) -> Vec<String> {
    let not_taken = imported.not_taken.iter().map(|one| format!("not taken by Security Hub: {}: {}", one.id, one.why));
    let stopped =
        imported.stopped.iter().map(|(refused, left)| format!("not sent to Security Hub: {left} findings: {refused}"));
    not_taken.chain(stopped).collect()
}

/// # Errors
///
/// Not everything was taken.
pub(super) fn complete(taken: usize, sent: usize) -> Result<(), Failure> {
    if taken == sent {
        return Ok(());
    }
    Err(Failure::internal(anyhow!("Security Hub has {taken} of {sent} findings")))
}
