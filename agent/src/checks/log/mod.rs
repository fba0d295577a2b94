//! The last login attempts as the host's log tells them. `login` holds no check but what puts lines together.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

pub mod login;
mod recent_attempts;

pub const ALL: &[&Check<OsFacts>] = &[&recent_attempts::CHECK];
