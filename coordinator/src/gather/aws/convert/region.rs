//! `DescribeRegions`, `DescribeAvailabilityZones`.

use aws_sdk_ec2::types as sdk;

use super::word;
use crate::facts::{AvailabilityZone, Region};

pub fn region(from: sdk::Region) -> Region {
    Region { region_name: from.region_name, opt_in_status: from.opt_in_status, endpoint: from.endpoint }
}

pub fn availability_zone(from: sdk::AvailabilityZone) -> AvailabilityZone {
    AvailabilityZone {
        zone_name: from.zone_name,
        zone_id: from.zone_id,
        zone_type: from.zone_type,
        region_name: from.region_name,
        group_name: from.group_name,
        parent_zone_name: from.parent_zone_name,
        state: word(from.state),
    }
}
