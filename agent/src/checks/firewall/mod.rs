//! What filters packets to sshd on the instance itself.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

pub const ALL: &[&Check<OsFacts>] = &[];
