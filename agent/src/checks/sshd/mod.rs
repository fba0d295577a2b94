use eic_doctor_proto::Check;

use crate::facts::OsFacts;

mod authorized_keys_command;
mod authorized_keys_command_user;
mod port;
mod reason;
mod running;

pub const ALL: &[&Check<OsFacts>] =
    &[&running::CHECK, &port::CHECK, &authorized_keys_command::CHECK, &authorized_keys_command_user::CHECK];
