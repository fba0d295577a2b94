//! `eic-doctor check`: one instance, one attempt, one report.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::anyhow;
use eic_doctor_agent::report::rfc3339;
use eic_doctor_proto::{Attempt, Exit, Fact, Report, Selection, SelectionError, Via};
use tokio::time::Instant;

use super::console::{Console, Failure};
use super::look::{given, given_ranges, look, needed_id, of_instance, resolved_attempt};
use super::output;
use super::report::report_on;
use super::{security_hub, trace};
use crate::args::{CheckArgs, GlobalArgs, IpRangesFrom};
use crate::checks;
use crate::facts::{Facts, IpRanges};
use crate::gather::CallLog;
use crate::gather::recorded::read_world;

/// Between two looks of `--wait`.
const PAUSE: Duration = Duration::from_secs(5);

pub(super) async fn check(global: &GlobalArgs, args: &CheckArgs, console: &mut Console<'_>) -> Result<Exit, Failure> {
    output::sound(global)?;
    let selection = resolved(&args.selection())?;
    let attempt = resolved_attempt(&args.attempt, console).await?;
    if args.watch.is_some() {
        output::repeatable(global)?;
    }
    if args.world.is_some() && matches!(args.attempt.ip_ranges, Some(IpRangesFrom::Url(_))) {
        return Err(Failure::usage(anyhow!("`--world` asks no network: give `--ip-ranges` a file")));
    }
    let ip_ranges = given_ranges(args.attempt.ip_ranges.as_ref(), global.timeout()).await?;
    let mut is_first = true;
    loop {
        let next = args.watch.map(|pause| Instant::now() + pause);
        let looked = match &args.world {
            Some(world) => recorded(world, global, args, &attempt, &ip_ranges, &selection, console)?,
            None => live(global, args, &attempt, &ip_ranges, &selection, console).await?,
        };
        if next.is_some() {
            output::apart(global, is_first, console);
        }
        let is_read = output::put(&looked.report, global, args.fail_on.into(), console)?;
        if let (Some(endpoint), Some(calls)) = (&args.otlp_endpoint, &looked.calls) {
            trace::send(endpoint, &looked.report, calls, console).await;
        }
        if let Some(missing) = looked.missing {
            return Err(Failure::nothing_checked(anyhow!(missing)));
        }
        if args.send_to_security_hub {
            security_hub::send(&looked.report, global, &args.attempt, console).await?;
        }
        match next.filter(|_| is_read) {
            Some(next) => tokio::time::sleep_until(next).await,
            None => return Ok(Exit::of(&looked.report, args.fail_on.into(), args.allow_unknown)),
        }
        is_first = false;
    }
}

struct Looked {
    report: Report,
    /// That there is no such instance, where that is so.
    missing: Option<String>,
    /// What AWS was asked, where it was.
    calls: Option<CallLog>,
}

impl Looked {
    fn at(facts: &Facts, attempt: &Attempt, selection: &Selection, started: String, id: Option<&str>) -> Self {
        let mut report = report_on(facts, attempt, selection, started);
        if report.subject.instance_id.is_none() {
            report.subject.instance_id = id.map(str::to_owned);
        }
        let region = facts.aws.region.known().map_or("this Region", String::as_str);
        let account = report.subject.account_id.as_deref().map_or_else(String::new, |id| format!(" of account {id}"));
        let is_missing = facts.aws.instance == Fact::Absent;
        let missing =
            is_missing.then(|| format!("there is no instance {} in {region}{account}", id.unwrap_or_default()));
        Self { report, missing, calls: None }
    }
}

fn recorded(
    world: &Path,
    global: &GlobalArgs,
    args: &CheckArgs,
    attempt: &Attempt,
    ip_ranges: &Fact<IpRanges>,
    selection: &Selection,
    console: &Console<'_>,
) -> Result<Looked, Failure> {
    let id = args.instance.instance_id();
    let mut facts = read_world(world, id).map_err(Failure::usage)?;
    match (&global.region, &facts.aws.region) {
        (Some(asked), Fact::Known(region)) if asked != region => {
            return Err(Failure::usage(anyhow!("{} is a world of {region}, not of {asked}", world.display())));
        }
        // What the AWS CLI prints does not say which Region was asked.
        (Some(asked), Fact::NotGathered) => facts.aws.region = Fact::Known(asked.clone()),
        _ => {}
    }
    if *ip_ranges != Fact::NotGathered {
        facts.aws.ip_ranges = ip_ranges.clone();
    }
    facts.aws.asked_with.auto = attempt.via == Via::Auto;
    let given = given(&args.attempt)?;
    let mut notes = Vec::new();
    if let Some(given) = given {
        facts.os = given.os;
        notes.push(given.note);
    }
    let instance = facts.aws.instance.known().and_then(|instance| instance.instance_id.clone());
    facts.os = of_instance(facts.os, instance.as_deref().or(id));
    let mut looked = Looked::at(&facts, attempt, selection, started(console), id);
    looked.report.notes = notes;
    Ok(looked)
}

async fn live(
    global: &GlobalArgs,
    args: &CheckArgs,
    attempt: &Attempt,
    ip_ranges: &Fact<IpRanges>,
    selection: &Selection,
    console: &mut Console<'_>,
) -> Result<Looked, Failure> {
    let id = needed_id(&args.instance)?;
    let until = args.wait.map(|wait| Instant::now() + wait);
    let mut chosen = checks::abouts().into_iter().filter(|about| selection.leaves_out(about.id).is_none());
    let wants_os = chosen.any(|about| !about.id.starts_with("aws."));
    loop {
        let started = started(console);
        let (gathered, calls) =
            look(global, &args.attempt, id.clone(), attempt.clone(), ip_ranges.clone(), wants_os, console).await?;
        let mut looked = Looked::at(&gathered.facts, attempt, selection, started, Some(&id));
        looked.report.complete = gathered.complete;
        looked.report.notes = gathered.notes;
        looked.calls = Some(calls);
        let next = Instant::now() + PAUSE;
        let is_done = looked.report.counts.fail == 0 && looked.missing.is_none();
        match until {
            Some(until) if !is_done && next < until => {
                if console.is_err_terminal {
                    let causes = looked.report.root_causes.join(", ");
                    console.notice(&format!("still failing: {causes}; looking again"));
                }
                tokio::time::sleep_until(next).await;
            }
            _ => return Ok(looked),
        }
    }
}

/// With present ids in place of retired ones.
pub(super) fn resolved(selection: &Selection) -> Result<Selection, Failure> {
    let abouts = checks::abouts();
    let resolved = selection.resolve(abouts.iter().map(|about| about.id), checks::RETIRED);
    resolved.map_err(|error| match error {
        SelectionError::OnlyMatchesNothing(_) => Failure::nothing_checked(error),
        SelectionError::SkipMatchesNothing(_) => Failure::usage(error),
    })
}

fn started(console: &Console<'_>) -> String {
    // A clock before 1970 is a broken clock; the report's other content does not hang on it.
    rfc3339((console.now)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}
