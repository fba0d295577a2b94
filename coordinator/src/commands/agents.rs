//! `eic-doctor agents`: who has enrolled, and who may not any more.

use std::io::{self, Write};

use anyhow::anyhow;
use eic_doctor_agent::report::rfc3339;
use eic_doctor_proto::wire::v1;
use eic_doctor_proto::{Exit, visible};
use serde_json::{Value, json};

use super::console::{Console, Failure, written};
use super::coordinator::{connected, refused};
use crate::args::{AgentsArgs, AgentsCommand, GlobalArgs};
use crate::render::Format;

/// A fleet larger than this is asked for in more pages than any has.
const PAGES: usize = 10_000;

pub(super) async fn agents(global: &GlobalArgs, args: &AgentsArgs, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let format = super::coordinator::format(global)?;
    let mut client = connected(&args.coordinator).await?;
    let of = |args: &crate::args::AgentArgs| v1::AgentRequest {
        instance_id: args.instance_id.clone(),
        why: args.why.clone(),
    };
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
        AgentsCommand::Show(args) => client.show_agent(of(args)).await,
        AgentsCommand::Revoke(args) => client.revoke_agent(of(args)).await,
        AgentsCommand::AllowAgain(args) => client.allow_agent_again(of(args)).await,
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
        let connected = if agent.connected_to.is_some() { "yes" } else { "no" };
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
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "  {name:<14} {value}")?;
    }
    out.flush()
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
    })
}
