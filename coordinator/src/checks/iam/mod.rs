//! May the principal push a key, and open a tunnel where the way leads through an endpoint?

mod open_tunnel;
mod principal;
mod send_ssh_public_key;
mod simulation;

use eic_doctor_proto::Check;

use crate::facts::AwsFacts;

pub const ALL: &[&Check<AwsFacts>] = &[&principal::CHECK, &send_ssh_public_key::CHECK, &open_tunnel::CHECK];
