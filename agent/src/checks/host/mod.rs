use eic_doctor_proto::Check;

use crate::facts::OsFacts;

mod resources;
mod supported;

pub use supported::is_listed;

pub const ALL: &[&Check<OsFacts>] = &[&supported::CHECK, &resources::CHECK];
