//! The last login attempts as the host's log tells them.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

pub const ALL: &[&Check<OsFacts>] = &[];
