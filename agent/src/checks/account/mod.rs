use eic_doctor_proto::Check;

use crate::facts::OsFacts;

mod keys_user;
mod os_user;

pub const ALL: &[&Check<OsFacts>] = &[&keys_user::CHECK, &os_user::CHECK];
