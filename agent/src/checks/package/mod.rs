use eic_doctor_proto::Check;

use crate::facts::OsFacts;

mod installed;
mod keys_command_files;
mod mode;
mod version;

pub const ALL: &[&Check<OsFacts>] = &[&installed::CHECK, &version::CHECK, &keys_command_files::CHECK];
