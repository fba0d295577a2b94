//! The instance's own addresses and routes.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

pub mod link_local_allowance;
pub mod return_route;

pub const ALL: &[&Check<OsFacts>] = &[&return_route::CHECK, &link_local_allowance::CHECK];
