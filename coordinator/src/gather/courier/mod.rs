//! Who brings the OS facts: the agent or the probe script through SSM Run Command; or they are read from a file.

mod agent;
mod file;
mod run_command;

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_agent::report::Courier;
use eic_doctor_proto::{Attempt, Fact, visible};

pub use file::{OsFileError, read_os_file};
pub use run_command::Pace;

use super::budget::Budget;
use super::operations::Aws;
use super::run::{Question, Seen};
use crate::facts::InstanceInformation;
use crate::path;

pub(super) struct Brought {
    pub os: Fact<OsFacts>,
    pub note: Option<String>,
}

impl Brought {
    fn nothing(why: impl AsRef<str>) -> Self {
        let why = why.as_ref();
        Self { os: Fact::unreadable(why), note: Some(visible(&format!("OS facts: none, {why}")).into_owned()) }
    }
}

pub(super) async fn bring<A: Aws>(
    aws: &A,
    budget: &Budget,
    pace: &Pace,
    question: &Question,
    seen: &Seen,
    node: &Fact<InstanceInformation>,
) -> Brought {
    // The way and the address are known now, and sshd's `Match` blocks may ask for them.
    let attempt = path::resolve(&question.attempt, &seen.instance);
    let by_agent = match &question.coordinator {
        None => None,
        Some(coordinator) => match agent::ask(budget, coordinator, &question.instance_id, &attempt).await {
            Ok(facts) => {
                let note = Some("OS facts: by the resident agent, through its coordinator".to_owned());
                return Brought { os: Fact::Known(facts), note };
            }
            Err(why) => Some(why),
        },
    };
    let brought = match question.courier {
        Some(courier) => by_run_command(aws, budget, pace, question, courier, (seen, node), &attempt).await,
        None if by_agent.is_none() => return Brought { os: Fact::NotGathered, note: None },
        None => Brought::nothing(by_agent.as_deref().unwrap_or_default()),
    };
    match by_agent.filter(|_| question.courier.is_some()) {
        None => brought,
        Some(why) => {
            let note = brought.note.as_deref().unwrap_or_default();
            let note = visible(&format!("{note}; the resident agent was asked first: {why}")).into_owned();
            Brought { note: Some(note), ..brought }
        }
    }
}

async fn by_run_command<A: Aws>(
    aws: &A,
    budget: &Budget,
    pace: &Pace,
    question: &Question,
    courier: Courier,
    (seen, node): (&Seen, &Fact<InstanceInformation>),
    attempt: &Attempt,
) -> Brought {
    if let Some(why) = not_reachable(seen, node) {
        return Brought::nothing(why);
    }
    match run_command::run(aws, budget, pace, &question.instance_id, attempt, courier).await {
        Ok((facts, command_id)) => {
            let by = facts.gathered_by.known().map_or("an unknown gatherer", String::as_str);
            let note = format!("OS facts: by {by} through SSM Run Command ({command_id})");
            Brought { os: Fact::Known(facts), note: Some(visible(&note).into_owned()) }
        }
        Err(why) => {
            let note = visible(&format!("OS facts: none, {}", why.reason)).into_owned();
            Brought { os: Fact::Unreadable(why), note: Some(note) }
        }
    }
}

/// Why no command needs to be sent. Where the list of nodes may not be read, sending is still worth a try.
fn not_reachable(seen: &Seen, node: &Fact<InstanceInformation>) -> Option<String> {
    if seen.instance == Fact::Absent {
        return Some("there is no such instance".to_owned());
    }
    let state =
        seen.instance.known().and_then(|instance| instance.state.as_ref()).and_then(|state| state.name.as_deref());
    if let Some(state) = state.filter(|state| *state != "running") {
        return Some(format!("the instance is {state}"));
    }
    match node {
        Fact::Absent => Some("the instance is not a managed node of Systems Manager".to_owned()),
        Fact::Known(node) => match (node.ping_status.as_deref(), node.platform_type.as_deref()) {
            (Some("Online") | None, Some("Linux") | None) => None,
            (Some("Online") | None, Some(platform)) => Some(format!("the instance runs {platform}, not Linux")),
            (Some(status), _) => {
                let last =
                    node.last_ping_date_time.as_deref().map_or_else(String::new, |last| format!(" since {last}"));
                Some(format!("the instance's SSM Agent does not answer (PingStatus {status}{last})"))
            }
        },
        Fact::Unreadable(why) if why.missing_action.is_none() => Some(why.reason.clone()),
        Fact::Unreadable(_) | Fact::NotGathered => None,
    }
}
