//! May the principal look the instance up, push a key, and open a tunnel where the way leads through an endpoint?

mod describe_instances;
mod open_tunnel;
mod principal;
mod send_ssh_public_key;
mod simulation;

use eic_doctor_proto::Check;

use crate::facts::AwsFacts;

pub const ALL: &[&Check<AwsFacts>] =
    &[&principal::CHECK, &describe_instances::CHECK, &send_ssh_public_key::CHECK, &open_tunnel::CHECK];
