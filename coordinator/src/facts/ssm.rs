//! `DescribeInstanceInformation`.

use serde::{Deserialize, Serialize};

use super::time::text_or_number;

/// One element of `InstanceInformationList`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct InstanceInformation {
    pub instance_id: Option<String>,
    /// `Online`, `ConnectionLost`, `Inactive`.
    pub ping_status: Option<String>,
    /// RFC 3339; seconds since 1970 as text where version 1 of the AWS CLI wrote the file, which prints them as a number.
    #[serde(deserialize_with = "text_or_number")]
    pub last_ping_date_time: Option<String>,
    pub agent_version: Option<String>,
    pub is_latest_version: Option<bool>,
    /// `Linux`, `Windows`, `MacOS`.
    pub platform_type: Option<String>,
    pub platform_name: Option<String>,
    pub platform_version: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_the_aws_cli_write_a_time_that_is_read() {
        let time = |json: &str| serde_json::from_str::<InstanceInformation>(json).unwrap().last_ping_date_time;
        assert_eq!(time(r#"{"LastPingDateTime": 1795480911.5}"#).as_deref(), Some("1795480911.5"));
        assert_eq!(time(r#"{"LastPingDateTime": "2026-11-24T00:00:00Z"}"#).as_deref(), Some("2026-11-24T00:00:00Z"));
        assert_eq!(time("{}"), None);
    }
}
