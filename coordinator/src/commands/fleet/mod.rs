//! `eic-doctor fleet`: many instances, one attempt, one report; what is found is written as it comes.

mod agents;
mod found;
mod interrupted;
mod judging;
mod organization;
mod places;
mod progress;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use eic_doctor_agent::report::rfc3339;
use eic_doctor_proto::{Attempt, Exit, Fact, Tool};
use futures_util::StreamExt as _;

use super::console::{Console, Failure};
use super::look::given_ranges;
use super::output;
use super::security_hub;
use crate::args::{FleetArgs, GlobalArgs};
use crate::facts::IpRanges;
use crate::fleet::{Calls, Missing, RunReport, SCHEMA, Tally};
use crate::gather::aws::{ConnectError, Login, Origin, originate};
use crate::gather::fleet::operations::Filters;
use crate::gather::fleet::{Order, look};
use crate::gather::pace::{Paced, Pacer};
use crate::gather::security_hub::import;
use crate::gather::{Budget, own_address};
use crate::operator::connect;
use crate::render::asff::Finding;
use crate::render::fleet::Stream;
use crate::render::looked::Looked;
use agents::Agents;
use found::Found;
use interrupted::{Open, Signals};
use judging::Judge;
use places::{Inside, Whom, enter};
use progress::Progress;

/// Accounts and Regions that are looked at at the same time. Each has buckets of its own at AWS; the memory is ours.
const AT_ONCE: usize = 8;

pub(super) async fn fleet(global: &GlobalArgs, args: &FleetArgs, console: &mut Console<'_>) -> Result<Exit, Failure> {
    output::sound(global)?;
    Stream::takes(&global.output).map_err(Failure::usage)?;
    let selection = super::check::resolved(&args.selection())?;
    let accounts = args.read_accounts().map_err(Failure::usage)?;
    let ranges = args.read_ranges().map_err(Failure::usage)?;
    if let Some(account) = accounts.iter().flatten().find(|account| account.role.is_none() && args.role_name.is_none())
    {
        let error = anyhow!("which role of account {}? Name it in the file or by `--role-name`", account.id);
        return Err(Failure::usage(error));
    }
    let attempt = attempt(args, console).await?;
    let ip_ranges = given_ranges(args.ip_ranges.as_ref(), global.timeout()).await?;
    let login = Login {
        profile: global.profile.clone(),
        region: args.regions.first().or(global.region.as_ref()).cloned(),
        assume_role: args.assume_role.clone(),
        external_id: args.external_id.clone(),
    };
    let origin = originate(&login, global.fleet_timeout()).await.map_err(|error| match error {
        ConnectError::NoRegion => Failure::usage(error),
        _ => Failure::nothing_checked(error),
    })?;
    let now = (console.now)();
    let run = RunReport {
        schema: SCHEMA.to_owned(),
        tool: Tool { name: "eic-doctor".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        attempt: attempt.clone(),
        started: rfc3339(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()),
        reach: ranges.clone(),
    };
    let agents = Agents::of(match args.coordinator.named().map_err(Failure::usage)? {
        Some(coordinator) => Some(connect(&coordinator).await.map_err(Failure::nothing_checked)?),
        None => None,
    });
    let judge = Judge::new(&attempt, &selection, &ranges);
    let judge = if agents.are_asked() { judge.with_insides() } else { judge };
    let style = output::style(global, console);
    let mut stream = Stream::open(&global.output, style, console.out).map_err(Failure::internal)?;
    stream.begin(&run);
    let progress = Progress::new(console.err, console.is_err_terminal);
    let unseen = args.instance_ids.iter().cloned().collect();
    let mut found = Found {
        tally: Tally::with_ranges(&ranges),
        stream,
        progress,
        unseen,
        open: Open::default(),
        sent: 0,
        taken: 0,
    };
    if judge.leaves_unknown() {
        found.tally.leave_unknown();
    }
    let regions = if args.regions.is_empty() { vec![origin.region.clone()] } else { args.regions.clone() };
    let pacer = Pacer::default();
    let budget = Budget::of(global.fleet_timeout());
    let asked = Asked {
        global,
        args,
        attempt: &attempt,
        ip_ranges: &ip_ranges,
        now,
        origin: &origin,
        pacer: &pacer,
        budget: &budget,
        judge: &judge,
        run: &run,
        agents: &agents,
    };
    let whom = match args.organization {
        false => Whom::all(accounts),
        true => {
            let members = organization::members(&origin, &pacer, &budget).await;
            let members = members.map_err(|refused| {
                Failure::nothing_checked(anyhow!("list the organization's accounts: {}", refused.why().reason))
            })?;
            members.left_out.iter().for_each(|line| found.progress.notice(line));
            members.whom
        }
    };
    whom.iter().for_each(|whom| found.open.add(whom.id(), &regions));
    let mut signals = Signals::listen().map_err(Failure::internal)?;
    let shared = RefCell::new(found);
    let signal = tokio::select! {
        () = asked.everywhere(whom, &regions, &shared) => None,
        signal = signals.first() => Some(signal),
    };
    let mut found = shared.into_inner();
    found.progress.clear();
    found.not_come_to(signal);
    if global.timings {
        let table = origin.log().table();
        table.lines().for_each(|line| found.progress.notice(line));
    }
    let exit = found.tally.exit(args.fail_on.into(), args.allow_unknown);
    let mut summary = found.tally.summary();
    summary.calls = pacer
        .asked()
        .into_iter()
        .map(|(action, asked)| Calls { action: action.to_owned(), calls: asked.calls, throttled: asked.throttled })
        .collect();
    for calls in summary.calls.iter().filter(|calls| calls.throttled > 0) {
        found.progress.notice(&format!("AWS throttled {} {} times", calls.action, calls.throttled));
    }
    found.stream.end(&summary).map_err(Failure::internal)?;
    security_hub::complete(found.taken, found.sent)?;
    Ok(exit)
}

async fn attempt(args: &FleetArgs, console: &Console<'_>) -> Result<Attempt, Failure> {
    let attempt = args.attempt(None).map_err(Failure::usage)?;
    if !args.asks_for_own_address() {
        return Ok(attempt);
    }
    let own = own_address(&console.checkip_url).await.map_err(Failure::nothing_checked)?;
    args.attempt(Some(own)).map_err(Failure::usage)
}

/// What is the same in every account and Region.
struct Asked<'a> {
    global: &'a GlobalArgs,
    args: &'a FleetArgs,
    attempt: &'a Attempt,
    ip_ranges: &'a Fact<IpRanges>,
    now: SystemTime,
    origin: &'a Origin,
    pacer: &'a Pacer,
    budget: &'a Budget,
    judge: &'a Judge<'a>,
    run: &'a RunReport,
    agents: &'a Agents,
}

impl Asked<'_> {
    async fn everywhere(&self, whom: Vec<Whom>, regions: &[String], found: &RefCell<Found<'_>>) {
        let entered = futures_util::stream::iter(whom).map(|whom| self.account(whom, found)).buffer_unordered(AT_ONCE);
        let places = entered.filter_map(std::future::ready).flat_map(|inside| {
            let inside = std::rc::Rc::new(inside);
            futures_util::stream::iter(regions.iter().map(move |region| (std::rc::Rc::clone(&inside), region)))
        });
        let looks = places.map(|(inside, region)| async move { self.region(&inside, region, found).await });
        looks.buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    /// The account, or that it let nobody in.
    async fn account(&self, whom: Whom, found: &RefCell<Found<'_>>) -> Option<Inside> {
        let id = whom.id();
        let role_name = self.args.role_name.as_deref();
        match enter(self.origin, self.pacer, self.budget, whom, role_name, self.args.external_id.as_deref()).await {
            Ok(inside) => Some(inside),
            Err(refused) => {
                let why = refused.why();
                let mut found = found.borrow_mut();
                found.open.end_account(&id);
                found.miss(Missing {
                    account_id: id,
                    region: None,
                    instance_id: None,
                    why: why.reason,
                    missing_action: why.missing_action,
                });
                None
            }
        }
    }

    async fn region(&self, inside: &Inside, region: &str, found: &RefCell<Found<'_>>) {
        let place = found.borrow_mut().tally.place(inside.account.clone(), region.to_owned());
        let at = inside.place(region);
        let clients = inside.clients(self.origin, region);
        let aws = Paced { aws: &clients, pacer: self.pacer, place: &at };
        let filters: Vec<Filters> = self.args.filters().into_iter().map(Filters).collect();
        let is_read = |action: &str| self.judge.reads(action);
        let order = Order {
            region,
            attempt: self.attempt,
            wanted: &filters,
            context: &self.args.context,
            now: self.now,
            ip_ranges: self.ip_ranges,
            caller: inside.caller.clone(),
            asked_with: crate::facts::AskedWith {
                profile: self.global.profile.clone(),
                region: true,
                auto: self.attempt.via == eic_doctor_proto::Via::Auto,
            },
            whose: inside.whose(self.args.principal.as_deref()),
            is_read: crate::gather::fleet::fn_is_read::IsRead(&is_read),
        };
        let findings = RefCell::new(Vec::new());
        let judge = |facts: &crate::facts::Facts| {
            let mut instance = self.judge.instance(facts);
            let mut found = found.borrow_mut();
            if self.args.send_to_security_hub {
                let looked = Looked::of_fleet(self.run, &instance);
                // What cannot be told as a finding is counted as one that was not taken.
                found.sent += instance.results().count();
                findings.borrow_mut().extend(instance.results().filter_map(|result| Finding::of(&looked, result).ok()));
            }
            if let Fact::Known(Some(id)) = facts.aws.instance.as_ref().map(|instance| instance.instance_id.as_ref()) {
                found.unseen.remove(id);
                instance.inside_confirmed = self.agents.take_time(id).map(|millis| rfc3339(millis / 1_000));
            }
            found.tally.add(place, &instance);
            found.stream.instance(&instance);
        };
        let page = || {
            let mut found = found.borrow_mut();
            let count = found.tally.instances();
            found.progress.tell(&format!("{count} instances looked at, the last ones in {region}"));
        };
        let looked = look(&aws, self.budget, &order, self.agents, judge, page).await;
        let findings = findings.into_inner();
        let imported = import(&aws, &findings).await;
        let mut found = found.borrow_mut();
        found.taken += imported.taken;
        security_hub::lines(&imported).iter().for_each(|line| found.progress.notice(line));
        found.open.end(&inside.named, region);
        match looked {
            Ok(()) => found.tally.complete(place),
            Err(refused) => {
                let why = refused.why();
                found.miss(Missing {
                    account_id: inside.account.clone(),
                    region: Some(region.to_owned()),
                    instance_id: None,
                    why: why.reason,
                    missing_action: why.missing_action,
                });
            }
        }
    }
}
