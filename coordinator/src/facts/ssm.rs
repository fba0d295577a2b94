//! `DescribeInstanceInformation`.

use serde::{Deserialize, Serialize};

/// One element of `InstanceInformationList`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct InstanceInformation {
    pub instance_id: Option<String>,
    /// `Online`, `ConnectionLost`, `Inactive`.
    pub ping_status: Option<String>,
    pub last_ping_date_time: Option<String>,
    pub agent_version: Option<String>,
    pub is_latest_version: Option<bool>,
    /// `Linux`, `Windows`, `MacOS`.
    pub platform_type: Option<String>,
    pub platform_name: Option<String>,
    pub platform_version: Option<String>,
}
