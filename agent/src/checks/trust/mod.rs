//! What the keys command trusts: its certificate authority, the clock, OpenSSL.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

pub const ALL: &[&Check<OsFacts>] = &[];
