//! SSM Run Command: send, wait, read.

use std::time::Duration;

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_agent::report::{Courier, facts_from_stdout, ssm_script};
use eic_doctor_proto::{Attempt, Why, visible};

use crate::gather::budget::Budget;
use crate::gather::operations::{Aws, GetCommandInvocation, Invocation, SendCommand, ShellCommand};
use crate::gather::refused::chain;

/// Seconds until SSM gives up delivering the command. 30 is the least it takes (API reference, `SendCommand`).
const DELIVERY_SECONDS: i32 = 30;
/// Seconds that the script may run; it takes about one.
const EXECUTION_SECONDS: u32 = 30;

/// How often to ask whether the command has ended.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub first: Duration,
    pub longest: Duration,
    /// Times to ask before giving up.
    pub times: u32,
}

impl Default for Pace {
    /// Soon at first, since the script takes about a second; then every second and a half, for a bit longer than delivery and
    /// execution together may take.
    fn default() -> Self {
        Self { first: Duration::from_millis(150), longest: Duration::from_millis(1500), times: 60 }
    }
}

/// The facts and the command's id, or why there are none.
pub(super) async fn run<A: Aws>(
    aws: &A,
    budget: &Budget,
    pace: &Pace,
    instance_id: &str,
    attempt: &Attempt,
    courier: Courier,
) -> Result<(OsFacts, String), Why> {
    let shell = ShellCommand {
        instance_id: instance_id.to_owned(),
        script: ssm_script(attempt, courier),
        delivery_seconds: DELIVERY_SECONDS,
        execution_seconds: EXECUTION_SECONDS,
    };
    let sent = budget.ask(<A as SendCommand>::ACTION, aws.send_command(&shell)).await;
    let command_id = sent.map_err(|refused| match refused.code.as_deref() {
        Some("InvalidInstanceId") => {
            Why::new("Systems Manager does not manage the instance, or its SSM Agent does not answer")
        }
        _ => refused.why(),
    })?;
    let invocation = ended(aws, budget, pace, &command_id, instance_id).await?;
    facts_of(&invocation, attempt, &command_id).map(|facts| (facts, command_id))
}

/// The invocation once it has ended.
async fn ended<A: Aws>(
    aws: &A,
    budget: &Budget,
    pace: &Pace,
    command_id: &str,
    instance_id: &str,
) -> Result<Invocation, Why> {
    let action = <A as GetCommandInvocation>::ACTION;
    let mut wait = pace.first;
    let mut last = "not seen yet".to_owned();
    for _ in 0..pace.times {
        let answer = budget
            .ask(action, async {
                tokio::time::sleep(wait).await;
                aws.get_command_invocation(command_id, instance_id).await
            })
            .await;
        match answer {
            Ok(invocation) if is_under_way(&invocation) => last = state(&invocation).to_owned(),
            Ok(invocation) => return Ok(invocation),
            // Not yet visible everywhere (eventual consistency).
            Err(refused) if refused.code.as_deref() == Some("InvocationDoesNotExist") => {}
            Err(refused) => {
                let mut why = refused.why();
                why.reason = format!("{} (command {command_id}, last state: {last})", why.reason);
                return Err(why);
            }
        }
        wait = (wait * 3 / 2).min(pace.longest);
    }
    Err(Why::new(format!("command {command_id} did not end in time (last state: {last})")))
}

/// `StatusDetails` says more than `Status`; an old answer may lack it.
fn state(invocation: &Invocation) -> &str {
    let details = invocation.status_details.as_deref().filter(|details| !details.is_empty());
    details.or(invocation.status.as_deref()).unwrap_or("unknown")
}

fn is_under_way(invocation: &Invocation) -> bool {
    matches!(state(invocation), "Pending" | "InProgress" | "In Progress" | "Delayed" | "Cancelling")
}

/// Source of the states: Systems Manager User Guide, understanding command statuses.
fn facts_of(invocation: &Invocation, attempt: &Attempt, command_id: &str) -> Result<OsFacts, Why> {
    let told = facts_from_stdout(&invocation.standard_output, attempt);
    let reason = match (state(invocation), told) {
        // A whole block stands for itself, also when something behind it failed.
        ("Success" | "Failed", Ok(facts)) => return Ok(facts),
        ("Success", Err(error)) => format!("the script ran, but {}", chain(&error)),
        ("Failed", Err(_)) => format!("the script failed with exit status {}", invocation.response_code),
        ("DeliveryTimedOut" | "Delivery Timed Out", _) => {
            format!("the command did not reach the instance within {DELIVERY_SECONDS} s")
        }
        ("ExecutionTimedOut" | "Execution Timed Out" | "TimedOut", _) => {
            format!("the script ran longer than {EXECUTION_SECONDS} s")
        }
        ("Undeliverable", _) => "the command could not be delivered: the instance does not answer SSM".to_owned(),
        ("Cancelled", _) => "somebody cancelled the command".to_owned(),
        ("Terminated", _) => "the command was given up after too many errors".to_owned(),
        ("InvalidPlatform" | "Invalid Platform", _) => "AWS-RunShellScript does not run on this platform".to_owned(),
        ("AccessDenied" | "Access Denied", _) => "SSM was not permitted to run the command".to_owned(),
        (other, _) => format!("the command ended in the state {other}, which this version does not know"),
    };
    let stderr = tail(&invocation.standard_error);
    let stderr = if stderr.is_empty() { stderr } else { format!("; it wrote: {stderr}") };
    Err(Why::new(format!("{reason} (SSM command {command_id}){stderr}")))
}

/// The end of what a script wrote, in one line.
fn tail(text: &str) -> String {
    const LIMIT: usize = 200;
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let skip = words.chars().count().saturating_sub(LIMIT);
    let end: String = words.chars().skip(skip).collect();
    visible(&end).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended_as(details: &str) -> Invocation {
        Invocation {
            status_details: Some(details.to_owned()),
            response_code: 7,
            standard_error: "boom \u{1b}[31m\n".to_owned(),
            ..Invocation::default()
        }
    }

    #[test]
    fn every_state_has_its_own_reason() {
        let states = [
            "Success",
            "Failed",
            "DeliveryTimedOut",
            "ExecutionTimedOut",
            "Undeliverable",
            "Cancelled",
            "Terminated",
            "InvalidPlatform",
            "AccessDenied",
            "Novel",
        ];
        let reasons = states.map(|state| facts_of(&ended_as(state), &Attempt::usual(), "c").unwrap_err().reason);
        let distinct: std::collections::BTreeSet<_> = reasons.iter().collect();
        assert_eq!(distinct.len(), states.len(), "{reasons:#?}");
        assert!(reasons.iter().all(|reason| !reason.contains('\u{1b}') && reason.contains("boom")), "{reasons:#?}");
    }

    #[test]
    fn a_command_under_way_is_waited_for() {
        for details in ["Pending", "InProgress", "Delayed", "Cancelling"] {
            assert!(is_under_way(&ended_as(details)), "{details}");
        }
    }
}
