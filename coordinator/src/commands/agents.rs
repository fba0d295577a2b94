//! `eic-doctor agents`: who has enrolled, and who may not any more.

use std::io::{self, Write};

use anyhow::anyhow;
use eic_doctor_agent::report::rfc3339;
use eic_doctor_proto::wire::v1;
use eic_doctor_proto::{Exit, Status, visible};
use serde_json::{Value, json};

use super::console::{Console, Failure, written};
use super::coordinator::{connected, refused, word};
use crate::args::{AgentsArgs, AgentsCommand, GlobalArgs};
use crate::render::Format;

/// A fleet larger than this is asked for in more pages than any has.
const PAGES: usize = 10_000;

pub(super) async fn agents(global: &GlobalArgs, args: &AgentsArgs, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let format = super::coordinator::format(global)?;
    let mut client = connected(&args.coordinator).await?;
    let of =
        |instance_id: &str, why: &str| v1::AgentRequest { instance_id: instance_id.to_owned(), why: why.to_owned() };
    let agent = match &args.what {
        AgentsCommand::List => {
            let mut token = String::new();
            let mut is_first = true;
            for _ in 0..PAGES {
                let request = v1::ListAgentsRequest { page_size: 0, page_token: token };
                let page = client.list_agents(request).await.map_err(refused)?.into_inner();
                written(list(&page.agents, format, is_first, console.out), "the agents")?;
                is_first = false;
                token = page.next_page_token;
                if token.is_empty() {
                    return Ok(Exit::Healthy);
                }
            }
            return Err(Failure::internal(anyhow!("the coordinator's list of agents does not end")));
        }
        AgentsCommand::Show(args) => client.show_agent(of(&args.instance_id, "")).await,
        AgentsCommand::Revoke(args) => client.revoke_agent(of(&args.instance_id, &args.why)).await,
        AgentsCommand::AllowAgain(args) => client.allow_agent_again(of(&args.instance_id, &args.why)).await,
    };
    let agent = agent.map_err(refused)?.into_inner();
    written(one(&agent, format, console.out), "the agent")
}

fn state(agent: &v1::Agent) -> &'static str {
    match agent.state() {
        v1::AgentState::Enrolled => "enrolled",
        v1::AgentState::Revoked => "revoked",
        v1::AgentState::AllowedAgain => "allowed again",
        v1::AgentState::Unspecified => "unknown",
    }
}

fn time(millis: u64) -> String {
    rfc3339(millis / 1_000)
}

fn list(agents: &[v1::Agent], format: Format, is_first: bool, out: &mut dyn Write) -> io::Result<()> {
    if format != Format::Human {
        return agents.iter().try_for_each(|agent| writeln!(out, "{}", document(agent)));
    }
    if is_first {
        writeln!(
            out,
            "{:<20} {:<13} {:<15} {:<14} {:<21} connected",
            "instance", "account", "Region", "state", "last heard of"
        )?;
    }
    for agent in agents {
        let seen = agent.last_seen_ms.map_or_else(|| "never".to_owned(), time);
        let connected = match (agent.ended_at_ms, &agent.connected_to) {
            (Some(_), _) => "no more",
            (None, Some(_)) => "yes",
            (None, None) => "no",
        };
        let (id, account, region) = (visible(&agent.instance_id), visible(&agent.account_id), visible(&agent.region));
        writeln!(out, "{id:<20} {account:<13} {region:<15} {:<14} {seen:<21} {connected}", state(agent))?;
    }
    out.flush()
}

fn one(agent: &v1::Agent, format: Format, out: &mut dyn Write) -> io::Result<()> {
    if format != Format::Human {
        return writeln!(out, "{}", document(agent));
    }
    let place = [&agent.account_id, &agent.region, &agent.availability_zone].map(|text| visible(text)).join(", ");
    writeln!(out, "{} ({place})", visible(&agent.instance_id))?;
    let lines = [
        ("state", format!("{} since {}: {}", state(agent), time(agent.state_since_ms), visible(&agent.state_why))),
        ("enrolled", time(agent.enrolled_at_ms)),
        (
            "certificate",
            format!("{} until {}", visible(&agent.certificate_serial), time(agent.certificate_not_after_ms)),
        ),
        ("last heard of", agent.last_seen_ms.map_or_else(|| "never".to_owned(), time)),
        ("connected", if agent.connected_to.is_some() { "yes".to_owned() } else { "no".to_owned() }),
        ("agent", visible(&agent.agent_version).into_owned()),
        ("image", visible(&agent.image_id).into_owned()),
        ("no more since", agent.ended_at_ms.map(time).unwrap_or_default()),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "  {name:<14} {value}")?;
    }
    agent.halves.iter().try_for_each(|half| half_of(half, out))?;
    out.flush()
}

/// What was found, in numbers, and what is not as it should be.
fn half_of(half: &v1::HalfReport, out: &mut dyn Write) -> io::Result<()> {
    let name = if half.half == "os" { "inside" } else { "from outside" };
    let mut counts = String::new();
    for status in Status::ALL {
        let count = half.results.iter().filter(|result| v1::Status::from(status) == result.status()).count();
        if count > 0 {
            counts.push_str(&format!("{count} {}, ", status.word()));
        }
    }
    let silent = if half.silent { "; nothing was heard since, so all of it is unknown" } else { "" };
    writeln!(out, "  {name:<14} {counts}looked at {}{silent}", time(half.confirmed_at_ms))?;
    for result in &half.results {
        if matches!(result.status(), v1::Status::Fail | v1::Status::Warn | v1::Status::Unknown) {
            let (id, why) = (visible(&result.id), visible(&result.why));
            writeln!(out, "    {:<8} {id}: {why}", word(result.status()))?;
        }
    }
    Ok(())
}

fn halves(halves: &[v1::HalfReport]) -> Vec<Value> {
    let result = |one: &v1::CheckResult| json!({"id": one.id, "status": word(one.status()), "why": one.why});
    let half = |half: &v1::HalfReport| {
        json!({
            "half": half.half,
            "looked_at": time(half.confirmed_at_ms),
            "silent": half.silent,
            "results": half.results.iter().map(result).collect::<Vec<_>>(),
        })
    };
    halves.iter().map(half).collect()
}

fn document(agent: &v1::Agent) -> Value {
    json!({
        "instance_id": agent.instance_id,
        "account_id": agent.account_id,
        "region": agent.region,
        "availability_zone": agent.availability_zone,
        "image_id": agent.image_id,
        "agent_version": agent.agent_version,
        "state": state(agent),
        "state_why": agent.state_why,
        "state_since": time(agent.state_since_ms),
        "enrolled_at": time(agent.enrolled_at_ms),
        "certificate_serial": agent.certificate_serial,
        "certificate_not_after": time(agent.certificate_not_after_ms),
        "last_seen": agent.last_seen_ms.map(time),
        "connected": agent.connected_to.is_some(),
        "ended_at": agent.ended_at_ms.map(time),
        "halves": halves(&agent.halves),
    })
}
