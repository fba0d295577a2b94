//! Systems Manager: the courier of OS facts, and a second sign of life.

mod managed_node;
mod role;

use eic_doctor_proto::Check;

use crate::facts::AwsFacts;

pub const ALL: &[&Check<AwsFacts>] = &[&managed_node::CHECK];
