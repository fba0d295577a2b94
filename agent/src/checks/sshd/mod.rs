//! sshd: whether it runs, where it listens, and what it does with a pushed key.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

mod accepted_algorithms;
mod authentication_methods;
mod authorized_keys_command;
mod authorized_keys_command_user;
mod configuration;
mod connection_limits;
mod lines;
mod max_auth_tries;
mod port;
mod public_key_authentication;
pub mod reason;
mod revoked_keys;
mod root_login;
mod running;
mod session;
mod user_allowed;

pub const ALL: &[&Check<OsFacts>] = &[
    &configuration::CHECK,
    &running::CHECK,
    &port::CHECK,
    &connection_limits::CHECK,
    &user_allowed::CHECK,
    &root_login::CHECK,
    &public_key_authentication::CHECK,
    &accepted_algorithms::CHECK,
    &authorized_keys_command::CHECK,
    &authorized_keys_command_user::CHECK,
    &revoked_keys::CHECK,
    &max_auth_tries::CHECK,
    &authentication_methods::CHECK,
    &session::CHECK,
];
