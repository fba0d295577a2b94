//! Where AWS's side and the instance must agree.

mod imds_package_version;
mod instance_operating_system;

use eic_doctor_proto::Check;

use crate::facts::Facts;

pub const ALL: &[&Check<Facts>] = &[&instance_operating_system::CHECK, &imds_package_version::CHECK];
