//! May the principal push a key?

mod principal;
mod send_ssh_public_key;

use eic_doctor_proto::Check;

use crate::facts::AwsFacts;

pub const ALL: &[&Check<AwsFacts>] = &[&principal::CHECK, &send_ssh_public_key::CHECK];
