//! Security modules and policies: SELinux, FIPS mode, system-wide crypto policies.

use eic_doctor_proto::Check;

use crate::facts::OsFacts;

mod crypto_policy;
mod selinux;

pub const ALL: &[&Check<OsFacts>] = &[&selinux::CHECK, &crypto_policy::CHECK];
