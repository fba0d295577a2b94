use eic_doctor_proto::Check;

use crate::facts::OsFacts;

mod supported;

pub const ALL: &[&Check<OsFacts>] = &[&supported::CHECK];
