//! Where AWS's side and the instance must agree.

mod account_os_user;
mod connection_last_push;
mod imds_package_version;
mod instance_operating_system;
mod network_address;

use eic_doctor_proto::Check;

use crate::facts::Facts;

pub const ALL: &[&Check<Facts>] = &[
    &instance_operating_system::CHECK,
    &account_os_user::CHECK,
    &network_address::CHECK,
    &imds_package_version::CHECK,
    &connection_last_push::CHECK,
];
