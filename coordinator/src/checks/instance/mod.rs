//! The instance as AWS's API describes it.

mod address;
mod console;
mod console_lines;
mod exists;
mod metadata_endpoint;
mod not_operator_managed;
mod not_windows;
mod running;
mod scheduled_events;
mod status_checks;

use eic_doctor_proto::{Check, Command, Remedy};

use super::command::{aws, instance_id, recheck};
use crate::facts::AwsFacts;

pub const ALL: &[&Check<AwsFacts>] = &[
    &exists::CHECK,
    &running::CHECK,
    &status_checks::CHECK,
    &console::CHECK,
    &scheduled_events::CHECK,
    &not_windows::CHECK,
    &not_operator_managed::CHECK,
    &metadata_endpoint::CHECK,
    &address::CHECK,
];

/// `aws ec2 OPERATION … ID`, where the id is one.
fn on_instance(facts: &AwsFacts, operation: &[&str], flag: &str) -> Option<Command> {
    let (first, rest) = operation.split_first()?;
    Some(aws(facts, "ec2", first).args(rest.iter().copied()).args([flag, instance_id(facts)?]))
}

/// A stop and a start, which move the instance to another host.
fn stop_and_start(facts: &AwsFacts) -> Option<Command> {
    let steps: [&[&str]; 3] = [&["stop-instances"], &["wait", "instance-stopped"], &["start-instances"]];
    steps.into_iter().filter_map(|step| on_instance(facts, step, "--instance-ids")).reduce(Command::and)
}

fn remedy(facts: &AwsFacts, text: &str, command: Option<Command>, only: &str) -> Remedy {
    match command {
        Some(command) => Remedy::by_command(text, &command, recheck(facts, only)),
        None => Remedy::by_hand(text, recheck(facts, only)),
    }
}
