use eic_doctor_proto::Check;

use crate::facts::OsFacts;

mod authorized_keys_command;
mod authorized_keys_command_user;
mod port;
mod reason;
mod root_login;
mod running;
mod user_allowed;

pub const ALL: &[&Check<OsFacts>] = &[
    &running::CHECK,
    &port::CHECK,
    &user_allowed::CHECK,
    &root_login::CHECK,
    &authorized_keys_command::CHECK,
    &authorized_keys_command_user::CHECK,
];
