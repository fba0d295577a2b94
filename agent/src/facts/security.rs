//! Security modules and policies: SELinux, FIPS mode, system-wide crypto policies.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecurityFacts {}
