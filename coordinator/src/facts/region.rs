//! `DescribeRegions`, `DescribeAvailabilityZones`.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Region {
    pub region_name: Option<String>,
    /// `opt-in-not-required`, `opted-in`, `not-opted-in`.
    pub opt_in_status: Option<String>,
    pub endpoint: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AvailabilityZone {
    pub zone_name: Option<String>,
    pub zone_id: Option<String>,
    /// `availability-zone`, `local-zone`, `wavelength-zone`.
    pub zone_type: Option<String>,
    pub region_name: Option<String>,
    pub group_name: Option<String>,
    pub parent_zone_name: Option<String>,
    pub state: Option<String>,
}
