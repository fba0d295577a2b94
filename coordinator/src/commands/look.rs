//! Asks AWS and the instance, once, within the run's time.

use std::time::Duration;

use anyhow::anyhow;
use eic_doctor_agent::facts::OsFacts;
use eic_doctor_agent::report::Courier;
use eic_doctor_proto::{Attempt, Fact, Via, visible};

use super::console::{Console, Failure};
use crate::args::{AttemptArgs, GlobalArgs, InstanceArgs, IpRangesFrom, OsFactsFrom};
use crate::facts::{AskedWith, IpRanges};
use crate::gather::aws::{ConnectError, Connection, Login, connect};
use crate::gather::courier::{Pace, read_os_file};
use crate::gather::run::{Gathered, Question, gather};
use crate::gather::{Budget, CallLog, download_ip_ranges, own_address, read_ip_ranges};

/// Ten silent seconds look like a hang.
const SILENCE: Duration = Duration::from_secs(10);

/// The OS facts that no courier brings: from a file, or left out on purpose.
pub(super) struct Given {
    pub os: Fact<OsFacts>,
    pub note: String,
}

/// What the arguments alone say of the OS facts. A file that cannot be read is a wrong argument, found before anything is asked.
pub(super) fn given(args: &AttemptArgs) -> Result<Option<Given>, Failure> {
    match &args.os_facts {
        OsFactsFrom::File(path) => {
            let facts = read_os_file(path).map_err(Failure::usage)?;
            let note = visible(&format!("OS facts: from the file {}", path.display())).into_owned();
            Ok(Some(Given { os: Fact::Known(facts), note }))
        }
        OsFactsFrom::None => {
            let why = "left out by --os-facts none";
            Ok(Some(Given { os: Fact::unreadable(why), note: format!("OS facts: none, {why}") }))
        }
        OsFactsFrom::Auto | OsFactsFrom::Agent | OsFactsFrom::Ssm | OsFactsFrom::Script => Ok(None),
    }
}

/// AWS's published ranges, where the user named a file or, within `timeout`, a URL of them. What cannot be taken whole ends the run: the
/// user meant these to count.
pub(super) async fn given_ranges(from: Option<&IpRangesFrom>, timeout: Duration) -> Result<Fact<IpRanges>, Failure> {
    match from {
        None => Ok(Fact::NotGathered),
        Some(IpRangesFrom::File(path)) => read_ip_ranges(path).map(Fact::Known).map_err(Failure::usage),
        Some(IpRangesFrom::Url(url)) => {
            download_ip_ranges(url, timeout).await.map(Fact::Known).map_err(Failure::nothing_checked)
        }
    }
}

/// Facts that nobody just fetched from this instance may be another's: its metadata service told them whose they are.
pub(super) fn of_instance(os: Fact<OsFacts>, instance_id: Option<&str>) -> Fact<OsFacts> {
    let Fact::Known(facts) = &os else { return os };
    let own = [&facts.imds.as_root, &facts.imds.as_keys_user].into_iter().find_map(|view| view.instance_id.known());
    match (own.filter(|answer| answer.status == 200), instance_id) {
        (Some(own), Some(id)) if own.body.raw().trim() != id => {
            Fact::unreadable(format!("the OS facts are those of {}, not of {id}", own.body))
        }
        _ => os,
    }
}

pub(super) fn needed_id(instance: &InstanceArgs) -> Result<String, Failure> {
    let id = instance.instance_id().map(str::to_owned);
    id.ok_or_else(|| Failure::usage(anyhow!("which instance? Give its id, such as i-0123456789abcdef0")))
}

pub(super) async fn resolved_attempt(args: &AttemptArgs, console: &Console<'_>) -> Result<Attempt, Failure> {
    // Refuses a wrong combination before the network is asked.
    let attempt = args.attempt(None).map_err(Failure::usage)?;
    if !args.asks_for_own_address() {
        return Ok(attempt);
    }
    let own = own_address(&console.checkip_url).await.map_err(Failure::nothing_checked)?;
    args.attempt(Some(own)).map_err(Failure::usage)
}

/// What was found, and what AWS was asked for it. `wants_os`: whether any check will ask for what is inside the instance.
pub(super) async fn look(
    global: &GlobalArgs,
    args: &AttemptArgs,
    instance_id: String,
    attempt: Attempt,
    ip_ranges: Fact<IpRanges>,
    wants_os: bool,
    console: &mut Console<'_>,
) -> Result<(Gathered, CallLog), Failure> {
    let given = given(args)?;
    let budget = Budget::of(global.timeout());
    let connection = connected(&login(global, args), global).await?;
    let courier = match (&given, &args.os_facts) {
        (Some(_), _) => None,
        // A command on the instance takes longer than everything else together.
        (None, _) if !wants_os => None,
        (None, OsFactsFrom::Agent) => None,
        (None, OsFactsFrom::Ssm) => Some(Courier::AgentOnly),
        (None, OsFactsFrom::Script) => Some(Courier::ScriptOnly),
        (None, _) => Some(Courier::Auto),
    };
    let auto = attempt.via == Via::Auto;
    let coordinator = match (&given, &args.os_facts) {
        (None, OsFactsFrom::Agent) if wants_os => Some(args.coordinator.coordinator().map_err(Failure::usage)?),
        (None, OsFactsFrom::Auto) if wants_os => args.coordinator.named().map_err(Failure::usage)?,
        _ => None,
    };
    let question = Question {
        instance_id,
        region: connection.region,
        attempt,
        context: args.context.clone(),
        now: (console.now)(),
        courier,
        coordinator,
    };
    let pace = Pace::default();
    let gathering = gather(&connection.clients, &question, &budget, &pace);
    let mut gathered = told_meanwhile(gathering, &budget, console).await;
    gathered.facts.aws.asked_with =
        AskedWith { profile: global.profile.clone(), region: global.region.is_some(), auto };
    gathered.facts.aws.ip_ranges = ip_ranges;
    if let Some(given) = given {
        gathered.facts.os = of_instance(given.os, Some(&question.instance_id));
        gathered.notes.push(given.note);
    }
    let calls = connection.clients.log().clone();
    if global.timings {
        for line in calls.table().lines() {
            console.notice(line);
        }
    }
    Ok((gathered, calls))
}

/// How the command line says to log in to AWS.
pub(super) fn login(global: &GlobalArgs, args: &AttemptArgs) -> Login {
    Login {
        profile: global.profile.clone(),
        region: global.region.clone(),
        assume_role: args.assume_role.clone(),
        external_id: args.external_id.clone(),
    }
}

pub(super) async fn connected(login: &Login, global: &GlobalArgs) -> Result<Connection, Failure> {
    connect(login, global.timeout()).await.map_err(|error| match error {
        ConnectError::NoRegion => Failure::usage(error),
        _ => Failure::nothing_checked(error),
    })
}

/// Says on a terminal what is awaited, every ten seconds.
async fn told_meanwhile<T>(work: impl Future<Output = T>, budget: &Budget, console: &mut Console<'_>) -> T {
    let mut work = std::pin::pin!(work);
    let mut silent = Duration::ZERO;
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(SILENCE) => {
                silent += SILENCE;
                if console.is_err_terminal {
                    let awaited = budget.awaited().join(", ");
                    console.notice(&format!("still waiting for {awaited} ({} s)", silent.as_secs()));
                }
            }
        }
    }
}
