//! Security modules and policies: SELinux, FIPS mode, system-wide crypto policies.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

pub const ALL: &[&Check<OsFacts>] = &[];
