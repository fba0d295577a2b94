//! Is the service offered where the instance is?

mod availability_zone;
mod offered;

use eic_doctor_proto::Check;

use crate::facts::AwsFacts;

pub const ALL: &[&Check<AwsFacts>] = &[&offered::CHECK, &availability_zone::CHECK];
