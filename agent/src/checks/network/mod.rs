//! The instance's own addresses and routes.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

pub const ALL: &[&Check<OsFacts>] = &[];
