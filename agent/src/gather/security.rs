//! Security modules and policies: SELinux, FIPS mode, system-wide crypto policies.

use crate::facts::SecurityFacts;

use super::host::Host;

pub(super) fn gather_security(_host: &dyn Host) -> SecurityFacts {
    SecurityFacts::default()
}
